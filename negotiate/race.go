package negotiate

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/mailport/mailport/submit"
)

// A race starts transports one after the other and keeps the first that is
// ready: TLS verified and EHLO answered. That is before authentication, so a
// loser has not seen a credential.
type race struct {
	policy    Policy
	runners   []*runner
	began     time.Time
	latest    *runner       // the one that was started last
	strictest verdict       // of all failures so far
	headStart *time.Timer   // of the latest
	until     time.Time     // when that ends
	connected chan progress // news of the runners
	arrived   chan *runner  // each runner that was started, once
	winner    *runner       // nil: none
}

// progress is that a runner has a connection, and how long that took.
type progress struct {
	*runner
	took time.Duration
}

// A runner is one transport in a race. Its own goroutine writes to it until it
// arrives, and the race after that.
type runner struct {
	transport submit.Transport
	place     int           // in the order in which they are tried
	alone     time.Duration // its head start to connect

	mu        sync.Mutex // guards attempt against events that come at the same time
	attempt   Attempt
	connect   time.Duration // how long the TCP handshake took
	connected time.Duration // and when it was over, since the attempt began; 0: never
	session   *submit.Session
	verdict   verdict // what may follow the failure of this one
	judged    bool    // it failed by itself, and was not stopped by another's arrival
}

// newRace lets transports run in their order, but for one that was chosen before,
// which comes first. The zero Choice is none.
func newRace(p Policy, transports []submit.Transport, before Choice) *race {
	r := &race{policy: p, strictest: next, connected: make(chan progress, len(transports)), arrived: make(chan *runner, len(transports))}
	for _, t := range transports {
		c := &runner{transport: t, alone: p.headStart(), attempt: Attempt{Endpoint: t.Endpoint()}}
		r.runners = append(r.runners, c)
	}
	if i := slices.IndexFunc(r.runners, func(c *runner) bool { return c.attempt.Endpoint == before.Endpoint }); i >= 0 {
		c := r.runners[i]
		c.alone, c.attempt.Remembered = p.rememberedHeadStart(before.Connect), true
		r.runners = slices.Insert(slices.Delete(r.runners, i, i+1), 0, c)
	}
	for i, c := range r.runners {
		c.place = i
	}
	return r
}

// run returns the session of the winner, or nil, and the story. When it
// returns, every runner has arrived.
func (r *race) run(ctx context.Context) (*submit.Session, *Report) {
	r.began = time.Now()
	r.headStart = time.NewTimer(time.Hour)
	defer r.headStart.Stop()
	racing, cancel := context.WithCancel(ctx)
	defer cancel()
	var started sync.WaitGroup
	r.winner = r.decide(func(c *runner) {
		started.Go(func() { // waited for below
			c.run(racing, r)
			r.arrived <- c
		})
	})
	cancel()
	started.Wait()
	r.settle(ctx)
	if r.winner == nil {
		return nil, r.report()
	}
	return r.winner.session, r.report()
}

// decide starts runners until one is ready, or one has failed in a way that
// ends the race, or all have failed.
func (r *race) decide(start func(*runner)) (winner *runner) {
	running := 0
	begin := func() {
		if c := r.waiting(); c != nil {
			r.latest = c
			c.attempt.Began, c.attempt.Outcome = time.Since(r.began), Failed // until it is known better
			running++
			start(c)
			r.giveHeadStart(c.alone)
		}
	}
	for begin(); running > 0; {
		select {
		case <-r.headStart.C:
			begin()
		case c := <-r.connected:
			switch {
			case c.runner != r.latest:
			case r.late(): // and the timer is due, if it has not been heard of
				begin()
			default:
				r.giveHeadStart(r.policy.readyWithin(c.took))
			}
		case c := <-r.arrived:
			running--
			if c.session != nil {
				return r.preferred(c, running)
			}
			r.judge(c)
			if c.verdict == stop {
				return nil
			}
			r.strictest = min(r.strictest, c.verdict)
			begin()
		}
	}
	return nil
}

// giveHeadStart lets the latest runner run alone for d. A negative head start
// has no end: only a failure lets the next one start.
func (r *race) giveHeadStart(d time.Duration) {
	if r.policy.headStart() < 0 {
		r.headStart.Stop()
		return
	}
	r.headStart.Reset(d)
	r.until = time.Now().Add(d)
}

