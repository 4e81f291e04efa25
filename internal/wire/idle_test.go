package wire

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailport/mailport/internal/fakenet"
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

// A server that closes an idle session, with or without a word, is noticed when
// it does, and the reason is kept.
func TestParkLost(t *testing.T) {
	for _, test := range []struct {
		name  string
		leave func(*peer)
		want  error
	}{
		{"421", func(s *peer) { s.say("421 4.4.2 idle too long\r\n"); s.silence() },
			&LostError{&UnaskedError{Reply{421, [3]int{4, 4, 2}, []string{"4.4.2 idle too long"}}}}},
		{"421 and hang-up", func(s *peer) { s.say("421 bye\r\n") },
			&LostError{&UnaskedError{Reply{Code: 421, Lines: []string{"bye"}}}}},
		{"451, as SES", func(s *peer) { s.say("451 4.4.2 Timeout waiting for data from client.\r\n") },
			&LostError{&UnaskedError{Reply{451, [3]int{4, 4, 2}, []string{"4.4.2 Timeout waiting for data from client."}}}}},
		{"hang-up", func(*peer) {}, &LostError{io.EOF}},
		{"disorder", func(s *peer) { s.say("250 hello?\r\n"); s.silence() },
			&UnaskedError{Reply{Code: 250, Lines: []string{"hello?"}}}},
		{"garbage", func(s *peer) { s.say("\x00\n"); s.silence() },
			&ProtocolError{`unasked: "\x00\n"`}},
	} {
		for _, secure := range []bool{false, true} {
			t.Run(fmt.Sprint(test.name, secure), func(t *testing.T) {
				network(t, func(s *peer) {
					if secure {
						s.secure(serverTLS())
						defer s.Conn.Close()
					}
					time.Sleep(time.Hour)
					test.leave(s)
				}, func(t *testing.T, n *fakenet.Network) {
					c := connect(t, n)
					if secure {
						_, err := c.Secure(clientTLS(), limit)
						require.NoError(t, err)
					}
					lost := 0
					since := clock()
					c.Park(func() {
						lost++
						require.InDelta(t, time.Hour, since(), float64(rtt))
						require.Zero(t, n.Open(), "cut before it is told")
					})
					require.NoError(t, c.Broken())
					time.Sleep(time.Hour + 2*rtt)
					synctest.Wait()
					require.Equal(t, 1, lost)
					require.Error(t, c.Broken())
					require.False(t, c.Unpark())
					require.Equal(t, test.want, c.Broken())
					require.False(t, c.Unpark())
					require.Equal(t, 1, lost)
					c.Quit()
				})
			})
		}
	}
}

// Idle for an hour, then good, time and again; and an hour without a goroutine
// but the one that waits in a read.
func TestParkGood(t *testing.T) {
	for _, secure := range []bool{false, true} {
		bubble(t, func(s *peer) {
			if secure {
				s.secure(serverTLS())
			}
			for s.line() == "NOOP" {
				s.say("250 ok\r\n")
			}
		}, func(t *testing.T, c *Conn) {
			if secure {
				_, err := c.Secure(clientTLS(), limit)
				require.NoError(t, err)
			}
			require.True(t, c.Unpark(), "was not parked")
			for range 10 {
				c.Park(func() { t.Error("lost") })
				time.Sleep(time.Hour)
				since := clock()
				require.True(t, c.Unpark())
				require.Zero(t, since(), "no round trip")
				r, err := c.Command(limit, "NOOP")
				require.NoError(t, err)
				require.Equal(t, 250, r.Code)
				require.Equal(t, rtt, since())
			}
			require.True(t, c.Unpark())
			c.Park(func() { t.Error("lost") })
			require.True(t, c.Unpark(), "at once")
			c.Quit()
		})
	}
}

// Unpark and a last word at the same instant: whichever is first, both know of
// it, and a connection that passes for good is.
func TestParkRace(t *testing.T) {
	for i := range 300 {
		at := rtt + time.Duration(i%3-1)*time.Nanosecond // before, with and after it
		bubble(t, func(s *peer) {
			time.Sleep(rtt / 2)
			s.say("421 bye\r\n")
			s.silence()
		}, func(t *testing.T, c *Conn) {
			lost := 0
			c.Park(func() { lost++ })
			time.Sleep(at)
			good := c.Unpark()
			synctest.Wait()
			switch {
			case at < rtt:
				require.True(t, good)
			case at > rtt:
				require.False(t, good)
				require.Equal(t, 1, lost)
			}
			if good {
				require.Zero(t, lost)
				require.NoError(t, c.Broken())
				time.Sleep(rtt)
				r, err := c.Command(limit, "NOOP")
				require.NoError(t, err)
				require.Equal(t, 421, r.Code)
			} else {
				var unasked *UnaskedError
				require.ErrorAs(t, c.Broken(), &unasked)
			}
		})
	}
}

// What had come before the connection was parked counts as well.
func TestParkUnasked(t *testing.T) {
	bubble(t, func(s *peer) {
		s.want("NOOP")
		s.say("250 ok\r\n421 bye\r\n")
		s.silence()
	}, func(t *testing.T, c *Conn) {
		_, err := c.Command(limit, "NOOP")
		require.NoError(t, err)
		lost := make(chan struct{})
		c.Park(func() { close(lost) })
		<-lost
		require.False(t, c.Unpark())
	})
}

// Cut is for anyone at any time: the watch ends.
func TestParkCut(t *testing.T) {
	bubble(t, (*peer).silence, func(t *testing.T, c *Conn) {
		lost := make(chan struct{})
		c.Park(func() { close(lost) })
		c.Cut()
		<-lost
		require.False(t, c.Unpark())
		require.Error(t, c.Broken())
	})
}

// A broken connection may be parked and is lost at once.
func TestParkBroken(t *testing.T) {
	bubble(t, (*peer).silence, func(t *testing.T, c *Conn) {
		_, err := c.ReadReply(time.Second)
		require.Error(t, err)
		lost := make(chan struct{})
		c.Park(func() { close(lost) })
		<-lost
		require.False(t, c.Unpark())
		require.Equal(t, err, c.Broken())
	})
}

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

// A connection without deadlines is not watched, since the watch could not be
// ended: Unpark returns at once. Promises 6 and 7.
func TestUnparkWithoutDeadlines(t *testing.T) {
	bubble(t, func(s *peer) { s.silence() }, func(t *testing.T, c *Conn) {
		c.nc = timeless{c.nc}
		c.Park(func() { t.Error("nobody was lost") })
		require.True(t, c.Unpark())
	})
}

type timeless struct{ net.Conn }

func (timeless) SetReadDeadline(time.Time) error { return errors.ErrUnsupported }
