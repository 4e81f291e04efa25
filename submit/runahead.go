package submit

import (
	"errors"
	"time"

	"github.com/mailport/mailport/internal/wire"
)

// A passenger is a message that a run carries.
type passenger struct {
	w *waiter
	t *transaction
}

// carryAhead carries messages each of whose envelope is in one flight with the end
// of the one before: one round trip for a message. Whether the server answers what
// comes behind the end of a message is found out on the way, while nothing can be
// lost by it: of the message whose envelope is swallowed nothing else has been
// sent.
func (r *run) carryAhead(w *waiter) {
	for at := r.offer(w); at != nil; {
		if !r.begin(at.w) {
			r.withdraw(at)
			return
		}
		at = r.finish(at, r.follower())
	}
}

// offer sends the envelope of w, and returns it if the server waits for the
// message.
func (r *run) offer(w *waiter) *passenger {
	t, err := r.s.begin(w.ctx, w.letter)
	if err != nil {
		r.settle(w, nil, err)
		return nil
	}
	t.tail, t.reset = t.planAhead(), r.s.due()
	at := &passenger{w, t}
	return r.accepted(at, t.flight())
}

// planAhead is plan for a message whose end is to leave with the envelope of the
// next.
func (t *transaction) planAhead() tail {
	switch {
	case t.chunked:
		return chunkTail
	case len(t.p.to) == 1 || t.p.partial:
		return dataTail
	}
	return noTail
}

// accepted returns at if the server waits for the message, and settles it if not.
// Err is of the flight that its envelope was in.
func (r *run) accepted(at *passenger, err error) *passenger {
	if err := at.t.offered(err); err != nil {
		r.failed(at.w, err)
		return nil
	}
	return at
}

// withdraw leaves a message that nobody wants any more before its end: a server
// that waits for DATA would take whatever came for it.
func (r *run) withdraw(at *passenger) {
	if at.t.tail != chunkTail {
		r.s.conn.Abandon()
	}
	r.drop(at.w)
}

// follower takes the message that goes next, if its envelope may go along with the
// end of this one.
func (r *run) follower() *waiter {
	r.p.mu.Lock()
	defer r.p.mu.Unlock()
	return r.nextIf(func(letter *parcel) bool {
		return r.p.carries(r.s, letter) && !r.s.windows(letter) && !r.s.learnt.is(noAhead) && len(letter.to) <= mostBeside
	})
}

// finish sends the end of a message with the envelope of the next, and settles it.
// It returns the next one if the server waits for that.
func (r *run) finish(at *passenger, w *waiter) *passenger {
	var (
		s    = r.s
		next *passenger
	)
	if at.t.chunked {
		s.conn.QueueLast()
		at.t.end = s.conn.Mark()
	}
	if w != nil {
		s.dirty = at.t.chunked // after BDAT nothing but RSET is sure to be in order
		next = r.queue(w)
	}
	at.t.began = time.Now()
	answered, err := r.end(at)
	if err != nil {
		if next != nil && !s.learnt.is(aheadWorks) {
			s.learnt.note(noAhead) // it may have been too much for the server: Dovecot 2.4.1 panics
		}
		r.settle(at.w, nil, err)
		if next != nil {
			r.lost(next, err)
		}
		return nil
	}
	receipt, err := at.t.judge(answered)
	took := time.Since(at.t.began)
	if next != nil {
		s.dirty = true // it has been begun
	}
	if errors.Is(err, errNoBDAT) {
		s.conn.Abandon() // whether it is in step is not worth finding out
		r.failed(at.w, err)
	} else {
		r.settle(at.w, receipt, err)
	}
	if next == nil {
		return nil
	}
	return r.answered(next, took)
}

// queue adds the envelope of w to the flight.
func (r *run) queue(w *waiter) *passenger {
	t, err := r.s.begin(w.ctx, w.letter)
	if err != nil {
		r.settle(w, nil, err)
		return nil
	}
	t.tail, t.reset = t.planAhead(), r.s.due()
	if err := t.queueAll(); err != nil {
		r.settle(w, nil, err)
		return nil
	}
	return &passenger{w, t}
}

// end sends the end of a message with what is queued, and returns the verdict. An
// error is the message's, and of the connection.
func (r *run) end(at *passenger) (verdict wire.Reply, err error) {
	t, conn, timeouts := at.t, r.s.conn, r.s.config.Timeouts
	if !t.chunked {
		ended, err := conn.WriteBody(t.p.body, t.e.sevenBit, timeouts.data())
		if err := t.sent(ended, err); err != nil {
			return verdict, err
		}
	} else if err := conn.Flush(timeouts.data()); err != nil && !conn.Reached(t.end) {
		return verdict, t.sent(false, err)
	}
	t.began = time.Now()
	verdict, err = conn.ReadReplyTo(t.deed().line[:0], timeouts.verdict())
	if err != nil {
		err = t.doubt(r.s.failure(PhaseVerdict, err).Err)
		t.step(PhaseVerdict, err)
	}
	return verdict, err
}

// lost is for a message whose envelope is lost with its connection: nothing of it
// can have been taken.
func (r *run) lost(next *passenger, err error) {
	if next.w.again {
		r.settle(next.w, nil, r.s.failure(PhaseSender, &wire.LostError{Err: lostWith{err}}))
		return
	}
	r.again([]*waiter{next.w})
}

// lostWith is the cause of a loss that was another message's, without its meaning:
// that message may be in doubt, and this one is not.
type lostWith struct{ err error }

func (l lostWith) Error() string { return "connection lost with the message before: " + l.err.Error() }

// answered reads the replies to an envelope that came behind the end of a message,
// whose verdict took so long.
func (r *run) answered(next *passenger, took time.Duration) *passenger {
	s, t := r.s, next.t
	limit := t.limit()
	if !s.learnt.is(aheadWorks) && (limit < 0 || limit > patienceAhead(took)) {
		limit = patienceAhead(took)
	}
	t.began = time.Now()
	for i := range t.replies() {
		reply, err := s.conn.ReadReply(limit)
		if err != nil {
			if i == 0 && isTimeout(err) {
				return r.swallowed(next)
			}
			if t.refusal() == nil {
				r.lost(next, err)
				return nil
			}
			return r.accepted(next, err)
		}
		if i == t.reset && !s.learnt.is(aheadWorks) {
			switch {
			case reply.Code == 503 || reply.Code == 500:
				return r.swallowed(next)
			case reply.Class() == 2:
				s.learnt.note(aheadWorks)
			}
		}
		t.answer(i-t.reset, reply)
		limit = t.limit()
	}
	return r.accepted(next, nil)
}

// patienceAhead is how long to wait, the first time, for an answer to what came
// behind the end of a message: a few times as long as the verdict took to come.
func patienceAhead(took time.Duration) time.Duration { return max(5*took, 500*time.Millisecond) }

// swallowed is for a server that does not answer what comes behind the end of a
// message, or not as if it had been said in order. It will not be asked to again.
func (r *run) swallowed(next *passenger) *passenger {
	r.s.learnt.note(noAhead)
	r.s.conn.Abandon()
	next.w.again = false // it is not its fault, and has not been tried
	r.again([]*waiter{next.w})
	return nil
}

func isTimeout(err error) bool {
	var limit *wire.TimeLimitError
	return errors.As(err, &limit)
}
