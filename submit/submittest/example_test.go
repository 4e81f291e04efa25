package submittest_test

import (
	"context"
	"fmt"

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
