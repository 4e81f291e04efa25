package submit_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/submit"
)

// A metronome is a limiter in the manner of golang.org/x/time/rate: one message in
// each interval, and an error at once if the context ends before it would be time.
type metronome struct {
	interval time.Duration

	mu    sync.Mutex // guards the fields below
	next  time.Time
	times int // that Wait was called
}

var errTooLate = errors.New("rate: Wait(n=1) would exceed context deadline")

func (m *metronome) Wait(ctx context.Context) error {
	m.mu.Lock()
	m.times++
	at := time.Now()
	if at.Before(m.next) {
		at = m.next
	}
	if deadline, ok := ctx.Deadline(); ok && deadline.Before(at) {
		m.mu.Unlock()
		return errTooLate
	}
	m.next = at.Add(m.interval)
	m.mu.Unlock()
	timer := time.NewTimer(time.Until(at))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// The limiter is waited for once for each message, before it has a session.
func TestLimiterPaces(t *testing.T) {
	for transfer, offers := range transfers {
		for way, submit50 := range map[string]func(t *testing.T, p *submit.Pool) []submit.Result{
			"Submit": func(t *testing.T, p *submit.Pool) []submit.Result { return burst(t, p, 50) },
			"SubmitAll": func(t *testing.T, p *submit.Pool) []submit.Result {
				return results(t, p.SubmitAll(t.Context(), posting(50, nil)), 50)
			},
		} {
			t.Run(transfer+"/"+way, func(t *testing.T) {
				d := newDepot(offers...)
				d.say = func(v *guest, verb, _ string) string {
					if verb == "MAIL" && v.took == 20 {
						return "421 4.7.0 enough" + hangUp
					}
					return ""
				}
				withDepot(t, d, func(t *testing.T, w *world) {
					p := w.poolOf(2)
					m := &metronome{interval: time.Second}
					p.Limiter = m
					elapsed := stopwatch()
					list := submit50(t, p)
					require.Equal(t, balance{receipts: 50}, d.compare(t, list))
					require.Equal(t, 50, m.times, "once, though some went again")
					require.GreaterOrEqual(t, elapsed(), 49*time.Second)
					require.Less(t, elapsed(), 50*time.Second+10*rtt)
				})
			})
		}
	}
}

// The limiter's error is the message's, and temporary; the context's is the
// context's. What was not paced was not sent.
func TestLimiterFails(t *testing.T) {
	withDepot(t, newDepot(), func(t *testing.T, w *world) {
		p := w.poolOf(1)
		p.Limiter = limiterFunc(func(context.Context) error { return errOwn })
		for _, r := range results(t, p.SubmitAll(t.Context(), posting(3, nil)), 3) {
			requireMeans(t, r.Err, "Temporary")
			require.ErrorIs(t, r.Err, errOwn)
			require.Contains(t, asError(t, r.Err).Error(), "Pool.Limiter: the user has closed the window")
		}
		p.Limiter = &metronome{interval: time.Minute}
		must(t, p)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := p.Submit(ctx, letter())
		require.ErrorIs(t, err, errTooLate)
		requireMeans(t, err, "Temporary")
		elapsed := stopwatch()
		ended, end := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { end(errOwn) })
		_, err = p.Submit(ended, letter())
		require.Equal(t, time.Second, elapsed())
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorIs(t, err, errOwn)
		requireMeans(t, err)
		require.EqualValues(t, 1, p.Stats().Accepted)

		p.Limiter = limiterFunc(func(context.Context) error { panic(errOwn) })
		require.PanicsWithValue(t, errOwn, func() { p.Submit(t.Context(), letter()) })
		require.PanicsWithValue(t, errOwn, func() {
			for range p.SubmitAll(t.Context(), posting(3, nil)) {
				t.Error("a result")
			}
		})
		require.NoError(t, p.Close())
	})
}

// Results come when they are there, not when the limiter lets the next message
// pass; and a loop that is left does not wait for the limiter.
func TestLimiterHoldsUpNoResults(t *testing.T) {
	for transfer, offers := range transfers {
		withDepot(t, newDepot(offers...), func(t *testing.T, w *world) {
			p := w.poolOf(1)
			p.Limiter = &metronome{interval: time.Hour}
			elapsed := stopwatch()
			n := 0
			for r := range p.SubmitAll(t.Context(), posting(5, nil)) {
				require.NoError(t, r.Err)
				took := elapsed() - time.Duration(n)*time.Hour
				require.LessOrEqual(t, took, 10*rtt, "%s: message %d", transfer, n)
				if n++; n == 3 {
					break
				}
			}
			require.Less(t, elapsed(), 2*time.Hour+10*rtt)
			require.EqualValues(t, 3, p.Stats().Accepted)
			require.NoError(t, p.Close())
		})
	}
}
