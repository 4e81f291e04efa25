package wire

import (
	"strings"
	"testing"
	"time"

	"github.com/mailport/mailport/internal/fakenet"
	"github.com/stretchr/testify/require"
)

// RFC 5321, section 4.5.3.2: each step has its own time limit. It ends exactly
// then, whatever the server does, and the connection with it.
func TestTimeLimits(t *testing.T) {
	for _, limit := range []time.Duration{time.Millisecond, time.Second, 5 * time.Minute} {
		for _, test := range steps(limit) {
			t.Run(test.name+" "+limit.String(), func(t *testing.T) {
				network(t, test.serve, func(t *testing.T, n *fakenet.Network) {
					n.SetWindow(addr, 512)
					c := connect(t, n)
					time.Sleep(rtt) // what the server says has come
					since := clock()
					err := test.take(c)
					require.Equal(t, limit, since())
					var late *TimeLimitError
					require.ErrorAs(t, err, &late)
					require.Equal(t, limit, late.Limit)
					var lost *LostError
					require.ErrorAs(t, err, &lost)
					require.Equal(t, err, c.Broken())
					require.Zero(t, n.Open())
				})
			})
		}
	}
}

// A negative limit is none: the context bounds the call.
func TestNoTimeLimit(t *testing.T) {
	bubble(t, func(s *peer) {
		s.want("NOOP")
		time.Sleep(1000 * time.Hour)
		s.say("250 ok\r\n")
	}, func(t *testing.T, c *Conn) {
		r, err := c.Command(-1, "NOOP")
		require.NoError(t, err)
		require.Equal(t, 250, r.Code)
	})
}

// The limit on a message is on progress: each record has it anew.
func TestBodyLimitOnProgress(t *testing.T) {
	body := strings.Repeat("line\r\n", 40_000)
	network(t, func(s *peer) {
		b := make([]byte, 1<<10)
		for {
			time.Sleep(time.Second)
			if _, err := s.br.Read(b); err != nil {
				return
			}
		}
	}, func(t *testing.T, n *fakenet.Network) {
		n.SetWindow(addr, 512)
		c := connect(t, n)
		since := clock()
		ended, err := c.WriteBody(strings.NewReader(body), false, time.Minute)
		require.NoError(t, err)
		require.True(t, ended)
		require.Greater(t, since(), 5*time.Minute)
	})
}

// fillFlight queues n commands.
func fillFlight(c *Conn, n int) {
	for range n {
		c.Queue("RCPT", "TO:<someone@example.net>")
	}
}
