package hostile

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/negotiate"
	"github.com/mailport/mailport/submit"
)

// A sequence is a crime against several messages of one pool, which are numbered
// from 1, and how many of them must have which end.
type sequence struct {
	name     string
	does     does
	messages int
	ends     tally
	sessions int // that see a login
	pause    time.Duration
	takes    time.Duration
}

// A tally counts receipts, errors, and what is in doubt.
type tally struct{ receipts, errors, doubts int }

// A batch is the messages of a sequence on their way, and what became of each.
type batch struct {
	sequence
	results map[int]result
}

// all has a pool carry the messages together, over one session at a time.
func (b *batch) all(ctx context.Context, t submit.Transport) (*submit.Receipt, error) {
	p := &submit.Pool{Transport: t, MaxSessions: 1}
	defer p.Close()
	messages := func(yield func(submit.Message) bool) {
		for i := range b.messages {
			if !yield(numbered(i + 1)) {
				return
			}
		}
	}
	for r := range p.SubmitAll(ctx, messages) {
		b.ended(r.Index+1, r.Receipt, r.Err)
	}
	return b.first()
}

// oneByOne has a pool carry them one after the other, with a pause between.
func (b *batch) oneByOne(ctx context.Context, t submit.Transport) (*submit.Receipt, error) {
	p := &submit.Pool{Transport: t, MaxSessions: 1}
	defer p.Close()
	for i := range b.messages {
		receipt, err := p.Submit(ctx, numbered(i+1))
		b.ended(i+1, receipt, err)
		time.Sleep(b.pause)
	}
	return b.first()
}

func (b *batch) ended(number int, receipt *submit.Receipt, err error) {
	if _, twice := b.results[number]; twice {
		panic(fmt.Sprintf("message %d has ended twice", number))
	}
	b.results[number] = result{receipt: receipt, err: err}
}

// first is what became of the first message, for checks of one.
func (b *batch) first() (*submit.Receipt, error) { return b.results[1].receipt, b.results[1].err }

func numbered(n int) submit.Message {
	return submit.Message{From: user, To: []string{friend}, Body: strings.NewReader(fmt.Sprintf("X-Number: %d\r\n%s", n, body))}
}

// check holds promise 3 for each message: its receipt or error is what the server
// said to this very one, which it has not more than once.
func (b *batch) check(x *trial, got result) {
	said := map[int][]int{}
	for _, v := range x.all() {
		for i, code := range v.evidence.verdicts() {
			n := v.evidence.numbers[i]
			said[n] = append(said[n], code)
		}
	}
	var have tally
	for n := range b.messages {
		n++
		r, ok := b.results[n]
		require.True(x.t, ok, "nothing is known of message %d", n)
		yes := len(slices.DeleteFunc(slices.Clone(said[n]), func(code int) bool { return code/100 != 2 }))
		perhaps := len(slices.DeleteFunc(slices.Clone(said[n]), func(code int) bool { return code != 0 }))
		require.LessOrEqual(x.t, yes+perhaps, 1, "message %d was, or may have been, taken more than once", n)
		switch {
		case r.receipt != nil:
			have.receipts++
			require.Equal(x.t, 1, yes, "a receipt for message %d: %v; the server said %v", n, r.receipt.Reply, said[n])
		case isDoubt(r.err):
			have.doubts++
		default:
			have.errors++
			require.Zero(x.t, yes, "an error for message %d: %v; the server said %v", n, r.err, said[n])
		}
	}
	if want := b.sequence.ends.doubts; want > 1 && have.doubts > want {
		// How far the writer is ahead when the reader sees the end is for the scheduler.
		more := min(have.doubts, windowSize) - want
		have.doubts, have.receipts = have.doubts-more, have.receipts+more
	}
	require.Equal(x.t, b.sequence.ends, have)
	require.GreaterOrEqual(x.t, got.took, b.takes)
	require.Less(x.t, got.took, b.takes+time.Duration(b.messages)*(b.pause+100*time.Millisecond)+soon)
}

