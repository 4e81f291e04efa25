package wire

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailport/mailport/internal/fakenet"
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
		c.Guard(ctx)
		release := c.Release
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
		c.Guard(ctx)
		release := c.Release
		release()
		release()
		cancel()
		release()
		synctest.Wait()
		require.NoError(t, c.Broken())
	})
}

// Promise 7: a context that ends ends any call at once, in any phase, whatever
// the server does; the error is the context's. Promise 6: nothing is left.
func TestGuardEveryCall(t *testing.T) {
	unlimited := step{"no limit", (*peer).silence, func(c *Conn) error {
		_, err := c.ReadReply(-1)
		return err
	}}
	for _, test := range append(steps(limit), unlimited) {
		for _, after := range []time.Duration{0, 10 * time.Second, limit} { // where both end, it is the context
			t.Run(test.name+" "+after.String(), func(t *testing.T) {
				network(t, test.serve, func(t *testing.T, n *fakenet.Network) {
					n.SetWindow(addr, 512)
					c := connect(t, n)
					time.Sleep(rtt)
					cause := errors.New("had enough")
					since := clock()
					c.Guard(guarded(t, after, cause))
					release := c.Release
					err := test.take(c)
					if after < limit {
						require.Equal(t, after, since())
						require.ErrorIs(t, err, context.Canceled)
						require.ErrorIs(t, err, cause)
						var lost *LostError
						require.ErrorAs(t, err, &lost)
						require.Equal(t, err, c.Broken())
					}
					release()
					require.Error(t, c.Broken())
					require.Zero(t, n.Open())
				})
			})
		}
	}
}

// The same while a server that broke off is listened to.
func TestGuardLastWords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, size := range []int{1, 1000} {
			c := NewConn(&halfDead{err: syscall.EPIPE, closed: make(chan struct{})})
			c.Guard(guarded(t, lastWords/2, nil))
			release := c.Release
			fillFlight(c, size)
			since := clock()
			require.ErrorIs(t, c.Send(limit, func(int, Reply) {}), context.Canceled)
			require.Equal(t, lastWords/2, since())
			release()
		}
	})
}

// A deadline is a context's end like any other.
func TestGuardDeadline(t *testing.T) {
	bubble(t, (*peer).silence, func(t *testing.T, c *Conn) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		c.Guard(ctx)
		release := c.Release
		defer release()
		since := clock()
		_, err := c.ReadReply(limit)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, time.Second, since())
	})
}

// A context that ends after the call does not undo it, but what was guarded is
// gone: nobody can tell what is on the wire.
func TestGuardRelease(t *testing.T) {
	serve := func(s *peer) {
		for s.line() != "" {
			s.say("250 ok\r\n")
		}
	}
	bubble(t, serve, func(t *testing.T, c *Conn) {
		ctx, cancel := context.WithCancel(t.Context())
		c.Guard(ctx)
		release := c.Release
		_, err := c.Command(limit, "NOOP")
		require.NoError(t, err)
		release()
		cancel() // too late
		synctest.Wait()
		_, err = c.Command(limit, "NOOP")
		require.NoError(t, err)

		ctx, cancel = context.WithCancel(t.Context())
		c.Guard(ctx)
		release = c.Release
		_, err = c.Command(limit, "NOOP")
		require.NoError(t, err)
		cancel() // before release
		release()
		require.ErrorIs(t, c.Broken(), context.Canceled)

	})
	bubble(t, serve, func(t *testing.T, c *Conn) {
		c.Guard(context.Background()) // cannot end: costs nothing
		release := c.Release
		_, err := c.Command(limit, "NOOP")
		require.NoError(t, err)
		release()
		require.NoError(t, c.Broken())
	})
}

// When release returns, nothing that Guard started is running.
func TestGuardReleaseWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nc := &slowClose{}
		c := NewConn(nc)
		ctx, cancel := context.WithCancel(t.Context())
		c.Guard(ctx)
		release := c.Release
		cancel()
		synctest.Wait()
		require.EqualValues(t, 1, nc.running.Load())
		release()
		require.Zero(t, nc.running.Load())
	})
}

// slowClose is a connection that takes long to close the first time.
type slowClose struct {
	failing
	calls, running atomic.Int32
}

func (s *slowClose) Close() error {
	s.running.Add(1)
	defer s.running.Add(-1)
	if s.calls.Add(1) == 1 {
		time.Sleep(time.Minute)
	}
	return nil
}
