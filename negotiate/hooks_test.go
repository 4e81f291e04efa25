package negotiate_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/negotiate"
	"github.com/mailport/mailport/submit"
)

// A memory that says something each second time only is asked twice, and not for
// ever.
func TestMemoryThatSaysSomethingEachSecondTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t, 100*ms)
		n := p.negotiator(negotiate.Policy{})
		well := lie(submit.Submission, host, 587, 0, time.Minute)
		m := &hostile{}
		m.liar = func(call int) (negotiate.Choice, bool) {
			c, _ := well(call)
			return c, call%2 == 0 || call > 1000
		}
		n.Memory = m
		connect(t, n)
		require.LessOrEqual(t, m.calls, 2)
		p.requireRemembered(t, 587)
	})
}

// Promise 6: a hook that panics leaves no connection behind.
func TestPanicLeavesNoSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t, 100*ms)
		n := p.negotiator(negotiate.Policy{})
		n.Observe = func(context.Context, *negotiate.Report) { panic(errors.New("in a hook")) }
		require.Panics(t, func() { n.Dial(t.Context()) })
		require.Zero(t, p.Open())

		n.Observe, n.Memory = nil, panicking{}
		require.Panics(t, func() { n.Dial(t.Context()) })
		require.Zero(t, p.Open())
	})
}

// panicking is a Memory that is broken.
type panicking struct{}

func (panicking) Load(context.Context, string) (negotiate.Choice, bool) {
	return negotiate.Choice{}, false
}
func (panicking) Store(context.Context, string, negotiate.Choice) { panic("no space left") }
func (panicking) Forget(context.Context, string)                  {}

// A hook may use the Negotiator that it watches.
func TestObserveMayDial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t, 100*ms)
		p.Refuse(at465)
		p.Refuse(at587)
		n := p.negotiator(negotiate.Policy{})
		calls := 0
		n.Observe = func(ctx context.Context, _ *negotiate.Report) {
			if calls++; calls == 1 {
				n.Dial(ctx)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := n.Dial(ctx)
		require.ErrorIs(t, err, submit.ErrUnreachable)
		require.NotErrorIs(t, err, context.DeadlineExceeded)
		require.NoError(t, ctx.Err())
	})
}
