package wire

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailport/mailport/internal/fakenet"
	"github.com/stretchr/testify/require"
)

// reading reads replies in a goroutine until there are n or it fails.
func reading(c *Conn, n int) (ended func() ([]int, error)) {
	var (
		codes []int
		err   error
		done  = make(chan struct{})
	)
	go func() {
		defer close(done)
		for range n {
			var r Reply
			if r, err = c.ReadReply(limit); err != nil {
				return
			}
			codes = append(codes, r.Code)
		}
	}()
	return func() ([]int, error) { <-done; return codes, err }
}

// One writes and one reads, at their own pace (RFC 2920, section 3.1); and then the
// connection is as good as before. Under the race detector this says that they
// share nothing else.
func TestPush(t *testing.T) {
	for _, secure := range []bool{false, true} {
		network(t, func(p *peer) {
			if secure && !p.secure(serverTLS()) {
				return
			}
			p.say("220 hi\r\n")
			for i := 0; ; i++ {
				line := p.line()
				if line == "" {
					return
				}
				fmt.Fprintf(p, "250 2.0.0 %s is fine\r\n", line)
			}
		}, func(t *testing.T, n *fakenet.Network) {
			n.SetWindow(addr, 1<<10) // each waits for the other, now and then
			c := connect(t, n)
			if secure {
				_, err := c.Secure(clientTLS(), limit)
				require.NoError(t, err)
			}
			_, err := c.ReadReply(limit)
			require.NoError(t, err)
			p, err := c.Pusher()
			require.NoError(t, err)
			const flights, commands = 20, 30
			ended := reading(c, flights*commands)
			for range flights {
				fillFlight(c, commands)
				require.Equal(t, commands*len("RCPT TO:<someone@example.net>\r\n"), c.Queued())
				mark := c.Mark()
				require.NoError(t, p.Push(limit))
				require.True(t, c.Reached(mark))
				require.Zero(t, c.Queued())
			}
			codes, err := ended()
			require.NoError(t, err)
			require.Len(t, codes, flights*commands)
			require.NoError(t, p.Done(limit))
			r, err := c.Command(limit, "NOOP")
			require.NoError(t, err)
			require.Equal(t, "250 2.0.0 NOOP is fine", r.String())
		})
	}
}

// A flight that was large once is not kept.
func TestPushKeepsLittle(t *testing.T) {
	c := NewConn(&again{said: "250 ok\r\n", r: strings.NewReader("")})
	p, err := c.Pusher()
	require.NoError(t, err)
	fillFlight(c, 5000)
	require.NoError(t, p.Push(limit))
	require.LessOrEqual(t, cap(c.out), keptFlight)
}

// The writer fails, since the server hung up: what that said before is heard, to
// the last word.
func TestPushToNobody(t *testing.T) {
	bubble(t, func(p *peer) {
		p.want("NOOP")
		p.say("250 ok\r\n550 no\r\n421 bye\r\n")
	}, func(t *testing.T, c *Conn) {
		p, err := c.Pusher()
		require.NoError(t, err)
		ready := make(chan struct{})
		queue(t, c, "NOOP")
		require.NoError(t, p.Push(limit))
		var ended func() ([]int, error)
		go func() { // a reader that is late
			time.Sleep(time.Second)
			ended = reading(c, 1000)
			close(ready)
		}()
		for err == nil {
			time.Sleep(rtt / 3)
			fillFlight(c, 100)
			err = p.Push(limit)
		}
		require.ErrorIs(t, err, syscall.EPIPE)
		<-ready
		codes, rerr := ended()
		require.Equal(t, []int{250, 550, 421}, codes)
		require.Equal(t, &LostError{io.EOF}, rerr)
		require.Equal(t, &LostError{io.EOF}, p.Done(limit), "what the server did says more than a write that failed")
		require.Equal(t, &LostError{io.EOF}, c.Broken())
	})
}

