package submit

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// A Pool is a [Submitter] that keeps sessions open between messages. The zero
// values of its fields but Transport are good defaults. A Pool must not be
// copied after first use, and its fields not be changed.
//
// While more messages wait than there are sessions, one session carries several
// at a time, and none of them waits for another where the server lets them
// (PIPELINING, RFC 2920, section 3.1): one round trip for each message, or, with
// CHUNKING, one for Window messages. So are messages of up to 64 KiB for one recipient,
// or for several if they are Partial; all-or-nothing takes one round trip more, and
// larger messages have a session to themselves.
//
// A session that turns out to be dead when it is needed again is replaced
// unseen, once, as long as nothing of the message was taken; that needs a Body
// of up to 64 KiB or one that is an [io.Seeker]. Messages that were sent with others
// when their connection broke, and are known not to have been taken, go back to their
// place in the queue, but for the one that the server was busy with: that goes over
// one other session, once. What is in doubt is not sent again.
//
// To cancel a message that shares a session does not cut the others off: if it is
// on its way to the server, the call ends at once with [ErrUncertain].
//
// If a session cannot be had, and there is no other, everybody who waits for one
// gets the error: it is not tried again for each. If there are others, they have to
// do for a while, from 10 seconds to 5 minutes; but who had a password refused gets
// that for an error. A server that says 421 to the first message of a session, or
// to a session when there is no other, is left alone for a second at first and for a
// minute at last: who comes meanwhile waits. If sessions could be had until then, whoever
// waits already goes on waiting, once: servers count sessions for longer than they last.
// Otherwise a Pool does not remember failures, nor that a password was refused: the next
// message opens a session and shows it again. Some servers lock accounts for that, so who
// gets [ErrCredentials] should stop.
type Pool struct {
	Transport   Transport     // required
	MaxSessions int           // open at once; 0: 4; negative: 1. Further messages wait their turn
	MaxIdle     time.Duration // how long a session may be idle; 0: 30 seconds; negative: keep no idle sessions
	MaxMessages int           // per session; 0: 1,000; negative: no limit. The server's, if it says one, wins if lower (RFC 9422)
	MaxAge      time.Duration // of a session, when it is given back; 0: 5 minutes; negative: no limit

	// Window is how many messages may be on their way in one session without an
	// answer, and so how many a broken connection can leave uncertain; 0: 16. One, or
	// a negative number, goes without the others' company.
	//
	// A server that loses some of a window, and answers what is behind that as if nothing
	// had happened, is found out as a rule by its words: its verdict on a message is other
	// than its replies to commands. If all are the same, receipts may be for messages that
	// were lost; but not with a Window of one.
	Window int

	// Limiter is waited for before each message. Nil means none.
	Limiter Limiter

	letters sync.Pool // *parcel; what messages were made of, for others

	mu       sync.Mutex // guards the fields below; not held across I/O
	idle     []*pooled  // most recently used last
	open     int        // sessions, being dialled, in use and idle
	waiting  []*waiter  // by their tickets: who came first is served first
	tickets  uint64     // given out
	hungry   []*run     // that could carry more
	batches  []*batch   // under way
	proven   bool       // sessions can be had: the last that there was did authenticate
	ceiling  ceiling
	recess   recess
	alarm    *time.Timer // for the end of either
	capacity capacity
	inFlight int          // messages that runs carry
	leading  atomic.Int64 // messages that have a session to themselves, or open one
	count    counters
	watcher  *time.Timer // over idle sessions
	watched  time.Time   // when it looks; zero if it does not
	closed   bool
	ended    chan struct{} // made by Close; closed when nothing is open
}

// A Limiter paces submissions. A *rate.Limiter of golang.org/x/time/rate is one.
type Limiter interface {
	// Wait blocks until a message may be sent, or returns an error if ctx ends
	// before.
	Wait(ctx context.Context) error
}

