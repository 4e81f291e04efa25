package wire

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailport/mailport/internal/fakenet"
	"github.com/stretchr/testify/require"
)

// RFC 2920, section 3.1: a flight leaves in one write, and its replies are back
// after one round trip.
func TestFlight(t *testing.T) {
	network(t, func(s *peer) {
		s.want("MAIL FROM:<a@x.test>")
		s.want("RCPT TO:<b@y.test>")
		s.want("RCPT TO:<c@y.test>")
		s.want("DATA")
		s.say("250 a\r\n550-b\r\n550 no\r\n250 c\r\n354 go\r\n")
	}, func(t *testing.T, n *fakenet.Network) {
		c := connect(t, n)
		queue(t, c, "MAIL FROM:<a@x.test>", "RCPT TO:<b@y.test>", "RCPT TO:<c@y.test>", "DATA")
		got := record{t: t}
		since := clock()
		require.NoError(t, c.Send(limit, got.each))
		require.Equal(t, rtt, since())
		require.Equal(t, []int{250, 550, 250, 354}, got.codes())
		require.Len(t, n.Links(addr)[0].Writes(fakenet.ToServer), 1)
		require.Zero(t, c.queued)
	})
}

// The same over TLS: one write of one record.
func TestFlightTLS(t *testing.T) {
	network(t, func(s *peer) {
		if s.secure(serverTLS()) {
			s.want("MAIL FROM:<a@x.test>")
			s.want("RCPT TO:<b@y.test>")
			s.say("250 a\r\n250 b\r\n")
		}
	}, func(t *testing.T, n *fakenet.Network) {
		c := connect(t, n)
		_, err := c.Secure(clientTLS(), limit)
		require.NoError(t, err)
		before := len(n.Links(addr)[0].Writes(fakenet.ToServer))
		queue(t, c, "MAIL FROM:<a@x.test>", "RCPT TO:<b@y.test>")
		since := clock()
		require.NoError(t, c.Send(limit, func(int, Reply) {}))
		require.Equal(t, rtt, since())
		require.Len(t, n.Links(addr)[0].Writes(fakenet.ToServer), before+1)
	})
}

// Without PIPELINING each command costs a round trip.
func TestLockStep(t *testing.T) {
	bubble(t, func(s *peer) {
		for range 3 {
			s.want("NOOP")
			if s.br.Buffered() > 0 {
				s.t.Error("a command came before its turn")
			}
			s.say("250 ok\r\n")
		}
	}, func(t *testing.T, c *Conn) {
		since := clock()
		for range 3 {
			r, err := c.Command(limit, "NOOP")
			require.NoError(t, err)
			require.Equal(t, 250, r.Code)
		}
		require.Equal(t, 3*rtt, since())
	})
}

// Nothing queued, nothing sent, nothing awaited.
func TestFlightEmpty(t *testing.T) {
	bubble(t, func(s *peer) { s.want("") }, func(t *testing.T, c *Conn) {
		queue(t, c, "NOOP")
		c.Drop()
		since := clock()
		require.NoError(t, c.Send(limit, func(int, Reply) { t.Error("a reply") }))
		require.Zero(t, since())
	})
}

// RFC 5321, section 3.8: 421 may answer any command, and no reply to the rest
// need come.
func TestFlight421(t *testing.T) {
	for _, size := range []int{4, 1000} { // alone, and beside a reader
		for at := range 4 {
			bubble(t, func(s *peer) {
				s.line()
				s.say(strings.Repeat("250 ok\r\n", at) + "421 4.3.2 shutting down\r\n")
				s.silence()
			}, func(t *testing.T, c *Conn) {
				fillFlight(c, size)
				got := record{t: t}
				since := clock()
				err := c.Send(limit, got.each)
				require.Equal(t, rtt, since(), "nobody waits for what need not come")
				require.Equal(t, &LostError{io.EOF}, err)
				require.Equal(t, err, c.Broken())
				require.Equal(t, append(slices.Repeat([]int{250}, at), 421), got.codes())
				require.Equal(t, "421 4.3.2 shutting down", got.replies[at].String())
			})
		}
	}
}

// A single 421 is the reply to the command; that nothing follows it is known.
func TestCommand421(t *testing.T) {
	bubble(t, func(s *peer) {
		s.want("NOOP")
		s.say("421 bye\r\n")
	}, func(t *testing.T, c *Conn) {
		r, err := c.Command(limit, "NOOP")
		require.NoError(t, err)
		require.Equal(t, 421, r.Code)
		require.Equal(t, &LostError{io.EOF}, c.Broken())
	})
	bubble(t, func(s *peer) { s.say("421 too busy\r\n") }, func(t *testing.T, c *Conn) {
		r, err := c.ReadReply(limit) // as a greeting
		require.NoError(t, err)
		require.Equal(t, 421, r.Code)
		require.Equal(t, &LostError{io.EOF}, c.Broken())
		_, err = c.ReadReply(limit)
		require.Error(t, err)
	})
}

