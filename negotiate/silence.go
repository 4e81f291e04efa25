package negotiate

import (
	"context"
	"errors"
	"time"

	"github.com/mailport/mailport/submit"
)

// A probe is a runner that goes to its end, whoever arrives before; unless it
// waits for a greeting on a port that has shown to expect TLS from the first byte.
type probe struct {
	*runner
	ctx    context.Context
	cancel context.CancelCauseFunc
}

// enoughSilence is how long that may go on: there are servers that take both
// modes on one port, and greet when no TLS has come for a few seconds.
const enoughSilence = 5 * time.Second

// errSilence is why a probe was ended.
var errSilence = errors.New("sent no greeting")

func newProbe(ctx context.Context, c *runner) *probe {
	p := &probe{runner: c}
	p.ctx, p.cancel = context.WithCancelCause(ctx)
	return p
}

// isOtherModeOf reports whether c waits for a greeting in cleartext where other has
// TLS from the first byte.
func (c *runner) isOtherModeOf(other *runner) bool {
	e := c.attempt.Endpoint
	return e.Service == submit.Submission &&
		other.attempt.Endpoint == submit.Endpoint{Service: submit.Submissions, Host: e.Host, Port: e.Port}
}

// giveUp ends p if it has heard nothing yet.
func (p *probe) giveUp() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.attempt.heard() {
		p.cancel(errSilence)
	}
}

// end says of a probe that failed why, and what may follow.
func (p *probe) end(r *race) {
	if p.session != nil {
		return
	}
	if errors.Is(p.attempt.Err, errSilence) {
		p.attempt.Err = &submit.Error{Endpoint: p.attempt.Endpoint, Phase: submit.PhaseGreeting,
			Err: &submit.PortError{Speaks: submit.SpeaksTLS}}
	}
	r.judge(p.runner)
}
