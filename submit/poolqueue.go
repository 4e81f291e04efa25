package submit

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/mailport/mailport/internal/wire"
)

func wireContext(ctx context.Context) error { return wire.ContextError(ctx) }

// A waiter is a message that waits for a session, or is carried by one together
// with others.
type waiter struct {
	letter *parcel
	ctx    context.Context // of the call, without its end: for that there is leave
	owner  owner
	index  int    // of the message, for its owner
	thrown func() // does what a reader did instead of returning; or nil
	as     [1]string

	// Guarded by the pool's mu.
	ticket uint64 // its place in the queue is by this
	place  place
	gone   bool // nobody waits for what becomes of it
	run    *run // that carries it

	receipt *Receipt
	err     error
}

// An owner waits for what becomes of a waiter.
type owner interface {
	// lead says that w is to submit by itself: over s, or with leave to open a
	// session if s is nil. The pool's mu is held, and lead must not block.
	lead(w *waiter, s *pooled)

	// settle says that w has its receipt or error. It must not block.
	settle(w *waiter)
}

// A place is where a waiter is.
type place int

const (
	inQueue place = iota
	led           // its owner submits it
	carried       // by a run, which has not begun to send the message
	begun         // its end is on its way, or may be at any moment
	arrived       // it has its receipt or error
)

func (w *waiter) settled(receipt *Receipt, err error) {
	w.place, w.receipt, w.err = arrived, receipt, err
}

// A call is a Submit that waits.
type call struct {
	waiter
	turn chan *pooled  // buffered; nil is leave to open a session
	done chan struct{} // closed when it has arrived
}

func (c *call) lead(_ *waiter, s *pooled) {
	c.place = led
	c.turn <- s
}

func (c *call) settle(*waiter) { close(c.done) }

// take returns an idle session, or a place in the queue, or neither, as leave to
// open a session. Ticket is drawn the first time.
func (p *Pool) take(ctx context.Context, letter *parcel, ticket *uint64) (*pooled, *call, error) {
	if ctx.Err() != nil {
		return nil, nil, p.errorFor(wire.ContextError(ctx))
	}
	for {
		s, c, err := p.takeOrQueue(ctx, letter, ticket)
		switch {
		case err != nil:
			return nil, nil, err
		case s == nil:
			return nil, c, nil
		case s.conn.Unpark():
			return s, nil, nil
		}
		// It died while it was idle. What takes its place may be idle, too.
		s.Close()
		p.free()
	}
}

func (p *Pool) takeOrQueue(ctx context.Context, letter *parcel, ticket *uint64) (*pooled, *call, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.draw(ticket)
	s, ok := p.takeNow(letter)
	switch {
	case p.closed:
		return nil, nil, p.errClosed()
	case ok:
		return s, nil, nil
	}
	c := &call{turn: make(chan *pooled, 1), done: make(chan struct{})}
	c.waiter = waiter{letter: letter, ctx: detach(ctx), owner: c, ticket: *ticket}
	c.keep()
	p.enqueue(&c.waiter)
	p.serve()
	return nil, c, nil
}

// draw gives out a ticket to who has none. p.mu is held.
func (p *Pool) draw(ticket *uint64) {
	if *ticket == 0 {
		p.tickets++
		*ticket = p.tickets
	}
}

// enqueue puts w in the queue: who comes back is in front of who came later.
// p.mu is held.
func (p *Pool) enqueue(w *waiter) {
	w.place, w.run = inQueue, nil
	i, _ := p.find(w)
	p.waiting = slices.Insert(p.waiting, i, w)
}

// find returns where in the queue w is, or belongs. p.mu is held.
func (p *Pool) find(w *waiter) (i int, ok bool) {
	return slices.BinarySearchFunc(p.waiting, w.ticket, func(other *waiter, ticket uint64) int {
		return cmp.Compare(other.ticket, ticket)
	})
}

// next takes the first waiter off the queue. p.mu is held.
func (p *Pool) next() *waiter {
	w := p.waiting[0]
	p.waiting[0] = nil
	p.waiting = p.waiting[1:]
	return w
}

func (p *Pool) errClosed() error {
	return p.errorFor(&cause{meaning: ErrClosed, text: "pool is closed"})
}

func (p *Pool) errorFor(err error) error {
	return &Error{Endpoint: p.Transport.Endpoint(), Err: err}
}