// pooled is a session in a pool.
type pooled struct {
	*Session
	since   time.Time // it was opened
	sent    int       // messages offered
	mails   int       // transactions, with those that are about to begin
	taken   int       // of the messages
	resets  int       // behind those that were refused
	retired bool      // it is to be closed: the server has enough of it

	landmarks landmarks // for who reads in a window

	idleSince time.Time
}

func (p *Pool) maxMessages() int { return orInt(p.MaxMessages, 1000) }
func (p *Pool) window() int      { return max(1, orInt(p.Window, 16)) }

func (p *Pool) maxIdle() time.Duration { return or(p.MaxIdle, 30*time.Second) }
func (p *Pool) maxAge() time.Duration  { return or(p.MaxAge, 5*time.Minute) }

func orInt(n, otherwise int) int {
	if n == 0 {
		return otherwise
	}
	return n
}

// Submit sends m over an idle session or a new one, or waits for its turn if
// MaxSessions are in use.
func (p *Pool) Submit(ctx context.Context, m Message) (*Receipt, error) {
	if p.Transport == nil {
		return nil, errNoTransport()
	}
	letter, ok := p.letters.Get().(*parcel)
	if !ok {
		letter = new(parcel)
	}
	err := letter.prepare(ctx, m)
	if err == nil {
		err = p.pace(ctx)
	}
	if err != nil {
		return nil, err
	}
	receipt, err := p.submit(ctx, letter)
	if !letter.lent {
		letter.forget()
		p.letters.Put(letter)
	}
	return receipt, err
}

func errNoTransport() error { return &InvalidError{Field: "Pool.Transport", Reason: "is nil"} }

// pace waits for the limiter.
func (p *Pool) pace(ctx context.Context) error {
	if p.Limiter == nil {
		return nil
	}
	err := p.Limiter.Wait(ctx)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return p.errorFor(wireContext(ctx))
	}
	return p.errorFor(&cause{meaning: ErrTemporary, text: "Pool.Limiter", err: err})
}

func (p *Pool) submit(ctx context.Context, letter *parcel) (*Receipt, error) {
	for ticket := uint64(0); ; {
		s, c, err := p.take(ctx, letter, &ticket)
		if err != nil {
			return nil, err
		}
		if c != nil {
			var carried bool
			if s, carried, err = p.wait(ctx, c); carried || err != nil {
				return c.receipt, err
			}
		}
		if receipt, again, err := p.lead(ctx, letter, s); !again {
			return receipt, err
		}
	}
}

// lead submits over s, or over a session that it opens first, and has that to
// itself meanwhile. Again means that there is no other session to be had now,
// but somebody else's to wait for.
func (p *Pool) lead(ctx context.Context, letter *parcel, s *pooled) (receipt *Receipt, again bool, err error) {
	p.leading.Add(1)
	defer p.leading.Add(-1)
	spare := spares{dead: s != nil, noBDAT: true}
	for stale := false; ; {
		if s == nil {
			if s, again, err = p.dial(ctx); err != nil {
				if stale && !again {
					p.note(func(c *counters) { c.outcome(err) }) // it had one
				}
				return nil, again, err
			}
		}
		if receipt, stale, again, err = p.use(ctx, s, letter, &spare); !stale {
			return receipt, again, err
		}
		p.note(func(c *counters) { c.again++ })
		s.Close()
		s = nil
	}
}

// Spares are the reasons for which a message may go over another session, each
// once: that the one it had turned out to be dead, or the server not to know BDAT.
type spares struct{ dead, noBDAT bool }

// take reports whether there is one for err, and takes it. What follows is a new
// session, and not dead.
func (s *spares) take(err error) bool {
	had := s.dead
	if errors.Is(err, errNoBDAT) {
		had, s.noBDAT = s.noBDAT, false
	}
	s.dead = false
	return had
}

