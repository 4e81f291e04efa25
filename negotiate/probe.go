package negotiate

import (
	"context"
	"sync"
	"time"

	"github.com/mailport/mailport/submit"
)

// Probe tries every transport that the policy allows, all at once and each to its
// end, and reports what it found: the button that tests somebody's settings. It
// submits nothing, shows no credentials, and neither uses nor changes what is
// remembered.
//
// The report has what Dial would choose as [Won], other transports that would do
// as [Lost], and a diagnosis of each. The error says why a session could not be
// had, as that of Dial would; the report comes with it, unless the error is what
// [Negotiator.Check] found. Observe is not called. If ctx ends, what has come to an
// end by then counts; the error is the context's if that is not enough.
//
// A step that Timeouts set no limit for has 30 seconds here; Transports of the
// caller's own keep their limits.
func (n *Negotiator) Probe(ctx context.Context) (*Report, error) {
	r, err := n.probe(ctx)
	if err != nil {
		return nil, err
	}
	return r.probed()
}

// ProbeAuth is Probe, and then authenticates once, over another session with what
// Dial would choose. Of that session the report has the authentication alone.
func (n *Negotiator) ProbeAuth(ctx context.Context) (*Report, error) {
	if n.Credentials == nil && n.Transports == nil {
		return nil, &submit.InvalidError{Field: "Config.Credentials", Reason: "there are none to try"}
	}
	r, err := n.probe(ctx)
	if err != nil {
		return nil, err
	}
	if r.winner != nil {
		r.winner.authenticate(ctx, r)
	}
	return r.probed()
}

func (n *Negotiator) probe(ctx context.Context) (*race, error) {
	config := n.Config
	config.Timeouts = patience(config.Timeouts)
	candidates, err := n.candidatesWith(config)
	if err == nil {
		err = check(candidates)
	}
	if err != nil {
		return nil, err
	}
	r := newRace(n.Policy, candidates, Choice{})
	r.runAll(ctx)
	return r, nil
}

// patience limits what somebody who watches has to wait for: silence, mostly. A
// server has minutes to answer, and a port of another kind takes them.
func patience(t submit.Timeouts) submit.Timeouts {
	if t.Command == 0 {
		t.Command = 30 * time.Second
	}
	return t
}

// runAll lets all run to their ends, and finds out who would have won.
func (r *race) runAll(ctx context.Context) {
	r.began = time.Now()
	all := make([]*probe, len(r.runners))
	var running sync.WaitGroup
	for i, c := range r.runners {
		c.attempt.Outcome = Failed // until it is known better
		all[i] = newProbe(ctx, c)
		defer all[i].cancel(nil)
	}
	for _, p := range all {
		running.Go(func() {
			p.run(p.ctx, r)
			r.arrived <- p.runner
		})
	}
	for range all {
		if c := <-r.arrived; c.session != nil {
			c.session.Close()
			for _, p := range all {
				if p.isOtherModeOf(c) {
					defer time.AfterFunc(enoughSilence, p.giveUp).Stop()
				}
			}
		}
	}
	running.Wait()
	for _, p := range all {
		p.end(r)
	}
	var decided *runner
	r.winner, decided = r.foresee()
	for _, c := range r.runners {
		if c.judged && c.verdict == stop && c != decided && classify(c.attempt.Err) != ended {
			c.verdict = next // a race would not have come to it
		}
	}
	r.settle(ctx)
}

// authenticate shows the credentials to the one that would be shown them.
func (c *runner) authenticate(ctx context.Context, r *race) {
	session, err := c.transport.Dial(ctx)
	if err == nil {
		err = session.Auth(submit.WithTrace(ctx, func(_ context.Context, e submit.Event) { c.observe(e, r) }))
		session.Close()
	}
	if err != nil {
		c.attempt.Outcome, c.attempt.Err = Fatal, err
	}
}

// probed is the report, and its error if no session can be had.
func (r *race) probed() (*Report, error) {
	report := r.report()
	report.probe = true
	if _, ok := report.Chosen(); !ok {
		return report, &Error{Report: report}
	}
	return report, nil
}