// wait waits until it is c's turn to submit, or it was carried.
func (p *Pool) wait(ctx context.Context, c *call) (s *pooled, carried bool, err error) {
	select {
	case s := <-c.turn:
		return s, false, nil
	case <-c.done:
		return nil, true, c.err
	case <-ctx.Done():
	}
	if err := p.leave(ctx, &c.waiter); err != nil {
		hush(c.ctx)
		return nil, false, err
	}
	// It was served at the same moment.
	select {
	case <-c.done:
		return nil, true, c.err
	case s := <-c.turn: // what it got is for the next
		if s == nil {
			p.free()
		} else {
			p.giveBack(s)
		}
		return nil, false, p.errorFor(wire.ContextError(ctx))
	}
}

// leave is the end of waiting for w, and returns what has become of it: nil if
// its owner knows.
func (p *Pool) leave(ctx context.Context, w *waiter) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch w.place {
	case inQueue:
		i, _ := p.find(w)
		p.waiting = slices.Delete(p.waiting, i, i+1)
	case carried, begun:
		w.run.forget(w)
		w.letter.lent = true
	default:
		return nil
	}
	err := wire.ContextError(ctx)
	if w.place == begun {
		err = &Error{Endpoint: w.run.s.endpoint, Phase: PhaseVerdict, Err: uncertain(err)}
		p.count.outcome(err)
		return err
	}
	return p.errorFor(err)
}

// giveBack passes a session on to who waits for one, or keeps it, or closes it.
func (p *Pool) giveBack(s *pooled) {
	p.mu.Lock()
	fit := p.fit(s)
	switch {
	case fit && len(p.waiting) > 0 && p.isCrowd(s):
		go p.carry(s) // which gives it back; Close waits for that
	case fit && len(p.waiting) > 0:
		w := p.next()
		w.owner.lead(w, s)
	case !fit || p.closed || p.maxIdle() < 0:
		p.mu.Unlock()
		s.Close()
		p.free()
		return
	default:
		s.idleSince = time.Now()
		p.idle = append(p.idle, s)
		if !s.conn.Looks() {
			s.conn.Park(func() { p.evict(s) })
		}
		p.watch(min(unwatched, p.maxIdle()))
	}
	p.mu.Unlock()
}

// isCrowd reports whether it is worth while to have s carry several messages. A
// call that waits alone can do so itself. p.mu is held.
func (p *Pool) isCrowd(s *pooled) bool {
	_, alone := p.waiting[0].owner.(*call)
	return p.carries(s, p.waiting[0].letter) && (!alone || len(p.waiting) > 1)
}

// fit reports whether a session can carry another message. p.mu is held.
func (p *Pool) fit(s *pooled) bool {
	return s.conn.Broken() == nil && s.authErr == nil && p.hasRoom(s)
}

// hasRoom reports whether a session has not come to one of its limits. p.mu is
// held.
func (p *Pool) hasRoom(s *pooled) bool {
	most, oldest, mails := p.maxMessages(), p.maxAge(), s.limits.mails
	return !s.retired && (most < 0 || s.sent < most) && (mails == 0 || s.mails < mails) &&
		p.capacity.allows(s.mails) && (oldest < 0 || time.Since(s.since) < oldest)
}

// free passes the leave of a session that is no more to who waits for one.
func (p *Pool) free() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.waiting) > 0 && p.open <= p.maxSessions() && !p.recess.isOn() {
		w := p.next()
		w.owner.lead(w, nil)
		return
	}
	p.open--
	if p.closed && p.open == 0 {
		close(p.ended)
	}
}

// Close closes the pool: who waits for a session, or comes later, gets an error
// that matches [ErrClosed]. It waits for the messages under way, to end them
// sooner end their contexts. It returns nil.
func (p *Pool) Close() error {
	p.mu.Lock()
	if p.ended == nil {
		p.ended = make(chan struct{})
	}
	if !p.closed {
		p.closed = true
		if p.open == 0 {
			close(p.ended)
		}
	}
	for _, timer := range [...]*time.Timer{p.watcher, p.alarm} {
		if timer != nil {
			timer.Stop()
		}
	}
	idle, waiting := p.idle, p.waiting
	p.idle, p.waiting = nil, nil
	for _, w := range waiting {
		w.settled(nil, p.errClosed())
	}
	for _, r := range p.hungry {
		r.more.Signal()
	}
	p.hungry = nil
	p.mu.Unlock()
	for _, w := range waiting {
		w.owner.settle(w)
	}
	for _, s := range idle {
		s.conn.Unpark()
		s.Close()
		p.free()
	}
	<-p.ended
	return nil
}
