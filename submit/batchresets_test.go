package submit_test

import (
	"context"
	"iter"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/submit"
)

// impatient has d hang up on who says RSET more than ten times in a session but behind
// a message that was taken, as Exim does by default (smtp_accept_max_nonmail).
func impatient(d *depot) {
	type account struct{ took, resets int }
	accounts := make(map[*guest]*account)
	d.say = func(v *guest, verb, args string) string {
		a := accounts[v]
		if a == nil {
			a = new(account)
			accounts[v] = a
		}
		switch {
		case verb == "RCPT" && strings.Contains(args, "nobody"):
			return "550 5.1.1 unknown"
		case verb != "RSET":
		case v.took > a.took:
			a.took = v.took
		default:
			if a.resets++; a.resets > 10 {
				return "554 too many nonmail commands" + hangUp
			}
		}
		return ""
	}
}

// However the messages of a window come and however large they are, there is no more
// between two of them than one RSET.
func TestOneResetForEachMessage(t *testing.T) {
	const n = 300
	large := func(i int, m *submit.Message) {
		m.Body = strings.NewReader("Subject: " + itoa(i) + "\r\n\r\nThis is message " + itoa(i) + ".\r\n" + strings.Repeat("x\r\n", 7000))
	}
	for name, messages := range map[string]iter.Seq[submit.Message]{
		"small":   posting(n, nil),
		"large":   posting(n, large),
		"trickle": leisurely(posting(n, nil), rtt/5),
	} {
		t.Run(name, func(t *testing.T) {
			d := newDepot("CHUNKING")
			impatient(d)
			withDepot(t, d, func(t *testing.T, w *world) {
				w.teach(d)
				d.guests, d.resets = 0, 0
				p := w.poolOf(1)
				p.MaxMessages = -1
				list := results(t, p.SubmitAll(t.Context(), messages), n)
				require.Equal(t, balance{receipts: n}, d.compare(t, list))
				require.Equal(t, 1, d.guests)
				require.LessOrEqual(t, d.resets, n)
				require.NoError(t, p.Close())
			})
		})
	}
}

// Messages that are refused in a window cost an RSET each. A server that does not like
// that is left in time.
func TestRefusedInAWindow(t *testing.T) {
	const n = 300
	for _, each := range []int{2, 3, 10} {
		d := newDepot("CHUNKING")
		impatient(d)
		withDepot(t, d, func(t *testing.T, w *world) {
			w.teach(d)
			d.guests = 0
			p := w.poolOf(1)
			p.MaxMessages = -1
			some := func(i int, m *submit.Message) {
				if i%each == 0 {
					m.To = []string{"nobody@example.net"}
				}
			}
			list := results(t, p.SubmitAll(t.Context(), posting(n, some)), n)
			sum := d.compare(t, list)
			require.Equal(t, balance{receipts: n - n/each, failed: n / each}, sum, "one of %d refused", each)
			require.LessOrEqual(t, d.guests, 2+n/each/4)
			require.NoError(t, p.Close())
		})
	}
}

// Nor does it matter whether they were refused in a window, or alone before.
func TestRefusedAloneAndInAWindow(t *testing.T) {
	const alone, n = 9, 40
	d := newDepot("CHUNKING")
	impatient(d)
	withDepot(t, d, func(t *testing.T, w *world) {
		w.teach(d)
		p := w.poolOf(1)
		for i := range alone {
			m := posted(1000 + i)
			m.To = []string{"nobody@example.net"}
			_, err := p.Submit(t.Context(), m)
			requireMeans(t, err, "Rejected")
		}
		list := results(t, p.SubmitAll(t.Context(), posting(n, func(i int, m *submit.Message) {
			if i%5 == 4 {
				m.To = []string{"nobody@example.net"}
			}
		})), n)
		require.Equal(t, balance{receipts: n - n/5, failed: n / 5}, d.compare(t, list))
		require.NoError(t, p.Close())
	})
}

// The reply to the RSET behind the last message does not come: the session is given up,
// and nobody waits for that but Close.
func TestLastResetIsNotAnswered(t *testing.T) {
	d := newDepot("CHUNKING")
	withDepot(t, d, func(t *testing.T, w *world) {
		w.teach(d)
		d.say = func(v *guest, verb, _ string) string {
			if verb == "RSET" && v.took >= 40 {
				return noReply
			}
			return ""
		}
		d.guests = 0
		p := w.poolOf(1)
		elapsed := stopwatch()
		list := results(t, p.SubmitAll(t.Context(), posting(40, nil)), 40)
		require.Equal(t, balance{receipts: 40}, d.compare(t, list))
		require.Less(t, elapsed(), 20*rtt)
		time.Sleep(rtt) // until the run is over but for that
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := p.Submit(ctx, posted(40))
		require.NoError(t, err)
		require.Less(t, elapsed(), 12*time.Second)
		require.Equal(t, 2, d.guests)
		require.NoError(t, p.Close())
	})
}
