// Command quickstart shows what happens when mailport submits a message.
//
//	go run ./examples/quickstart
//
// starts a submission server on the loopback interface and sends message.eml to
// it three times: when both ports work, when 465 is refused, and when the
// server's certificate is not valid. For each it prints the report of the
// negotiation (what was tried, when, what came of it, and why) and the receipt,
// or the error. It ends with exit code 0 if all of that went as it should: the
// message arrived octet for octet, and with the bad certificate nothing was
// sent.
//
// # With a server of yours
//
//	MAILPORT_USER=me@example.com MAILPORT_PASSWORD=... \
//		go run ./examples/quickstart -host smtp.example.com you@example.net
//
// Flags come before the recipients:
//
//	-host HOST        the server
//	-port N           instead of 465 and 587, whatever is spoken there
//	-from ADDRESS     the sender; without it, MAILPORT_USER
//	-starttls-first   try 587 before 465
//
// Without MAILPORT_USER it does not authenticate. The message gets a From, To,
// Date and Message-ID of its own. Errors go to standard error, with exit code 1.
//
// # To copy from
//
// The function send, and the Negotiator that it is called with, are what a
// program needs. The rest is for the show.
package main

import (
	"context"
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/mailport/mailport/negotiate"
	"github.com/mailport/mailport/submit"
)

// message is complete: a header, an empty line, a body. Git leaves its line ends
// alone, see .gitattributes.
//
//go:embed message.eml
var message []byte

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is the program. It returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, err := parse(args, os.Getenv)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stdout, usage)
		return 0
	case err == nil && o.host == "":
		err = demonstrate(ctx, stdout)
	case err == nil:
		err = o.send(ctx, submit.Config{}, stdout)
	}
	if err != nil {
		fmt.Fprintln(stderr, "quickstart:", err)
		return 1
	}
	return 0
}

// send submits a message and prints what the server said to it.
func send(ctx context.Context, server *negotiate.Negotiator, from string, to []string, data []byte, out io.Writer) error {
	receipt, err := submit.Send(ctx, server, from, to, data)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "   accepted by %v: %v\n", receipt.Endpoint, receipt.Reply)
	return nil
}

// printTo returns what prints the report of each negotiation.
func printTo(out io.Writer) func(context.Context, *negotiate.Report) {
	return func(_ context.Context, r *negotiate.Report) {
		fmt.Fprintf(out, "   %s\n", strings.ReplaceAll(r.String(), "\n", "\n   "))
	}
}
