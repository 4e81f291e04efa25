package wire

import (
	"io"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailport/mailport/internal/fakenet"
	"github.com/stretchr/testify/require"
)

// A server that stops reading may have said why; RFC 5321, section 3.8. It is
// heard though the write has failed, and within the limit.
func TestLastWordsBody(t *testing.T) {
	network(t, func(s *peer) {
		s.say("552 too much\r\n")
		s.deaf()
	}, func(t *testing.T, n *fakenet.Network) {
		c := connect(t, n)
		since := clock()
		ended, err := c.WriteBody(strings.NewReader(strings.Repeat("line\r\n", 100_000)), false, limit)
		require.False(t, ended)
		var unasked *UnaskedError
		require.ErrorAs(t, err, &unasked)
		require.Equal(t, 552, unasked.Reply.Code)
		require.Less(t, since(), limit+time.Nanosecond)
	})
}

// The same with a server that hangs up.
func TestLastWordsBodyHangUp(t *testing.T) {
	bubble(t, func(s *peer) { s.say("421 shutting down\r\n") }, func(t *testing.T, c *Conn) {
		ended, err := c.WriteBody(reader(func(b []byte) (int, error) {
			time.Sleep(time.Second)
			return len(b), nil
		}), false, limit)
		require.False(t, ended)
		var unasked *UnaskedError
		require.ErrorAs(t, err, &unasked)
		require.Equal(t, 421, unasked.Reply.Code)
	})
}

// A flight that cannot be written is no reason not to hear what did arrive.
func TestLastWordsFlight(t *testing.T) {
	for _, n := range []int{100, 1000} { // alone, and beside a reader
		network(t, func(s *peer) {
			s.say("250 ok\r\n550 no\r\n")
			s.deaf()
		}, func(t *testing.T, net *fakenet.Network) {
			net.SetWindow(addr, 512)
			c := connect(t, net)
			fillFlight(c, n)
			got := record{t: t}
			since := clock()
			err := c.Send(limit, got.each)
			require.Equal(t, []int{250, 550}, got.codes())
			require.Equal(t, &LostError{&TimeLimitError{limit}}, err)
			if n == 100 {
				require.Equal(t, limit, since())
			}
		})
	}
}

// The reader that runs beside a large flight is ended when the writer has
// failed. What made it fail is the news.
func TestLargeFlightWriteError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nc := &halfDead{err: syscall.EHOSTUNREACH, closed: make(chan struct{})}
		c := NewConn(nc)
		fillFlight(c, 1000)
		since := clock()
		err := c.Send(limit, func(int, Reply) {})
		require.ErrorIs(t, err, syscall.EHOSTUNREACH)
		require.ErrorIs(t, c.Broken(), syscall.EHOSTUNREACH)
		require.Equal(t, lastWords, since())
	})
}

// halfDead is a connection whose writes fail and whose reads block.
type halfDead struct {
	failing
	err    error
	once   sync.Once
	closed chan struct{}
}

func (h *halfDead) Write([]byte) (int, error) { return 0, h.err }
func (h *halfDead) Read([]byte) (int, error)  { <-h.closed; return 0, io.ErrClosedPipe }
func (h *halfDead) Close() error              { h.once.Do(func() { close(h.closed) }); return nil }
