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
const usage = `Usage: probe [flags] HOST|URL|ADDRESS

Tells what a submission server offers, and whether mail could be submitted to it.
HOST is a server's name or address, URL is such as submissions://smtp.example.com,
and ADDRESS a mail address whose servers are looked for. Nothing is submitted.

  -user USER              there are credentials; the password is in MAILPORT_PASSWORD
  -auth                   show them to the server that would be used
  -policy POLICY          implicit-first (default), starttls-first, implicit-only,
                          starttls-only
  -port N                 instead of 465 and 587, whatever is spoken there
  -implicit-port N        instead of 465
  -starttls-port N        instead of 587
  -ca FILE                trust the authorities in this PEM file, and no others
  -timeout DURATION       for the whole (default 45s; a step has 30s)
  -untrusted              also what was found and cannot be trusted; not with -auth
  -discover-database URL  a provider database to ask about an ADDRESS
  -json                   tell it as JSON
  -h                      show this

Exit codes: 0 would work, also where -timeout ended what else was tried; 64 usage,
69 not reachable or not found, 75 temporary, 76 TLS or protocol, 77 password.
`

// options are what the command line and the environment say.
type options struct {
	negotiate.Negotiator // ports, policy, trust and credentials; and host or transports, once known

	target    string
	auth      bool
	untrusted bool
	timeout   time.Duration
	json      bool
	discovery negotiate.Discovery
	terminal  negotiate.Terminal
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
	if err := o.check(fs); err != nil {
		return nil, err
	}
	if err := o.authenticateAs(user, env); err != nil {
		return nil, err
	}
	if err := o.trust(ca); err != nil {
		return nil, err
	}
	return o, o.aim()
}

// defaultTimeout is longer than a search for servers and a step that gets no answer:
// what is silent is to be found so, and not the time to be over.
const defaultTimeout = 45 * time.Second

func (o *options) flags(user, ca *string) *flag.FlagSet {
	fs := flag.NewFlagSet("probe", flag.ContinueOnError)
	fs.SetOutput(io.Discard) // one line is enough, and run prints it
	fs.StringVar(user, "user", "", "")
	fs.BoolVar(&o.auth, "auth", false, "")
	fs.Func("policy", "", func(s string) (err error) {
		o.Policy, err = parsePolicy(s)
		return err
	})
	fs.Func("port", "", portVar(&o.Port))
	fs.Func("implicit-port", "", portVar(&o.ImplicitPort))
	fs.Func("starttls-port", "", portVar(&o.STARTTLSPort))
	fs.StringVar(ca, "ca", "", "")
	fs.DurationVar(&o.timeout, "timeout", defaultTimeout, "")
	fs.BoolVar(&o.untrusted, "untrusted", false, "")
	fs.StringVar(&o.discovery.Database, "discover-database", "", "")
	fs.BoolVar(&o.json, "json", false, "")
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
	case fs.NArg() == 0:
		return wrongUsage("no HOST, URL or ADDRESS")
	case fs.NArg() > 1 && strings.HasPrefix(fs.Arg(1), "-"):
		return wrongUsage("%s comes behind the server; flags come first", fs.Arg(1))
	case fs.NArg() > 1:
		return wrongUsage("more than one server")
	case given["port"] && (given["implicit-port"] || given["starttls-port"]):
		return wrongUsage("-port leaves nothing for -implicit-port and -starttls-port to say")
	case o.timeout <= 0:
		return wrongUsage("-timeout %v is no time at all", o.timeout)
	case o.auth && o.untrusted:
		return wrongUsage("-auth and -untrusted would show the password to a server that nobody vouches for")
	}
	o.target = fs.Arg(0)
	if local, _, ok := strings.Cut(o.target, "@"); ok && o.isAddress() && strings.Contains(local, ":") {
		return wrongUsage("there is a colon before the @, and no scheme; a URL begins with submit://") // it is not quoted: a password may follow the colon
	}
	for _, name := range []string{"policy", "port", "implicit-port", "starttls-port"} {
		if given[name] && (o.isURL() || o.isAddress()) {
			return wrongUsage("-%s is for a HOST; a URL says by itself which ports, and those of an ADDRESS are found", name)
		}
	}
	for _, name := range []string{"untrusted", "discover-database"} {
		if given[name] && !o.isAddress() {
			return wrongUsage("-%s is for a mail ADDRESS", name)
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
