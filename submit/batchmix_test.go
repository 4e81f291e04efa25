package submit_test

import (
	"fmt"
	"io"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/submit"
)

// bulky makes of some messages large ones, with a reader that can seek or one that
// cannot, and has others go to several: all or nothing, or Partial.
func bulky(i int, m *submit.Message) {
	text := fmt.Sprintf("Subject: %d\r\n\r\nThis is message %d.\r\n%s", i, i, strings.Repeat("0123456789\r\n", 8000))
	switch i % 7 {
	case 1:
		m.Body = strings.NewReader(text)
	case 3:
		m.Body = io.MultiReader(strings.NewReader(text))
	case 4, 5:
		m.Partial = i%7 == 5
		for n := range 1 + i%20 {
			m.To = append(m.To, fmt.Sprintf("r%d-%d@example.net", i, n))
		}
	}
}

// Messages of all kinds in one batch: everything arrives, once, to all it is for,
// whatever the server and the pool are like.
func TestBatchOfAllKinds(t *testing.T) {
	const n = 60
	type setup func(d *depot, p *submit.Pool)
	plain := func(*depot, *submit.Pool) {}
	setups := map[string]setup{
		"as it is":           plain,
		"MaxIdle -1":         func(_ *depot, p *submit.Pool) { p.MaxIdle = -1 },
		"MaxMessages 1":      func(_ *depot, p *submit.Pool) { p.MaxMessages = 1 },
		"MaxMessages 7":      func(_ *depot, p *submit.Pool) { p.MaxMessages = 7 },
		"MaxAge":             func(_ *depot, p *submit.Pool) { p.MaxAge = 15 * rtt },
		"RCPTMAX":            func(d *depot, _ *submit.Pool) { d.offers = append(d.offers, "LIMITS RCPTMAX=21 MAILMAX=9") },
		"window of 1":        func(_ *depot, p *submit.Pool) { p.Window = 1 },
		"window of 2":        func(_ *depot, p *submit.Pool) { p.Window = 2 },
		"huge window":        func(_ *depot, p *submit.Pool) { p.Window = math.MaxInt },
		"a million sessions": func(_ *depot, p *submit.Pool) { p.MaxSessions, p.MaxMessages = 1_000_000, -1 },
		"refusals": func(d *depot, _ *submit.Pool) {
			d.say = func(_ *guest, verb, args string) string {
				if verb == "RCPT" && strings.Contains(args, "-1@") {
					return "550 5.1.1 unknown"
				}
				return ""
			}
		},
	}
	transfers := map[string][]string{"DATA": nil, "CHUNKING": {"CHUNKING"}, "lock-step": nil}
	for transfer, offers := range transfers {
		for name, set := range setups {
			for _, sessions := range []int{1, 2, 3, 4} {
				if raced && (sessions+len(name))%7 != 0 || name != "as it is" && sessions == 3 {
					continue
				}
				t.Run(fmt.Sprint(transfer, "/", name, "/", sessions), func(t *testing.T) {
					t.Parallel()
					d := newDepot(offers...)
					if transfer == "lock-step" {
						d.offers = d.offers[1:]
					}
					withDepot(t, d, func(t *testing.T, w *world) {
						p := w.poolOf(sessions)
						set(d, p)
						list := results(t, p.SubmitAll(t.Context(), posting(n, bulky)), n)
						for i, r := range list {
							if name == "refusals" && i%7 == 4 && i%20 > 0 {
								requireMeans(t, r.Err, "Rejected")
								continue
							}
							require.NoError(t, r.Err)
							if name == "refusals" && i%7 == 5 && i%20 > 0 {
								require.Len(t, r.Receipt.Refused, 1)
								require.Equal(t, fmt.Sprintf("r%d-1@example.net", i), r.Receipt.Refused[0].Recipient)
							}
						}
						sum := d.compare(t, list)
						for _, m := range d.tookAll() {
							i := number(m)
							want := posted(i)
							bulky(i, &want)
							if name != "refusals" {
								require.Equal(t, want.To, m.to)
							}
							body, err := io.ReadAll(want.Body)
							require.NoError(t, err)
							require.Equal(t, len(body), len(m.body), "message %d", i)
						}
						if name != "a million sessions" {
							require.LessOrEqual(t, d.most, sessions+sessions*4, "some are being closed")
						}
						requireDone(t, p, sum)
					})
				})
			}
		}
	}
}

// A large message that stands in front of the queue keeps the small ones behind it
// for no longer than it is on its way, and they do not keep it.
func TestBatchStarvesNobody(t *testing.T) {
	for transfer, offers := range transfers {
		t.Run(transfer, func(t *testing.T) {
			d := newDepot(offers...)
			withDepot(t, d, func(t *testing.T, w *world) {
				p := w.poolOf(2)
				list := results(t, p.SubmitAll(t.Context(), posting(600, func(i int, m *submit.Message) {
					if i%150 == 25 {
						m.Body = strings.NewReader(fmt.Sprintf("Subject: %d\r\n\r\nThis is message %d.\r\n%s", i, i, large))
					}
				})), 600)
				sum := d.compare(t, list)
				require.Equal(t, balance{receipts: 600}, sum)
				requireInTurn(t, d, 10*16) // large is ten round trips
				requireDone(t, p, sum)
			})
		})
	}
}

// MaxMessages and MaxAge hold for a session that carries many, too: to the message,
// and to the moment.
func TestBatchKeepsToLimits(t *testing.T) {
	for transfer, offers := range transfers {
		t.Run(transfer, func(t *testing.T) {
			d := newDepot(offers...)
			withDepot(t, d, func(t *testing.T, w *world) {
				p := w.poolOf(1)
				p.MaxMessages = 17
				results(t, p.SubmitAll(t.Context(), posting(170, nil)), 170)
				times := map[int]int{}
				for _, m := range d.tookAll() {
					times[m.guest]++
				}
				require.Len(t, times, 10)
				for _, n := range times {
					require.Equal(t, 17, n)
				}
				require.NoError(t, p.Close())
				d.forget()

				p = w.poolOf(1)
				p.MaxAge = time.Minute
				slowVerdicts(d)
				results(t, p.SubmitAll(t.Context(), posting(5, nil)), 5)
				require.Equal(t, 5, d.guests, "none is begun over a session that is too old")
				require.NoError(t, p.Close())
			})
		})
	}
}
