package submit_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/submit"
)

// several has each message of a sequence go to so many, or to those who are accepted.
func several(n int) func(i int, m *submit.Message) {
	return func(i int, m *submit.Message) {
		m.Partial = true
		for k := 1; k < n; k++ {
			m.To = append(m.To, fmt.Sprintf("r%d-%d@example.net", i, k))
		}
	}
}

// Messages for several are together in a window, too, though nothing is known of the
// server before the first of them.
func TestRoundTripsOfMessagesForSeveral(t *testing.T) {
	for _, to := range []int{1, 2, 12, 13, 14, 50, 100} {
		if raced && to != 13 {
			continue
		}
		d := newDepot("CHUNKING")
		withDepot(t, d, func(t *testing.T, w *world) {
			p := w.poolOf(1)
			must(t, p)
			d.forget()
			elapsed := stopwatch()
			sum := d.compare(t, results(t, p.SubmitAll(t.Context(), posting(160, several(to))), 160))
			require.Equal(t, balance{receipts: 160}, sum)
			require.LessOrEqual(t, int(elapsed()/rtt), 160/16+9, "%d recipients", to)
			for _, m := range d.tookAll() {
				require.Len(t, m.to, to)
			}
			require.NoError(t, p.Close())
		})
	}
}

// What the server does about the beginning of a long envelope is found out while
// nothing can be lost by it.
func TestLongEnvelopeOutOfStep(t *testing.T) {
	for name, answer := range outOfStep {
		if answer == nil || strings.Contains(name, "last") || strings.Contains(name, "DATA") {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDepot("CHUNKING")
			d.ahead = answer
			withDepot(t, d, func(t *testing.T, w *world) {
				p := w.poolOf(1)
				for range 2 {
					sum := d.compare(t, results(t, p.SubmitAll(t.Context(), posting(12, several(30))), 12))
					require.Equal(t, balance{receipts: 12}, sum)
					require.EqualValues(t, 1, p.Stats().Again)
					require.Equal(t, 2, d.guests)
					d.taken = nil
				}
				require.NoError(t, p.Close())
			})
		})
	}
}

// Recipients that are refused, in either part of the envelope, are those that the
// receipt names.
func TestRefusedInALongEnvelope(t *testing.T) {
	for name, no := range map[string]func(k string) bool{
		"the first": func(k string) bool { return k == "" },
		"some":      func(k string) bool { return strings.HasSuffix(k, "1") },
		"the head":  func(k string) bool { return k == "" || len(k) == 1 || k == "10" || k == "11" || k == "12" },
		"the rest":  func(k string) bool { return len(k) == 2 },
		"all":       func(string) bool { return true },
	} {
		t.Run(name, func(t *testing.T) {
			d := newDepot("CHUNKING")
			d.say = func(_ *guest, verb, args string) string {
				if verb == "RCPT" && strings.HasPrefix(path(args), "r") {
					local, _, _ := strings.Cut(path(args), "@")
					if _, k, _ := strings.Cut(local, "-"); no(k) {
						return "550 5.1.1 nobody"
					}
				}
				return ""
			}
			withDepot(t, d, func(t *testing.T, w *world) {
				p := w.poolOf(1)
				must(t, p)
				d.forget()
				list := results(t, p.SubmitAll(t.Context(), posting(20, several(30))), 20)
				sum := d.compare(t, list)
				if name == "all" {
					require.Equal(t, balance{failed: 20}, sum)
					return
				}
				require.Equal(t, balance{receipts: 20}, sum)
				for i, r := range list {
					var refused []string
					for _, e := range r.Receipt.Refused {
						refused = append(refused, e.Recipient)
					}
					var want []string
					for k := range 30 {
						if k == 0 && no("") {
							want = append(want, fmt.Sprintf("r%d@example.net", i))
						} else if k > 0 && no(itoa(k)) {
							want = append(want, fmt.Sprintf("r%d-%d@example.net", i, k))
						}
					}
					require.Equal(t, want, refused)
				}
				require.NoError(t, p.Close())
			})
		})
	}
}
