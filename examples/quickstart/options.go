package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/mail"
	"strings"
	"time"

	"github.com/mailport/mailport/auth"
	"github.com/mailport/mailport/negotiate"
	"github.com/mailport/mailport/submit"
)

const usage = `Usage: quickstart
       quickstart -host HOST [flags] RECIPIENT...

Without arguments it starts a submission server of its own and sends it a message
three times. With -host it sends the message through a real server; the user name
is in MAILPORT_USER and the password in MAILPORT_PASSWORD.

  -host HOST        the server
  -port N           instead of 465 and 587, whatever is spoken there
  -from ADDRESS     the sender; without it, MAILPORT_USER
  -starttls-first   try 587 before 465
`

// options are for a real server.
type options struct {
	host           string
	port           int
	user, password string
	from           string
	to             []string
	starttlsFirst  bool
}

func parse(args []string, env func(string) string) (*options, error) {
	o := &options{user: env("MAILPORT_USER"), password: env("MAILPORT_PASSWORD")}
	fs := flag.NewFlagSet("quickstart", flag.ContinueOnError)
	fs.SetOutput(io.Discard) // run prints the error
	fs.StringVar(&o.host, "host", "", "")
	fs.IntVar(&o.port, "port", 0, "")
	fs.StringVar(&o.from, "from", o.user, "")
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
		return nil, errors.New("-from is missing, and MAILPORT_USER is not set")
	case o.user != "" && o.password == "":
		return nil, errors.New("MAILPORT_USER is set, and MAILPORT_PASSWORD is not")
	case len(o.to) == 0:
		return nil, errors.New("no recipients")
	}
	return o, nil
}

// send sends the message through a real server.
func (o *options) send(ctx context.Context, config submit.Config, out io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if o.user != "" {
		config.Credentials = auth.Password(o.user, o.password)
	}
	server := &negotiate.Negotiator{Host: o.host, Port: o.port, Config: config, Observe: printTo(out)}
	if o.starttlsFirst {
		server.Policy.Prefer = negotiate.STARTTLS
	}
	return send(ctx, server, o.from, o.to, o.addressed(message), out)
}

// addressed returns a copy of the message that is from and to whom it should be.
// None of the fields that it replaces is folded in message.eml.
func (o *options) addressed(message []byte) []byte {
	domain := o.from[strings.LastIndex(o.from, "@")+1:]
	fields := map[string]string{
		"Date":       time.Now().Format(time.RFC1123Z),
		"Message-ID": "<" + rand.Text() + "@" + domain + ">",
		"From":       addresses(o.from),
		"To":         addresses(o.to...),
	}
	header, body, _ := bytes.Cut(message, []byte("\r\n\r\n"))
	var b bytes.Buffer
	for line := range strings.SplitSeq(string(header), "\r\n") {
		name, _, _ := strings.Cut(line, ":")
		if value, ok := fields[name]; ok {
			line = name + ": " + value
		}
		fmt.Fprintf(&b, "%s\r\n", line)
	}
	fmt.Fprintf(&b, "\r\n%s", body)
	return b.Bytes()
}

// addresses returns a list as a field has it, each on a line.
func addresses(bare ...string) string {
	list := make([]string, len(bare))
	for i, address := range bare {
		list[i] = (&mail.Address{Address: address}).String()
	}
	return strings.Join(list, ",\r\n\t")
}
