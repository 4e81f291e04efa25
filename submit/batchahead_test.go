package submit_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/submit"
)

// Servers that offer PIPELINING and are out of step with what comes behind the end
// of a message. Each is told apart by what it says to command i of those that came
// so: RSET, if there is one, MAIL, RCPT, and then DATA or BDAT.
var outOfStep = map[string]func(v *guest, verb, usual string) string{
	"lost":            nil, // see below
	"503":             func(_ *guest, _, _ string) string { return "503 5.5.1 not yet" },
	"500":             func(_ *guest, _, _ string) string { return "500 5.5.2 what?" },
	"503 from MAIL":   from("MAIL", "503 5.5.1 not yet"),
	"503 from RCPT":   from("RCPT", "503 5.5.1 not yet"),
	"503 to the last": from("DATA", "503 5.5.1 not yet"),
	"silence":         func(_ *guest, _, _ string) string { return noReply },
	"none to RSET":    none("RSET"),
	"none to MAIL":    none("MAIL"),
	"none to RCPT":    none("RCPT"),
	"none to DATA":    none("DATA"),
	"two to RSET":     two("RSET"),
	"two to MAIL":     two("MAIL"),
	"two to RCPT":     two("RCPT"),
	"two to DATA":     two("DATA"),
	"354 to MAIL":     from("MAIL", "354 go ahead"),
	"354 to RCPT":     from("RCPT", "354 go ahead"),
}

// from answers so to the commands from one on.
func from(verb, text string) func(*guest, string, string) string {
	order := "RSET MAIL RCPT DATA"
	return func(_ *guest, at, usual string) string {
		if strings.Index(order, at) >= strings.Index(order, verb) {
			return text
		}
		return usual
	}
}

func none(verb string) func(*guest, string, string) string {
	return func(_ *guest, at, usual string) string {
		if at == verb {
			return noReply
		}
		return usual
	}
}

func two(verb string) func(*guest, string, string) string {
	return func(_ *guest, at, usual string) string {
		if at == verb {
			return usual + "\n" + usual
		}
		return usual
	}
}

// A server that does not answer in order what comes behind the end of a message
// (RFC 2920, section 3.1, has it do so) is recognised the first time, in the time
// of a few round trips, while nothing can be lost by it. The batch goes on, and no
// session with that server tries it again.
func TestBatchOutOfStep(t *testing.T) {
	const n = 12
	for transfer, offers := range transfers {
		for name, answer := range outOfStep {
			if transfer == "DATA" && strings.Contains(name, "RSET") {
				continue // there is none
			}
			t.Run(transfer+"/"+name, func(t *testing.T) {
				t.Parallel()
				d := newDepot(offers...)
				d.ahead = answer
				if answer == nil {
					d.say = func(_ *guest, verb, identity string) string {
						if verb == "." {
							return "250 2.0.0 queued as " + identity + swallow
						}
						return ""
					}
				}
				withDepot(t, d, func(t *testing.T, w *world) {
					w.config.Quirks = new(submit.Quirks)
					var took [2]time.Duration
					for i := range took {
						p := w.poolOf(1)
						elapsed := stopwatch()
						list := results(t, p.SubmitAll(t.Context(), posting(n, nil)), n)
						took[i] = elapsed()
						for _, r := range list {
							require.NoError(t, r.Err)
						}
						sum := d.compare(t, list)
						require.Equal(t, balance{receipts: n}, sum)
						again := p.Stats().Again
						requireDone(t, p, sum)
						if i == 0 {
							require.EqualValues(t, 1, again)
						} else {
							require.Zero(t, again, "it is known")
						}
						d.taken = nil
					}
					// What it costs is to wait for what does not come, and a session.
					require.LessOrEqual(t, took[0]-took[1], 500*time.Millisecond+6*rtt, fmt.Sprint(took))
					require.Equal(t, 3, d.guests)
				})
			})
		}
	}
}

// A server that thinks for long about recipients, or about messages, is no server
// that is out of step: it is waited for as long as it took before, and some more.
func TestBatchOverSlowServers(t *testing.T) {
	const n = 20
	for transfer, offers := range transfers {
		for _, slow := range []string{"MAIL", "RCPT", "."} {
			t.Run(transfer+"/"+slow, func(t *testing.T) {
				t.Parallel()
				d := newDepot(offers...)
				times := 0
				d.delay = func(verb string) time.Duration {
					if verb != slow {
						return 0
					}
					times++
					return min(time.Duration(times), 4) * time.Second // it gets slower
				}
				withDepot(t, d, func(t *testing.T, w *world) {
					p := w.poolOf(1)
					list := results(t, p.SubmitAll(t.Context(), posting(n, nil)), n)
					sum := d.compare(t, list)
					require.Equal(t, balance{receipts: n}, sum)
					require.Zero(t, p.Stats().Again)
					require.Equal(t, 1, d.guests)
					requireDone(t, p, sum)
				})
			})
		}
	}
}

// In a window, replies that are out of step leave in doubt what they may have been
// of. Nothing is sent twice for that.
func TestWindowOutOfStep(t *testing.T) {
	for _, verb := range []string{"RSET", "MAIL", "RCPT"} {
		for _, said := range []string{"354 go on", "220 hello", "221 bye"} {
			if verb != "RSET" && said != "354 go on" {
				continue // it is a yes
			}
			t.Run(verb+"/"+said, func(t *testing.T) {
				d := newDepot("CHUNKING")
				withDepot(t, d, func(t *testing.T, w *world) {
					w.teach(d)
					n := 0
					d.say = func(_ *guest, at, _ string) string {
						if at == verb {
							if n++; n == 10 {
								return said
							}
						}
						return ""
					}
					p := w.poolOf(1)
					list := results(t, p.SubmitAll(t.Context(), posting(60, nil)), 60)
					sum := d.compare(t, list)
					require.Positive(t, sum.uncertain)
					require.LessOrEqual(t, sum.uncertain, 16)
					require.Zero(t, sum.failed)
					require.Equal(t, 2, d.guests)
					requireDone(t, p, sum)
				})
			})
		}
	}
}

// A reply too many is found when a verdict is what RCPT is answered; where the server
// says the same to everything, not before a no comes where a yes was due. From the message
// on that it may have been to, all are in doubt.
func TestSurplusInWindow(t *testing.T) {
	for _, alike := range []bool{false, true} {
		d := newDepot("CHUNKING")
		found := map[bool]int{false: 11, true: 12}[alike]
		withDepot(t, d, func(t *testing.T, w *world) {
			w.teach(d)
			for _, verdict := range []string{"554 5.7.1 spam", "451 4.7.1 later", ""} {
				d.say = func(_ *guest, verb, identity string) string {
					switch {
					case verb == "." && identity == "10":
						return "250 ok\n250 ok"
					case verb == "." && identity == "12" && verdict != "":
						return verdict
					case alike && (verb == "RSET" || verb == "MAIL" || verb == "RCPT" || verb == "."):
						return "250 ok"
					}
					return ""
				}
				p := w.poolOf(1)
				list := results(t, p.SubmitAll(t.Context(), posting(13, nil)), 13)
				for i, r := range list {
					require.Equal(t, i >= found, errors.Is(r.Err, submit.ErrUncertain), "message %d, verdict %q: %v", i, verdict, r.Err)
				}
				require.NoError(t, p.Close())
			}
		})
	}
}
