package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/mailport/mailport/auth"
	"github.com/mailport/mailport/negotiate"
)

// usage is what -h shows: the package comment in short.
const usage = `Usage: sendmail -host HOST -from ADDRESS [flags] RECIPIENT... <MESSAGE

Submits the message on standard input, over TLS with a valid certificate or not
at all. It finds out by itself which of the ports 465 and 587 to use.

  -host HOST          the server: a name, or an address
  -from ADDRESS       the envelope's sender; "" is the null reverse-path
  -user USER          authenticate; the password is in MAILPORT_PASSWORD
  -policy POLICY      implicit-first (default), starttls-first, implicit-only,
                      starttls-only
  -port N             instead of 465 and 587, whatever is spoken there
  -implicit-port N    instead of 465
  -starttls-port N    instead of 587
  -ca FILE            trust the authorities in this PEM file, and no others
  -timeout DURATION   for one message (default 30s)
  -partial            go on without recipients that are refused
  -repeat N           send the message N times, over one connection if it lasts
  -pause DURATION     between two of them
  -json               tell what happened on standard output
  -v                  tell what happened on standard error
  -h                  show this

Exit codes: 0 accepted, 64 usage, 65 bad message or address, 69 refused for good
or not reachable, 75 temporary or uncertain, 76 TLS or protocol, 77 password.
`

// options are what the command line and the environment say.
type options struct {
	negotiate.Negotiator // host, ports, policy, trust and credentials

	from    string
	to      []string
	partial bool

	timeout, pause time.Duration
	repeat         int
	json, verbose  bool
}

// A usageError says what is wrong with the command line.
type usageError struct{ reason string }

func (e *usageError) Error() string { return e.reason }

func wrongUsage(format string, args ...any) error {
	return &usageError{fmt.Sprintf(format, args...)}
}

func parse(args []string, env func(string) string) (*options, error) {
	var (
		o        = &options{}
		user, ca string
	)
	fs := o.flags(&user, &ca)
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil, err
		}
		return nil, wrongUsage("%v", err)
	}
	o.to = fs.Args()
	if err := o.check(fs); err != nil {
		return nil, err
	}
	if err := o.authenticateAs(user, env); err != nil {
		return nil, err
	}
	return o, o.trust(ca)
}

func (o *options) flags(user, ca *string) *flag.FlagSet {
	fs := flag.NewFlagSet("sendmail", flag.ContinueOnError)
	fs.SetOutput(io.Discard) // one line is enough, and run prints it
	fs.StringVar(&o.Host, "host", "", "")
	fs.Func("port", "", portVar(&o.Port))
	fs.Func("implicit-port", "", portVar(&o.ImplicitPort))
	fs.Func("starttls-port", "", portVar(&o.STARTTLSPort))
	fs.Func("policy", "", func(s string) (err error) {
		o.Policy, err = parsePolicy(s)
		return err
	})
	fs.StringVar(user, "user", "", "")
	fs.StringVar(ca, "ca", "", "")
	fs.StringVar(&o.from, "from", "", "")
	fs.BoolVar(&o.partial, "partial", false, "")
	fs.DurationVar(&o.timeout, "timeout", 30*time.Second, "")
	fs.IntVar(&o.repeat, "repeat", 1, "")
	fs.DurationVar(&o.pause, "pause", 0, "")
	fs.BoolVar(&o.json, "json", false, "")
	fs.BoolVar(&o.verbose, "v", false, "")
	return fs
}

func portVar(port *int) func(string) error {
	return func(s string) error {
		n, err := strconv.ParseUint(s, 10, 16)
		if err != nil || n == 0 {
			return errors.New("not a number between 1 and 65535")
		}
		*port = int(n)
		return nil
	}
}

func parsePolicy(name string) (negotiate.Policy, error) {
	switch name {
	case "implicit-first":
		return negotiate.Policy{}, nil
	case "starttls-first":
		return negotiate.Policy{Prefer: negotiate.STARTTLS}, nil
	case "implicit-only":
		return negotiate.Policy{FailClosed: true}, nil
	case "starttls-only":
		return negotiate.Policy{Prefer: negotiate.STARTTLS, FailClosed: true}, nil
	}
	return negotiate.Policy{}, errors.New("neither implicit-first, starttls-first, implicit-only nor starttls-only")
}

// check finds what is missing or contradicts itself.
func (o *options) check(fs *flag.FlagSet) error {
	given := make(map[string]bool)
	fs.Visit(func(f *flag.Flag) { given[f.Name] = true })
	switch {
	case !given["host"]:
		return wrongUsage("-host is missing")
	case !given["from"]: // "" would be a sender
		return wrongUsage("-from is missing")
	case len(o.to) == 0:
		return wrongUsage("no recipients")
	case given["port"] && (given["implicit-port"] || given["starttls-port"]):
		return wrongUsage("-port leaves nothing for -implicit-port and -starttls-port to say")
	case o.timeout <= 0:
		return wrongUsage("-timeout %v is no time at all", o.timeout)
	case o.repeat < 1:
		return wrongUsage("-repeat %d sends nothing", o.repeat)
	case o.pause < 0:
		return wrongUsage("-pause %v is negative", o.pause)
	}
	for _, to := range o.to {
		if strings.HasPrefix(to, "-") && !strings.Contains(to, "@") {
			return wrongUsage("%s comes behind a recipient; flags come first", to)
		}
	}
	return nil
}

// authenticateAs takes the password from the environment: other users of the
// machine can read the command line.
func (o *options) authenticateAs(user string, env func(string) string) error {
	if user == "" {
		return nil
	}
	password := env("MAILPORT_PASSWORD")
	if password == "" {
		return wrongUsage("-user needs the environment variable MAILPORT_PASSWORD")
	}
	o.Credentials = auth.Password(user, password)
	return nil
}

func (o *options) trust(file string) error {
	if file == "" {
		return nil
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return wrongUsage("-ca: %v", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return wrongUsage("-ca: no certificate in %s", file)
	}
	o.TLS = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	return nil
}