// use submits over s and gives it back, even if reading the message panics;
// unless s turns out to be stale and the message can be sent once more. Again is as
// for noSession: to be without authentication is to be without a session, and so is
// to be told to go away before anything was sent.
func (p *Pool) use(ctx context.Context, s *pooled, letter *parcel, spare *spares) (receipt *Receipt, stale, again bool, err error) {
	finished := false
	defer func() {
		if stale {
			return
		}
		switch {
		case !finished:
		case s.authErr != nil:
			again = p.noSession(ctx, err)
		case s.sent == 0 && isBusy(err):
			again = p.unwelcome(ctx, err) && letter.body.rewind()
		}
		if finished && !again {
			p.note(func(c *counters) { c.outcome(err) })
		}
		s.sent++
		s.mails = max(s.mails+1, s.begun)
		switch {
		case finished && err == nil:
			s.taken++
		case s.dirty:
			s.resets++ // is due
		}
		p.giveBack(s)
	}()
	receipt, err = s.submit(ctx, letter)
	finished = true
	stale = isStale(ctx, s, err) && spare.take(err) && letter.body.rewind()
	return receipt, stale, false, err
}

// isStale tells a session that had died from one that failed: the connection
// was lost, or the server said that it was closing it, before the message was
// taken. When in doubt, no.
func isStale(ctx context.Context, s *pooled, err error) bool {
	if err == nil {
		return false
	}
	var e *Error
	switch {
	case errors.Is(err, errNoBDAT):
		return ctx.Err() == nil // and the next session does without
	case ctx.Err() != nil || errors.Is(err, ErrUncertain) || errors.Is(err, ErrClosed):
		return false
	case !errors.As(err, &e) || e.Phase == PhaseAuth:
		return false
	}
	switch {
	case e.Reply != nil && s.taken > 0 && e.Phase == PhaseSender && isFull(*e.Reply):
		return true
	case s.conn.Broken() == nil:
		return false
	case e.Reply == nil:
		return isLost(err)
	case e.Phase == PhaseSender && e.Reply.Code/100 == 4:
		return true // said of the idle session, not of MAIL, with which it crossed: SES says 451
	}
	return e.Reply.Code == 421 && e.Phase < PhaseBody // later it is about this message
}

// isFull reports whether r, to MAIL, says that a session has carried as many
// messages as it may. RFC 9422, section 4.1, has servers say 421; OpenSMTPD says
// 452 4.5.3 and lets the client go on asking.
func isFull(r Reply) bool {
	return r.Code == 452 && (r.Enhanced == [3]int{} || r.Enhanced == [3]int{4, 5, 3})
}

// dial opens a session by leave of take; if it fails, the leave is passed on.
func (p *Pool) dial(ctx context.Context) (s *pooled, again bool, err error) {
	opened := false
	defer func() {
		if !opened { // a panic included
			p.free()
		}
	}()
	session, err := p.Transport.Dial(ctx)
	if err != nil {
		return nil, p.noSession(ctx, err), err
	}
	opened = true
	p.note(func(c *counters) { c.dialled++ })
	session.ready = p.prove
	return &pooled{Session: session, since: time.Now()}, false, nil
}

// prove is for a session that has authenticated: now there may be others. A
// password that is wrong has been shown once, however many messages wait.
func (p *Pool) prove() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.proven = true
	p.ceiling.raise(p.open)
	p.spread()
}

// noSession is for one that could not be opened, with err. If there are others,
// they have to do, for a while at least: servers have limits, and some do not
// like to be asked. If not, it is everybody's error who waits.
func (p *Pool) noSession(ctx context.Context, err error) (again bool) {
	if ctx.Err() != nil {
		return false // nothing is known of the server
	}
	p.mu.Lock()
	if others := p.working(); others > 0 && !errors.Is(err, ErrInvalid) {
		p.ceiling.lower(others)
		p.ring()
		p.mu.Unlock()
		return !errors.Is(err, ErrCredentials) // which one call does not show again
	}
	patient := p.pause(err)
	p.proven, p.ceiling = false, ceiling{} // that was no limit
	if patient {
		p.mu.Unlock()
		return true
	}
	waiting := p.waiting
	p.waiting = nil
	for _, w := range waiting {
		w.settled(nil, err)
	}
	for _, b := range p.batches {
		b.refuse(err)
	}
	p.mu.Unlock()
	for _, w := range waiting {
		w.owner.settle(w)
	}
	return false
}
