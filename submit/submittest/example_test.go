package submittest_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/mailport/mailport/auth"
	"github.com/mailport/mailport/submit"
	"github.com/mailport/mailport/submit/submittest"
)

// A function under test takes a Submitter, and does not learn what it is.
func welcome(ctx context.Context, s submit.Submitter, to string) error {
	data := "From: us@example.com\nTo: " + to + "\nSubject: Welcome\n\nHello.\n"
	_, err := submit.Send(ctx, s, "us@example.com", []string{to}, []byte(data))
	return err
}

func ExampleRecorder() {
	var outbox submittest.Recorder
	if err := welcome(context.Background(), &outbox, "you@example.net"); err != nil {
		fmt.Println(err)
	}
	for _, m := range outbox.Messages() {
		fmt.Printf("to %v:\n%s", m.To, m.Data)
	}
	// Output:
	// to [you@example.net]:
	// From: us@example.com
	// To: you@example.net
	// Subject: Welcome
	//
	// Hello.
}

// A server that wants SCRAM, and one day is not who it says it is.
func ExampleServer_mechanisms() {
	server := &submittest.Server{
		Users:      map[string]string{"me": "secret"},
		Mechanisms: []string{"SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"},
	}
	if err := server.Start(); err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()

	config := server.Config()
	config.Credentials = auth.Password("me", "secret")
	mail := &submit.ImplicitTLS{Host: "mail.example.com", Config: config}
	err := welcome(context.Background(), mail, "you@example.net")
	fmt.Println(err, "by", server.Messages()[0].User)

	server.SetFaults(submittest.Fault{Phase: submit.PhaseAuth, Do: submittest.SkipSignature})
	err = welcome(context.Background(), mail, "you@example.net")
	fmt.Println(errors.Is(err, submit.ErrInsecure), len(server.Messages()))
	// Output:
	// <nil> by me
	// true 1
}
