package wire

import (
	"context"
	"errors"
	"net"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

// A connection that was cut says so, whoever did it and why.
func TestBrokenAfterCut(t *testing.T) {
	bubble(t, func(s *peer) { s.want("") }, func(t *testing.T, c *Conn) {
		require.NoError(t, c.Broken())
		c.Cut()
		require.ErrorIs(t, c.Broken(), net.ErrClosed)
		_, err := c.Command(limit, "NOOP")
		require.ErrorIs(t, err, net.ErrClosed)
	})
}

// Promise 7: nothing is begun for a call that has ended, even where the goroutine
// that cuts the connection has not come to it.
func TestGuardEnded(t *testing.T) {
	bubble(t, func(s *peer) { s.want("") }, func(t *testing.T, c *Conn) {
		ctx, cancel := context.WithCancelCause(t.Context())
		cause := errors.New("had enough")
		cancel(cause)
		release := c.Guard(ctx)
		defer release()
		_, err := c.Command(limit, "NOOP")
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorIs(t, err, cause)
	})
}

// Release may be called twice: early, where the call is over, and deferred.
func TestGuardReleaseTwice(t *testing.T) {
	bubble(t, (*peer).silence, func(t *testing.T, c *Conn) {
		ctx, cancel := context.WithCancel(t.Context())
		release := c.Guard(ctx)
		release()
		release()
		cancel()
		release()
		synctest.Wait()
		require.NoError(t, c.Broken())
	})
}