// TestSequences plays crimes against several messages.
func TestSequences(t *testing.T) {
	cases := 0
	play := func(kind string, offers []string, list []sequence, submitted func(*batch) client) {
		for _, s := range list {
			for i, service := range onBoth.services() {
				cases++
				if raced && cases%3 != 0 {
					continue
				}
				b := &batch{s, map[int]result{}}
				c := crime{row{on: onBoth, does: s.does}, setting{
					offers: offers, client: submitted(b), messages: s.messages, connections: max(1, s.sessions), garbled: true,
				}}
				policy := negotiate.Policy{Prefer: negotiate.Mode(i), FailClosed: true}
				t.Run(fmt.Sprintf("%s: %s/%s", kind, s.name, service), func(t *testing.T) {
					try(t, c, policy, map[string]part{service: hostile}, b.check)
				})
			}
		}
	}
	plain := []string{"PIPELINING", "AUTH PLAIN"}
	lockStep := []string{"AUTH PLAIN"}
	chunks := []string{"PIPELINING", "CHUNKING", "AUTH PLAIN"}
	play("idle", plain, idle(), func(b *batch) client { return b.oneByOne })
	play("idle, in lock-step", lockStep, idle(), func(b *batch) client { return b.oneByOne })
	play("idle, CHUNKING", chunks, idle(), func(b *batch) client { return b.oneByOne })
	play("idle", plain, replaced(), func(b *batch) client { return b.oneByOne })
	play("one behind the other", plain, together(true), func(b *batch) client { return b.all })
	play("in lock-step", lockStep, together(false), func(b *batch) client { return b.all })
	play("a window of chunks", chunks, windows(), func(b *batch) client { return b.all })
	t.Logf("%d hostile sequences, of several messages each", cases)
	require.GreaterOrEqual(t, cases, 290, "cases have been lost")
}

// replaced is another server, in place of one that is remembered as good.
func replaced() (list []sequence) {
	for _, other := range []struct {
		name  string
		shows *tls.Certificate
	}{
		{"self-signed", wrongChains()["self-signed"]}, {"expired", wrongChains()["expired"]}, {"for another name", leaf(named("mail.example.net"))},
	} {
		d := does{handshake: func(v *villain) {
			if v.number > 1 {
				v.tls, v.trusted = serverTLS(*other.shows), false
			}
			v.tls.SessionTicketsDisabled = false
			handshakes(v)
		}}
		d[end], d[lastChunk] = then(says(queued), hangsUp), then(takes(queued), hangsUp)
		list = append(list, sequence{name: "then another server, with a certificate that is " + other.name, does: d,
			messages: 3, ends: tally{1, 2, 0}, pause: 10 * time.Second})
	}
	return list
}

// idle is what a server does between two messages, while nobody asks it anything.
func idle() (list []sequence) {
	add := func(name string, m move, sessions int) {
		d := does{end: once(1, then(says(queued), waits(time.Second), m))}
		d[lastChunk] = once(1, then(takes(queued), waits(time.Second), m))
		list = append(list, sequence{name: name, does: d, messages: 3, ends: tally{receipts: 3}, sessions: sessions, pause: 10 * time.Second})
	}
	add("nothing", nothing, 1)
	add("421", says("421 4.4.2 idle for too long"), 2)
	add("421, and closes", then(says("421 4.4.2 idle for too long"), hangsUp), 2)
	add("451", says("451 4.4.2 idle for too long"), 2)
	add("250", says(queued), 2)
	add("235", says("235 2.7.0 yes"), 2)
	add("354", says("354 go on"), 2)
	add("all of the next dialogue", says("250 ok", "250 ok", "354 go on", queued), 2)
	add("half a reply", octets("2"), 2)
	add("noise", octets("\x1b[2J\r\n"), 2)
	add("replies without end", floods(forever, "250 ok\r\n"), 2)
	add("a line without end", floods(forever, "x"), 2)
	add("closes", hangsUp, 2)
	add("gone", truncates, 2)
	add("reset", resets, 2)
	add("FIN, and listens", func(v *villain) { v.raw.CloseWrite() }, 2)
	add("close_notify, and listens", notifies, 2)
	return list
}

func isDoubt(err error) bool { return errors.Is(err, submit.ErrUncertain) }

