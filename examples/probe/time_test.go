package main

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/internal/fakenet"
	"github.com/mailport/mailport/submit"
	"github.com/mailport/mailport/submit/submittest"
)

const at465, at587 = "smtp.example.com:465", "smtp.example.com:587"

// probeInTime probes smtp.example.com in virtual time. It is 10 ms away.
func probeInTime(t *testing.T, ctx context.Context, setUp func(*fakenet.Network, *submittest.Server), args ...string) (r result, took time.Duration) {
	t.Helper()
	network := fakenet.New(10 * time.Millisecond)
	t.Cleanup(func() { network.Check(t) })
	s := submittest.NewUnstartedServer(t)
	s.Host, s.Implicit, s.STARTTLS = "smtp.example.com", network.Listen(at465), network.Listen(at587)
	setUp(network, s)
	require.NoError(t, s.Start())
	o, err := parse(append(append([]string{"-ca", caFile(t, s.CAPEM())}, args...), "smtp.example.com"), environment)
	require.NoError(t, err)
	o.DialContext = network.DialContext
	var stdout, stderr bytes.Buffer
	began := time.Now()
	exit := o.run(ctx, &stdout, &stderr)
	return result{exit, stdout.String(), stderr.String()}, time.Since(began)
}

func stall(service string) submittest.Fault {
	return submittest.Fault{Service: service, Phase: submit.PhaseGreeting, Do: submittest.Stall}
}

// Where both ports are silent that is what is said, every time, and not that the
// time is over: a step's limit comes before that of the whole.
func TestSilence(t *testing.T) {
	for name, setUp := range map[string]func(*fakenet.Network, *submittest.Server){
		"packets are dropped": func(n *fakenet.Network, _ *submittest.Server) { n.BlackHole(at465); n.BlackHole(at587) },
		"no greeting":         func(_ *fakenet.Network, s *submittest.Server) { s.Faults = []submittest.Fault{stall("")} },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, took := probeInTime(t, t.Context(), setUp)
				require.Equal(t, exitUnavailable, r.exit, r.stderr)
				require.Contains(t, r.stderr, "no answer within 30s")
				require.NotContains(t, r.stderr, "-timeout")
				require.Less(t, took, 35*time.Second)
			})
		})
	}
}

// The time that is over by default, and which flag names it.
func TestTimeIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		silent := func(n *fakenet.Network, _ *submittest.Server) { n.BlackHole(at465); n.BlackHole(at587) }
		r, took := probeInTime(t, t.Context(), silent, "-timeout", "29s")
		require.Equal(t, exitTemporary, r.exit)
		require.Contains(t, r.stderr, "-timeout 29s is over")
		require.Equal(t, 29*time.Second, took)
	})
	require.Equal(t, 45*time.Second, defaultTimeout)
	require.Contains(t, usage, "default 45s")
}

// Promise 7, and what a probe makes of it: what would work is known when the time is
// over, or a signal comes, and the exit code says so.
func TestEndedWhenItIsKnown(t *testing.T) {
	for _, service := range []string{submit.Submissions, submit.Submission} {
		synctest.Test(t, func(t *testing.T) {
			half := func(_ *fakenet.Network, s *submittest.Server) { s.Faults = []submittest.Fault{stall(service)} }
			r, took := probeInTime(t, t.Context(), half, "-timeout", "5s")
			require.Equal(t, exitOK, r.exit, r.stderr)
			require.Empty(t, r.stderr)
			require.Contains(t, r.stdout, "would use "+map[string]string{submit.Submissions: submit.Submission, submit.Submission: submit.Submissions}[service]+"://")
			require.Equal(t, 5*time.Second, took)

			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(2*time.Second, cancel)
			r, took = probeInTime(t, ctx, half, "-json")
			require.Equal(t, exitOK, r.exit, r.stderr)
			require.Nil(t, r.object(t).Error)
			require.Equal(t, 2*time.Second, took)
		})
	}
}

// Whoever reads that the issuer is not trusted also reads what to do about it here.
func TestIssuer(t *testing.T) {
	for do, says := range map[submittest.Action]bool{submittest.Untrusted: true, submittest.WrongName: false} {
		s := start(t, submittest.Fault{Phase: submit.PhaseHandshake, Do: do})
		r := probe(t.Context(), at(t, s)...)
		require.Equal(t, exitProtocol, r.exit)
		require.Equal(t, says, strings.HasSuffix(r.stderr, " (-ca FILE)\n"), r.stderr)
	}
}
