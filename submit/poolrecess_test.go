package submit_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/submit"
)

// nineMinutesFor takes nine minutes for the verdict on one message.
func nineMinutesFor(identity string) func(d *depot) {
	return func(d *depot) {
		say := d.say
		d.say = func(v *guest, verb, args string) string {
			if verb == "." && args == identity {
				d.mu.Unlock()
				time.Sleep(9 * time.Minute)
				d.mu.Lock()
			}
			return say(v, verb, args)
		}
	}
}

// Promise 2: a password that is refused is not shown again by the call it was shown
// for, and while it waits for another session, by no other either; although there is
// a session for which it was good, once.
func TestRefusedPasswordBesideAGoodSession(t *testing.T) {
	d := newDepot()
	d.say = func(v *guest, verb, _ string) string {
		if verb == "AUTH" && v.n > 1 {
			return "535 5.7.8 wrong"
		}
		return ""
	}
	nineMinutesFor("0")(d)
	withDepot(t, d, func(t *testing.T, w *world) {
		p := w.poolOf(2)
		var all sync.WaitGroup
		all.Go(func() {
			_, err := p.Submit(t.Context(), posted(0))
			require.NoError(t, err)
		})
		time.Sleep(time.Minute)
		_, err := p.Submit(t.Context(), posted(1))
		require.ErrorIs(t, err, submit.ErrCredentials)
		require.Equal(t, 2, d.auths)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		_, err = p.Submit(ctx, posted(2)) // waits for the good one
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, 2, d.auths)
		all.Wait()
		require.NoError(t, p.Close())
	})
}

// A server that takes no more sessions for a moment is asked again when that is over,
// although nobody comes by: who waits does not wait for a message that takes long.
func TestCeilingEndsByItself(t *testing.T) {
	d := newDepot()
	refused := false
	d.say = func(v *guest, verb, _ string) string {
		if verb == "" && v.n > 1 && !refused {
			refused = true
			return "421 4.7.0 too many connections" + hangUp
		}
		return ""
	}
	nineMinutesFor("0")(d)
	withDepot(t, d, func(t *testing.T, w *world) {
		p := w.poolOf(2)
		var all sync.WaitGroup
		all.Go(func() {
			_, err := p.Submit(t.Context(), posted(0))
			require.NoError(t, err)
		})
		time.Sleep(time.Minute)
		elapsed := stopwatch()
		_, err := p.Submit(t.Context(), posted(1))
		require.NoError(t, err)
		require.Less(t, elapsed(), 12*time.Second)
		all.Wait()
		require.NoError(t, p.Close())
	})
}

// A server that says 421 to the first message of each session, or to each session, is
// not asked once for each message: those who wait get that for an answer, and those
// who come later wait for a while.
func TestBusyServerIsNotHammered(t *testing.T) {
	const n = 1000
	for transfer, offers := range transfers {
		for name, at := range map[string]string{"MAIL": "MAIL", "greeting": ""} {
			for _, after := range []int{0, 200} { // messages that it takes before
				t.Run(transfer+"/"+name+"/after "+itoa(after), func(t *testing.T) {
					t.Parallel()
					d := newDepot(offers...)
					d.say = func(v *guest, verb, _ string) string {
						if len(v.taken) >= after && verb == at {
							return "421 4.3.2 busy" + hangUp
						}
						return ""
					}
					withDepot(t, d, func(t *testing.T, w *world) {
						p := w.poolOf(4)
						p.MaxMessages = 20 // so that sessions are opened all the time
						list := results(t, p.SubmitAll(t.Context(), posting(n, nil)), n)
						sum := d.compare(t, list)
						require.Zero(t, sum.uncertain)
						require.GreaterOrEqual(t, sum.receipts, after)
						for _, r := range list {
							if r.Err != nil {
								require.ErrorIs(t, r.Err, submit.ErrTemporary)
							}
						}
						require.LessOrEqual(t, d.guests, after/20+4+4*n/100, "%+v", p.Stats())
						require.NoError(t, p.Close())
					})
				})
			}
		}
	}
}

// A server that is busy for half a minute costs a batch that time and few messages.
func TestBatchOutlastsARestart(t *testing.T) {
	const n = 2000
	for transfer, offers := range transfers {
		t.Run(transfer, func(t *testing.T) {
			d := newDepot(offers...)
			var until time.Time
			d.say = func(v *guest, verb, _ string) string {
				if len(v.taken) == 500 && until.IsZero() {
					until = time.Now().Add(30 * time.Second)
				}
				if (verb == "" || verb == "MAIL") && time.Now().Before(until) {
					return "421 4.3.2 restarting" + hangUp
				}
				return ""
			}
			withDepot(t, d, func(t *testing.T, w *world) {
				p := w.poolOf(4)
				list := results(t, p.SubmitAll(t.Context(), posting(n, nil)), n)
				sum := d.compare(t, list)
				require.Zero(t, sum.uncertain)
				require.LessOrEqual(t, sum.failed, 6*128, "those that waited when it said so")
				require.LessOrEqual(t, d.guests, 30)
				require.NoError(t, p.Close())
			})
		})
	}
}

// A session that is told to go away before anything was taken over it says nothing of
// how much a session can carry.
func TestNothingTakenIsNoCapacity(t *testing.T) {
	const n = 40
	for transfer, offers := range transfers {
		t.Run(transfer, func(t *testing.T) {
			d := newDepot(offers...)
			d.say = func(v *guest, verb, args string) string {
				switch {
				case verb == "RCPT" && v.n == 1:
					return "550 5.1.1 unknown"
				case verb == "MAIL" && v.n == 1 && v.mails > 1:
					return "421 4.3.2 restarting" + hangUp
				}
				return ""
			}
			withDepot(t, d, func(t *testing.T, w *world) {
				p := w.poolOf(1)
				list := results(t, p.SubmitAll(t.Context(), posting(n, nil)), n)
				sum := d.compare(t, list)
				require.Zero(t, sum.uncertain)
				require.LessOrEqual(t, sum.failed, 3)
				require.LessOrEqual(t, d.guests, 3)
				require.NoError(t, p.Close())
			})
		})
	}
}

// A server that allows one session, and counts one for a while after it has ended: the
// next is refused at first, and nobody's message fails for that.
func TestSessionCountedForLongerThanItLasts(t *testing.T) {
	const n, each = 100, 10
	for transfer, offers := range transfers {
		t.Run(transfer, func(t *testing.T) {
			d := newDepot(offers...)
			var ended time.Time
			d.say = func(v *guest, verb, _ string) string {
				switch {
				case verb == "QUIT":
					ended = time.Now()
				case verb == "" && time.Since(ended) < time.Second/2:
					return "421 4.7.0 too many connections" + hangUp
				}
				return ""
			}
			withDepot(t, d, func(t *testing.T, w *world) {
				p := w.poolOf(4)
				p.MaxMessages = each
				var all sync.WaitGroup
				list := make([]submit.Result, n)
				for i := range list {
					all.Go(func() {
						r, err := p.Submit(t.Context(), posted(i))
						list[i] = submit.Result{Receipt: r, Err: err}
					})
				}
				all.Wait()
				require.Equal(t, balance{receipts: n}, d.compare(t, list))
				require.LessOrEqual(t, d.guests-d.auths, 2*d.auths, "refused, and not: the server is not hammered")
				require.NoError(t, p.Close())
			})
		})
	}
}