// together is what it does to several that are on their way.
func together(pipelining bool) (list []sequence) {
	const n = 8
	add := func(name string, sessions int, d does, ends tally) {
		list = append(list, sequence{name: name, does: d, messages: n, ends: ends, sessions: sessions})
	}
	slow := func(d time.Duration) { list[len(list)-1].takes = d }
	all := tally{receipts: n}
	resent := tally{n - 1, 1, 0} // of a message that is known not to have ended
	if pipelining {
		resent = all
	}
	add("good", 1, nil, all)
	add("what comes behind the end is lost", 2, does{end: then(says(queued), swallows)}, all)
	add("what comes behind the end is lost, once it was not", 2, does{end: once(3, then(says(queued), swallows))}, all)
	if pipelining {
		slow(5 * time.Minute)
	}
	if pipelining {
		add("503 to what comes behind the end", 2, does{sender: once(3, says("503 5.5.1 not yet"))}, all)
	}
	add("the second refused", 1, does{end: once(2, says("554 5.7.1 spam"))}, tally{n - 1, 1, 0})
	add("the second's envelope refused", 1, does{sender: once(2, says("550 5.7.1 no"))}, tally{n - 1, 1, 0})
	add("the second's recipient refused", 1, does{recipient: once(2, says("550 5.1.1 no"))}, tally{n - 1, 1, 0})
	add("the second's recipient refused, and 354", 2, does{recipient: once(2, says("550 5.1.1 no")), data: once(2, says("354 go"))}, tally{n - 1, 1, 0})
	add("closes after the second", 2, does{end: once(2, then(says(queued), hangsUp))}, all)
	add("gone after the second", 2, does{end: once(2, then(says(queued), truncates))}, all)
	add("reset after the second", 2, does{end: once(2, then(says(queued), resets))}, all)
	add("closes without a verdict", 2, does{end: once(2, hangsUp)}, tally{n - 1, 0, 1})
	add("reset without a verdict", 2, does{end: once(2, resets)}, tally{n - 1, 0, 1})
	add("half a verdict", 2, does{end: once(2, then(octets("250 2.0"), truncates))}, tally{n - 1, 0, 1})
	add("noise for a verdict", 2, does{end: once(2, octets("\x1b[2J\r\n"))}, tally{n - 1, 0, 1})
	add("354 for a verdict", 2, does{end: once(2, says("354 go on"))}, tally{n - 1, 0, 1})
	add("421 for a verdict", 2, does{end: once(2, then(says("421 4.3.2 no"), hangsUp))}, tally{n - 1, 1, 0})
	add("421 after a verdict", 2, does{end: once(2, then(says(queued, "421 4.3.2 no"), hangsUp))}, all)
	add("421 to the second's envelope", 2, does{sender: once(2, then(says("421 4.3.2 no"), hangsUp))}, all)
	add("two verdicts", 2, does{end: once(2, says(queued, queued))}, resent)
	add("two verdicts, no and yes", 2, does{end: once(2, says("554 5.7.1 no", queued))}, tally{resent.receipts - 1, resent.errors + 1, 0})
	add("two answers to MAIL", 2, does{sender: once(2, says("250 ok", "250 ok"))}, tally{n - 1, 1, 0})
	add("two answers to RCPT", 2, does{recipient: once(2, says("250 ok", "250 ok"))}, tally{n - 1, 1, 0})
	add("two answers to DATA", 2, does{data: once(2, says("354 go", "354 go"))}, resent)
	add("a verdict with the 354", 2, does{data: once(2, says("354 go", queued))}, resent)
	if pipelining {
		add("no answer to MAIL", 2, does{sender: once(2, unanswered)}, tally{n - 1, 1, 0})
	} else {
		add("no answer to MAIL", 2, does{sender: once(2, unanswered)}, all)
		slow(5 * time.Minute)
	}
	if pipelining {
		add("no answer to RCPT", 2, does{recipient: once(2, unanswered)}, tally{n - 1, 1, 0})
	} else {
		add("no answer to RCPT", 2, does{recipient: once(2, unanswered)}, all)
		slow(5 * time.Minute)
	}
	return list
}

// windowSize is how many messages are on their way at most.
const windowSize = 16

