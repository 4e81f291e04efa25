package negotiate_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"sync/atomic"
	"time"

	"github.com/mailport/mailport/auth"
	"github.com/mailport/mailport/negotiate"
	"github.com/mailport/mailport/submit"
	"github.com/mailport/mailport/submit/submittest"
)

// What stands between these examples and the real world: a server of their own.
// The lines that mention it are marked, and left out where the README shows them.
func exampleServer() *submittest.Server {
	example := &submittest.Server{Host: "smtp.example.com", Users: map[string]string{"me@example.com": "sesame"}}
	if err := example.Start(); err != nil {
		log.Fatal(err)
	}
	os.Setenv("SMTP_PASSWORD", "sesame")
	return example
}

func Example() {
	example := exampleServer() // a server of the example's own
	defer example.Close()      // a server of the example's own
	ctx := context.Background()
	data := []byte("From: me@example.com\r\nTo: you@example.net\r\nSubject: Hello\r\n\r\nHello!\r\n")

	server := &negotiate.Negotiator{
		Host:   "smtp.example.com",
		Config: submit.Config{Credentials: auth.Password("me@example.com", os.Getenv("SMTP_PASSWORD"))},
	}
	server.TLS, server.DialContext = example.Config().TLS, example.Config().DialContext // a server of the example's own
	receipt, err := submit.Send(ctx, server, "me@example.com", []string{"you@example.net"}, data)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("taken by", receipt.Endpoint)
	// Output: taken by submissions://smtp.example.com:465
}

// 587 before 465, as older advice has it, or 587 alone: one field each.
func ExamplePolicy() {
	example := exampleServer() // a server of the example's own
	defer example.Close()      // a server of the example's own
	ctx := context.Background()
	config := example.Config()

	server := &negotiate.Negotiator{
		Host:   "smtp.example.com",
		Policy: negotiate.Policy{Prefer: negotiate.STARTTLS}, // and FailClosed: true for 587 or nothing
		Config: config,
	}
	session, err := server.Dial(ctx)
	if err != nil {
		log.Fatal(err)
	}
	defer session.Close()
	fmt.Println(session.Endpoint())
	// Output: submission://smtp.example.com:587
}

// A report tells what was tried, what was chosen, and why.
func ExampleReport() {
	example := exampleServer()                                                                                          // a server of the example's own
	defer example.Close()                                                                                               // a server of the example's own
	example.SetFaults(submittest.Fault{Service: submit.Submissions, Phase: submit.PhaseConnect, Do: submittest.Refuse}) // a server of the example's own
	ctx := context.Background()
	config := example.Config()

	server := &negotiate.Negotiator{
		Host:    "smtp.example.com",
		Config:  config,
		Observe: func(_ context.Context, r *negotiate.Report) { fmt.Println(r.Diagnosis()) },
	}
	session, err := server.Dial(ctx)
	if err != nil {
		log.Fatal(err)
	}
	session.Close()
	// Output: used submission://smtp.example.com:587; submissions://smtp.example.com:465: connect: connection refused
}

func ExampleError() {
	example := exampleServer() // a server of the example's own
	defer example.Close()      // a server of the example's own
	ctx := context.Background()
	config := example.Config()
	data := []byte("Subject: Hello\r\n\r\nHello!\r\n")
	config.Credentials = auth.Password("me@example.com", "mistyped") // a server of the example's own
	server := &negotiate.Negotiator{Host: "smtp.example.com", Config: config}

	receipt, err := submit.Send(ctx, server, "me@example.com", []string{"you@example.net"}, data)
	switch {
	case err == nil:
		fmt.Println("taken:", receipt.Reply)
	case errors.Is(err, submit.ErrUncertain): // it may have been taken: do not send it again unasked
		fmt.Println("in doubt:", err)
	case errors.Is(err, submit.ErrInvalid): // nothing was sent: mend the message or the configuration
		fmt.Println("invalid:", err)
	case errors.Is(err, submit.ErrCredentials): // ask for the password, or for one
		fmt.Println("who are you?", err)
	case errors.Is(err, submit.ErrInsecure): // no TLS, or a bad certificate: tell someone
		fmt.Println("not safe:", err)
	case errors.Is(err, submit.ErrRejected): // for good: do not send it there again
		fmt.Println("rejected:", err)
	case errors.Is(err, submit.ErrTemporary): // try again later
		fmt.Println("not now:", err)
	case errors.Is(err, submit.ErrUnreachable): // and not only for now: there is no such host
		fmt.Println("no such server:", err)
	default: // a context that ended, a message that could not be read, a server that does not follow the protocol
		fmt.Println("failed:", err)
	}

	var e *submit.Error
	if errors.As(err, &e) && e.Reply != nil {
		fmt.Printf("%v at %v: %d\n", e.Phase, e.Endpoint, e.Reply.Code)
	}
	// Output:
	// who are you? submissions://smtp.example.com:465: auth: 535 5.7.8 Authentication failed
	// auth at submissions://smtp.example.com:465: 535
}

// Mailer is an application's own.
type Mailer struct {
	Submitter submit.Submitter // a Negotiator, a Pool, what is wrapped around them, or a test's Recorder
	From      string
}

func (m *Mailer) Welcome(ctx context.Context, name, address string) error {
	data := fmt.Appendf(nil, "From: %s\r\nTo: %s\r\nSubject: Welcome\r\n\r\nHello %s,\r\n", m.From, address, name)
	_, err := submit.Send(ctx, m.Submitter, m.From, []string{address}, data)
	return err
}

// Counted is middleware: a Submitter around a Submitter.
func Counted(next submit.Submitter, taken *atomic.Int64) submit.Submitter {
	return submit.SubmitterFunc(func(ctx context.Context, m submit.Message) (*submit.Receipt, error) {
		receipt, err := next.Submit(ctx, m)
		if err == nil {
			taken.Add(1)
		}
		return receipt, err
	})
}

// An application's own mailer over a pool that keeps sessions between messages,
// with middleware in between.
func Example_mailer() {
	example := exampleServer() // a server of the example's own
	defer example.Close()      // a server of the example's own
	config := example.Config()
	config.Timeouts.Connect = 10 * time.Second
	ctx := context.Background()
	config.Credentials = auth.Password("me@example.com", os.Getenv("SMTP_PASSWORD"))

	pool := &submit.Pool{Transport: &negotiate.Negotiator{Host: "smtp.example.com", Config: config}}
	defer pool.Close() // waits for messages under way; to hurry, end their contexts

	var taken atomic.Int64
	mailer := &Mailer{Submitter: Counted(pool, &taken), From: "me@example.com"}
	if err := mailer.Welcome(ctx, "Ann", "ann@example.net"); err != nil {
		log.Print(err)
	}
	fmt.Println(taken.Load(), "taken")
	// Output: 1 taken
}