// The writer fails, since the server does not read any more: what it said is heard,
// and nobody waits longer than the limit for more.
func TestPushToTheDeaf(t *testing.T) {
	network(t, func(p *peer) {
		p.say("250 ok\r\n250 ok\r\n")
		p.deaf()
	}, func(t *testing.T, n *fakenet.Network) {
		n.SetWindow(addr, 1<<10)
		c := connect(t, n)
		p, err := c.Pusher()
		require.NoError(t, err)
		fillFlight(c, 100)
		since := clock()
		ended := reading(c, 100)
		const short = limit / 2
		require.Error(t, p.Push(short))
		codes, err := ended()
		require.Error(t, err)
		require.Equal(t, []int{250, 250}, codes)
		require.Equal(t, &LostError{&TimeLimitError{short}}, p.Done(short), "it was the writer's limit")
		require.Equal(t, &LostError{&TimeLimitError{short}}, c.Broken())
		require.Equal(t, short, since())
	})
}

// The writer fails, and the reader waits for what will not come: it has a second.
func TestPushThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := NewConn(&halfDead{err: syscall.EHOSTUNREACH, closed: make(chan struct{})})
		p, err := c.Pusher()
		require.NoError(t, err)
		fillFlight(c, 1)
		since := clock()
		ended := reading(c, 1)
		require.ErrorIs(t, p.Push(limit), syscall.EHOSTUNREACH)
		_, err = ended()
		require.Error(t, err)
		require.Equal(t, lastWords, since())
		require.ErrorIs(t, p.Done(limit), syscall.EHOSTUNREACH, "it is the writer's")
		require.ErrorIs(t, c.Broken(), syscall.EHOSTUNREACH)
	})
}

// The reader fails, and so does what is written then. The reader's error counts: it
// says what the server did.
func TestPushPastTheReader(t *testing.T) {
	for said, want := range map[string]error{
		"what?\r\n":                   &ProtocolError{`not an SMTP reply: "what?"`},
		"250 ok\r\n421 4.3.2 bye\r\n": &LostError{io.EOF},
		"":                            &LostError{&TimeLimitError{limit}},
	} {
		t.Run(said, func(t *testing.T) {
			bubble(t, func(p *peer) { p.say(said); p.silence() }, func(t *testing.T, c *Conn) {
				p, err := c.Pusher()
				require.NoError(t, err)
				ended := reading(c, 10)
				_, rerr := ended()
				require.Equal(t, want, rerr)
				fillFlight(c, 1)
				since := clock()
				require.Error(t, p.Push(limit))
				require.Equal(t, want, p.Done(limit))
				require.Equal(t, want, c.Broken())
				require.Zero(t, since(), "nobody waits for words any more")
			})
			// Likewise if nothing was written since.
			bubble(t, func(p *peer) { p.say(said); p.silence() }, func(t *testing.T, c *Conn) {
				p, err := c.Pusher()
				require.NoError(t, err)
				_, rerr := reading(c, 10)()
				require.Equal(t, want, rerr)
				require.Equal(t, want, p.Done(limit))
			})
		})
	}
}

// A reader that fails ends a write that waits for a server that does not read.
func TestPushIsEnded(t *testing.T) {
	network(t, func(p *peer) { p.say("what?\r\n"); p.deaf() }, func(t *testing.T, n *fakenet.Network) {
		n.SetWindow(addr, 1<<10)
		c := connect(t, n)
		p, err := c.Pusher()
		require.NoError(t, err)
		fillFlight(c, 1000)
		since := clock()
		ended := reading(c, 1000)
		require.Error(t, p.Push(limit))
		_, err = ended()
		var malformed *ProtocolError
		require.ErrorAs(t, err, &malformed)
		require.ErrorAs(t, p.Done(limit), &malformed)
		require.Less(t, since(), rtt)
	})
}