// windows is what it does to many that are on their way in chunks, a window of them
// at a time.
func windows() (list []sequence) {
	const n = 40
	add := func(name string, sessions int, d does, ends tally) {
		list = append(list, sequence{name: name, does: d, messages: n, ends: ends, sessions: sessions})
	}
	slow := func(d time.Duration) { list[len(list)-1].takes = d }
	all := tally{receipts: n}
	add("good", 1, nil, all)
	add("BDAT not known, the chunk lost", 1, does{lastChunk: takes("502 5.5.1 BDAT?")}, all)
	add("BDAT not known, the message read as commands", 2, does{lastChunk: says("502 5.5.1 BDAT?")}, all)
	add("BDAT not known any more", 1, does{lastChunk: once(10, takes("502 5.5.1 BDAT?"))}, tally{n - 1, 1, 0})
	add("one refused", 1, does{lastChunk: once(10, takes("554 5.7.1 spam"))}, tally{n - 1, 1, 0})
	add("one's envelope refused", 1, does{sender: once(10, says("550 5.7.1 no"))}, tally{n - 1, 1, 0})
	add("one's recipient refused", 1, does{recipient: once(10, says("550 5.1.1 no"))}, tally{n - 1, 1, 0})
	add("one's recipient refused, and taken for nobody", 2, does{recipient: once(10, says("550 5.1.1 no")), lastChunk: once(10, takes(queued))}, tally{n - 10, 1, 9})
	add("closes after one", 2, does{lastChunk: once(10, then(takes(queued), hangsUp))}, tally{n - 9, 0, 9})
	add("gone after one", 2, does{lastChunk: once(10, then(takes(queued), truncates))}, tally{n - 9, 0, 9})
	add("reset after one", 2, does{lastChunk: once(10, then(takes(queued), resets))}, tally{n - 9, 0, 9})
	add("gone with one", 2, does{lastChunk: once(10, then(readsChunk, truncates))}, tally{n - 10, 0, 10})
	add("gone amid one", 2, does{lastChunk: once(10, then(reads(5), resets))}, tally{n - 10, 0, 10})
	add("421 for a verdict", 2, does{lastChunk: once(10, then(takes("421 4.3.2 no"), hangsUp))}, tally{n - 1, 1, 0})
	add("421 after a verdict", 2, does{lastChunk: once(10, then(takes(queued+"\r\n421 4.3.2 no"), hangsUp))}, all)
	add("421 to an envelope", 2, does{sender: once(10, then(says("421 4.3.2 no"), hangsUp))}, all)
	add("354 for a verdict", 2, does{lastChunk: once(10, takes("354 go on"))}, tally{n - 10, 0, 10})
	add("noise for a verdict", 2, does{lastChunk: once(10, then(readsChunk, octets("\x1b[2J\r\n")))}, tally{n - 10, 0, 10})
	add("silence for a verdict", 2, does{lastChunk: once(10, then(readsChunk, isSilent))}, tally{n - 10, 0, 10})
	slow(10 * time.Minute)
	// Of the first window nothing else is sent until half of it is answered. From then on
	// it may be the next half that is answered, as if it were the one that was lost.
	for i := 4; i <= 10; i++ {
		add(fmt.Sprint("what comes behind number ", i, " is lost"), 2, does{lastChunk: once(i, then(takes(queued), swallows))}, tally{n - 19 + i, 0, 19 - i})
		slow(5 * time.Minute)
	}
	for i := 11; i <= 18; i++ {
		add(fmt.Sprint("what comes behind number ", i, " is lost"), 2, does{lastChunk: once(i, then(takes(queued), swallows))}, tally{n - 27 + i, 0, 27 - i})
	}
	add("two verdicts", 2, does{lastChunk: once(10, takes(queued+"\r\n"+queued))}, tally{n - 9, 0, 9})
	add("two verdicts, and a no behind", 2, does{lastChunk: func(v *villain) {
		switch {
		case v.number == 1 && v.turns[v.now] == 10:
			takes(queued + "\r\n" + queued)(v)
		case v.number == 1 && v.turns[v.now] == 12:
			takes("554 5.7.1 spam")(v)
		default:
			v.usual(v)
		}
	}}, tally{n - 9, 0, 9})
	add("two answers to MAIL", 2, does{sender: once(10, says("250 ok", "250 ok"))}, tally{n - 9, 0, 9})
	add("no answer to MAIL", 2, does{sender: once(10, unanswered)}, tally{n - 9, 0, 9})
	return list
}
