//go:build interop && linux

package interop

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/internal/testcert"
	"github.com/mailport/mailport/negotiate"
	"github.com/mailport/mailport/submit"
)

// A Negotiator finds the server, wherever it is told to look and whatever it
// prefers, and says why if it cannot.
func (s *server) tryNegotiation() {
	a, b := s.box.ports[string(implicit)], s.box.ports[string(starttls)]
	closed, err := s.house.ports.free()
	require.NoError(s.t, err)
	for _, prefer := range []negotiate.Mode{negotiate.ImplicitTLS, negotiate.STARTTLS} {
		policy := negotiate.Policy{Prefer: prefer, HeadStart: 5 * time.Second} // this machine has much to do
		alone := policy
		alone.FailClosed = true
		preferred := map[negotiate.Mode]string{negotiate.ImplicitTLS: submit.Submissions, negotiate.STARTTLS: submit.Submission}[prefer]
		alonePorts := negotiate.Negotiator{ImplicitPort: a, STARTTLSPort: closed, Policy: alone}
		if prefer == negotiate.STARTTLS {
			alonePorts = negotiate.Negotiator{ImplicitPort: closed, STARTTLSPort: b, Policy: alone}
		}

		s.negotiates(&negotiate.Negotiator{ImplicitPort: a, STARTTLSPort: b, Policy: policy}, preferred)
		s.negotiates(&negotiate.Negotiator{ImplicitPort: a, STARTTLSPort: closed, Policy: policy}, submit.Submissions)
		s.negotiates(&negotiate.Negotiator{ImplicitPort: closed, STARTTLSPort: b, Policy: policy}, submit.Submission)
		s.negotiates(&alonePorts, preferred)
		// One port, in both modes.
		s.negotiates(&negotiate.Negotiator{Port: a, Policy: policy, Config: s.hasty()}, submit.Submissions)
		s.negotiates(&negotiate.Negotiator{Port: b, Policy: policy}, submit.Submission)

		// Each speaks what the other is asked for.
		s.fails(&negotiate.Negotiator{ImplicitPort: b, STARTTLSPort: a, Policy: policy, Config: s.hasty()}, s.mistakenFor...)
		s.fails(&negotiate.Negotiator{ImplicitPort: closed, STARTTLSPort: closed, Policy: policy}, submit.ErrUnreachable)

		// A bad certificate is the end, and no other port is asked.
		stranger := s.config()
		stranger.TLS.RootCAs = testcert.New().Pool()
		s.fails(&negotiate.Negotiator{ImplicitPort: a, STARTTLSPort: b, Policy: policy, Config: stranger}, submit.ErrCertificate)
		other := s.config()
		other.TLS.ServerName = "smtp.example.org"
		s.fails(&negotiate.Negotiator{ImplicitPort: a, STARTTLSPort: b, Policy: policy, Config: other}, submit.ErrCertificate)

		s.probe(&negotiate.Negotiator{ImplicitPort: a, STARTTLSPort: b, Policy: policy})
	}
	s.mistaken(implicit.over(b, s.config()), "", s.mistakenFor...)
	s.mistaken(starttls.over(a, s.hasty()), "server does not greet; it may expect TLS from the first byte", submit.ErrTemporary)
}

// hasty does not wait long for a greeting, where nobody greets: who wants STARTTLS,
// and asks the other port, waits in vain.
func (s *server) hasty() submit.Config {
	c := s.config()
	c.Timeouts.Greeting = time.Second
	return c
}

// ask fills in what a negotiator has not been given, and submits a letter over it.
func (s *server) ask(n *negotiate.Negotiator) (receipt *submit.Receipt, report *negotiate.Report, err error) {
	n.Host = host
	if n.TLS == nil {
		n.Config = s.config()
	}
	n.Observe = func(_ context.Context, r *negotiate.Report) { report = r }
	receipt, err = s.submit(n, write("wherever\n"))
	s.tried()
	return receipt, report, err
}

func (s *server) negotiates(n *negotiate.Negotiator, service string) {
	s.t.Helper()
	receipt, report, err := s.ask(n)
	require.NoError(s.t, err)
	require.Equal(s.t, service, receipt.Endpoint.Service, "%v", report)
}

func (s *server) fails(n *negotiate.Negotiator, kinds ...error) {
	s.t.Helper()
	_, report, err := s.ask(n)
	require.True(s.t, isOne(err, kinds), "%v", report)
	if errors.Is(err, submit.ErrCertificate) {
		for _, a := range report.Attempts[1:] {
			require.Equal(s.t, negotiate.NotTried, a.Outcome, "%v", report)
		}
	}
}

// probe looks at both ports, and tries the password at the one that it would use.
func (s *server) probe(n *negotiate.Negotiator) {
	s.t.Helper()
	n.Host, n.Config = host, s.config()
	report, err := n.ProbeAuth(s.t.Context())
	require.NoError(s.t, err)
	require.Len(s.t, report.Attempts, 2)
	for _, a := range report.Attempts {
		require.True(s.t, a.Works(), "%v", report)
	}
	s.tried()
}

// mistaken submits over a transport that the port does not speak.
func (s *server) mistaken(t transport, says string, kinds ...error) {
	s.t.Helper()
	_, err := s.submit(t, write("to the wrong port\n"))
	require.True(s.t, isOne(err, kinds), "%v", err)
	require.ErrorContains(s.t, err, says)
	s.tried()
}

// isOne reports whether err is one of some errors.
func isOne(err error, kinds []error) bool {
	return slices.ContainsFunc(kinds, func(kind error) bool { return errors.Is(err, kind) })
}
