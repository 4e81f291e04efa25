package wire

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A connection in disorder gets no QUIT.
func TestQuitUnasked(t *testing.T) {
	bubble(t, func(s *peer) {
		s.want("NOOP")
		s.say("250 ok\r\n250 again\r\n")
		s.want("")
	}, func(t *testing.T, c *Conn) {
		_, err := c.Command(limit, "NOOP")
		require.NoError(t, err)
		c.Quit()
		require.Error(t, c.Broken())
	})
}

// Nor does one whose call has ended.
func TestQuitCancelled(t *testing.T) {
	bubble(t, func(s *peer) { s.want("") }, func(t *testing.T, c *Conn) {
		ctx, cancel := context.WithCancel(t.Context())
		c.Guard(ctx)
		release := c.Release
		defer release()
		cancel()
		c.Quit()
		require.ErrorIs(t, c.Broken(), context.Canceled)
	})
}

// Quit is not worth waiting for: a server that does not read costs a second in
// all, though TLS would wait for five.
func TestQuitDeaf(t *testing.T) {
	const quit = 5 + len("QUIT\r\n") + 1 + 16 // a record of TLS 1.3
	for room, want := range map[int]time.Duration{0: time.Second, quit: time.Second, 2 * quit: 0} {
		t.Run(fmt.Sprint(room), func(t *testing.T) {
			bubble(t, func(s *peer) {
				s.secure(serverTLS())
				s.deaf()
			}, func(t *testing.T, c *Conn) {
				_, err := c.Secure(clientTLS(), limit)
				require.NoError(t, err)
				time.Sleep(rtt)
				c.raw.Conn.Write(make([]byte, 64<<10-room))
				since := clock()
				c.Quit()
				require.Equal(t, want, since())
			})
		})
	}
}

// RFC 8314, section 3.4: close_notify is sent; nobody waits for the server's.
func TestQuitTLS(t *testing.T) {
	bubble(t, func(s *peer) {
		if s.secure(serverTLS()) {
			s.want("QUIT")
			_, err := s.br.ReadByte()
			if err == nil || err.Error() != "EOF" {
				s.t.Errorf("after QUIT: %v, want close_notify", err)
			}
		}
	}, func(t *testing.T, c *Conn) {
		_, err := c.Secure(clientTLS(), limit)
		require.NoError(t, err)
		since := clock()
		c.Quit()
		require.Zero(t, since())
		require.ErrorIs(t, c.Broken(), ErrBroken)
		_, err = c.Command(limit, "NOOP")
		require.ErrorIs(t, err, ErrBroken)
	})
}
