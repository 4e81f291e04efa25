package wire

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// A server may begin a reply while the connection is idle and never end it.
// Nobody waits for the rest. Promise 7.
func TestUnparkHalfAReply(t *testing.T) {
	for _, said := range []string{"421-closing\r\n", "421-closing\r\n421", "4", "\r"} {
		t.Run(said, func(t *testing.T) {
			bubble(t, func(s *peer) {
				s.say(said)
				s.silence()
			}, func(t *testing.T, c *Conn) {
				lost := make(chan struct{})
				c.Park(func() { close(lost) })
				<-lost
				since := clock()
				require.False(t, c.Unpark())
				require.Zero(t, since())
				var protocol *ProtocolError
				require.ErrorAs(t, c.Broken(), &protocol)
				require.ErrorContains(t, c.Broken(), "unasked")
			})
		})
	}
}

// A peer that is gone is reported by the kernel, some time, with ETIMEDOUT. That
// is a timeout, but not ours.
func TestUnparkPeerGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nc := &failing{after: time.Minute, err: &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ETIMEDOUT)}}
		c := NewConn(nc)
		lost := make(chan struct{})
		c.Park(func() { close(lost) })
		<-lost
		require.False(t, c.Unpark())
		require.ErrorIs(t, c.Broken(), syscall.ETIMEDOUT)
	})
}

// The same during a step is not the step's limit: it came earlier.
func TestReadReplyPeerGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := NewConn(&failing{after: time.Second, err: os.NewSyscallError("read", syscall.ETIMEDOUT)})
		_, err := c.ReadReply(limit)
		var late *TimeLimitError
		require.False(t, errors.As(err, &late))
		require.ErrorIs(t, err, syscall.ETIMEDOUT)
	})
}

// failing is a connection whose reads fail after a while. Its deadlines do
// nothing.
type failing struct {
	net.Conn
	after time.Duration
	err   error
}

func (f *failing) Read([]byte) (int, error)         { time.Sleep(f.after); return 0, f.err }
func (f *failing) Write(b []byte) (int, error)      { return len(b), nil }
func (f *failing) Close() error                     { return nil }
func (f *failing) SetReadDeadline(time.Time) error  { return nil }
func (f *failing) SetWriteDeadline(time.Time) error { return nil }

var _ io.Reader = (*failing)(nil)

// Promise 6, for who closes a pool: Quit ends the watch too, and lost is for
// what the server does.
func TestQuitParked(t *testing.T) {
	bubble(t, func(s *peer) {
		s.want("QUIT")
		s.silence()
	}, func(t *testing.T, c *Conn) {
		c.Park(func() { t.Error("lost") })
		synctest.Wait()
		c.Quit()
		synctest.Wait()
		require.ErrorIs(t, c.Broken(), ErrBroken)
	})
}