// Some servers hang up after they refused. The refusal is the news.
func TestFlightRefusedThenHangUp(t *testing.T) {
	for _, size := range []int{4, 1000} {
		for _, how := range []fakenet.Manner{fakenet.FIN, fakenet.RST} {
			bubble(t, func(s *peer) {
				s.line()
				s.say("250 ok\r\n550 5.7.1 blocked\r\n")
				s.Conn.(*fakenet.Conn).Link().CutAfter(fakenet.ToClient, 0, how)
			}, func(t *testing.T, c *Conn) {
				fillFlight(c, size)
				got := record{t: t}
				since := clock()
				err := c.Send(limit, got.each)
				require.Less(t, since(), 2*time.Second)
				var lost *LostError
				require.ErrorAs(t, err, &lost)
				require.Equal(t, []int{250, 550}, got.codes())
			})
		}
	}
}

// A write that fails says less than the reply that came before it did.
func TestFlightWriteFails(t *testing.T) {
	bubble(t, func(s *peer) {
		s.say("421 4.4.2 idle too long\r\n")
	}, func(t *testing.T, c *Conn) {
		time.Sleep(rtt) // the reply and the end are here, unread
		c.raw.Conn.Write([]byte("x"))
		time.Sleep(2 * rtt) // and writes fail
		queue(t, c, "NOOP", "NOOP")
		got := record{t: t}
		err := c.Send(limit, got.each)
		require.Error(t, err)
		require.Equal(t, []int{421}, got.codes())
		require.Equal(t, err, c.Broken())
	})
}

// RFC 2920, section 3.1: a server may read no further until its replies are read.
// With windows far smaller than the flight, that is a deadlock for a client that
// only writes.
func TestFlightNoDeadlock(t *testing.T) {
	const n = 50_000
	network(t, func(s *peer) {
		for i := range n {
			if line := s.line(); line == "" {
				s.t.Errorf("command %d did not come", i)
				return
			}
			// A write blocks once the window is full, and reading with it.
			fmt.Fprintf(s, "%d 2.1.5 ok\r\n", 250+i%2)
		}
	}, func(t *testing.T, net *fakenet.Network) {
		net.SetWindow(addr, 2048)
		net.SetRTT(addr, 0)
		c := connect(t, net)
		fillFlight(c, n)
		i := 0
		require.NoError(t, c.Send(limit, func(at int, r Reply) {
			if at != i || r.Code != 250+i%2 {
				t.Fatalf("reply %d: told as %d, %v", i, at, r)
			}
			i++
		}))
		require.Equal(t, n, i)
		require.NoError(t, c.Broken())
		require.Less(t, cap(c.out), 1<<20, "a great many recipients, once")
	})
}

// A large flight is watched like a small one: what is no reply ends it, and with
// it the writer.
func TestLargeFlightMalformed(t *testing.T) {
	network(t, func(s *peer) {
		s.line()
		s.say("250 ok\r\nwhat?\r\n")
		s.deaf()
	}, func(t *testing.T, n *fakenet.Network) {
		n.SetWindow(addr, 2048)
		c := connect(t, n)
		fillFlight(c, 1000)
		got := record{t: t}
		since := clock()
		err := c.Send(limit, got.each)
		var malformed *ProtocolError
		require.ErrorAs(t, err, &malformed)
		require.Equal(t, rtt, since())
		require.Equal(t, []int{250}, got.codes())
		require.Zero(t, n.Open())
	})
}

// A connection is broken from the first error on, and says nothing more.
func TestBrokenSaysNothing(t *testing.T) {
	bubble(t, func(s *peer) {
		s.want("NOOP")
		s.say("nonsense\r\n")
		s.want("")
	}, func(t *testing.T, c *Conn) {
		_, err := c.Command(limit, "NOOP")
		var malformed *ProtocolError
		require.ErrorAs(t, err, &malformed)
		for name, step := range map[string]func() error{
			"Command":   func() error { _, err := c.Command(limit, "RSET"); return err },
			"AuthLine":  func() error { _, err := c.AuthLine(limit, "*"); return err },
			"ReadReply": func() error { _, err := c.ReadReply(limit); return err },
			"First":     func() error { _, err := c.First(limit); return err },
			"Secure":    func() error { _, err := c.Secure(clientTLS(), limit); return err },
			"WriteBody": func() error { _, err := c.WriteBody(strings.NewReader("x"), false, limit); return err },
		} {
			require.Equal(t, err, step(), name)
		}
		c.Quit()
		require.Equal(t, err, c.Broken())
	})
}
