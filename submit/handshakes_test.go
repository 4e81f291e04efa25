package submit_test

import (
	"context"
	"crypto/tls"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/submit"
	"github.com/mailport/mailport/submit/submittest"
)

// RFC 8305: of two addresses that are tried at once, the time of the one that
// connected counts, though the other was begun later.
func TestHandshakeOfTheAddressThatConnected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := submit.NewHandshakes()
		time.Sleep(3 * time.Millisecond) // the name is resolved
		require.NoError(t, h.Note(t.Context(), "tcp6", "[2001:db8::1]:465", nil))
		time.Sleep(300 * time.Millisecond)
		require.NoError(t, h.Note(t.Context(), "tcp4", "192.0.2.1:465", nil))
		since, ok := h.With("[2001:db8::1]:465")
		require.True(t, ok)
		require.Equal(t, 3*time.Millisecond, since)
		_, ok = h.With("192.0.2.2:465")
		require.False(t, ok)
	})
}

// The steps of connecting by name: the resolution, and then TCP without it. Of an
// address, and of a connection that somebody else made, there is no resolution.
func TestResolutionIsAStepOfItsOwn(t *testing.T) {
	server := submittest.NewServer(t)
	direct := func(c *submit.Config) { c.DialContext = nil }
	for _, test := range []struct {
		host     string
		set      func(*submit.Config)
		resolved bool
	}{
		{"localhost", direct, true},
		{"127.0.0.1", direct, false},
		{"mail.example.com", func(*submit.Config) {}, false},
	} {
		config := server.Config()
		config.TLS = &tls.Config{RootCAs: server.CertPool()}
		test.set(&config)
		var steps []submit.Event
		var sum, elapsed time.Duration
		began := time.Now()
		config.Trace = func(_ context.Context, e submit.Event) {
			steps = append(steps, e)
			if e.Phase <= submit.PhaseConnect {
				sum, elapsed = sum+e.Took, time.Since(began)
			}
		}
		port := server.ImplicitPort()
		if config.DialContext != nil {
			port = 465
		}
		session, err := (&submit.ImplicitTLS{Host: test.host, Port: port, Config: config}).Dial(t.Context())
		require.NoError(t, err)
		require.NoError(t, session.Close())
		require.Equal(t, test.resolved, steps[0].Phase == submit.PhaseResolve, test.host)
		if test.resolved {
			require.Positive(t, steps[0].Took)
			require.NoError(t, steps[0].Err)
			steps = steps[1:]
		}
		require.Equal(t, submit.PhaseConnect, steps[0].Phase)
		require.LessOrEqual(t, sum, elapsed, "the resolution counts twice")
		_, _, err = net.SplitHostPort(steps[0].Address)
		require.NoError(t, err)
	}
}
