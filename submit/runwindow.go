package submit

import (
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mailport/mailport/internal/wire"
)

// flightSize is how much is gathered before it is written: a full TLS record.
const flightSize = 16 << 10

// A window is what a run has on its way while one goroutine writes messages and
// another reads what becomes of them.
type window struct {
	ready   sync.Cond   // the reader waits for something to read
	fifo    []passenger // in the order in which they were sent; all of those up to head are settled
	head    int
	written bool // the writer is done
	dead    bool // the reader is, since the connection is lost
	rest    int  // messages that may yet be sent of the half that is being filled
	starved bool // the writer waits for messages
	full    bool // the writer waits for room
	single  bool // one message goes by itself, with nothing behind it
	owed    bool // the last of what was sent is an RSET

	farewell bool // the last thing the server said was that it closes the connection
}

func (w *window) inFlight() int { return len(w.fifo) - w.head }

// half is by how much a window moves on, of the most that may be under way, if so many
// are: messages leave in bursts, not one for each that is settled. And a server that
// loses what is behind the message it answers falls silent, and is found out, as long as
// nothing is sent that it could answer instead: of the first window, until half is
// answered.
func half(most, busy int) int {
	if more := most/2 + most%2; busy+more <= most {
		return more
	}
	return max(1, most/2) // where most is odd
}

// share is how many messages may be sent beside so many that are under way, or about
// to be: the rest of a half that was begun, or a whole one if there is room for that.
// To fill up what room there is would have half a window idle for a round trip, now and
// then, by who comes first: the writer or the reader, who makes room.
func (w *window) share(busy, most int) int {
	if half := half(most, busy); busy == 0 || w.rest <= 0 && busy+half <= most {
		w.rest = half
	}
	return min(w.rest, most-busy)
}

// hasRoom reports whether a window that was full has room for a half.
func (w *window) hasRoom(most int) bool {
	busy := w.inFlight()
	return busy == 0 || busy+half(most, busy) <= most
}

// carryWindow carries messages that are one flight each, up to a window of them at
// a time.
func (r *run) carryWindow(w *waiter) {
	limit := r.s.config.Timeouts.data()
	push, err := r.s.conn.Pusher()
	if err != nil {
		r.failed(w, r.s.failure(PhaseSender, err))
		return
	}
	r.window = window{fifo: r.window.fifo[:0]}
	r.window.ready.L = &r.p.mu
	reset := r.s.due()
	if r.s.landmarks.reset.Code == 0 && r.p.window() > 1 {
		reset = 1 // to learn what is said to that
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.read()
	}()
	r.write(push, w, reset)
	r.p.mu.Lock()
	r.window.written = true
	r.window.ready.Signal()
	r.p.mu.Unlock()
	<-done
	if err := push.Done(limit); err != nil {
		r.wrecked(err)
	}
}

// write sends message after message, until there are no more, all that were sent
// are settled, or the connection is lost.
//
// Between two messages there is an RSET: whatever becomes of the one, it harms nobody
// behind it. Where they do not leave together, the RSET leaves with the former: should
// the server lose that, and go on with what leaves later, it is one reply behind, and that
// shows. More than one would not do: Exim hangs up after ten that are not behind a message
// it took.
func (r *run) write(push *wire.Pusher, first *waiter, reset int) {
	var (
		now  []*waiter
		sent []passenger // queued, and not yet in the fifo
		left bool        // the RSET has
	)
	flush := func() bool {
		if len(sent) == 0 {
			return true
		}
		left = !r.window.single
		pushed := r.push(push, sent, left)
		sent = sent[:0]
		return pushed
	}
	for now = r.gather(now[:0], first); len(now) > 0; now = r.gather(now[:0], nil) {
		for i, w := range now {
			t := r.enqueue(w, reset, left)
			if t == nil {
				continue
			}
			reset, left = 1, false
			sent = append(sent, passenger{w, t})
			if r.s.conn.Queued() >= flightSize && !flush() {
				r.again(now[i+1:]...)
				return
			}
		}
		if !flush() {
			return
		}
	}
}

