package submit

import (
	"slices"
	"sync"
	"time"

	"github.com/mailport/mailport/internal/wire"
)

// A run carries messages of the queue over one session, one behind the other,
// without waiting for one to be settled before the next is begun, where the server
// allows that (RFC 2920, section 3.1). It goes on for as long as anything waits.
//
// What it says of a message can be exact, since only the end of a message makes a
// server take it. Those whose end was not sent, it has not taken. The one that the
// server was busy with when the session ended may be why, and goes over a new one,
// first and for the last time; those behind it are as if they had never left the
// queue.
type run struct {
	p    *Pool
	s    *pooled
	more sync.Cond // the writer waits for messages, or for room in the window

	// Guarded by the pool's mu.
	interest int     // messages that somebody waits for
	cut      bool    // the connection was, since nobody does
	heir     *waiter // has the session's place when it ends; or nil
	window   window

	seats   [2]*passenger // of messages that go one behind the other: the last, and the one before
	longest time.Duration // that the server took to answer an envelope, or a message
	behind  bool          // something was sent behind the end of a message
}

// carry has s carry what waits, and then gives it back.
func (p *Pool) carry(s *pooled) {
	s.turn <- struct{}{}
	r := &run{p: p, s: s, seats: [2]*passenger{{}, {}}}
	r.more.L = &p.mu
	for w := r.next(); w != nil; w = r.next() {
		if s.windows(w.letter) {
			r.carryWindow(w)
		} else {
			r.carryAhead(w)
		}
	}
	s.heard = time.Now()
	<-s.turn
	if r.heir == nil {
		p.giveBack(s)
		return
	}
	s.Close()
	r.bequeath()
}

// bequeath passes the leave of the session, which is no more, to its heir.
func (r *run) bequeath() {
	p, w := r.p, r.heir
	p.mu.Lock()
	p.inFlight--
	gone := w.gone
	if !gone {
		r.interest--
		w.owner.lead(w, nil)
	}
	p.mu.Unlock()
	if gone {
		p.free()
	}
}

// mostBeside is how many recipients a message may have whose envelope is sent
// while nobody reads the replies.
const mostBeside = wire.FewReplies - 4

// mostTogether is how many recipients a message may have that is sent together with
// others: all servers take as many at once (RFC 5321, section 4.5.3.1.8), and so none
// is left for a further transaction.
const mostTogether = 100

// carries reports whether s can carry a message together with others: one whose
// octets are all here, so that no reader of the caller's is waited for amid those
// of others, and that is one transaction.
func (p *Pool) carries(s *pooled, letter *parcel) bool {
	if _, wary := s.chunks(letter); wary {
		return false
	}
	return s.windows(letter) || s.ext.Has("PIPELINING") && !s.learnt.is(noAhead) && s.entered &&
		letter.body.whole && len(letter.to) <= s.atOnce(mostBeside) || s.learns(letter)
}

// windows reports whether a message can be one of several that are sent without
// waiting for the outcome of any: whose envelope and body are one flight. That the
// server can do so is known from having tried.
func (s *pooled) windows(letter *parcel) bool {
	return s.learnt.is(aheadWorks) && s.fitsWindow(letter)
}

// learns is for a message that could be in a window, if it were known that the server
// can do so. A part of its envelope is enough to find that out.
func (s *pooled) learns(letter *parcel) bool {
	return !s.learnt.is(aheadWorks) && s.fitsWindow(letter)
}

func (s *pooled) fitsWindow(letter *parcel) bool {
	return s.chunking() && s.ext.Has("PIPELINING") && s.entered && !s.hasEnough() && s.learnt.is(chunksWork) && !s.learnt.is(noAhead) &&
		letter.body.whole && (len(letter.to) == 1 || letter.partial && len(letter.to) <= s.atOnce(mostTogether))
}

func (s *pooled) atOnce(most int) int {
	if s.limits.recipients > 0 {
		return min(most, s.limits.recipients)
	}
	return most
}

// next takes the first of the queue for r, if r can carry it.
func (r *run) next() *waiter {
	r.p.mu.Lock()
	defer r.p.mu.Unlock()
	w := r.nextIf(func(letter *parcel) bool { return r.p.carries(r.s, letter) })
	if w != nil {
		r.p.spread()
	}
	return w
}

