package submit_test

import (
	"context"
	"crypto/tls"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/internal/fakenet"
	"github.com/mailport/mailport/submit"
	"github.com/mailport/mailport/submit/submittest"
)

// Promises 3 and 4, as in TestCutAtEachOctet, of messages in chunks: in one flight
// with its end, in two, in lock-step, and large. Every octet of the message's own
// conversation is tried with FIN; of the other manners, of what is within a large
// chunk, and under the race detector, samples.
func TestCutAtEachOctetInChunks(t *testing.T) {
	for _, test := range []struct {
		name  string
		setup func(*submittest.Server)
		to    []string
		body  string
	}{
		{"one flight", nil, []string{friend}, text},
		{"two flights", nil, []string{friend, again}, text},
		{"lock-step", lockStep, []string{friend}, text},
		{"large", nil, []string{friend}, ofSize(64<<10 + 100)},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, both(chunking, test.setup, predictable), func(t *testing.T, w *world) {
				w.net.SetWindow(fakenet.Anywhere, 1<<20)
				c := newChunkCutting(w, test.body, test.to)
				for _, how := range []fakenet.Manner{fakenet.FIN, fakenet.RST, fakenet.Silence} {
					for _, d := range []fakenet.Direction{fakenet.ToServer, fakenet.ToClient} {
						for at := c.begun[d]; at <= c.verdict[d]+2; at++ { // beyond the verdict is QUIT
							if at >= c.verdict[d]-1 || at%c.stride(at, d, how) == 0 {
								c.try(d, at, how)
							}
						}
					}
				}
				t.Logf("%d receipts, %d uncertain, %d not sent", c.receipts, c.uncertain, c.notSent)
				require.NotZero(t, c.receipts)
				require.NotZero(t, c.uncertain)
				require.NotZero(t, c.notSent)
			})
		})
	}
}

// A chunkCutting is a conversation in chunks, had again and again, and cut each time.
type chunkCutting struct {
	w    *world
	body string
	to   []string

	// Octets that the network had seen, by direction, in a conversation that was not
	// cut. When the verdict is read, what was said is the message and no more.
	begun   [2]int // when MAIL was to be said
	verdict [2]int // when the verdict was read

	receipts, uncertain, notSent int
}

func newChunkCutting(w *world, body string, to []string) *chunkCutting {
	c := &chunkCutting{w: w, body: body, to: to}
	w.config.TLS.CurvePreferences = []tls.CurveID{tls.CurveP256} // fast
	w.config.TLS.ClientSessionCache = &oneTicket{}
	const limit = time.Second // silence must not last until the ticket expires
	w.config.Timeouts = submit.Timeouts{Connect: limit, Handshake: limit, Command: limit, Data: limit, Verdict: limit}
	c.have() // for the ticket
	before := c.have()
	require.Equal(w.t, before, c.have(), "one conversation is like the other")
	return c
}

func (c *chunkCutting) have() [2]int {
	w := c.w
	ctx := submit.WithTrace(w.t.Context(), func(_ context.Context, e submit.Event) {
		if e.Phase == submit.PhaseVerdict {
			c.verdict = octets(w.link())
		}
	})
	s := w.dial(submit.Submissions)
	require.NoError(w.t, s.Auth(w.t.Context()))
	c.begun = octets(w.link())
	_, err := s.Submit(ctx, letterOf(c.body, c.to...))
	require.NoError(w.t, err)
	s.Close()
	w.settled()
	return c.verdict
}

// stride thins out what would take too long.
func (c *chunkCutting) stride(at int, d fakenet.Direction, how fakenet.Manner) int {
	switch {
	case *everyOctet:
		return 1
	case d == fakenet.ToServer && at < c.verdict[d]-400:
		return 7919 // amid the first chunk, which is like any
	case raced || testing.Short():
		return 31
	case how != fakenet.FIN:
		return 5
	}
	return 1
}

// try has the conversation once, cut, and compares what the client says of it with
// what was.
func (c *chunkCutting) try(d fakenet.Direction, at int, how fakenet.Manner) {
	w := c.w
	before := len(w.server.Messages())
	w.net.OnConnect(fakenet.Anywhere, func(l *fakenet.Link) { l.CutAfter(d, at, how) })
	receipt, err := w.transport(submit.Submissions).Submit(w.t.Context(), letterOf(c.body, c.to...))
	link := w.link()
	left, open := link.Octets(fakenet.ToServer), link.Open()
	link.Server().Close() // a server that was cut off in silence waits for ever
	time.Sleep(2 * rtt)

	var (
		taken  = len(w.server.Messages()) - before
		handed = left >= c.verdict[fakenet.ToServer]
		came   = at >= c.verdict[d] // the verdict
	)
	if d == fakenet.ToServer {
		came = at > c.verdict[d] // cut while it says QUIT
	}
	wrong := ""
	switch uncertain := errors.Is(err, submit.ErrUncertain); {
	case (receipt != nil) != (err == nil):
		wrong = "both or neither of receipt and error"
	case open:
		wrong = "connection left open"
	case (err == nil) != came:
		wrong = "receipt without verdict, or the other way round"
	case uncertain != (handed && !came):
		wrong = "uncertain for no reason, or certain for none"
	case err == nil && taken != 1:
		wrong = "receipt for a message that was not taken"
	case err == nil && !receipt.TLS.DidResume:
		wrong = "another conversation than the one that was measured"
	case err == nil:
		c.receipts++
	case uncertain:
		c.uncertain++
	case taken != 0:
		wrong = "error for a message that was taken"
	default:
		c.notSent++
	}
	if wrong != "" {
		w.t.Errorf("direction %d, manner %d, after %d octets of %v: %s: %v", d, how, at, c.verdict, wrong, err)
	}
}
