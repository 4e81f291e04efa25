package submit_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/submit"
)

// A server that answers once too often or not at all in a window, or loses what it was
// sent, gets nobody another's receipt: from there on all are in doubt that are on their
// way. It has words of its own for each command, as servers have.
func TestLostPlacesInAWindow(t *testing.T) {
	const n, at = 60, 20
	for name, fault := range map[string]func(v *guest, verb, args string) string{
		"no verdict": func(_ *guest, verb, args string) string {
			if verb == "." && args == itoa(at) {
				return noReply
			}
			return ""
		},
		"a verdict twice": func(_ *guest, verb, args string) string {
			if verb == "." && args == itoa(at) {
				return "250 2.0.0 queued as 20\n250 2.0.0 queued as 20"
			}
			return ""
		},
		"RCPT answered twice": func(_ *guest, verb, args string) string {
			if verb == "RCPT" && strings.Contains(args, "<r20@") {
				return "250 2.1.5 known\n250 2.1.5 known"
			}
			return ""
		},
		"MAIL not answered": func(_ *guest, verb, args string) string {
			if verb == "MAIL" && strings.Contains(args, "<s20@") {
				return noReply
			}
			return ""
		},
		"RSET not answered": func(v *guest, verb, _ string) string {
			if verb == "RSET" && v.resets == 18 {
				return noReply
			}
			return ""
		},
		"the rest lost": func(_ *guest, verb, args string) string {
			if verb == "." && args == itoa(at) {
				return "250 2.0.0 queued as 20" + swallow
			}
			return ""
		},
	} {
		for _, window := range []int{1, 2, 3, 16, 1 << 20} {
			t.Run(name+"/"+itoa(window), func(t *testing.T) {
				t.Parallel()
				d := newDepot("CHUNKING")
				d.delay = func(verb string) time.Duration {
					if verb == "." {
						return time.Millisecond
					}
					return 0
				}
				withDepot(t, d, func(t *testing.T, w *world) {
					w.teach(d)
					d.resets = 0
					d.say = func(v *guest, verb, args string) string {
						words := map[string]string{"RSET": "250 2.0.0 flushed", "MAIL": "250 2.1.0 ok", "RCPT": "250 2.1.5 known"}
						if verb == "." && args == "30" {
							return "554 5.7.1 spam"
						}
						if text := fault(v, verb, args); v.guests < 3 && text != "" {
							return text
						}
						return words[verb]
					}
					p := w.poolOf(1)
					p.Window = window
					list := results(t, p.SubmitAll(t.Context(), posting(n, nil)), n)
					sum := d.compare(t, list) // no receipt that is another's
					require.LessOrEqual(t, sum.uncertain, 2*min(window, n))
					require.NoError(t, p.Close())
				})
			})
		}
	}
}

// A server that refuses the sender and takes the message nevertheless may have done
// either: it is not sent again.
func TestRefusedAndTaken(t *testing.T) {
	d := newDepot("CHUNKING")
	withDepot(t, d, func(t *testing.T, w *world) {
		w.teach(d)
		d.say = func(v *guest, verb, args string) string {
			if verb == "MAIL" && strings.Contains(args, "<s5@") {
				from := path(args)
				v.sender, v.rcpts = &from, nil
				return "451 4.3.0 later"
			}
			return ""
		}
		p := w.poolOf(1)
		list := results(t, p.SubmitAll(t.Context(), posting(12, nil)), 12)
		d.compare(t, list)
		require.ErrorIs(t, list[5].Err, submit.ErrUncertain)
		require.NoError(t, p.Close())
	})
}
