// Command sendmail submits a message that it reads from standard input, and
// says in its exit code what became of it. It is for scripts, and to try a
// server with.
//
//	sendmail -host HOST -from ADDRESS [flags] RECIPIENT...
//
// It finds out by itself whether the server wants TLS from the first byte, port
// 465, or STARTTLS, port 587. Nothing is sent without TLS and a valid
// certificate.
//
//	printf 'Subject: hello\n\nHello.\n' |
//		MAILPORT_PASSWORD=... sendmail -host smtp.example.com -user me@example.com \
//			-from me@example.com you@example.net
//
// The message is sent as it is, line ends made CRLF: no field is added to its
// header, and nothing in its header adds a recipient.
//
// # Flags
//
//	-host HOST          the server: a name, or an address
//	-from ADDRESS       the envelope's sender; -from "" is the null reverse-path
//	-user USER          authenticate, with the password in the environment
//	                    variable MAILPORT_PASSWORD; without it, do not
//	-policy POLICY      implicit-first (the default), starttls-first,
//	                    implicit-only or starttls-only
//	-port N             instead of 465 and 587, whatever is spoken there
//	-implicit-port N    instead of 465
//	-starttls-port N    instead of 587
//	-ca FILE            trust the authorities in this PEM file, and no others
//	-timeout DURATION   for one message, once its header has been read, to the
//	                    server's verdict; 30s if not given
//	-partial            go on without recipients that are refused, and name them
//	                    on standard error; by default all get it or none
//	-repeat N           send the message N times, over one connection if it lasts
//	-pause DURATION     between two of them
//	-json               tell what happened on standard output, see below
//	-v                  tell what happened on standard error
//	-h                  show this
//
// The header of the message is read and checked before anything is sent. The
// rest is read while it is sent, or first of all with -repeat. SIGINT and
// SIGTERM end it at any time.
//
// # Exit codes
//
// They are those of sysexits.h. Each failure is one line on standard error.
//
//	 0  the server has taken the message
//	64  the command line is not right
//	65  the message or an address is not right, or standard input cannot be
//	    read; nobody gets anything
//	69  the server refused the message for good, or could not be reached
//	75  the server refused it for now; or -timeout ran out, a signal came, or the
//	    connection was lost. In one case, which the line on standard error names,
//	    the server may have taken the message all the same: the connection was
//	    lost between the end of the message and the server's verdict.
//	76  TLS or the protocol failed: a certificate that is not valid, no STARTTLS,
//	    or another service than mail submission
//	77  the server refused the password, or wants one, or offers no way to show it
//
// If no port could be used and they failed differently, what stands further down
// in this order counts: 69, 75, 77, 76.
//
// With -repeat the exit code is that of the last message that failed, and 0 if
// none did: a later success hides no earlier failure. After 64, 65 and 77 no
// further message is tried. The same would come of it, and a wrong password
// shown again and again may lock the account.
//
// # JSON
//
// With -json there is one object for each message, on a line of its own, unless
// the exit code is 64. All four members are always there:
//
//	report   how the port was chosen, as negotiate.Report has it; null if no
//	         connection was opened
//	receipt  endpoint, code, enhanced, text (the server's reply), tls, and refused
//	         (with -partial; each with recipient, code, enhanced, text); null if
//	         the message was not accepted
//	error    what stands on standard error; null if the message was accepted
//	exit     the exit code, had this been the only message
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	os.Exit(run(ctx, os.Args[1:], os.Getenv, os.Stdin, os.Stdout, os.Stderr))
}

// run is the program. It returns the exit code.
func run(ctx context.Context, args []string, env func(string) string, stdin io.Reader, stdout, stderr io.Writer) int {
	o, err := parse(args, env)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stdout, usage)
		return exitOK
	case err != nil:
		fmt.Fprintf(stderr, "sendmail: %v (sendmail -h shows how it is used)\n", err)
		return exitCode(err)
	}
	return newMailer(o, stdout, stderr).run(ctx, stdin)
}
