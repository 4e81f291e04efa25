package submit

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/mailport/mailport/internal/wire"
)

// A Pool is a [Submitter] that keeps sessions open between messages. The zero
// values of its fields but Transport are good defaults. A Pool must not be
// copied after first use, and its fields not be changed.
//
// A session that turns out to be dead when it is needed again is replaced
// unseen, once, as long as nothing of the message was taken; that needs a Body
// of up to 64 KiB or one that is an [io.Seeker]. What is in doubt is not sent
// again.
//
// A Pool does not remember that a password was refused: the next message opens
// a session and shows it again. Some servers lock accounts for that, so who gets
// [ErrCredentials] should stop.
type Pool struct {
	Transport   Transport     // required
	MaxSessions int           // open at once; 0: 4. Further messages wait their turn
	MaxIdle     time.Duration // how long a session may be idle; 0: 30 seconds; negative: keep no idle sessions
	MaxMessages int           // per session; 0: 100; negative: no limit
	MaxAge      time.Duration // of a session, when it is given back; 0: 5 minutes; negative: no limit

	mu      sync.Mutex // guards the fields below; not held across I/O
	idle    []*pooled  // most recently used last
	open    int        // sessions, being dialled, in use and idle
	waiting []*waiter  // who came first is served first
	closed  bool
	ended   chan struct{} // made by Close; closed when nothing is open
}

// pooled is a session in a pool.
type pooled struct {
	*Session
	since  time.Time // it was opened
	sent   int       // messages offered
	taken  int       // of these
	expiry *time.Timer
}

// A waiter waits for a session, or for leave to open one.
type waiter struct {
	ready chan *pooled // buffered; nil is leave to open one; closed if the pool is
}

func (p *Pool) maxSessions() int { return max(1, orInt(p.MaxSessions, 4)) }
func (p *Pool) maxMessages() int { return orInt(p.MaxMessages, 100) }

func (p *Pool) maxIdle() time.Duration { return or(p.MaxIdle, 30*time.Second) }
func (p *Pool) maxAge() time.Duration  { return or(p.MaxAge, 5*time.Minute) }

func orInt(n, otherwise int) int {
	if n == 0 {
		return otherwise
	}
	return n
}

// Submit sends m over an idle session or a new one, or waits for one to become
// free if MaxSessions are in use.
func (p *Pool) Submit(ctx context.Context, m Message) (*Receipt, error) {
	if p.Transport == nil {
		return nil, &InvalidError{Field: "Pool.Transport", Reason: "is nil"}
	}
	letter, err := prepare(ctx, m)
	if err != nil {
		return nil, err
	}
	s, err := p.take(ctx)
	if err != nil {
		return nil, err
	}
	reused := s != nil
	if !reused {
		if s, err = p.dial(ctx); err != nil {
			return nil, err
		}
	}
	receipt, stale, err := p.use(ctx, s, letter, reused)
	if !stale {
		return receipt, err
	}
	s.Close()
	if s, err = p.dial(ctx); err != nil {
		return nil, err
	}
	receipt, _, err = p.use(ctx, s, letter, false)
	return receipt, err
}

// use submits over s and gives it back, even if reading the message panics;
// unless s turns out to be stale and the message can be sent once more.
func (p *Pool) use(ctx context.Context, s *pooled, letter *parcel, reused bool) (receipt *Receipt, stale bool, err error) {
	defer func() {
		if !stale {
			s.sent++
			if err == nil {
				s.taken++
			}
			p.giveBack(s)
		}
	}()
	receipt, err = s.submit(ctx, letter)
	stale = (reused || errors.Is(err, errNoBDAT)) && isStale(ctx, s, err) && letter.body.rewind()
	return receipt, stale, err
}

