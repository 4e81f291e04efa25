package submit_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// tiresome has a depot hang up, without a word, after each message whose number in its
// session says so; it has taken that one.
func tiresome(d *depot, number func(v *guest) bool) {
	d.say = func(v *guest, verb, identity string) string {
		if verb == "." && number(v) {
			return "250 2.0.0 queued as " + identity + hangUp
		}
		return ""
	}
}

// A server that hangs up after so many messages in a session, and does not say so,
// leaves a window in doubt the first time, one message the second, and then it is
// known: each session carries so many. It is believed for a while.
func TestCapacityOfTheSilent(t *testing.T) {
	for _, after := range []int{5, 20, 50} {
		if raced && after != 20 {
			continue
		}
		d := newDepot("CHUNKING")
		tiresome(d, func(v *guest) bool { return v.took+1 >= after })
		withDepot(t, d, func(t *testing.T, w *world) {
			w.teach(d)
			p := w.poolOf(1)
			sum := d.compare(t, results(t, p.SubmitAll(t.Context(), posting(1000, nil)), 1000))
			require.Zero(t, sum.failed)
			require.LessOrEqual(t, sum.uncertain, 16+1, "after %d", after)
			require.LessOrEqual(t, d.guests, 1000/after+2)
			before := p.Stats().Uncertain
			time.Sleep(10 * time.Minute)
			results(t, p.SubmitAll(t.Context(), posting(1000, nil)), 1000)
			require.LessOrEqual(t, p.Stats().Uncertain, before+1, "it is tried again with one message")
			require.NoError(t, p.Close())
		})
	}
}

// Connections that break again and again leave fewer in doubt than a window each: it
// opens again as messages are settled.
func TestWindowOpensSlowlyAfterALoss(t *testing.T) {
	d := newDepot("CHUNKING")
	tiresome(d, func(v *guest) bool { return v.took+1 >= 3+7*(v.n%3)%11 })
	withDepot(t, d, func(t *testing.T, w *world) {
		w.teach(d)
		p := w.poolOf(1)
		sum := d.compare(t, results(t, p.SubmitAll(t.Context(), posting(500, nil)), 500))
		require.Zero(t, sum.failed)
		t.Logf("%+v, %d sessions", sum, d.guests)
		require.LessOrEqual(t, sum.uncertain, 3*d.guests+16)
		require.NoError(t, p.Close())
	})
}

// A loss that was chance costs what the window takes to open, once.
func TestLossByChance(t *testing.T) {
	d := newDepot("CHUNKING")
	lost := false
	tiresome(d, func(v *guest) bool {
		now := v.n > 1 && v.took == 30 && !lost
		lost = lost || now
		return now
	})
	withDepot(t, d, func(t *testing.T, w *world) {
		w.teach(d)
		d.mu.Lock()
		d.guests = 1
		d.mu.Unlock()
		p := w.poolOf(1)
		p.MaxMessages = -1
		require.LessOrEqual(t, trips(t, p, 320), 320/16+2*6+7)
		synctest.Wait()
		require.LessOrEqual(t, trips(t, p, 320), 320/16+2)
		require.Equal(t, 3, d.guests)
		require.NoError(t, p.Close())
	})
}
