// Command probe tells what a submission server offers, and whether mail could be
// submitted to it. It is for who sets a server up, or looks into why mail does not
// leave. It submits nothing.
//
//	probe [flags] HOST
//	probe [flags] URL
//	probe [flags] ADDRESS
//
// HOST is a name or an address of a server; URL names one as negotiate.Open takes
// it, such as submissions://smtp.example.com; ADDRESS is a mail address, such as
// me@example.com, whose servers are looked for in DNS and on the web first.
//
// Every port is tried, at the same time, and each to its end. The report says what
// would be used, and of each port how long which step took, which TLS it has, which
// certificate, also if it is not valid, and what the server offers.
//
//	$ probe smtp.example.com
//	would use submission://smtp.example.com:587; submissions://smtp.example.com:465: ...
//
// # Flags
//
//	-user USER               there are credentials: a server that offers no
//	                         authentication will not do; the password is in the
//	                         environment variable MAILPORT_PASSWORD
//	-auth                    show them to the one server that would be used; without
//	                         it nothing is authenticated
//	-policy POLICY           implicit-first (the default), starttls-first,
//	                         implicit-only or starttls-only
//	-port N                  instead of 465 and 587, whatever is spoken there
//	-implicit-port N         instead of 465
//	-starttls-port N         instead of 587
//	-ca FILE                 trust the authorities in this PEM file, and no others
//	-timeout DURATION        for the whole; 45s if not given. A step that gets no
//	                         answer has 30s, so that a port that is silent is known
//	                         for one by then
//	-untrusted               probe also what was found for an ADDRESS and cannot be
//	                         trusted; not with -auth
//	-discover-database URL   ask this provider database about the domain of an
//	                         ADDRESS, too
//	-json                    tell it as JSON, see below
//	-h                       show this
//
// The policy and the ports are for a HOST; a URL has its own, and those of an
// ADDRESS are found. A password in a URL can be read by other users of the machine:
// leave it out, and give -user.
//
// The report is on standard output: as wide as COLUMNS says, or 80; in ASCII,
// unless it goes to a terminal with UTF-8 (LC_ALL, LC_CTYPE, LANG); in colour on a
// terminal, unless NO_COLOR is set or TERM is dumb. SIGINT and SIGTERM end the
// program at any time.
//
// # Exit codes
//
// They are those of sysexits.h, and tell whether a submission would work, as far
// as it was tried. If it would not, there is one line on standard error.
//
//	 0  it would; also if -timeout ran out, or a signal came, when that was known
//	    and only the rest of the report was not
//	64  the command line is not right
//	69  no port could be reached, or was willing; or no server was found
//	75  the server says that it cannot now; or -timeout ran out, or a signal came,
//	    before there was anything that would work
//	76  TLS or the protocol failed: a certificate that is not valid, no STARTTLS,
//	    or another service than mail submission
//	77  the server refused the password, or offers no way to show it
//
// If the ports failed differently, what stands further down in this order counts:
// 69, 75, 77, 76.
//
// # JSON
//
// With -json there is one object on one line, unless the exit code is 64. All five
// members are always there:
//
//	found   for an ADDRESS, an array in the order in which to try: endpoint,
//	        source, from, trusted, reason, username, authentication; otherwise null
//	missed  for an ADDRESS, an array of what was asked in vain: source, from, error;
//	        otherwise null
//	report  as negotiate.Report has it; null if nothing was probed
//	error   what stands on standard error; null if a submission would work
//	exit    the exit code
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
	os.Exit(run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr))
}

// run is the program. It returns the exit code.
func run(ctx context.Context, args []string, env func(string) string, stdout, stderr io.Writer) int {
	o, err := parse(args, env)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stdout, usage)
		return exitOK
	case err != nil:
		fmt.Fprintf(stderr, "probe: %v (probe -h shows how it is used)\n", err)
		return exitCode(err)
	}
	o.terminal = terminal(stdout, env)
	return o.run(ctx, stdout, stderr)
}
