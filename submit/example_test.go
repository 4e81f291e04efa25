package submit_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"strings"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/mailport/mailport/auth"
	"github.com/mailport/mailport/submit"
	"github.com/mailport/mailport/submit/submittest"
)

// exampleServer takes mail of one user. In its place there is a real server where
// this is no example, and the zero Config but for Credentials.
func exampleServer() (*submittest.Server, submit.Config) {
	server := &submittest.Server{Users: map[string]string{"me@example.com": "secret"}}
	if err := server.Start(); err != nil {
		log.Fatal(err)
	}
	return server, server.Config()
}

// Implicit TLS on port 465, and nothing else. Package negotiate finds out by
// itself which port a server has.
func Example() {
	server, config := exampleServer()
	defer server.Close()

	config.Credentials = auth.Password("me@example.com", "secret")
	transport := &submit.ImplicitTLS{Host: "mail.example.com", Config: config}
	receipt, err := transport.Submit(context.Background(), submit.Message{
		From: "me@example.com",
		To:   []string{"you@example.net"},
		Body: strings.NewReader("From: me@example.com\nTo: you@example.net\nSubject: hello\n\nHello!\n"),
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(receipt.Endpoint)
	fmt.Println(receipt.Reply.Code)
	// Output:
	// submissions://mail.example.com:465
	// 250
}

// For who comes from net/smtp.SendMail.
func ExampleSend() {
	server, config := exampleServer()
	defer server.Close()

	config.Credentials = auth.Password("me@example.com", "secret")
	transport := &submit.STARTTLS{Host: "mail.example.com", Config: config}
	data := []byte("From: me@example.com\r\nTo: you@example.net\r\nSubject: hello\r\n\r\nHello!\r\n")
	receipt, err := submit.Send(context.Background(), transport, "me@example.com", []string{"you@example.net"}, data)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(receipt.Endpoint)
	// Output: submission://mail.example.com:587
}

// A pool keeps sessions between messages, and is safe for concurrent use.
func ExamplePool() {
	server, config := exampleServer()
	defer server.Close()

	config.Credentials = auth.Password("me@example.com", "secret")
	pool := &submit.Pool{
		Transport:   &submit.ImplicitTLS{Host: "mail.example.com", Config: config},
		MaxSessions: 2,
	}
	defer pool.Close()
	for i := range 3 {
		data := fmt.Appendf(nil, "Subject: number %d\r\n\r\nHello!\r\n", i)
		if _, err := submit.Send(context.Background(), pool, "me@example.com", []string{"you@example.net"}, data); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println(len(server.Messages()), "messages,", server.Connections(""), "connection")
	// Output: 3 messages, 1 connection
}

// What an error means is asked with errors.Is, the uncertain first; what was said,
// by whom and when, is in *Error.
func ExampleError() {
	server, config := exampleServer()
	defer server.Close()

	config.Credentials = auth.Password("me@example.com", "guess")
	transport := &submit.ImplicitTLS{Host: "mail.example.com", Config: config}
	data := []byte("Subject: hello\r\n\r\nHello!\r\n")
	_, err := submit.Send(context.Background(), transport, "me@example.com", []string{"you@example.net"}, data)
	switch {
	case err == nil:
		fmt.Println("sent")
	case errors.Is(err, submit.ErrUncertain):
		fmt.Println("may have been sent; do not send again unasked")
	case errors.Is(err, submit.ErrInvalid):
		fmt.Println("not a message")
	case errors.Is(err, submit.ErrCredentials):
		fmt.Println("ask for the password")
	case errors.Is(err, submit.ErrInsecure):
		fmt.Println("tell someone")
	case errors.Is(err, submit.ErrTemporary):
		fmt.Println("try again later")
	case errors.Is(err, submit.ErrRejected):
		fmt.Println("do not try again")
	}
	var e *submit.Error
	if errors.As(err, &e) && e.Reply != nil {
		fmt.Println(e.Phase, e.Reply.Code)
	}
	// Output:
	// ask for the password
	// auth 535
}

// Middleware is a function from Submitter to Submitter: here one that keeps some
// time between messages, for a server that counts.
func ExampleSubmitterFunc() {
	paced := func(next submit.Submitter, every time.Duration) submit.Submitter {
		tick := time.Tick(every)
		return submit.SubmitterFunc(func(ctx context.Context, m submit.Message) (*submit.Receipt, error) {
			select {
			case <-tick:
				return next.Submit(ctx, m)
			case <-ctx.Done():
				return nil, context.Cause(ctx)
			}
		})
	}

	outbox := new(submittest.Recorder)
	mailer := paced(outbox, 10*time.Millisecond)
	began := time.Now()
	for range 3 {
		if _, err := submit.Send(context.Background(), mailer, "me@example.com", []string{"you@example.net"}, []byte("Subject: hello\n\nHello!\n")); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println(len(outbox.Messages()), "messages")
	fmt.Println("in no less than 20 ms:", time.Since(began) >= 20*time.Millisecond)
	// Output:
	// 3 messages
	// in no less than 20 ms: true
}

// Recipients have parameters of their own, and a message for several can be
// delivered to some of them.
func ExampleMessage() {
	server, config := exampleServer()
	defer server.Close()

	config.Credentials = auth.Password("me@example.com", "secret")
	transport := &submit.ImplicitTLS{Host: "mail.example.com", Config: config}
	_, err := transport.Submit(context.Background(), submit.Message{
		From:    "me@example.com",
		To:      []string{"you@example.net", "them@example.net"},
		Body:    strings.NewReader("Subject: hello\n\nHello!\n"),
		Partial: true,
		Options: &smtp.MailOptions{EnvelopeID: "4711", Return: smtp.DSNReturnHeaders},
		RcptOptions: map[string]*smtp.RcptOptions{
			"you@example.net": {Notify: []smtp.DSNNotify{smtp.DSNNotifyFailure, smtp.DSNNotifyDelayed}},
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	m := server.Messages()[0]
	fmt.Println(m.Options.EnvelopeID, m.RcptOptions["you@example.net"].Notify)
	// Output: 4711 [FAILURE DELAY]
}