// nextIf is next for what fits. The pool's mu is held.
func (r *run) nextIf(fits func(*parcel) bool) *waiter {
	p := r.p
	if len(p.waiting) == 0 || !fits(p.waiting[0].letter) || !r.goesOn() {
		return nil
	}
	w := p.next()
	w.place, w.run = carried, r
	r.interest++
	p.inFlight++
	r.s.sent++
	r.s.mails++
	return w
}

// goesOn reports whether the session can carry another message. The pool's mu is
// held.
func (r *run) goesOn() bool { return r.s.conn.Broken() == nil && r.p.hasRoom(r.s) }

// begin is the point of no return for w: from now on its end may be on its way.
// It reports whether anybody still wants it.
func (r *run) begin(w *waiter) bool {
	r.p.mu.Lock()
	defer r.p.mu.Unlock()
	if !w.gone {
		w.place = begun
	}
	return !w.gone
}

// forget is for a message that nobody waits for any more. If nobody waits for
// anything of r, its connection is cut. The pool's mu is held.
func (r *run) forget(w *waiter) {
	w.gone = true
	if r.interest--; r.interest == 0 {
		r.cut = true
		r.s.conn.Cut()
	}
}

// room is how many messages may be under way now. The pool's mu is held.
func (r *run) room() int { return r.s.bounded(r.p.capacity.window(r.s, r.p.window())) }

// broke is for a connection that was lost with messages in doubt.
func (r *run) broke() {
	r.p.mu.Lock()
	defer r.p.mu.Unlock()
	if !r.cut {
		r.p.capacity.broke(r.s)
	}
}

// isCut reports whether the connection was cut from here: its loss tells nothing of
// the server.
func (r *run) isCut() bool {
	r.p.mu.Lock()
	defer r.p.mu.Unlock()
	return r.cut
}

// settle tells what has become of a message.
func (r *run) settle(w *waiter, receipt *Receipt, err error) {
	p := r.p
	p.mu.Lock()
	p.inFlight--
	if err == nil {
		r.s.taken++
	}
	if !isUncertain(err) {
		p.capacity.settles(r.s, p.window())
	}
	gone := w.gone // leave has said what became of it
	if !gone {
		r.interest--
		p.count.outcome(err)
		w.settled(receipt, err)
	}
	p.mu.Unlock()
	if !gone {
		w.owner.settle(w)
	}
}

// drop is for a message that nobody waits for, and that was not sent.
func (r *run) drop(*waiter) {
	r.p.mu.Lock()
	defer r.p.mu.Unlock()
	r.p.inFlight--
}

// failed settles a message with its error, unless that is of the session and the
// message, of which nothing was taken, can go over another.
func (r *run) failed(w *waiter, err error) {
	if r.isStale(w, err) {
		r.again(w)
	} else {
		r.settle(w, nil, err)
	}
}

// isStale is for a message that a server with enough of the session may have
// refused.
func (r *run) isStale(w *waiter, err error) bool {
	stale := isStale(w.ctx, r.s, err)
	if stale {
		r.p.mu.Lock()
		defer r.p.mu.Unlock()
		r.p.capacity.refused(r.s, err)
	}
	return stale
}

// again puts messages that were not taken back in the queue, when the session is
// at its end.
func (r *run) again(list ...*waiter) {
	p := r.p
	p.mu.Lock()
	r.s.retired = true
	p.inFlight -= len(list)
	list = slices.DeleteFunc(list, func(w *waiter) bool { return w.gone })
	p.count.again += uint64(len(list))
	if r.heir == nil && len(list) > 0 {
		r.heir, list = list[0], list[1:]
		r.heir.place = carried // until the run ends
		p.inFlight++
	}
	r.interest -= len(list)
	closed := p.closed
	for _, w := range list {
		if closed {
			w.settled(nil, p.errClosed())
		} else {
			p.enqueue(w)
		}
	}
	p.serve()
	p.mu.Unlock()
	if closed {
		for _, w := range list {
			w.owner.settle(w)
		}
	}
}