// late reports whether the head start of the latest runner is over. Who connects
// as it ends connects too late, whichever of the two is heard of first.
func (r *race) late() bool {
	return r.policy.headStart() >= 0 && !time.Now().Before(r.until)
}

// waiting returns the first runner that has not been started and may be.
func (r *race) waiting() *runner {
	for _, c := range r.runners {
		if c.attempt.Outcome == NotTried && (r.strictest == next || c.attempt.Endpoint.Service == submit.Submissions) {
			return c
		}
	}
	return nil
}

// judge says what may follow the failure of c.
func (r *race) judge(c *runner) {
	f := classify(c.attempt.Err)
	if f == noSuchName && r.elsewhere(c) {
		f = unreachable // the other name may resolve
	}
	c.verdict, c.judged = may(r.policy, f), true
}

// elsewhere reports whether a transport, of the caller's own, has another host.
func (r *race) elsewhere(than *runner) bool {
	for _, c := range r.runners {
		if c.attempt.Endpoint.Host != than.attempt.Endpoint.Host {
			return true
		}
	}
	return false
}

// preferred returns first unless one that comes before it in preference is ready
// at the same time: one that has TLS, and so waits for a word or two only, gets
// the shortest time there is.
func (r *race) preferred(first *runner, running int) *runner {
	if !r.nearlyReady(first.place) {
		return first
	}
	r.headStart.Reset(time.Nanosecond)
	for ; running > 0; running-- {
		select {
		case c := <-r.arrived:
			c.judged = c.session == nil
			if c.session != nil && c.place < first.place {
				first = c
			}
		case <-r.headStart.C:
			return first
		}
	}
	return first
}

// nearlyReady reports whether a runner that is preferred to place has TLS.
func (r *race) nearlyReady(place int) bool {
	return slices.ContainsFunc(r.runners[:place], func(c *runner) bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.attempt.TLS != nil && !c.judged
	})
}

// settle writes down how each runner ended, and says goodbye to those that were
// ready and lost.
func (r *race) settle(ctx context.Context) {
	winner := r.winner
	for _, c := range r.runners {
		switch {
		case c.attempt.Outcome == NotTried:
		case c == winner:
			c.attempt.Outcome = Won
		case c.session != nil:
			c.session.Close()
			c.attempt.Outcome, c.attempt.ready = Lost, true
		case c.judged && c.verdict == next || c.judged && winner != nil:
			c.attempt.Outcome = Failed
		case winner == nil && (c.judged || ctx.Err() != nil):
			// Also where no STARTTLS left only implicit TLS to try, and that did
			// not work: it is the one to be told of.
			c.attempt.Outcome = Fatal
		default:
			c.attempt.Outcome, c.attempt.Err = Lost, nil
			c.attempt.silent = winner != nil && c.isOtherModeOf(winner) && c.attempt.Address != "" && !c.attempt.heard()
		}
	}
}

// run dials.
func (c *runner) run(ctx context.Context, r *race) {
	ctx = submit.WithTrace(ctx, func(_ context.Context, e submit.Event) { c.observe(e, r) })
	session, err := c.transport.Dial(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.session, c.attempt.Err = session, err
	c.attempt.Took = time.Since(r.began) - c.attempt.Began
}

// observe follows what the transport does.
func (c *runner) observe(e submit.Event, r *race) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.attempt.Phase = e.Phase
	now := time.Since(r.began)
	c.attempt.Steps = append(c.attempt.Steps, Step{Phase: e.Phase, Began: max(0, now-e.Took), Took: e.Took, Err: e.Err})
	c.attempt.Authenticated = e.Phase == submit.PhaseAuth && e.Err == nil
	if e.Extensions != nil {
		c.attempt.Extensions = e.Extensions
	}
	if e.Address != "" {
		c.attempt.Address = e.Address
	}
	if e.TLS != nil {
		c.attempt.TLS = e.TLS
	}
	if e.Phase == submit.PhaseConnect && e.Err == nil {
		c.connect, c.connected = e.Took, now-c.attempt.Began
		select {
		case r.connected <- progress{c, e.Took}:
		default: // a transport that connects more than once
		}
	}
}

// report is the story of the race, in the order in which it happened.
func (r *race) report() *Report {
	report := &Report{Took: time.Since(r.began)}
	for _, c := range r.runners {
		report.Attempts = append(report.Attempts, c.attempt)
	}
	report.sort()
	return report
}
