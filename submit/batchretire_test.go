package submit_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A server that has enough of a session after some messages, whatever it says or
// offers: nobody fails, nobody is sent twice, and no session is begun in vain.
func TestBatchOverShortSessions(t *testing.T) {
	const n = 60
	for transfer, offers := range transfers {
		for said, reply := range map[string]string{
			"421":            "421 4.7.0 enough" + hangUp,
			"421 to RCPT":    "421 4.7.0 enough" + hangUp,
			"452":            "452 4.5.3 enough",
			"452, bare":      "452 enough",
			"451, and hangs": "451 4.4.2 timeout" + hangUp,
			"hangs up":       hangUp,
			"LIMITS":         "421 4.7.0 said so" + hangUp,
		} {
			for _, k := range []int{1, 2, 3, 15, 16, 17} {
				if raced && k != 3 && k != 16 {
					continue
				}
				t.Run(fmt.Sprint(transfer, "/", said, "/", k), func(t *testing.T) {
					t.Parallel()
					d := newDepot(offers...)
					if said == "LIMITS" {
						d.offers = append(d.offers, fmt.Sprint("LIMITS MAILMAX=", k))
					}
					verb := "MAIL"
					if said == "421 to RCPT" {
						verb = "RCPT"
					}
					broke := false
					silent := said == "hangs up" || said == "451, and hangs" // of what came behind it nothing is known then
					d.say = func(v *guest, at, _ string) string {
						if at == verb && (v.took == k) {
							broke = true
							return reply
						}
						return ""
					}
					withDepot(t, d, func(t *testing.T, w *world) {
						for _, sessions := range []int{1, 3} {
							p := w.poolOf(sessions)
							before := len(d.tookAll())
							list := results(t, p.SubmitAll(t.Context(), posting(n, nil)), n)
							uncertain := 0
							for _, r := range list {
								if silent && requireOnlyUncertain(t, r.Err) {
									uncertain++
									continue
								}
								require.NoError(t, r.Err)
							}
							if !silent {
								require.Len(t, d.tookAll(), before+n)
								for from, times := range d.senders {
									require.LessOrEqual(t, times, 3, "begun too often: %v", from)
								}
							}
							if said == "LIMITS" {
								require.False(t, broke)
								require.Zero(t, p.Stats().Again)
							}
							require.NoError(t, p.Close())
							time.Sleep(rtt)
							d.mu.Lock()
							require.LessOrEqual(t, d.guests, (n+k-1)/k+uncertain+sessions, "sessions")
							d.taken, d.guests, d.senders = nil, 0, nil
							d.mu.Unlock()
						}
					})
				})
			}
		}
	}
}

func requireOnlyUncertain(t *testing.T, err error) bool {
	t.Helper()
	if err != nil {
		requireMeans(t, err, "Uncertain")
	}
	return err != nil
}
