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
	at := r.seat(w, t)
	began := time.Now()
	err = t.flight()
	r.took(began)
	return r.accepted(at, err)
}

// took notes how long the server took for something that began at a time.
func (r *run) took(began time.Time) { r.longest = max(r.longest, time.Since(began)) }

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
		if r.s.dirty {
			r.s.resets++ // is due
		}
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
	w := r.nextIf(func(letter *parcel) bool {
		return r.p.carries(r.s, letter) && !r.s.windows(letter) && !r.s.learnt.is(noAhead) &&
			(len(letter.to) <= mostBeside || r.s.learns(letter))
	})
	if w != nil {
		r.p.spread()
	}
	return w
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
		if next != nil && isUncertain(err) && !r.isCut() {
			s.learnt.suspect(r.s.since) // it may have been too much for the server: Dovecot 2.4.1 panics, each time
		}
		if isUncertain(err) {
			r.broke()
		}
		r.unended(at, err)
		if next != nil {
			r.again(next.w) // of which nothing can have been taken
		}
		return nil
	}
	r.took(at.t.began)
	receipt, err := at.t.judge(answered)
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
	return r.answered(next)
}

// unended settles a message whose end could not be sent, or has no verdict.
func (r *run) unended(at *passenger, err error) {
	var said *wire.UnaskedError
	switch {
	case isUncertain(err) || !at.w.letter.body.rewind():
		r.settle(at.w, nil, err)
	case r.behind && errors.As(err, &said) && said.Reply.Class() < 4: // one reply more than was asked for
		r.outOfStep(at)
	default:
		r.failed(at.w, err)
	}
}

// queue adds the envelope of w to the flight.
func (r *run) queue(w *waiter) *passenger {
	t, err := r.s.begin(w.ctx, w.letter)
	if err != nil {
		r.settle(w, nil, err)
		return nil
	}
	t.tail, t.reset = t.planAhead(), r.s.due()
	if len(w.letter.to) > mostBeside {
		err = t.queueHead()
	} else {
		err = t.queueAll()
	}
	if err != nil {
		r.settle(w, nil, err)
		return nil
	}
	r.behind = true
	return r.seat(w, t)
}

// queueHead is queueAll for what may be sent while nobody reads: the beginning of a
// long envelope.
func (t *transaction) queueHead() error {
	for i := -t.reset; i <= mostBeside; i++ {
		if err := t.queue(i); err != nil {
			return err
		}
	}
	return nil
}

// heads is how many replies there are to what was sent behind the end of a message.
func (t *transaction) heads() int {
	if len(t.p.to) > mostBeside {
		return t.reset + 1 + mostBeside
	}
	return t.replies()
}

// rest sends what queueHead left out, unless it is known that the message will not be
// taken.
func (t *transaction) rest() error {
	if t.mail.Class() != 2 {
		return nil
	}
	for i := mostBeside + 1; i <= len(t.p.to); i++ {
		if err := t.queue(i); err != nil {
			return err
		}
	}
	t.s.conn.QueueChunk(t.p.body.head, t.p.form(), false)
	t.end = t.s.conn.Mark()
	limits := wire.Limits{Write: t.s.config.Timeouts.data(), Reply: t.limit(), Last: t.limit()}
	err := t.s.conn.SendWithin(limits, func(i int, r wire.Reply) { t.answer(mostBeside+1+i, r) })
	if err == nil {
		t.look()
	}
	return err
}

// seat makes a passenger where the one before the last was, of which nothing is
// needed any more.
func (r *run) seat(w *waiter, t *transaction) *passenger {
	r.seats[0], r.seats[1] = r.seats[1], r.seats[0]
	*r.seats[0] = passenger{w, t}
	return r.seats[0]
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
	} else {
		t.overhear(err)
	}
	t.began = time.Now()
	return t.readVerdict()
}

// answered reads the replies to an envelope that came behind the end of a message.
// The first time, the server is watched: if it does not answer in time, or not as
// if everything had been said in order, it will not be asked to again. One that has
// shown that it can may be silent once.
func (r *run) answered(next *passenger) *passenger {
	var (
		s, t   = r.s, next.t
		proven = s.learnt.is(aheadWorks)
		limit  = t.limit()
	)
	if patience := patienceAhead(r.longest); !proven && (limit < 0 || limit > patience) {
		limit = patience
	}
	t.began = time.Now()
	for i := range t.heads() {
		reply, err := s.conn.ReadReply(limit)
		switch {
		case err != nil && isTimeout(err) && proven && i == 0:
			s.learnt.suspect(s.since)
			s.conn.Abandon()
			r.again(next.w)
			return nil
		case err != nil && isTimeout(err) && !proven:
			return r.outOfStep(next)
		case err != nil && t.refusal() == nil:
			r.again(next.w) // of an envelope, nothing can have been taken
			return nil
		case err != nil:
			return r.accepted(next, err)
		case !proven && t.isOutOfStep(i-t.reset, reply):
			return r.outOfStep(next)
		}
		t.answer(i-t.reset, reply)
	}
	if len(t.p.to) > mostBeside {
		return r.answeredHead(next)
	}
	at := r.accepted(next, nil)
	switch {
	case proven:
	case at == nil:
		return nil
	case s.conn.Surplus():
		return r.outOfStep(next)
	}
	s.learnt.clear()
	return at
}

// answeredHead is for the beginning of an envelope that was answered behind the end
// of a message: that is known now, and the rest goes by itself.
func (r *run) answeredHead(next *passenger) *passenger {
	switch {
	case next.t.accepted == 0:
	case r.s.conn.Surplus():
		return r.outOfStep(next)
	default:
		r.s.learnt.clear()
	}
	return r.accepted(next, next.t.rest())
}

// patienceAhead is how long to wait, the first time, for an answer to what came
// behind the end of a message: a few times as long as answers took to come.
func patienceAhead(longest time.Duration) time.Duration { return max(5*longest, 500*time.Millisecond) }

// isOutOfStep reports whether r is no answer to command i of a transaction (RSET is
// -1, MAIL 0, then come the recipients) in that place: one to a command before or
// behind it, or to one that stands alone.
func (t *transaction) isOutOfStep(i int, r wire.Reply) bool {
	tail := i > len(t.p.to)
	inOrder := i <= 0 || !tail && t.mail.Class() == 2 || t.accepted > 0
	switch {
	case tail && t.tail == dataTail:
		return r.Class() == 2 || inOrder && isDisorder(r)
	case r.Class() == 3:
		return true
	}
	return i >= 0 && inOrder && isDisorder(r)
}

// isDisorder knows what servers say to a command that is out of order, or not
// understood.
func isDisorder(r wire.Reply) bool { return r.Code == 503 || r.Code == 500 }

// outOfStep is for a server that does not answer what comes behind the end of a
// message, or not as if it had been said in order. Of the message at hand, which is
// not at fault, nothing can have been taken.
func (r *run) outOfStep(at *passenger) *passenger {
	r.s.learnt.note(noAhead)
	r.s.conn.Abandon()
	r.again(at.w)
	return nil
}

func isTimeout(err error) bool {
	var limit *wire.TimeLimitError
	return errors.As(err, &limit)
}
