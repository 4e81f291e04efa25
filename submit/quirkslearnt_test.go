package submit_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/submit"
)

// trips is how many round trips a batch takes, all messages of which are taken, or
// are in doubt.
func trips(t *testing.T, p *submit.Pool, n int) int {
	t.Helper()
	elapsed := stopwatch()
	for _, r := range results(t, p.SubmitAll(t.Context(), posting(n, nil)), n) {
		if r.Err != nil {
			requireMeans(t, r.Err, "Uncertain")
		}
	}
	synctest.Wait()
	return int(elapsed() / rtt)
}

// quick is how many round trips 200 messages take at most where one does not wait for
// the other; slowly they take 400. One more than 24 it may be with CHUNKING, when the
// session is there before the messages are.
var quick = map[string]int{"DATA": 200 + 12, "CHUNKING": 200/16 + 14}

// What a caller does says nothing of the server: calls that do not wait for a slow
// verdict end the connection themselves.
func TestNothingIsLearntFromWhatIsCutHere(t *testing.T) {
	for transfer, offers := range transfers {
		d := newDepot(offers...)
		var slow atomic.Bool
		d.delay = func(verb string) time.Duration {
			if verb == "." && slow.Load() {
				return 3 * time.Second
			}
			return 0
		}
		withDepot(t, d, func(t *testing.T, w *world) {
			p := w.poolOf(1)
			must(t, p)
			for range 3 {
				slow.Store(true)
				ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
				var all sync.WaitGroup
				for i := range 4 {
					all.Go(func() { p.Submit(ctx, posted(100000+i)) })
				}
				all.Wait()
				cancel()
				time.Sleep(time.Minute)
				slow.Store(false)
			}
			require.LessOrEqual(t, trips(t, p, 200), quick[transfer], transfer)
			require.NoError(t, p.Close())
		})
	}
}

// A connection that is lost with an envelope behind the end of a message is chance,
// the first time; if it happens twice in a row, that is not asked of the server again,
// for an hour. Before it was seen to work, or later: the same.
func TestLossBehindTheEnd(t *testing.T) {
	for transfer, offers := range transfers {
		for name, test := range map[string]struct {
			times int
			slow  bool // from then on
		}{"once": {1, false}, "twice": {2, true}} {
			t.Run(transfer+"/"+name, func(t *testing.T) {
				d := newDepot(offers...)
				times := 0
				d.say = func(v *guest, verb, _ string) string {
					if verb == "." && times < test.times && v.a.in.Buffered() > 0 {
						times++
						return hangUp
					}
					return ""
				}
				withDepot(t, d, func(t *testing.T, w *world) {
					p := w.poolOf(1)
					trips(t, p, 20)
					require.EqualValues(t, test.times, p.Stats().Uncertain)
					took := trips(t, p, 200)
					require.Equal(t, test.slow, took > quick[transfer], "%d", took)
					time.Sleep(time.Hour)
					require.LessOrEqual(t, trips(t, p, 200), quick[transfer], "tried again")
					require.EqualValues(t, test.times, p.Stats().Uncertain)
					require.NoError(t, p.Close())
				})
			})
		}
	}
}

// Several connections that break at the same time are one time.
func TestLossOfAllAtOnce(t *testing.T) {
	d := newDepot()
	var down atomic.Bool
	d.say = func(v *guest, verb, _ string) string {
		if verb == "." && down.Load() && v.n <= 4 {
			return hangUp
		}
		return ""
	}
	withDepot(t, d, func(t *testing.T, w *world) {
		w.config.Quirks = new(submit.Quirks)
		p := w.poolOf(4)
		n := 0
		for r := range p.SubmitAll(t.Context(), posting(300, nil)) {
			if n++; n == 100 {
				down.Store(true)
			}
			if r.Err != nil {
				requireMeans(t, r.Err, "Uncertain")
			}
		}
		require.EqualValues(t, 4, p.Stats().Uncertain)
		require.NoError(t, p.Close())
		p = w.poolOf(1)
		require.LessOrEqual(t, trips(t, p, 200), quick["DATA"])
		require.NoError(t, p.Close())
	})
}

// A server that was seen to answer what comes behind the end of a message is not
// judged by one time that it does not. If it never does any more, it is found out.
func TestSilenceOfTheProven(t *testing.T) {
	for name, forGood := range map[string]bool{"once": false, "for good": true} {
		t.Run(name, func(t *testing.T) {
			d := newDepot()
			silent := map[int]bool{}
			d.ahead = func(v *guest, _, usual string) string {
				if v.offered >= 100 && (len(silent) == 0 || forGood) {
					silent[v.n] = true
					return silence
				}
				return usual
			}
			withDepot(t, d, func(t *testing.T, w *world) {
				p := w.poolOf(1)
				list := results(t, p.SubmitAll(t.Context(), posting(150, nil)), 150)
				require.Equal(t, balance{receipts: 150}, d.compare(t, list))
				took := trips(t, p, 200)
				require.Equal(t, forGood, took > quick["DATA"], "%d", took)
				require.Len(t, silent, map[bool]int{false: 1, true: 2}[forGood])
				require.NoError(t, p.Close())
			})
		})
	}
}

// That BDAT is not known to a server is believed for an hour.
func TestQuirksExpire(t *testing.T) {
	inWorld(t, stranger(1), func(t *testing.T, w *world) {
		one := w.transport(submit.Submissions)
		must(t, one)
		require.Equal(t, 1, w.tries())
		time.Sleep(59 * time.Minute)
		must(t, one)
		require.Equal(t, 1, w.tries())
		time.Sleep(2 * time.Minute)
		must(t, one)
		require.Equal(t, 2, w.tries(), "it may be another by now")
		time.Sleep(2 * time.Hour)
		must(t, one)
		require.Equal(t, 3, w.tries())
	})
}
