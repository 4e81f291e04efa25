package submit_test

import (
	"iter"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/internal/fakenet"
	"github.com/mailport/mailport/submit"
	"github.com/mailport/mailport/submit/submittest"
)

// chunking is a setup: the server offers CHUNKING and PIPELINING.
func chunking(s *submittest.Server) { s.Without = nil }

// letters are n messages that can be told apart, each to friend unless change says
// otherwise.
func letters(n int, change func(i int, m *submit.Message)) iter.Seq[submit.Message] {
	return func(yield func(submit.Message) bool) {
		for i := range n {
			m := numbered(i)
			if change != nil {
				change(i, &m)
			}
			if !yield(m) {
				return
			}
		}
	}
}

// results collects what SubmitAll yields, one for each message.
func results(t *testing.T, all iter.Seq[submit.Result], n int) []submit.Result {
	t.Helper()
	list, seen := make([]submit.Result, n), make([]bool, n)
	for r := range all {
		require.Less(t, r.Index, n)
		require.False(t, seen[r.Index], "two results for one message")
		require.NotEqual(t, r.Receipt == nil, r.Err == nil, "promise 3")
		list[r.Index], seen[r.Index] = r, true
	}
	for i := range n {
		require.True(t, seen[i], "no result for message %d", i)
	}
	return list
}

// pool returns a pool of one session, warm.
func (w *world) pool(service string) *submit.Pool {
	w.t.Helper()
	p := &submit.Pool{Transport: w.transport(service), MaxSessions: 1}
	w.t.Cleanup(func() { p.Close() })
	must(w.t, p)
	return p
}

// The budget: with DATA one round trip for each message, beyond one for the first
// and one for the last; with CHUNKING one for each half of a window, once it is
// known that the server answers what comes behind the end of a message.
func TestRoundTripsInABatch(t *testing.T) {
	for _, test := range []struct {
		name     string
		setup    func(*submittest.Server)
		window   int
		messages int
		want     int // round trips
	}{
		{"DATA", nil, 0, 100, 102},
		{"DATA, unbounded", nil, 1 << 30, 100, 102},
		{"CHUNKING", chunking, 0, 160, 14},
		{"CHUNKING, window of one", chunking, 1, 50, 51},
		{"CHUNKING, unbounded", chunking, 1 << 30, 1000, 7},
		{"lock-step", lockStep, 0, 10, 40},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, test.setup, func(t *testing.T, w *world) {
				p := w.pool(submit.Submissions)
				p.Window, p.MaxMessages = test.window, -1
				elapsed := stopwatch()
				for _, r := range results(t, p.SubmitAll(t.Context(), letters(test.messages, nil)), test.messages) {
					require.NoError(t, r.Err)
				}
				took := elapsed()
				t.Logf("%d messages: %v", test.messages, took)
				require.LessOrEqual(t, took, time.Duration(test.want)*rtt)
				require.Len(t, w.settled(), 1+test.messages)
				require.Len(t, w.net.Links(fakenet.Anywhere), 1)
				require.NoError(t, p.Close())
			})
		})
	}
}
