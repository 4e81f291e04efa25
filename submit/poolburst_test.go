package submit_test

import (
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/submit"
)

// burst submits n messages at once, each by a call of its own: in groups of a
// hundred, one group behind the other.
func burst(t *testing.T, p *submit.Pool, n int) []submit.Result {
	t.Helper()
	var (
		all  sync.WaitGroup
		list = make([]submit.Result, n)
	)
	for i := range n {
		all.Go(func() {
			r, err := p.Submit(t.Context(), posted(i))
			list[i] = submit.Result{Index: i, Receipt: r, Err: err}
		})
		if i%100 == 99 {
			synctest.Wait()
		}
	}
	all.Wait()
	for _, r := range list {
		require.NotEqual(t, r.Receipt == nil, r.Err == nil, "promise 3")
	}
	return list
}

// A great many messages at once: over no more sessions than there may be, the
// second of which is opened when the first has authenticated; each message once,
// who came first first, and in much less time than one after the other.
func TestPoolInABurst(t *testing.T) {
	n := 10000
	if raced {
		n = 2000
	}
	for transfer, offers := range transfers {
		for _, sessions := range []int{1, 4} {
			t.Run(transfer+"/"+itoa(sessions), func(t *testing.T) {
				t.Parallel()
				d := newDepot(offers...)
				d.say = func(v *guest, verb, _ string) string {
					if verb == "AUTH" && v.auths == 1 && v.guests != 1 {
						return "421 4.7.0 one at a time"
					}
					return ""
				}
				withDepot(t, d, func(t *testing.T, w *world) {
					p := w.poolOf(sessions)
					p.MaxMessages, p.MaxAge = -1, -1
					elapsed := stopwatch()
					list := burst(t, p, n)
					took := elapsed()
					sum := d.compare(t, list)
					require.Equal(t, balance{receipts: n}, sum)
					require.Equal(t, sessions, d.most)
					require.Equal(t, sessions, d.guests)
					require.EqualValues(t, sessions, p.Stats().Dialled)
					requireDone(t, p, sum)
					per := time.Duration(n / sessions)
					if transfer == "CHUNKING" {
						per /= 16 // a window
					}
					require.LessOrEqual(t, took, (per+14)*rtt)
					requireInTurn(t, d, 100+sessions*2*16)
				})
			})
		}
	}
}

// requireInTurn holds that no message was taken much earlier or later than those
// that came together with it.
func requireInTurn(t *testing.T, d *depot, slack int) {
	t.Helper()
	for at, m := range d.tookAll() {
		i := number(m)
		require.LessOrEqual(t, max(at-i, i-at), slack, "message %d was taken as number %d", i, at)
	}
}

// number is which message it was.
func number(m taking) (n int) {
	for _, digit := range m.identity {
		n = 10*n + int(digit-'0')
	}
	return n
}

// A batch runs no goroutine for each message.
func TestBatchRunsFewGoroutines(t *testing.T) {
	for transfer, offers := range transfers {
		withDepot(t, newDepot(offers...), func(t *testing.T, w *world) {
			p := w.poolOf(4)
			before, most := runtime.NumGoroutine(), 0
			for r := range p.SubmitAll(t.Context(), posting(2000, nil)) {
				require.NoError(t, r.Err)
				most = max(most, runtime.NumGoroutine())
			}
			// For each session: two of the depot's, one that writes and one that
			// reads; and one for its first message.
			require.LessOrEqual(t, most-before, 4*5, transfer)
		})
	}
}

// Promise 2: a password that is wrong is shown once, however many messages there
// are, and that is the news for each.
func TestWrongPasswordInABurst(t *testing.T) {
	for name, submit1000 := range map[string]func(t *testing.T, p *submit.Pool) []submit.Result{
		"Submit": func(t *testing.T, p *submit.Pool) []submit.Result { return burst(t, p, 1000) },
		"SubmitAll": func(t *testing.T, p *submit.Pool) []submit.Result {
			return results(t, p.SubmitAll(t.Context(), posting(1000, nil)), 1000)
		},
		// The next message comes when the result of the one before is there, and
		// nobody has looked at it yet; or at the very moment at which it comes.
		"SubmitAll, slowly": func(t *testing.T, p *submit.Pool) []submit.Result {
			return results(t, p.SubmitAll(t.Context(), leisurely(posting(5, nil), time.Second)), 5)
		},
		"SubmitAll, at the moment": func(t *testing.T, p *submit.Pool) []submit.Result {
			return results(t, p.SubmitAll(t.Context(), leisurely(posting(5, nil), 5*rtt)), 5)
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDepot()
			d.say = func(_ *guest, verb, _ string) string {
				if verb == "AUTH" {
					return "535 5.7.8 no"
				}
				return ""
			}
			for range 5 {
				d.auths, d.guests = 0, 0
				withDepot(t, d, func(t *testing.T, w *world) {
					p := w.poolOf(4)
					for _, r := range submit1000(t, p) {
						requireMeans(t, r.Err, "Credentials")
					}
					require.Equal(t, 1, d.auths)
					require.Equal(t, 1, d.guests)
					require.Zero(t, moment(p))
					require.NoError(t, p.Close())
				})
			}
		})
	}
}

// leisurely is a sequence that makes wait before each message but the first.
func leisurely(messages func(func(submit.Message) bool), pause time.Duration) func(func(submit.Message) bool) {
	return func(yield func(submit.Message) bool) {
		first := true
		for m := range messages {
			if !first {
				time.Sleep(pause)
			}
			first = false
			if !yield(m) {
				return
			}
		}
	}
}

