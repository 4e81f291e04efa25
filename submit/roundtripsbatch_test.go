package submit_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/internal/fakenet"
	"github.com/mailport/mailport/submit"
	"github.com/mailport/mailport/submit/submittest"
)

// A budget is what a batch costs: so many round trips for so many messages.
type budget map[int]int

// plus is a budget of every so many messages one round trip, and of more whatever the
// number, with the exceptions that one and two messages are.
func plus(each, more, one, two int) budget {
	b := budget{1: one, 2: two}
	for _, n := range []int{17, 33, 160} {
		b[n] = n/each + more
	}
	return b
}

// flat is a budget of so many round trips for any number of messages.
func flat(more, one, two int) budget { return plus(1<<20, more, one, two) }

// The budget of a batch, from the dial on. It is exact, since nothing else takes time
// here, and whoever comes first, who fills a window or who empties it.
//
// A round trip for each message with DATA, for each window of sixteen with CHUNKING,
// none at all where the window has no bound; divided among the sessions, where there
// are several. What there is to be learnt of a server costs once, and no other pool
// that has the same Quirks.
func TestRoundTripsOfABatch(t *testing.T) {
	for _, test := range []struct {
		name     string
		setup    func(*submittest.Server)
		sessions int
		window   int
		fresh    budget // nothing is known of the server
		taught   budget
	}{
		{"DATA", nil, 1, 0, plus(1, 7, 7, 9), plus(1, 7, 7, 9)},
		{"DATA, eight sessions", nil, 8, 0, plus(8, 12, 7, 12), plus(8, 12, 7, 12)},
		{"CHUNKING", chunking, 1, 0, plus(16, 9, 6, 8), plus(16, 6, 6, 7)},
		{"CHUNKING, eight sessions", chunking, 8, 0, plus(8*16, 11, 6, 11), plus(8*16, 11, 6, 11)},
		{"CHUNKING, window of five", chunking, 1, 5, budget{160: 41}, budget{160: 38}},
		{"CHUNKING, window of one", chunking, 1, 1, plus(1, 6, 6, 8), plus(1, 5, 6, 7)},
		{"CHUNKING, unbounded", chunking, 1, math.MaxInt, flat(10, 6, 8), flat(7, 6, 7)},
		{"lock-step", lockStep, 1, 0, budget{1: 9, 2: 13, 20: 5 + 4*20}, budget{1: 9, 2: 13, 20: 5 + 4*20}},
		{"lock-step, eight sessions", lockStep, 8, 0, budget{1: 9, 2: 14, 17: 18}, budget{1: 9, 2: 14, 17: 18}},
		{"CHUNKING, lock-step", both(chunking, lockStep), 1, 0, budget{1: 8, 2: 11, 20: 5 + 3*20}, budget{1: 8, 2: 11, 20: 5 + 3*20}},
	} {
		for name, want := range map[string]budget{"fresh": test.fresh, "taught": test.taught} {
			for n, want := range want {
				t.Run(fmt.Sprint(test.name, "/", name, "/", n), func(t *testing.T) {
					t.Parallel()
					inWorld(t, test.setup, func(t *testing.T, w *world) {
						w.net.SetWindow(fakenet.Anywhere, 1<<20)
						if w.config.Quirks = new(submit.Quirks); name == "taught" {
							w.learn()
						}
						p := w.poolOf(test.sessions)
						p.Window, p.MaxMessages = test.window, -1
						took := w.cost(p, n)
						require.Equal(t, want, took)
						require.LessOrEqual(t, len(w.net.Links(fakenet.Anywhere)), 1+test.sessions)
					})
				})
			}
		}
	}
}

// learn has a pool find out about the server what there is to find out.
func (w *world) learn() {
	w.t.Helper()
	p := w.poolOf(1)
	w.cost(p, 4)
	require.NoError(w.t, p.Close())
}

// cost is how many round trips a batch of n messages takes, all of which are taken.
func (w *world) cost(p *submit.Pool, n int) int {
	w.t.Helper()
	before := len(w.server.Messages())
	elapsed := stopwatch()
	for _, r := range results(w.t, p.SubmitAll(w.t.Context(), letters(n, nil)), n) {
		require.NoError(w.t, r.Err)
	}
	took := elapsed()
	require.Zero(w.t, took%rtt, "%v: something waits for a time", took)
	require.Len(w.t, w.settled(), before+n)
	return int(took / rtt)
}

