package submit

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/emersion/go-smtp"
)

// A message that waits in a queue can be on its way when its call has returned,
// since the call's context has ended. What the call was given is the caller's again
// then.

// keep makes a copy of what is the caller's, but for the message, which was read.
func (w *waiter) keep() {
	p := w.letter
	if len(p.as) == 1 {
		w.as[0] = p.as[0]
		p.as = w.as[:]
	} else {
		p.as = slices.Clone(p.as)
	}
	if p.mail.Auth != nil {
		auth := *p.mail.Auth
		p.mail.Auth = &auth
	}
	if p.rcpt != nil {
		p.rcpt = copies(p.rcpt)
		p.by, p.priority = p.shared()
	}
}

func copies(options map[string]*smtp.RcptOptions) map[string]*smtp.RcptOptions {
	kept := make(map[string]*smtp.RcptOptions, len(options))
	for address, o := range options {
		if o == nil {
			continue
		}
		c := *o
		c.Notify = slices.Clone(o.Notify)
		if o.DeliverBy != nil {
			by := *o.DeliverBy
			c.DeliverBy = &by
		}
		if o.MTPriority != nil {
			priority := *o.MTPriority
			c.MTPriority = &priority
		}
		kept[address] = &c
	}
	return kept
}

// endless is a context without its end. What context.WithoutCancel returns asks for
// memory whenever it is asked for a value.
type endless struct{ context.Context }

func (endless) Deadline() (deadline time.Time, ok bool) { return time.Time{}, false }
func (endless) Done() <-chan struct{}                   { return nil }
func (endless) Err() error                              { return nil }

// traced is an endless context whose trace ends with the call: see [WithTrace].
type traced struct {
	endless
	trace func(context.Context, Event)

	mu   sync.RWMutex // held while trace runs
	over bool
}

// detach returns ctx without its end. Hush is to be called when the call that ctx
// is of returns while the message may still be on its way.
func detach(ctx context.Context) context.Context {
	trace := perCall(ctx)
	if trace == nil {
		return endless{ctx}
	}
	t := &traced{endless: endless{ctx}}
	t.trace = func(ctx context.Context, e Event) {
		t.mu.RLock()
		defer t.mu.RUnlock()
		if !t.over {
			trace(ctx, e)
		}
	}
	return t
}

// Value belongs to [context.Context].
func (t *traced) Value(key any) any {
	if key == (traceKey{}) {
		return t.trace
	}
	return t.endless.Value(key)
}

// hush waits for the trace of a detached context, and then there is none.
func hush(ctx context.Context) {
	if t, ok := ctx.(*traced); ok {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.over = true
	}
}