// gather waits for messages to send and for room in the window, and takes as many
// as there is room for. With none the writing ends. First is one that is taken
// already.
func (r *run) gather(list []*waiter, first *waiter) []*waiter {
	p, w := r.p, &r.window
	p.mu.Lock()
	defer p.mu.Unlock()
	if first != nil {
		w.rest = half(r.room(), 0)
		list = r.take(list, first)
	}
	for !w.dead {
		most := r.room()
		w.starved, w.single = false, most == 1
		for !w.starved && w.share(w.inFlight()+len(list), most) > 0 {
			if next := r.nextIf(r.s.windows); next != nil {
				list = r.take(list, next)
			} else {
				w.starved = true
			}
		}
		if w.full = !w.starved; w.full {
			p.spread()
		}
		if len(list) > 0 || w.inFlight() == 0 {
			break
		}
		if w.starved && len(p.waiting) == 0 && !p.closed && r.goesOn() {
			p.hungry = append(p.hungry, r)
		}
		r.more.Wait()
		if i := slices.Index(p.hungry, r); i >= 0 {
			p.hungry = slices.Delete(p.hungry, i, i+1)
		}
		w.starved, w.full = false, false
	}
	w.starved, w.full = false, false
	return list
}

// take adds a message that is from now on on its way, unless nobody wants it any
// more. The pool's mu is held.
func (r *run) take(list []*waiter, w *waiter) []*waiter {
	if w.gone {
		r.p.inFlight--
		return list
	}
	r.window.rest--
	w.place = begun
	return append(list, w)
}

// takes reports whether the run could carry a message, too. The pool's mu is held.
func (r *run) takes(letter *parcel) bool { return r.s.windows(letter) && r.goesOn() }

// enqueue adds a message to the flight.
func (r *run) enqueue(w *waiter, reset int, left bool) *transaction {
	t, err := r.s.begin(w.ctx, w.letter)
	if err == nil {
		t.tail, t.reset, t.left = lastTail, reset, left
		err = t.queueAll()
	}
	if err != nil {
		r.settle(w, nil, err)
		return nil
	}
	return t
}

// push writes what is queued, and an RSET, and has the reader wait for the replies.
func (r *run) push(push *wire.Pusher, sent []passenger, reset bool) bool {
	if reset {
		_ = r.s.conn.Queue("RSET") // which is no bad argument
	}
	r.p.mu.Lock()
	w := &r.window
	if w.head > len(w.fifo)/2 { // what is settled makes room
		n := copy(w.fifo, w.fifo[w.head:])
		clear(w.fifo[n:])
		w.fifo, w.head = w.fifo[:n], 0
	}
	w.fifo, w.owed = append(w.fifo, sent...), reset
	w.ready.Signal()
	r.p.mu.Unlock()
	return push.Push(r.s.config.Timeouts.data()) == nil
}

// read reads the replies to all that is sent.
func (r *run) read() {
	for {
		at, ok := r.due()
		if !ok {
			r.readReset()
			return
		}
		if !r.readAll(at.t) {
			r.p.mu.Lock()
			r.window.dead = true
			r.more.Signal()
			r.p.mu.Unlock()
			return
		}
		r.answeredAll(at)
		r.passed()
	}
}

// due waits for what is to be read next.
func (r *run) due() (at passenger, ok bool) {
	r.p.mu.Lock()
	defer r.p.mu.Unlock()
	w := &r.window
	for w.inFlight() == 0 && !w.written {
		w.ready.Wait()
	}
	if w.inFlight() == 0 {
		return passenger{}, false
	}
	return w.fifo[w.head], true
}

// passed tells the writer that one message is settled, if it waits for that.
func (r *run) passed() {
	r.p.mu.Lock()
	defer r.p.mu.Unlock()
	w := &r.window
	w.fifo[w.head] = passenger{}
	w.head++
	if w.starved && w.inFlight() == 0 || w.full && w.hasRoom(r.room()) {
		r.more.Signal()
	}
}

// readAll reads the replies to one message, and reports whether all came and were
// in step.
func (r *run) readAll(t *transaction) bool {
	timeouts := t.s.config.Timeouts
	n := t.replies()
	for i := range n {
		var lines []string
		limit := timeouts.command()
		if i == n-1 {
			lines, limit = t.deed().line[:0], timeouts.verdict()
		}
		reply, err := t.s.conn.ReadReplyTo(lines, limit)
		if err != nil {
			return false
		}
		t.answer(i-t.reset, reply)
		t.stray = t.stray || !r.s.landmarks.passes(i-t.reset, n-1-t.reset, reply)
		r.window.farewell = reply.Code == 421
	}
	if t.stray = t.stray || r.isShifted(); t.stray { // and all that comes behind it is in doubt, too
		t.s.conn.Abandon()
	}
	return !t.stray
}

