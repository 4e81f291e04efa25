package submit_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/internal/fakenet"
	"github.com/mailport/mailport/submit"
	"github.com/mailport/mailport/submit/submittest"
)

// Promise 3, the whole truth of it for messages that share a session: a connection
// that is cut after any number of octets, in either direction, in any manner,
// leaves in doubt the messages whose end was handed to the network and of which no
// verdict was read, and those alone. What was answered has a receipt, and what was
// not handed over goes over another session.
//
// With FIN every 13th octet from AUTH on is tried, of the rest samples; the octets
// around those that decide, always. -everyoctet tries all, -short fewer.
func TestBatchCutAtEachOctet(t *testing.T) {
	for name, c := range map[string]struct {
		setup  func(*submittest.Server)
		taught bool // what the server can do is known
	}{
		"DATA":                 {},
		"CHUNKING":             {setup: chunking},
		"a window of CHUNKING": {chunking, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, both(c.setup, predictable), func(t *testing.T, w *world) {
				b := newBreaking(w, c.taught)
				for _, how := range []fakenet.Manner{fakenet.FIN, fakenet.RST, fakenet.Silence} {
					for _, d := range []fakenet.Direction{fakenet.ToServer, fakenet.ToClient} {
						for at := 0; at <= b.all[d]+2; at++ {
							if *everyOctet || at%b.stride(at, d, how) == 0 || b.decisive(at, d) && (!raced || how == fakenet.FIN) {
								b.try(d, at, how)
							}
						}
					}
				}
				t.Logf("%+v in %d batches", b.sum, b.tries)
				require.NotZero(t, b.sum.receipts)
				require.NotZero(t, b.sum.uncertain)
				require.NotZero(t, b.sum.failed)
				require.NotZero(t, b.again)
			})
		})
	}
}

// A breaking is a batch that is sent again and again, and cut each time.
type breaking struct {
	w      *world
	taught bool

	// How many octets had been written, by direction, in a batch that was not cut.
	auth   [2]int
	handed []int // to the server, when the end of a message was
	read   []int // to the client, when a verdict was
	all    [2]int

	mu    sync.Mutex // guards ends
	ends  []int      // as handed, of the batch under way
	sum   balance
	again int
	tries int
}

const brokenUp = 6 // messages in a batch

func newBreaking(w *world, taught bool) *breaking {
	b := &breaking{w: w, taught: taught}
	w.config.TLS.ClientSessionCache = &oneTicket{}
	w.config.Timeouts = submit.Timeouts{
		Connect: time.Second, Handshake: time.Second, Command: time.Second, Data: time.Second, Verdict: time.Second,
	}
	w.server.RejectMessage = func(submittest.Message) *smtp.SMTPError {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.ends = append(b.ends, w.link().Octets(fakenet.ToServer))
		return nil
	}
	w.config.Quirks = new(submit.Quirks)
	b.send() // for the ticket, and for what is learnt
	b.send()
	b.all = octets(w.link())
	b.handed = b.ends
	require.Len(w.t, b.handed, brokenUp)
	require.Len(w.t, b.read, brokenUp)
	return b
}

// send sends the batch, uncut, and takes its measures.
func (b *breaking) send() {
	b.ends, b.read = nil, nil
	ctx := submit.WithTrace(b.w.t.Context(), func(_ context.Context, e submit.Event) {
		switch e.Phase {
		case submit.PhaseAuth:
			b.auth = octets(b.w.link())
		case submit.PhaseVerdict:
			b.read = append(b.read, b.w.link().Octets(fakenet.ToClient))
		}
	})
	p := b.pool()
	for _, r := range results(b.w.t, p.SubmitAll(ctx, letters(brokenUp, nil)), brokenUp) {
		require.NoError(b.w.t, r.Err)
	}
	require.NoError(b.w.t, p.Close())
	b.w.settled()
}

func (b *breaking) pool() *submit.Pool {
	if !b.taught {
		b.w.config.Quirks = nil
	}
	return &submit.Pool{Transport: b.w.transport(submit.Submissions), MaxSessions: 1}
}

func (b *breaking) stride(at int, d fakenet.Direction, how fakenet.Manner) int {
	stride := 13
	if at < b.auth[d] {
		stride = 97
	}
	switch how {
	case fakenet.RST:
		stride *= 5
	case fakenet.Silence:
		stride *= 7
	}
	if testing.Short() || raced {
		stride *= 5
	}
	return stride
}

func (b *breaking) decisive(at int, d fakenet.Direction) bool {
	marks := b.handed
	if d == fakenet.ToClient {
		marks = b.read
	}
	for _, mark := range marks {
		if mark-1 <= at && at <= mark+1 {
			return true
		}
	}
	return false
}

// try sends the batch once, cut in its first session, and compares what is said of
// each message with what was.
func (b *breaking) try(d fakenet.Direction, at int, how fakenet.Manner) {
	t, w := b.w.t, b.w
	b.tries++
	before := len(w.server.Messages())
	var first *fakenet.Link
	w.net.OnConnect(fakenet.Anywhere, func(l *fakenet.Link) {
		if first == nil {
			first = l
			l.CutAfter(d, at, how)
		}
	})
	p := b.pool()
	list := results(t, p.SubmitAll(t.Context(), letters(brokenUp, nil)), brokenUp)
	stats := p.Stats()
	require.NoError(t, p.Close())
	left := first.Octets(fakenet.ToServer)
	first.Server().Close() // a server that was cut off in silence waits for ever
	time.Sleep(2 * rtt)

	taken := map[string]int{}
	for _, m := range w.server.Messages()[before:] {
		taken[string(m.Data)]++
	}
	b.again += int(stats.Again)
	var sum balance
	for i, r := range list {
		var (
			handed = left >= b.handed[i]
			came   = d == fakenet.ToServer && at > b.handed[i] || d == fakenet.ToClient && at >= b.read[i]
			times  = taken["Subject: "+itoa(i)+"\r\n\r\nHello.\r\n"]
			wrong  = ""
		)
		switch uncertain := errors.Is(r.Err, submit.ErrUncertain); {
		case r.Err == nil:
			sum.receipts++
			if times != 1 {
				wrong = "receipt for a message that was not taken, or twice"
			}
		case uncertain:
			sum.uncertain++
			if times > 1 {
				wrong = "taken twice"
			}
		default:
			sum.failed++
			if times != 0 {
				wrong = "error for a message that was taken"
			}
		}
		switch uncertain := errors.Is(r.Err, submit.ErrUncertain); {
		case wrong != "":
		case uncertain != (handed && !came):
			wrong = "uncertain for no reason, or certain for none"
		case r.Err != nil && !uncertain && i > 0 && left > b.auth[fakenet.ToServer]+200:
			wrong = "not sent over another session"
		}
		if wrong != "" {
			t.Errorf("direction %d, manner %d, after %d octets of %v: message %d: %s: %v; handed %v, read %v",
				d, how, at, b.all, i, wrong, r.Err, b.handed, b.read)
		}
	}
	require.EqualValues(t, sum.receipts, stats.Accepted)
	require.EqualValues(t, sum.uncertain, stats.Uncertain)
	require.Zero(t, w.net.Open())
	b.sum.receipts += sum.receipts
	b.sum.uncertain += sum.uncertain
	b.sum.failed += sum.failed
}