// A server that cannot be reached is not asked for each message.
func TestUnreachableInABurst(t *testing.T) {
	withDepot(t, newDepot(), func(t *testing.T, w *world) {
		p := w.poolOf(4)
		w.net.Refuse(host + ":465")
		for _, r := range burst(t, p, 1000) {
			requireMeans(t, r.Err, "Temporary", "Unreachable")
		}
		require.LessOrEqual(t, w.net.Dials(host+":465"), 1)
		for _, r := range results(t, p.SubmitAll(t.Context(), posting(1000, nil)), 1000) {
			requireMeans(t, r.Err, "Temporary", "Unreachable")
		}
		require.LessOrEqual(t, w.net.Dials(host+":465"), 1+(1000+127)/128, "once for what is read ahead")
		require.Zero(t, moment(p))
		s := p.Stats()
		require.Zero(t, s.Failed, "they never had a session")
		require.Zero(t, s.Dialled)

		// One that was there, and is no more: all sessions are tried for, and then no
		// longer. It is not taken for one that wants fewer sessions.
		w.net.Restore(host + ":465")
		for _, r := range burst(t, p, 100) {
			require.NoError(t, r.Err)
		}
		dials := w.net.Dials(host + ":465")
		require.Equal(t, 4, p.Stats().Open)
		w.net.Refuse(host + ":465")
		for _, l := range w.net.Links(host + ":465") {
			l.Server().Close()
		}
		time.Sleep(rtt)
		for _, r := range burst(t, p, 1000) {
			requireMeans(t, r.Err, "Temporary", "Unreachable")
		}
		require.LessOrEqual(t, w.net.Dials(host+":465")-dials, 4+3)
		w.net.Restore(host + ":465")
		for _, r := range burst(t, p, 100) {
			require.NoError(t, r.Err)
		}
		require.Equal(t, 4, p.Stats().Open, "as many as before")
		require.NoError(t, p.Close())
	})
}

// A server that allows two sessions, and says so in whatever manner to the third:
// everything goes over two, and now and then, less and less often, it is tried
// whether there may be more.
func TestPoolUnderACeiling(t *testing.T) {
	for name, refuse := range map[string]struct{ verb, text string }{
		"greeting": {"", "421 4.7.0 too many connections" + hangUp},
		"EHLO":     {"EHLO", "421 4.7.0 too many connections" + hangUp},
		"AUTH":     {"AUTH", "454 4.7.0 too many sessions"},
		"AUTH 421": {"AUTH", "421 4.7.0 too many sessions" + hangUp},
		"hangs up": {"", hangUp},
	} {
		for way, submit500 := range map[string]func(t *testing.T, p *submit.Pool) []submit.Result{
			"Submit": func(t *testing.T, p *submit.Pool) []submit.Result { return burst(t, p, 500) },
			"SubmitAll": func(t *testing.T, p *submit.Pool) []submit.Result {
				return results(t, p.SubmitAll(t.Context(), posting(500, nil)), 500)
			},
		} {
			t.Run(name+"/"+way, func(t *testing.T) {
				t.Parallel()
				d := newDepot()
				d.delay = func(verb string) time.Duration {
					if verb == "." {
						return time.Second
					}
					return 0
				}
				var (
					welcome = map[int]bool{}
					tried   []time.Time // when somebody was turned away
				)
				d.say = func(v *guest, verb, _ string) string {
					if verb == "QUIT" {
						delete(welcome, v.n)
					}
					switch {
					case verb != refuse.verb || welcome[v.n]:
						return ""
					case len(welcome) < 2:
						welcome[v.n] = true
						return ""
					}
					tried = append(tried, time.Now())
					return refuse.text
				}
				withDepot(t, d, func(t *testing.T, w *world) {
					p := w.poolOf(5)
					list := submit500(t, p)
					for _, r := range list {
						require.NoError(t, r.Err)
					}
					sum := d.compare(t, list)
					requireDone(t, p, sum)
					require.GreaterOrEqual(t, len(tried), 3+3)
					require.LessOrEqual(t, len(tried), 3+5)
					require.LessOrEqual(t, tried[2].Sub(tried[0]), 10*rtt, "all at the beginning")
					pause := 10 * time.Second
					for i := range tried[3:] {
						require.GreaterOrEqual(t, tried[3+i].Sub(tried[2+i]), pause)
						pause = min(2*pause, 5*time.Minute)
					}
					require.Equal(t, 2+len(tried), d.guests)
				})
			})
		}
	}
}

// And when the server allows more again, there are more again, one after the other.
func TestPoolCeilingRises(t *testing.T) {
	d := newDepot()
	d.delay = func(verb string) time.Duration {
		if verb == "." {
			return time.Second
		}
		return 0
	}
	limit := 2
	d.say = func(v *guest, verb, _ string) string {
		if verb == "" && v.open > limit {
			return "421 4.7.0 too many connections" + hangUp
		}
		return ""
	}
	withDepot(t, d, func(t *testing.T, w *world) {
		p := w.poolOf(5)
		raised := false
		time.AfterFunc(35*time.Second, func() {
			d.mu.Lock()
			defer d.mu.Unlock()
			limit, raised = 100, true
			d.most = 0
		})
		list := burst(t, p, 600)
		require.Equal(t, balance{receipts: 600}, d.compare(t, list))
		require.True(t, raised)
		require.Equal(t, 5, d.most)
		require.Equal(t, 5, p.Stats().Open)
	})
}