// isStale tells a session that had died from one that failed: the connection
// was lost, or the server said that it was closing it, before the message was
// taken. When in doubt, no.
func isStale(ctx context.Context, s *pooled, err error) bool {
	var e *Error
	switch {
	case errors.Is(err, errNoBDAT):
		return ctx.Err() == nil // and the next session does without
	case err == nil || ctx.Err() != nil || errors.Is(err, ErrUncertain) || errors.Is(err, ErrClosed):
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

// take returns an idle session, or nil as leave to open one.
func (p *Pool) take(ctx context.Context) (*pooled, error) {
	if ctx.Err() != nil {
		return nil, p.errorFor(wire.ContextError(ctx))
	}
	for {
		s, w, err := p.takeOrQueue()
		switch {
		case err != nil:
			return nil, err
		case w != nil:
			return p.wait(ctx, w)
		case s == nil:
			return nil, nil
		case s.unpark():
			return s, nil
		}
		// It died while it was idle. What takes its place may be idle, too.
		s.Close()
		p.free()
	}
}

func (p *Pool) takeOrQueue() (*pooled, *waiter, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.closed:
		return nil, nil, p.errClosed()
	case len(p.idle) > 0:
		last := len(p.idle) - 1
		s := p.idle[last]
		p.idle = p.idle[:last]
		return s, nil, nil
	case p.open < p.maxSessions():
		p.open++
		return nil, nil, nil
	}
	w := &waiter{ready: make(chan *pooled, 1)}
	p.waiting = append(p.waiting, w)
	return nil, w, nil
}

func (p *Pool) errClosed() error {
	return p.errorFor(&cause{meaning: ErrClosed, text: "pool is closed"})
}

func (p *Pool) errorFor(err error) error {
	return &Error{Endpoint: p.Transport.Endpoint(), Err: err}
}

func (p *Pool) wait(ctx context.Context, w *waiter) (*pooled, error) {
	select {
	case s, ok := <-w.ready:
		if !ok {
			return nil, p.errClosed()
		}
		return s, nil
	case <-ctx.Done():
	}
	if p.forget(w) {
		return nil, p.errorFor(wire.ContextError(ctx))
	}
	// It was served at the same moment; what it got is for the next.
	if s, ok := <-w.ready; ok {
		if s == nil {
			p.free()
		} else {
			p.giveBack(s)
		}
	}
	return nil, p.errorFor(wire.ContextError(ctx))
}

// forget takes w off the queue, and reports whether it was still in it.
func (p *Pool) forget(w *waiter) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := slices.Index(p.waiting, w)
	if i >= 0 {
		p.waiting = slices.Delete(p.waiting, i, i+1)
	}
	return i >= 0
}

// dial opens a session by leave of take; if it fails, the leave is passed on.
func (p *Pool) dial(ctx context.Context) (*pooled, error) {
	opened := false
	defer func() {
		if !opened { // a panic included
			p.free()
		}
	}()
	s, err := p.Transport.Dial(ctx)
	if err != nil {
		return nil, err
	}
	opened = true
	return &pooled{Session: s, since: time.Now()}, nil
}

// giveBack passes a session on to who waits for one, or keeps it, or closes it.
func (p *Pool) giveBack(s *pooled) {
	if !p.fit(s) {
		s.Close()
		p.free()
		return
	}
	p.mu.Lock()
	switch {
	case len(p.waiting) > 0:
		p.next() <- s
	case p.closed || p.maxIdle() < 0:
		p.mu.Unlock()
		s.Close()
		p.free()
		return
	default:
		p.idle = append(p.idle, s)
		s.conn.Park(func() { p.evict(s, s.drop) })
		s.expire(p)
	}
	p.mu.Unlock()
}

// fit reports whether a session can carry another message.
func (p *Pool) fit(s *pooled) bool {
	most, oldest := p.maxMessages(), p.maxAge()
	return s.conn.Broken() == nil && s.authErr == nil &&
		(most < 0 || s.sent < most) && (oldest < 0 || time.Since(s.since) < oldest)
}

// next takes the first waiter off the queue. p.mu is held.
func (p *Pool) next() chan<- *pooled {
	w := p.waiting[0]
	p.waiting[0] = nil
	p.waiting = p.waiting[1:]
	return w.ready
}

// free passes the leave of a session that is no more to who waits for one.
func (p *Pool) free() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.waiting) > 0 {
		p.next() <- nil
		return
	}
	p.open--
	if p.closed && p.open == 0 {
		close(p.ended)
	}
}

// expire closes s when it has been idle for long enough. No goroutine waits for
// that.
func (s *pooled) expire(p *Pool) {
	s.expiry = time.AfterFunc(p.maxIdle(), func() { p.evict(s, s.leave) })
}

// unpark makes an idle session ready for use, and reports whether it is alive.
func (s *pooled) unpark() bool {
	s.expiry.Stop()
	return s.conn.Unpark()
}

// evict ends a session that has been idle for too long or has died, unless
// somebody was faster and uses it.
func (p *Pool) evict(s *pooled, end func()) {
	p.mu.Lock()
	i := slices.Index(p.idle, s)
	if i >= 0 {
		p.idle = slices.Delete(p.idle, i, i+1)
	}
	p.mu.Unlock()
	if i >= 0 {
		end()
		p.free()
	}
}

// drop ends a session that the watch over it, which calls drop, found dead.
func (s *pooled) drop() {
	s.expiry.Stop()
	s.abandon()
}

func (s *pooled) leave() { s.Close() }

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
	idle, waiting := p.idle, p.waiting
	p.idle, p.waiting = nil, nil
	p.mu.Unlock()
	for _, w := range waiting {
		close(w.ready)
	}
	for _, s := range idle {
		s.unpark()
		s.Close()
		p.free()
	}
	<-p.ended
	return nil
}

// Stats returns what the pool is doing at the moment.
func (p *Pool) Stats() PoolStats {
	p.mu.Lock()
	defer p.mu.Unlock()
	return PoolStats{Open: p.open, Idle: len(p.idle), Waiting: len(p.waiting)}
}

// PoolStats are numbers of a moment.
type PoolStats struct {
	Open    int // sessions: being opened, in use and idle
	Idle    int // sessions that wait for a message
	Waiting int // messages that wait for a session
}
