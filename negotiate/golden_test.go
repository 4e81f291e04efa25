package negotiate_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/auth"
	"github.com/mailport/mailport/internal/fakenet"
	"github.com/mailport/mailport/negotiate"
	"github.com/mailport/mailport/submit"
	"github.com/mailport/mailport/submit/submittest"
)

var update = flag.Bool("update", false, "write the golden files anew")

const (
	host     = "mail.example.com"
	user     = "me@example.com"
	password = "open sesame, b=o,b"
	body     = "Subject: a matter of trust\r\n\r\nNobody else's business.\r\n"
)

var policies = []struct {
	name string
	negotiate.Policy
}{
	{"465 first", negotiate.Policy{}},
	{"587 first", negotiate.Policy{Prefer: negotiate.STARTTLS}},
	{"465 only", negotiate.Policy{FailClosed: true}},
	{"587 only", negotiate.Policy{Prefer: negotiate.STARTTLS, FailClosed: true}},
}

// The golden file is the specification: every fault, in every phase, on one port
// or on both, under every policy, and what comes of it. Whatever the file says,
// three things hold for each line, and are checked here: credentials are shown
// to one session at most, and never in cleartext (promises 1 and 2); an outcome
// is a receipt, an error, or uncertain, and the first two are true of what the
// server has (promise 3). The race detector sees every fault too, but under a policy
// or two.
func TestEveryFaultUnderEveryPolicy(t *testing.T) {
	const golden = "testdata/policy.txt"
	var lines, known []string
	if raced && !*update {
		known = linesOf(t, golden)
	}
	for _, f := range faults() {
		for _, policy := range policies {
			if n := len(lines); n < len(known) && n%7 != 0 && n%7 != 3 {
				lines = append(lines, known[n])
				continue
			}
			t.Run(fmt.Sprintf("%s %v %v, %s", port(f.Service), f.Phase, f.Do, policy.name), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					lines = append(lines, fmt.Sprintf("%-4s  %-11s  %-18s  %-9s  %s",
						port(f.Service), f.Phase, f.Do, policy.name, newTrial(t, f).run(t, policy.Policy)))
				})
			})
		}
	}
	got := goldenHeader + strings.Join(lines, "\n") + "\n"
	if *update {
		require.NoError(t, os.WriteFile(golden, []byte(got), 0o644))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	require.Equal(t, string(want), got, "run the test with -update, and read the difference")
}

// linesOf returns the lines of the golden file, the header aside.
func linesOf(t *testing.T, golden string) []string {
	all, err := os.ReadFile(golden)
	require.NoError(t, err)
	return strings.Split(strings.TrimPrefix(string(all), goldenHeader), "\n")
}

const goldenHeader = `# Every fault in every phase, on one port or on both, under every policy, with a
# round-trip time of 100 ms, and what comes of it: the port that took the message
# or what the error means; how long that took; what became of each port; how
# often a password was shown; how many messages the server has.
#
`

// faults are all that the server can do wrong, on each port and on both.
func faults() (all []submittest.Fault) {
	for phase := submit.PhaseResolve; phase <= submit.PhaseVerdict; phase++ {
		for do := submittest.Refuse; !strings.HasPrefix(do.String(), "action"); do++ {
			for _, service := range []string{submit.Submissions, submit.Submission, ""} {
				if f := (submittest.Fault{Service: service, Phase: phase, Do: do}); makesSense(f) {
					all = append(all, f)
				}
			}
		}
	}
	return all
}

func makesSense(f submittest.Fault) (ok bool) {
	defer func() { ok = recover() == nil }()
	new(submittest.Server).SetFaults(f)
	return true
}

func port(service string) string {
	return map[string]string{submit.Submissions: "465", submit.Submission: "587", "": "both"}[service]
}

// A trial is one message to one server that does one thing wrong.
type trial struct {
	server *submittest.Server
	config submit.Config
	clear  cleartext
}

