package submit_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/internal/fakenet"
	"github.com/mailport/mailport/submit"
)

// crowd returns n recipients.
func crowd(n int) []string {
	to := make([]string, n)
	for i := range to {
		to[i] = fmt.Sprintf("recipient-%05d@example.net", i)
	}
	return to
}

// RFC 2920, section 3.1: a client that sends more than a window must read the
// replies meanwhile, or else a server that waits for room to reply in, and client,
// wait for each other for ever. The windows here are small.
func TestCrowdDoesNotDeadlock(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		w.net.SetWindow(fakenet.Anywhere, 4<<10)
		s := w.warm(submit.Submissions)
		to := crowd(3000)
		for _, partial := range []bool{true, false} {
			m := letter(to...)
			m.Partial = partial
			receipt, err := s.Submit(t.Context(), m)
			require.NoError(t, err)
			require.Empty(t, receipt.Refused)
		}
		got := w.settled()
		require.Len(t, got, 4, "who need not all be refused together go by the thousand")
		for i := range 3 {
			require.Equal(t, to[i*1000:(i+1)*1000], got[i].To)
		}
		require.Equal(t, to, got[3].To)
	})
}

// Promises 4, 6 and 7: a server that stops reading amid a large flight, after it
// has accepted some of the recipients, is left after Timeouts.Command without
// progress, or when the context ends. Nothing is delivered.
func TestServerStopsReadingCrowd(t *testing.T) {
	for _, seen := range []int{0, 1, 500} { // recipients
		for _, ends := range []string{"limit", "cancel"} {
			t.Run(fmt.Sprint(seen, " ", ends), func(t *testing.T) {
				t.Parallel()
				withActor(t, func(a *actor) {
					a.welcome("PIPELINING")
					a.hear() // MAIL
					a.say("250 ok")
					for range seen {
						a.hear()
						a.say("250 ok")
					}
					time.Sleep(24 * time.Hour)
				}, func(t *testing.T, w *world) {
					const limit = 77 * time.Second
					w.config.Timeouts.Command = limit
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					s := w.warm(submit.Submissions)
					if ends == "cancel" {
						time.AfterFunc(limit/2, cancel)
					}
					m := letter(crowd(5000)...)
					m.Partial = true
					start := time.Now()
					_, err := s.Submit(ctx, m)
					var e *submit.Error
					require.ErrorAs(t, err, &e)
					require.Equal(t, submit.PhaseRecipient, e.Phase)
					require.NotErrorIs(t, err, submit.ErrUncertain)
					if ends == "cancel" {
						require.ErrorIs(t, err, context.Canceled)
						require.Equal(t, limit/2, time.Since(start))
					} else {
						require.ErrorIs(t, err, submit.ErrTemporary)
						// Of the limits on reading and on writing the one that
						// was last reset ends first.
						require.GreaterOrEqual(t, time.Since(start), limit)
						require.Less(t, time.Since(start), limit+10*rtt)
					}
					require.False(t, w.link().Open())
				})
			})
		}
	}
}

// The limit on the body is on progress, not on the
// whole. A server may be as slow as it likes.
func TestSlowServer(t *testing.T) {
	took := false
	withActor(t, func(a *actor) {
		a.welcome("PIPELINING")
		a.hears(3)
		a.say("250 ok", "250 ok", "354 go on")
		for {
			line, err := a.in.ReadString('\n')
			if err != nil {
				return
			}
			if line == ".\r\n" {
				break
			}
			time.Sleep(time.Second) // 100 octets
		}
		took = true
		a.say("250 at last")
		a.listen()
	}, func(t *testing.T, w *world) {
		w.config.Timeouts = submit.Timeouts{Data: 6 * time.Minute, Verdict: 20 * time.Minute} // a window takes 11
		start := time.Now()
		_, err := w.transport(submit.Submissions).Submit(t.Context(), letterOf(large+large))
		require.NoError(t, err)
		require.Greater(t, time.Since(start), time.Hour)
		require.True(t, took)
	})
}

// Promise 4: a server that stops reading amid the body is left when it has taken
// nothing for as long as Timeouts.Data says, wherever it stops.
func TestServerStopsReadingBody(t *testing.T) {
	for _, lines := range []int{0, 1, 200, 1000} {
		withActor(t, func(a *actor) {
			a.welcome("PIPELINING")
			a.hears(3)
			a.say("250 ok", "250 ok", "354 go on")
			a.hears(lines)
			time.Sleep(24 * time.Hour)
		}, func(t *testing.T, w *world) {
			const limit = 77 * time.Second
			w.config.Timeouts.Data = limit
			start := time.Now()
			_, err := w.transport(submit.Submissions).Submit(t.Context(), letterOf(large))
			writes := w.link().Writes(fakenet.ToServer)
			require.Equal(t, writes[len(writes)-1].At+limit, time.Since(start))
			var e *submit.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, submit.PhaseBody, e.Phase)
			require.ErrorIs(t, err, submit.ErrTemporary)
			require.NotErrorIs(t, err, submit.ErrUncertain)
			require.False(t, w.link().Open())
		})
	}
}

// A server may refuse amid the body, though no standard says so, and close. What
// it said is the error then, not that it is gone, and nothing is uncertain.
func TestServerAnswersAmidBody(t *testing.T) {
	for _, leave := range []string{"close", "reset", "stay and read", "stay and not read"} {
		for _, verdict := range []string{"552 5.3.4 too large for us", "421 4.3.2 shutting down"} {
			t.Run(leave+"/"+verdict[:3], func(t *testing.T) {
				t.Parallel()
				withActor(t, func(a *actor) {
					a.welcome("PIPELINING")
					a.hears(3)
					a.say("250 ok", "250 ok", "354 go on")
					a.hears(500)
					a.say(verdict)
					switch leave {
					case "reset":
						a.raw.Reset()
					case "stay and read":
						a.hearBody()
					case "stay and not read":
						time.Sleep(24 * time.Hour)
					}
				}, func(t *testing.T, w *world) {
					m := letterOf(large + large)
					_, err := w.transport(submit.Submissions).Submit(t.Context(), m)
					var e *submit.Error
					require.ErrorAs(t, err, &e)
					require.NotNil(t, e.Reply, "%v", err)
					require.Equal(t, verdict, e.Reply.String())
					require.NotErrorIs(t, err, submit.ErrUncertain)
					require.Equal(t, submit.PhaseBody, e.Phase)
					require.False(t, w.link().Open())
				})
			})
		}
	}
}

// The same from the server of good manners, by its faults.
func TestServerRefusesBody(t *testing.T) {
	for _, service := range services {
		for name, body := range map[string]string{"small": text, "large": large} {
			t.Run(service+"/"+name, func(t *testing.T) {
				t.Parallel()
				inWorld(t, faulty(refusing(submit.PhaseBody, 552)), func(t *testing.T, w *world) {
					_, err := w.transport(service).Submit(t.Context(), letterOf(body))
					var e *submit.Error
					require.ErrorAs(t, err, &e)
					require.NotNil(t, e.Reply, "%v", err)
					require.Equal(t, 552, e.Reply.Code)
					require.ErrorIs(t, err, submit.ErrTooLarge)
					require.ErrorIs(t, err, submit.ErrRejected)
					require.NotErrorIs(t, err, submit.ErrUncertain)
					require.Empty(t, w.settled())
				})
			})
		}
	}
}
