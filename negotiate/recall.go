package negotiate

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mailport/mailport/submit"
)

// A recollection is a Negotiator's own part in remembering: its memory if it was
// given none, and the negotiation that is under way, for others to wait for.
type recollection struct {
	own ProcessMemory

	mu      sync.Mutex
	current *negotiation // nil: none
}

// A negotiation began with nothing remembered. Who comes while it is under way
// waits for what it finds, and does not negotiate again.
type negotiation struct {
	over   chan struct{} // closed when the fields below are set
	choice Choice        // what it found; the zero value is nothing
	err    error         // why; nil if who negotiated gave up, so that somebody else should
}

// join returns the negotiation under way, or a new one and true.
func (r *recollection) join() (current *negotiation, mine bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.current != nil {
		return r.current, false
	}
	r.current = &negotiation{over: make(chan struct{})}
	return r.current, true
}

// leave ends the negotiation under way. The memory has by now what it found.
func (r *recollection) leave() {
	r.mu.Lock()
	defer r.mu.Unlock()
	close(r.current.over)
	r.current = nil
}

// dialShared begins with what is remembered or, if nothing is, negotiates, or
// waits for who does.
func (n *Negotiator) dialShared(ctx context.Context, candidates []submit.Transport) (*submit.Session, error) {
	for {
		if choice, ok := n.recall(ctx, candidates); ok {
			return n.tell(ctx, n.race(ctx, candidates, choice))
		}
		current, mine := n.recollection.join()
		if mine {
			if found, ok := n.raceForAll(ctx, candidates, current); ok {
				return n.tell(ctx, found)
			}
			// Somebody has just found it. The memory is not asked a third time: it
			// may say something each second time only.
		} else {
			select {
			case <-current.over:
			case <-ctx.Done(): // all transports say so, and none dials
				return n.tell(ctx, n.race(ctx, candidates, Choice{}))
			}
		}
		switch {
		case current.choice != Choice{}:
			return n.tell(ctx, n.race(ctx, candidates, current.choice))
		case current.err != nil:
			return nil, current.err
		}
	}
}

// raceForAll negotiates, and lets those go on who wait. It returns false if there
// is something to remember by now.
func (n *Negotiator) raceForAll(ctx context.Context, candidates []submit.Transport, current *negotiation) (outcome, bool) {
	defer n.recollection.leave() // also if a memory of the caller's panics
	if choice, ok := n.recall(ctx, candidates); ok {
		current.choice = choice
		return outcome{}, false
	}
	f := n.race(ctx, candidates, Choice{})
	current.choice = f.choice
	if ctx.Err() == nil {
		current.err = f.err
	}
	return f, true
}

func (n *Negotiator) memory() Memory {
	if n.Memory != nil {
		return n.Memory
	}
	return &n.recollection.own
}

// remembers reports whether there is a choice to remember.
func (n *Negotiator) remembers(candidates []submit.Transport) bool {
	return len(candidates) > 1 && n.Policy.remember() > 0
}

// serverOf is what a memory knows candidates by. It tells ports and order apart:
// who asks for 587 first has no use for what was found with 465 first.
func serverOf(candidates []submit.Transport) string {
	names := make([]string, len(candidates))
	for i, t := range candidates {
		names[i] = t.Endpoint().String()
	}
	return strings.Join(names, " ")
}

// recall returns what is remembered, if it makes sense: the choice of a transport
// that there is, for no longer than the policy says. A memory may be wrong, or
// have been written by somebody else.
func (n *Negotiator) recall(ctx context.Context, candidates []submit.Transport) (Choice, bool) {
	choice, ok := n.memory().Load(ctx, serverOf(candidates))
	now := time.Now()
	switch {
	case !ok, !now.Before(choice.Until), choice.Until.After(now.Add(n.Policy.remember())):
		return Choice{}, false
	}
	return choice, slices.ContainsFunc(candidates, func(t submit.Transport) bool { return t.Endpoint() == choice.Endpoint })
}

// An outcome of a negotiation is a session and what to remember of it, or why not.
type outcome struct {
	session *submit.Session
	choice  Choice
	err     error
	report  *Report
}

// race negotiates, beginning with what was chosen before, and learns from it.
func (n *Negotiator) race(ctx context.Context, candidates []submit.Transport, first Choice) (f outcome) {
	r := newRace(n.Policy, candidates, first)
	f.session, f.report = r.run(ctx)
	if f.session == nil {
		f.err = &Error{Report: f.report}
	}
	f.orClosed(func() { f.choice = n.learn(ctx, candidates, first, r) })
	return f
}

// orClosed calls what is the caller's: if that panics, nobody gets the session.
func (f *outcome) orClosed(call func()) {
	returned := false
	defer func() {
		if !returned && f.session != nil {
			f.session.Close()
		}
	}()
	call()
	returned = true
}

// tell has the caller's hook observe what was found. Nobody waits for that: the
// hook may dial, or panic.
func (n *Negotiator) tell(ctx context.Context, f outcome) (*submit.Session, error) {
	if n.Observe != nil {
		f.orClosed(func() { n.Observe(ctx, f.report) })
	}
	return f.session, f.err
}

// learn keeps what won, for as long as the policy says. A choice that is not what
// the policy prefers is not renewed when it wins again, so that the preferred one
// gets another chance; and it is forgotten when it failed.
func (n *Negotiator) learn(ctx context.Context, candidates []submit.Transport, first Choice, r *race) Choice {
	if !n.remembers(candidates) {
		return Choice{}
	}
	server, now, standing := serverOf(candidates), time.Now(), n.Policy.remember()
	switch w := r.winner; {
	case w == nil && first != Choice{} && classify(r.runners[0].attempt.Err) != ended:
		n.memory().Forget(ctx, server)
	case w == nil:
	case w.attempt.Endpoint == first.Endpoint && (first.Endpoint != candidates[0].Endpoint() || first.Until.Sub(now) > standing/2):
		return first
	default:
		choice := Choice{Endpoint: w.attempt.Endpoint, Connect: w.connected, Until: now.Add(standing)}
		n.memory().Store(ctx, server, choice)
		return choice
	}
	return Choice{}
}

// forgetting returns a configuration with a trace that forgets a choice where
// authentication failed: no other transport may be tried then, but next time.
func (n *Negotiator) forgetting() submit.Config {
	c := n.Config
	c.Trace = func(ctx context.Context, e submit.Event) {
		if n.Config.Trace != nil {
			n.Config.Trace(ctx, e)
		}
		if e.Phase == submit.PhaseAuth && e.Err != nil && classify(e.Err) != ended {
			n.forget(ctx)
		}
	}
	return c
}

func (n *Negotiator) forget(ctx context.Context) {
	if candidates, err := n.candidates(); err == nil && n.remembers(candidates) {
		n.memory().Forget(ctx, serverOf(candidates))
	}
}
