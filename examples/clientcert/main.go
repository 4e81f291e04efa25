// Command clientcert submits a message as somebody whom a client certificate names:
// no password, SASL mechanism EXTERNAL (RFC 4422, appendix A). It works the same over
// implicit TLS, port 465, and over STARTTLS, port 587.
//
// It is a module of its own, since it takes a package that reads PKCS#12:
//
//	cd examples/clientcert
//	go run .
//
// starts a submission server on the loopback interface that knows people by their
// certificates, makes one, and submits a message with it over each port: once from
// PEM files, once from a PKCS#12 file. Then it tries without a certificate, which must
// fail. It ends with exit code 0 if all of that went as it should.
//
// # With a server of yours
//
//	go run . -host smtp.example.com -from me@example.com -cert me.pem -key me.key you@example.net
//	MAILPORT_P12_PASSWORD=... go run . -host smtp.example.com -from me@example.com -p12 me.p12 you@example.net
//
// Flags come before the recipients:
//
//	-host HOST        the server
//	-port N           instead of 465 and 587, whatever is spoken there
//	-from ADDRESS     the sender
//	-cert FILE        the certificate in PEM, and after it the intermediate ones, if
//	                  the server needs them
//	-key FILE         its key in PEM, not encrypted; without it, the file of -cert
//	-p12 FILE         certificate and key in PKCS#12 (.p12, .pfx), instead of both; the
//	                  password is in the environment variable MAILPORT_P12_PASSWORD
//	-identity NAME    whom to act for, if that is not whom the certificate names
//	-ca FILE          trust the authorities in this PEM file, and no others, to vouch
//	                  for the server
//	-starttls-first   try 587 before 465
//
// What is wrong with the certificate is said before anything is sent: a password that
// does not fit, a key of another certificate, one that has expired or is not for
// clients. Errors go to standard error, with exit code 1.
//
// # To copy from
//
// The functions load and withCertificate are what a program needs. Only what reads
// PKCS#12 takes another package; for PEM the standard library does.
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

	"github.com/mailport/mailport/submit"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	os.Exit(run(ctx, os.Args[1:], os.LookupEnv, submit.Config{}, os.Stdout, os.Stderr))
}

// run is the program. It returns the exit code.
func run(ctx context.Context, args []string, env func(string) (string, bool), config submit.Config, stdout, stderr io.Writer) int {
	o, err := parse(args, env)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stdout, usage)
		return 0
	case err == nil && o.host == "":
		err = demonstrate(ctx, stdout)
	case err == nil:
		err = o.send(ctx, config, stdout)
	}
	if err != nil {
		fmt.Fprintln(stderr, "clientcert:", err)
		return 1
	}
	return 0
}
