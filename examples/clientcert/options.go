package main

import (
	"context"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/mailport/mailport/negotiate"
	"github.com/mailport/mailport/submit"
)

const usage = `Usage: clientcert
       clientcert -host HOST -from ADDRESS -cert FILE [-key FILE] [flags] RECIPIENT...
       clientcert -host HOST -from ADDRESS -p12 FILE [flags] RECIPIENT...

Without arguments it starts a submission server of its own, and sends it messages
with a client certificate. With -host it sends a message through a real server.

  -host HOST        the server
  -port N           instead of 465 and 587, whatever is spoken there
  -from ADDRESS     the sender
  -cert FILE        the certificate in PEM, with intermediate ones after it
  -key FILE         its key in PEM, not encrypted; without it, the file of -cert
  -p12 FILE         certificate and key in PKCS#12, instead of both; the password
                    is in MAILPORT_P12_PASSWORD
  -identity NAME    whom to act for, if that is not whom the certificate names
  -ca FILE          trust the authorities in this PEM file, and no others, to
                    vouch for the server
  -starttls-first   try 587 before 465
`

// passwordName is the environment variable with the password of a PKCS#12 file: flags
// can be read by other users of the machine.
const passwordName = "MAILPORT_P12_PASSWORD"

// options are for a real server.
type options struct {
	host          string
	port          int
	from          string
	to            []string
	files         files
	identity      string
	authorities   string
	starttlsFirst bool
}

func parse(args []string, env func(string) (string, bool)) (*options, error) {
	o := &options{}
	o.files.password, o.files.hasPassword = env(passwordName)
	fs := flag.NewFlagSet("clientcert", flag.ContinueOnError)
	fs.SetOutput(io.Discard) // run prints the error
	fs.StringVar(&o.host, "host", "", "")
	fs.IntVar(&o.port, "port", 0, "")
	fs.StringVar(&o.from, "from", "", "")
	fs.StringVar(&o.files.cert, "cert", "", "")
	fs.StringVar(&o.files.key, "key", "", "")
	fs.StringVar(&o.files.p12, "p12", "", "")
	fs.StringVar(&o.identity, "identity", "", "")
	fs.StringVar(&o.authorities, "ca", "", "")
	fs.BoolVar(&o.starttlsFirst, "starttls-first", false, "")
	if err := fs.Parse(args); err != nil {
		return nil, err
	}
	o.to = fs.Args()
	switch {
	case len(args) == 0:
		return o, nil // the demonstration
	case o.host == "":
		return nil, errors.New("-host is missing")
	case o.from == "":
		return nil, errors.New("-from is missing")
	case o.files.cert == "" && o.files.p12 == "":
		return nil, errors.New("-cert or -p12 is missing")
	case o.files.p12 != "" && o.files.cert+o.files.key != "":
		return nil, errors.New("-p12 has certificate and key in it; leave -cert and -key out")
	case len(o.to) == 0:
		return nil, errors.New("no recipients")
	}
	return o, nil
}

// send sends a message through a real server.
func (o *options) send(ctx context.Context, config submit.Config, out io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	certificate, err := load(o.files, time.Now())
	if err != nil {
		return err
	}
	config = withCertificate(config, certificate, o.identity)
	if o.authorities != "" {
		if config.TLS.RootCAs, err = authorities(o.authorities); err != nil {
			return err
		}
	}
	server := &negotiate.Negotiator{Host: o.host, Port: o.port, Config: config}
	if o.starttlsFirst {
		server.Policy.Prefer = negotiate.STARTTLS
	}
	receipt, err := submit.Send(ctx, server, o.from, o.to, message(o.from, o.to))
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "accepted by %v: %v\n", receipt.Endpoint, receipt.Reply)
	return nil
}

func authorities(file string) (*x509.CertPool, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s: no certificate in PEM", file)
	}
	return pool, nil
}