// A batch over a session that is open already costs what its messages do: with DATA
// one round trip more, for the first envelope.
// The second batch costs what the first does, on a server of which all is known.
func TestRoundTripsOfAWarmBatch(t *testing.T) {
	for _, test := range []struct {
		name  string
		setup func(*submittest.Server)
		n     int
		want  int
	}{
		{"DATA", nil, 100, 101},
		{"CHUNKING", chunking, 160, 10},
		{"CHUNKING, a window", chunking, 16, 1},
		{"CHUNKING, one", chunking, 1, 1},
		{"DATA, one", nil, 1, 2},
		{"lock-step", lockStep, 20, 80},
		{"CHUNKING, lock-step", both(chunking, lockStep), 20, 60},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, test.setup, func(t *testing.T, w *world) {
				w.config.Quirks = new(submit.Quirks)
				w.learn()
				p := w.pool(submit.Submissions)
				p.MaxMessages, p.MaxIdle = -1, time.Hour
				for range 3 {
					require.Equal(t, test.want, w.cost(p, test.n))
				}
			})
		})
	}
}

// MaxMessages has a session replaced: that costs the dial of another, and QUIT
// nothing. No session carries more.
func TestRoundTripsOfShortSessions(t *testing.T) {
	for _, test := range []struct {
		name  string
		setup func(*submittest.Server)
		most  int // messages in a session
		n     int
		want  int
	}{
		{"DATA", nil, 10, 10, 17},
		{"DATA", nil, 10, 40, 4 * 17},
		{"DATA, one each", nil, 1, 5, 5 * 7},
		{"CHUNKING", chunking, 10, 10, 7},
		{"CHUNKING", chunking, 10, 40, 4 * 7},
		{"CHUNKING", chunking, 32, 64, 2 * 8},
		{"CHUNKING, one each", chunking, 1, 5, 5 * 6},
	} {
		t.Run(fmt.Sprint(test.name, "/", test.n), func(t *testing.T) {
			t.Parallel()
			inWorld(t, test.setup, func(t *testing.T, w *world) {
				w.config.Quirks = new(submit.Quirks)
				w.learn()
				dials := len(w.net.Links(fakenet.Anywhere))
				p := w.poolOf(1)
				p.MaxMessages = test.most
				require.Equal(t, test.want, w.cost(p, test.n))
				require.Equal(t, (test.n+test.most-1)/test.most, len(w.net.Links(fakenet.Anywhere))-dials)
			})
		})
	}
}

// A limiter adds what it waits for, and takes nothing of the rest: while messages are
// let pass more often than once a round trip, they are on their way together. No
// result is later than its message alone would have it, by more than a round trip.
func TestRoundTripsOfALimitedBatch(t *testing.T) {
	for _, test := range []struct {
		name     string
		setup    func(*submittest.Server)
		interval time.Duration
		n        int
		most     time.Duration // from when a message may pass to its result
	}{
		{"CHUNKING, slow", chunking, time.Second, 10, rtt},
		{"DATA, slow", nil, time.Second, 10, 2 * rtt},
		{"lock-step, slow", lockStep, time.Second, 10, 4 * rtt},
		{"CHUNKING, quick", chunking, rtt / 10, 100, 2 * rtt},
		{"DATA, quick", nil, rtt, 40, 3 * rtt},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, test.setup, func(t *testing.T, w *world) {
				w.config.Quirks = new(submit.Quirks)
				w.learn()
				p := w.pool(submit.Submissions)
				p.Limiter = &metronome{interval: test.interval}
				elapsed := stopwatch()
				n := 0
				for r := range p.SubmitAll(t.Context(), letters(test.n, nil)) {
					require.NoError(t, r.Err)
					took := elapsed() - time.Duration(r.Index)*test.interval
					require.LessOrEqual(t, took, test.most, "message %d", r.Index)
					require.GreaterOrEqual(t, took, rtt, "message %d", r.Index)
					n++
				}
				require.Equal(t, test.n, n)
				require.Len(t, w.net.Links(fakenet.Anywhere), 2, "and one that has learnt")
			})
		})
	}
}
