package submit_test

import (
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/submit"
)

// transfers are the two ways to hand over a message, by what the depot offers.
var transfers = map[string][]string{"DATA": nil, "CHUNKING": {"CHUNKING"}}

// posting is a sequence of n messages for a depot, each as change leaves it.
func posting(n int, change func(i int, m *submit.Message)) iter.Seq[submit.Message] {
	return func(yield func(submit.Message) bool) {
		for i := range n {
			m := posted(i)
			if change != nil {
				change(i, &m)
			}
			if !yield(m) {
				return
			}
		}
	}
}

// poolOf returns a pool of sessions with a depot.
func (w *world) poolOf(sessions int) *submit.Pool {
	p := &submit.Pool{Transport: w.transport(submit.Submissions), MaxSessions: sessions}
	w.t.Cleanup(func() { p.Close() })
	return p
}

// requireDone holds what Stats say when all is over.
func requireDone(t *testing.T, p *submit.Pool, sum balance) {
	t.Helper()
	synctest.Wait() // runs give their sessions back
	s := p.Stats()
	require.Zero(t, s.Waiting)
	require.Zero(t, s.InFlight)
	require.Equal(t, s.Idle, s.Open)
	require.EqualValues(t, sum.receipts, s.Accepted)
	require.EqualValues(t, sum.uncertain, s.Uncertain)
	require.NoError(t, p.Close())
	require.Zero(t, p.Stats().Open)
}

// refusals are the ways in which a message can come to nothing, by itself. Each
// makes message i one of that kind, or has the depot refuse it.
var refusals = map[string]struct {
	change func(m *submit.Message)
	verb   string // that is refused
	means  []string
}{
	"MAIL":      {verb: "MAIL", means: []string{"Rejected"}},
	"RCPT":      {verb: "RCPT", means: []string{"Rejected"}},
	"verdict":   {verb: ".", means: []string{"Rejected"}},
	"invalid":   {change: func(m *submit.Message) { m.To = []string{"nobody"} }, means: []string{"Invalid"}},
	"no body":   {change: func(m *submit.Message) { m.Body = nil }, means: []string{"Invalid"}},
	"oversize":  {change: func(m *submit.Message) { m.Body = strings.NewReader(large) }, means: []string{"Rejected", "TooLarge"}},
	"too large": {change: func(m *submit.Message) { m.Body = strings.NewReader(large[:2000]) }, means: []string{"Rejected", "TooLarge"}},
}

// Promise 3, in a batch: exactly one result for each message, a receipt for what
// the server took, and an error for what was refused, wherever in the batch it
// stands. Its neighbours are not concerned.
func TestBatchRefusals(t *testing.T) {
	for transfer, offers := range transfers {
		for kind, refusal := range refusals {
			for _, victims := range [][]int{{0}, {1}, {2, 3}, {20}, {18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33}, {39}, {0, 2, 4, 38, 39}} {
				t.Run(fmt.Sprint(transfer, "/", kind, "/", victims), func(t *testing.T) {
					t.Parallel()
					d := newDepot(append([]string{"SIZE 1000"}, offers...)...)
					d.say = func(_ *guest, verb, args string) string {
						for _, i := range victims {
							if verb == refusal.verb && (verb == "." && args == itoa(i) ||
								strings.Contains(args, fmt.Sprintf("<s%d@", i)) || strings.Contains(args, fmt.Sprintf("<r%d@", i))) {
								return "550 5.7.1 not this one"
							}
						}
						return ""
					}
					withDepot(t, d, func(t *testing.T, w *world) {
						p := w.poolOf(1)
						list := results(t, p.SubmitAll(t.Context(), posting(40, func(i int, m *submit.Message) {
							if refusal.change != nil && slices.Contains(victims, i) {
								refusal.change(m)
							}
						})), 40)
						for i, r := range list {
							if slices.Contains(victims, i) {
								requireMeans(t, r.Err, refusal.means...)
							} else {
								require.NoError(t, r.Err, "a neighbour")
							}
						}
						sum := d.compare(t, list)
						require.Equal(t, balance{receipts: 40 - len(victims), failed: len(victims)}, sum)
						sessions := 1 // it is good
						if transfer == "CHUNKING" && len(victims) > 8 && (kind == "MAIL" || kind == "RCPT") {
							sessions = 2 // until there were too many RSETs for some: see TestRefusedInAWindow
						}
						require.Equal(t, sessions, d.guests)
						requireDone(t, p, sum)
					})
				})
			}
		}
	}
}
