package negotiate_test

import (
	"crypto/tls"
	"fmt"
	"strings"
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

const elsewhere = host + ":1" // where a server may listen that is not meant

// newPort is a place whose server listens on one port alone, in one mode.
func newPort(t *testing.T, service string, port int, faults ...submittest.Fault) *place {
	p := &place{Network: fakenet.New(100 * ms)}
	t.Cleanup(func() { p.Check(t) })
	p.server = submittest.NewUnstartedServer(t)
	p.server.Implicit, p.server.STARTTLS = p.Listen(at(port)), p.Listen(elsewhere)
	if service == submit.Submission {
		p.server.Implicit, p.server.STARTTLS = p.server.STARTTLS, p.server.Implicit
	}
	p.server.Users = map[string]string{user: password}
	p.server.Faults = faults
	require.NoError(t, p.server.Start())
	p.config = p.server.Config()
	p.config.TLS.CurvePreferences = []tls.CurveID{tls.CurveP256} // fast
	p.config.DialContext = p.Network.DialContext
	p.config.LocalName = "client.example.com"
	p.config.Credentials = auth.Password(user, password)
	return p
}

func at(port int) string { return fmt.Sprintf("%s:%d", host, port) }

// What a Negotiator that knows the port alone makes of either kind of server,
// under every policy: when it is ready, or why it is not, and what it says of the
// mode that was wrong.
func TestPortOfUnknownMode(t *testing.T) {
	const implicit, starttls = submit.Submissions, submit.Submission
	cleartext, silence := []string{"without TLS", "STARTTLS"}, []string{"TLS from the first byte"}
	for _, test := range []struct {
		service, policy string
		err             error
		after           time.Duration
		dials           int
		says            []string
	}{
		{implicit, "465 first", nil, 400 * ms, 1, nil},
		{implicit, "465 only", nil, 400 * ms, 1, nil},
		{starttls, "587 first", nil, 600 * ms, 1, nil},
		{starttls, "587 only", nil, 600 * ms, 1, nil},

		// The greeting comes where TLS should: known two round trips after the first.
		{starttls, "465 first", nil, 200*ms + 600*ms, 2, cleartext},
		{starttls, "465 only", submit.ErrInsecure, 200 * ms, 1, cleartext},

		// No greeting comes: there is nothing to know it by but silence, for six
		// round trips where there is another mode to try, and for five minutes (RFC
		// 5321, section 4.5.3.2.1) where there is not.
		{implicit, "587 first", nil, 100*ms + 600*ms + 400*ms, 2, silence},
		{implicit, "587 only", submit.ErrTemporary, 100*ms + 5*time.Minute, 1, silence},
	} {
		t.Run(test.service+", "+test.policy, func(t *testing.T) {
			for _, port := range []int{2465, 2525, 8025, 443} {
				synctest.Test(t, func(t *testing.T) {
					p := newPort(t, test.service, port)
					n := p.negotiator(policyNamed(test.policy))
					n.Port = port
					began := time.Now()
					session, err := n.Dial(t.Context())
					require.Equal(t, test.after, time.Since(began))
					require.ErrorIs(t, err, test.err)
					if err == nil {
						require.Equal(t, submit.Endpoint{Service: test.service, Host: host, Port: port}, session.Endpoint())
						require.NoError(t, session.Close())
					} else {
						requireSays(t, err.Error(), test.says)
					}
					require.Equal(t, test.dials, p.Dials(fakenet.Anywhere))
					requireSays(t, p.report.Diagnosis(), test.says)
					require.Zero(t, p.server.Attempts(""))
				})
			}
		})
	}
}

func policyNamed(name string) negotiate.Policy {
	for _, p := range policies {
		if p.name == name {
			return p.Policy
		}
	}
	panic("no policy " + name)
}

func requireSays(t *testing.T, text string, words []string) {
	t.Helper()
	for _, w := range words {
		require.Contains(t, text, w)
	}
	require.NotContains(t, text, "\n")
}

// The mode that was right is tried first next time, though the port is the same.
func TestModeOfAPortIsRemembered(t *testing.T) {
	for _, test := range []struct {
		service     string
		prefer      negotiate.Mode
		first, then time.Duration
	}{
		{submit.Submission, negotiate.ImplicitTLS, 800 * ms, 600 * ms},
		{submit.Submissions, negotiate.STARTTLS, 1100 * ms, 400 * ms},
	} {
		synctest.Test(t, func(t *testing.T) {
			p := newPort(t, test.service, 2525)
			n := p.negotiator(negotiate.Policy{Prefer: test.prefer})
			n.Port = 2525
			require.Equal(t, test.first, connect(t, n))
			require.Equal(t, test.then, connect(t, n))
			require.True(t, p.report.Attempts[0].Remembered)
			require.Equal(t, test.service, p.report.Attempts[0].Endpoint.Service)
			require.Equal(t, 3, p.Dials(at(2525)))
		})
	}
}

// A port that speaks neither is no submission server in either mode; both are
// told of, and what it is if that can be known.
func TestPortOfAnotherService(t *testing.T) {
	for _, test := range []struct{ greeting, says string }{
		{"* OK IMAP4rev1 ready", "IMAP"},
		{"+OK POP3 ready", "POP3"},
		{"HTTP/1.1 400 Bad Request", "HTTP"},
		{"SSH-2.0-OpenSSH_9.7", "SSH"},
		{"what is this", "neither TLS nor SMTP"},
	} {
		for _, policy := range policies[:2] {
			synctest.Test(t, func(t *testing.T) {
				p := newPort(t, submit.Submission, 2525, submittest.Fault{
					Phase: submit.PhaseGreeting, Do: submittest.Garbage, Text: test.greeting})
				n := p.negotiator(policy.Policy)
				n.Port = 2525
				began := time.Now()
				err := send(t.Context(), n)
				require.Equal(t, 400*ms, time.Since(began), "each knows after two round trips")
				require.ErrorIs(t, err, submit.ErrProtocol)
				require.Equal(t, 2, strings.Count(err.Error(), test.says), err.Error())
				require.Zero(t, p.server.Attempts(""))
			})
		}
	}
}

// A port that says nothing, in either mode, is given up in each after its time.
func TestSilentPort(t *testing.T) {
	for _, policy := range policies[:2] {
		synctest.Test(t, func(t *testing.T) {
			p := newPort(t, submit.Submission, 2525, submittest.Fault{Phase: submit.PhaseGreeting, Do: submittest.Stall})
			p.config.Timeouts = submit.Timeouts{Handshake: 10 * time.Second, Command: 20 * time.Second}
			n := p.negotiator(policy.Policy)
			n.Port = 2525
			began := time.Now()
			err := send(t.Context(), n)
			second := 700 * ms // began
			if policy.Prefer == negotiate.STARTTLS {
				second = 0
			}
			require.Equal(t, second+100*ms+20*time.Second, time.Since(began))
			require.ErrorIs(t, err, submit.ErrUnreachable)
			requireSays(t, err.Error(), []string{"does not greet", "20s", "TLS handshake", "10s"})
		})
	}
}

// Ports may be given for each mode, and contradict what they are registered for
// (RFC 8314, section 7.3; RFC 6409, section 3.1): where a server does that, it works.
func TestContradictionThatTheServerShares(t *testing.T) {
	for _, test := range []struct {
		service string
		port    int
		change  func(*negotiate.Negotiator)
		policy  negotiate.Policy
		after   time.Duration
	}{
		{submit.Submissions, 587, func(n *negotiate.Negotiator) { n.ImplicitPort = 587 }, negotiate.Policy{FailClosed: true}, 400 * ms},
		{submit.Submissions, 587, func(n *negotiate.Negotiator) { n.Port = 587 }, negotiate.Policy{}, 400 * ms},
		{submit.Submission, 465, func(n *negotiate.Negotiator) { n.STARTTLSPort = 465 }, negotiate.Policy{Prefer: negotiate.STARTTLS, FailClosed: true}, 600 * ms},
		{submit.Submission, 465, func(n *negotiate.Negotiator) { n.Port = 465 }, negotiate.Policy{}, 800 * ms},
		{submit.Submission, 465, func(n *negotiate.Negotiator) { n.ImplicitPort, n.STARTTLSPort = 587, 465 }, negotiate.Policy{}, 700 * ms},
		{submit.Submissions, 587, func(n *negotiate.Negotiator) { n.ImplicitPort, n.STARTTLSPort = 587, 465 }, negotiate.Policy{}, 400 * ms},
	} {
		synctest.Test(t, func(t *testing.T) {
			p := newPort(t, test.service, test.port)
			n := p.negotiator(test.policy)
			test.change(n)
			require.Equal(t, test.after, connect(t, n))
			chosen, _ := p.report.Chosen()
			require.Equal(t, submit.Endpoint{Service: test.service, Host: host, Port: test.port}, chosen)
			require.NoError(t, send(t.Context(), n))
			require.Len(t, p.server.Messages(), 1)
		})
	}
}

// Where the server does not, the error says what the port speaks and what to use.
func TestContradictionThatTheServerDoesNotShare(t *testing.T) {
	for _, test := range []struct {
		service string
		port    int
		change  func(*negotiate.Negotiator)
		prefer  negotiate.Mode
		after   time.Duration
		says    []string
	}{
		{submit.Submission, 587, func(n *negotiate.Negotiator) { n.ImplicitPort = 587 }, negotiate.ImplicitTLS,
			200 * ms, []string{"submissions://" + at(587), "without TLS", "STARTTLS"}},
		{submit.Submissions, 465, func(n *negotiate.Negotiator) { n.STARTTLSPort = 465 }, negotiate.STARTTLS,
			100*ms + 20*time.Second, []string{"submission://" + at(465), "TLS from the first byte", "implicit TLS"}},
	} {
		synctest.Test(t, func(t *testing.T) {
			p := newPort(t, test.service, test.port)
			n := p.negotiator(negotiate.Policy{Prefer: test.prefer, FailClosed: true})
			n.Config.Timeouts.Command = 20 * time.Second
			test.change(n)
			began := time.Now()
			err := send(t.Context(), n)
			require.Equal(t, test.after, time.Since(began))
			requireSays(t, err.Error(), test.says)
			require.Equal(t, 1, p.Dials(fakenet.Anywhere))
			require.Zero(t, p.server.Attempts(""))
		})
	}
}

// Each transport has its port, and no other is dialled.
func TestPortsByTransport(t *testing.T) {
	for _, test := range []struct {
		service string
		prefer  negotiate.Mode
		after   time.Duration
	}{
		{submit.Submissions, negotiate.ImplicitTLS, 400 * ms},
		{submit.Submissions, negotiate.STARTTLS, 100*ms + 400*ms}, // 2587 refuses
		{submit.Submission, negotiate.ImplicitTLS, 100*ms + 600*ms},
		{submit.Submission, negotiate.STARTTLS, 600 * ms},
	} {
		synctest.Test(t, func(t *testing.T) {
			port := map[string]int{submit.Submissions: 2465, submit.Submission: 2587}[test.service]
			p := newPort(t, test.service, port)
			n := p.negotiator(negotiate.Policy{Prefer: test.prefer})
			n.Port, n.ImplicitPort, n.STARTTLSPort = 2525, 2465, 2587
			require.Equal(t, test.after, connect(t, n))
			require.Equal(t, 1, p.Dials(at(port)))
			require.Equal(t, p.Dials(fakenet.Anywhere), p.Dials(at(2465))+p.Dials(at(2587)))
		})
	}
}