func newTrial(t *testing.T, f submittest.Fault) *trial {
	network := fakenet.New(100 * time.Millisecond)
	t.Cleanup(func() { network.Check(t) })
	server := submittest.NewUnstartedServer(t)
	server.Implicit, server.STARTTLS = network.Listen(host+":465"), network.Listen(host+":587")
	server.DialContext = network.DialContext
	server.Users = map[string]string{user: password}
	server.Faults = []submittest.Fault{f}
	require.NoError(t, server.Start())
	x := &trial{server: server, config: server.Config()}
	x.config.TLS.CurvePreferences = []tls.CurveID{tls.CurveP256} // fast
	x.config.Credentials = auth.Password(user, password)
	x.config.LocalName = "client.example.com"
	x.config.DialContext = x.clear.tap(x.config.DialContext)
	return x
}

func (x *trial) run(t *testing.T, policy negotiate.Policy) string {
	var report *negotiate.Report
	n := &negotiate.Negotiator{Host: host, Policy: policy, Config: x.config,
		Observe: func(_ context.Context, r *negotiate.Report) { report = r }}
	began := time.Now()
	receipt, err := n.Submit(t.Context(), submit.Message{
		From: user, To: []string{"you@example.net"}, Body: strings.NewReader(body)})
	took := time.Since(began)
	synctest.Wait()
	stored, shown := len(x.server.Messages()), x.server.Attempts("")

	require.NotEqual(t, receipt == nil, err == nil, "a receipt or an error, never both")
	require.LessOrEqual(t, shown, 1, "credentials shown more than once")
	x.clear.check(t)
	switch {
	case receipt != nil:
		require.Equal(t, 1, stored, "a receipt for a message that the server has not")
	case errors.Is(err, submit.ErrUncertain):
		require.LessOrEqual(t, stored, 1)
	default:
		require.Zero(t, stored, "an error for a message that the server has: %v", err)
	}
	return fmt.Sprintf("%-30s  %8v  %-26s  shown %d, stored %d",
		result(receipt, err), took.Round(time.Millisecond), attempts(report), shown, stored)
}

func result(receipt *submit.Receipt, err error) string {
	if receipt != nil {
		return fmt.Sprintf("receipt from %d", receipt.Endpoint.Port)
	}
	return "error " + strings.Join(meanings(err), ", ")
}

// meanings are the sentinel errors that err is.
func meanings(err error) (names []string) {
	for _, m := range []struct {
		name string
		err  error
	}{
		{"invalid", submit.ErrInvalid}, {"unreachable", submit.ErrUnreachable}, {"insecure", submit.ErrInsecure},
		{"credentials", submit.ErrCredentials}, {"rejected", submit.ErrRejected}, {"temporary", submit.ErrTemporary},
		{"too large", submit.ErrTooLarge}, {"uncertain", submit.ErrUncertain}, {"protocol", submit.ErrProtocol},
	} {
		if errors.Is(err, m.err) {
			names = append(names, m.name)
		}
	}
	return names
}

func attempts(r *negotiate.Report) string {
	var parts []string
	for _, a := range r.Attempts {
		parts = append(parts, fmt.Sprintf("%d %v", a.Endpoint.Port, a.Outcome))
	}
	return strings.Join(parts, ", ")
}

// cleartext keeps what was handed to the network in cleartext: with STARTTLS,
// all until the first TLS record.
type cleartext struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (c *cleartext) tap(dial func(context.Context, string, string) (net.Conn, error)) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return &tapped{Conn: conn, to: c}, nil
	}
}

// check lets EHLO, STARTTLS and QUIT pass, and nothing else.
func (c *cleartext) check(t *testing.T) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for line := range strings.Lines(c.all.String()) {
		verb, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		require.Contains(t, []string{"EHLO", "STARTTLS", "QUIT"}, verb, "in cleartext: %q", line)
	}
}

type tapped struct {
	net.Conn
	to  *cleartext
	tls bool
}

func (c *tapped) Write(b []byte) (int, error) {
	// A record of type handshake or alert; nothing that SMTP says begins so.
	c.tls = c.tls || len(b) > 0 && (b[0] == 0x16 || b[0] == 0x15)
	if !c.tls {
		c.to.mu.Lock()
		c.to.all.Write(b)
		c.to.mu.Unlock()
	}
	return c.Conn.Write(b)
}