// Pushing begins with a connection that is good, and at which nothing was said that
// nobody asked for. What comes after credentials may quote them, and is not told.
func TestPusherUnasked(t *testing.T) {
	bubble(t, func(p *peer) { p.say("220 hi\r\n250 what?\r\n"); p.silence() }, func(t *testing.T, c *Conn) {
		_, err := c.ReadReply(limit)
		require.NoError(t, err)
		_, err = c.Pusher()
		var unasked *UnaskedError
		require.ErrorAs(t, err, &unasked)
		_, err = c.Pusher()
		require.Equal(t, c.Broken(), err)
	})
	const secret = "dGFuc3RhYWY="
	network(t, func(p *peer) {
		if p.secure(serverTLS()) {
			p.want("AUTH PLAIN " + secret)
			p.say("235 ok\r\n") // two records, which arrive together
			p.say("250 you said " + secret + "\r\n")
			p.silence()
		}
	}, func(t *testing.T, n *fakenet.Network) {
		c := connect(t, n)
		_, err := c.Secure(clientTLS(), limit)
		require.NoError(t, err)
		_, err = c.Command(limit, "AUTH", "PLAIN", secret)
		require.NoError(t, err)
		_, err = c.Pusher()
		require.Error(t, err)
		require.NotContains(t, err.Error(), secret)
	})
}

// What comes later is no answer to credentials, and is told.
func TestPushAfterSecret(t *testing.T) {
	bubble(t, func(p *peer) {
		p.want("AUTH PLAIN AAAA")
		p.say("235 ok\r\n")
		p.want("NOOP")
		p.say("what?\r\n")
	}, func(t *testing.T, c *Conn) {
		_, err := c.Command(limit, "AUTH", "PLAIN", "AAAA")
		require.NoError(t, err)
		p, err := c.Pusher()
		require.NoError(t, err)
		queue(t, c, "NOOP")
		require.NoError(t, p.Push(limit))
		_, err = reading(c, 1)()
		require.ErrorContains(t, err, "what?")
		require.Equal(t, err, p.Done(limit))
	})
}

// Flush leaves the replies to be read, and hears a server that broke off.
func TestFlush(t *testing.T) {
	bubble(t, func(p *peer) {
		p.want("NOOP")
		p.want("RSET")
		p.say("250 a\r\n251 b\r\n")
	}, func(t *testing.T, c *Conn) {
		queue(t, c, "NOOP", "RSET")
		since := clock()
		require.NoError(t, c.Flush(limit))
		require.Zero(t, since())
		for _, code := range []int{250, 251} {
			r, err := c.ReadReply(limit)
			require.NoError(t, err)
			require.Equal(t, code, r.Code)
		}
		time.Sleep(rtt)
		queue(t, c, "NOOP")
		require.NoError(t, c.Flush(limit), "the network takes it")
		time.Sleep(2 * rtt)
		queue(t, c, "NOOP")
		err := c.Flush(limit)
		require.ErrorIs(t, err, syscall.EPIPE)
		require.Equal(t, err, c.Broken())
	})
	bubble(t, func(p *peer) { p.say("220 hi\r\n421 bye\r\n"); p.silence() }, func(t *testing.T, c *Conn) {
		_, err := c.ReadReply(limit)
		require.NoError(t, err)
		queue(t, c, "NOOP")
		err = c.Flush(limit)
		var unasked *UnaskedError
		require.True(t, errors.As(err, &unasked))
		require.Equal(t, 421, unasked.Reply.Code)
		require.Zero(t, c.Queued())
	})
	network(t, func(p *peer) {
		if p.secure(serverTLS()) {
			p.say("220 hi\r\n") // two records, which arrive together
			p.say("250 what?\r\n")
			p.silence()
		}
	}, func(t *testing.T, n *fakenet.Network) {
		c := connect(t, n)
		_, err := c.Secure(clientTLS(), limit)
		require.NoError(t, err)
		_, err = c.ReadReply(limit)
		require.NoError(t, err)
		queue(t, c, "NOOP")
		var unasked *UnaskedError
		require.ErrorAs(t, c.Flush(limit), &unasked)
	})
}