// isShifted reports whether what is here of the next replies shows that the last one
// was to something else: next comes the 250 to an RSET, or a 421, or nothing.
func (r *run) isShifted() bool {
	next, beyond := r.s.conn.Next(), r.s.conn.Beyond()
	if len(next) == 0 || strings.HasPrefix("421", string(next)) {
		return false
	}
	r.p.mu.Lock()
	defer r.p.mu.Unlock()
	switch {
	case !strings.HasPrefix("250", string(next)):
		return true
	case r.window.inFlight() > 1:
		return false
	case !r.window.owed:
		return true
	}
	return len(beyond) > 0 && !strings.HasPrefix("421", string(beyond))
}

// patienceLast is how long the reply to the last RSET may take. It comes with the verdict,
// or soon after it.
const patienceLast = 10 * time.Second

// readReset reads the reply to the RSET behind the last message. If it does not come as
// it should, that is the end of the session, and no message's concern.
func (r *run) readReset() {
	if !r.window.owed || r.s.conn.Broken() != nil {
		return
	}
	limit := r.s.config.Timeouts.command()
	if limit < 0 || limit > patienceLast {
		limit = patienceLast
	}
	reply, err := r.s.conn.ReadReply(limit)
	switch {
	case err != nil:
	case reply.Code != 250 || r.s.conn.Surplus():
		r.s.conn.Abandon()
	default:
		r.s.dirty = false
	}
}

// answeredAll settles a message to all of which the server has replied.
func (r *run) answeredAll(at passenger) {
	t := at.t
	r.s.learnt.clear()
	no := t.refusal()
	if no == nil {
		receipt, err := t.judge(t.data)
		r.settle(at.w, receipt, err)
		return
	}
	t.s.dirty = true
	r.refused()
	switch {
	case t.data.Class() != 2:
		r.failed(at.w, no)
	case t.accepted == 0:
		t.s.conn.Abandon() // it has taken a message for nobody
		r.settle(at.w, nil, no)
	default: // or for somebody, whatever it has said to MAIL
		r.settle(at.w, nil, t.outOfStep())
	}
}

// What a session may have of RSETs behind messages whose envelope was refused, and of
// how many it is ended. Exim counts them, and hangs up after ten, whatever else is taken
// (smtp_accept_max_nonmail).
const (
	mostResets   = 10
	enoughResets = 8
)

// refused notes that an envelope was refused in a window.
func (r *run) refused() {
	r.p.mu.Lock()
	defer r.p.mu.Unlock()
	r.s.resets++
	r.s.retired = r.s.retired || r.s.hasEnough()
}

// hasEnough reports whether a session has had so many that it carries no window any more.
func (s *pooled) hasEnough() bool { return s.resets >= enoughResets }

// bounded is the most messages that may be under way, or less, lest there be too many
// resets if about twice as many of them are refused as have been.
func (s *pooled) bounded(most int) int {
	if s.resets == 0 {
		return most
	}
	return max(1, min(most, (mostResets-s.resets)*(s.taken+s.resets)/(2*s.resets)))
}

// wrecked settles what was on its way when the connection was lost: what may have
// reached the server whole is in doubt, unless it has refused it or said before
// that it was closing the connection; and the rest was not taken.
func (r *run) wrecked(err error) {
	var (
		list   = r.window.fifo[r.window.head:]
		closed = r.window.farewell // and then it has taken nothing that came behind
		rest   []*waiter

		doubtful bool
	)
	for _, at := range list {
		no := at.t.refusal()
		switch {
		case at.t.stray && r.s.conn.Reached(at.t.end):
			r.settle(at.w, nil, at.t.outOfStep())
		case no != nil && !r.isStale(at.w, no):
			r.settle(at.w, nil, no)
		case no == nil && !closed && r.s.conn.Reached(at.t.end):
			err := at.t.doubt(r.s.failure(PhaseVerdict, err).Err)
			at.t.step(PhaseVerdict, err)
			r.settle(at.w, nil, err)
			doubtful = true
		default:
			rest = append(rest, at.w)
		}
	}
	r.window.fifo, r.window.head = nil, 0
	if doubtful {
		r.broke()
	}
	r.again(rest...)
}
