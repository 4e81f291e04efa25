package submit_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/submit"
	"github.com/mailport/mailport/submit/submittest"
)

// teach has all pools of w know what the depot can do.
func (w *world) teach(d *depot) {
	w.t.Helper()
	w.config.Quirks = new(submit.Quirks)
	p := w.poolOf(1)
	for _, r := range results(w.t, p.SubmitAll(w.t.Context(), posting(4, nil)), 4) {
		require.NoError(w.t, r.Err)
	}
	require.NoError(w.t, p.Close())
	d.forget()
}

// forget begins a new account.
func (d *depot) forget() {
	time.Sleep(rtt)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.taken, d.guests, d.most, d.auths, d.senders, d.offered = nil, 0, 0, 0, nil, 0
}

// slowVerdicts has each verdict take a minute.
func slowVerdicts(d *depot) {
	d.delay = func(verb string) time.Duration {
		if verb == "." {
			return time.Minute
		}
		return 0
	}
}

// Promise 7, for calls that share a session: a context that ends, ends its call at
// once. What is on its way is in doubt, what is not is not sent, and the others
// are not concerned.
func TestCancelOneOfMany(t *testing.T) {
	for transfer, offers := range transfers {
		for victim := range 8 {
			t.Run(fmt.Sprint(transfer, "/", victim), func(t *testing.T) {
				t.Parallel()
				d := newDepot(offers...)
				withDepot(t, d, func(t *testing.T, w *world) {
					w.teach(d)
					p := w.poolOf(1)
					must(t, p)
					d.forget()
					slowVerdicts(d)
					var (
						list        = make([]submit.Result, 8)
						all         sync.WaitGroup
						ctx, cancel = context.WithCancelCause(t.Context())
						elapsed     = stopwatch()
					)
					for i := range list {
						all.Go(func() {
							mine := t.Context()
							if i == victim {
								mine = ctx
							}
							r, err := p.Submit(mine, posted(i))
							if list[i] = (submit.Result{Index: i, Receipt: r, Err: err}); i == victim && i > 0 {
								require.Equal(t, 90*time.Second, elapsed(), "at once")
							}
						})
						synctest.Wait()
					}
					time.Sleep(90*time.Second - elapsed()) // the first is done, and the second on its way
					cancel(errOwn)
					all.Wait()
					time.Sleep(10 * time.Minute)
					sum := d.compare(t, list)
					if victim == 0 {
						require.Equal(t, balance{receipts: 8}, sum)
						return
					}
					require.ErrorIs(t, list[victim].Err, context.Canceled)
					require.ErrorIs(t, list[victim].Err, errOwn)
					if victim == 1 || transfer == "CHUNKING" { // all of the window
						requireMeans(t, list[victim].Err, "Uncertain")
						require.Equal(t, balance{receipts: 7, uncertain: 1}, sum)
						require.Len(t, d.tookAll(), 8, "it was on its way, and arrived")
					} else {
						requireMeans(t, list[victim].Err)
						require.Equal(t, balance{receipts: 7, failed: 1}, sum)
					}
					s := p.Stats()
					require.EqualValues(t, 1+sum.receipts, s.Accepted)
					require.EqualValues(t, sum.uncertain, s.Uncertain)
					require.EqualValues(t, sum.uncertain, s.Failed)
				})
			})
		}
	}
}

// Promise 7: when nobody waits for anything of a session any more, it is cut at
// once.
func TestCancelAllOfMany(t *testing.T) {
	for transfer, offers := range transfers {
		t.Run(transfer, func(t *testing.T) {
			d := newDepot(offers...)
			withDepot(t, d, func(t *testing.T, w *world) {
				w.teach(d)
				slowVerdicts(d)
				p := w.poolOf(1)
				var all sync.WaitGroup
				list := make([]submit.Result, 40)
				ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
				defer cancel()
				elapsed := stopwatch()
				for i := range list {
					all.Go(func() {
						r, err := p.Submit(ctx, posted(i))
						list[i] = submit.Result{Index: i, Receipt: r, Err: err}
					})
					synctest.Wait()
				}
				all.Wait()
				require.Equal(t, 90*time.Second, elapsed())
				synctest.Wait()
				require.Zero(t, w.net.Open(), "cut")
				require.Zero(t, moment(p))
				time.Sleep(time.Hour)
				sum := d.compare(t, list)
				require.Equal(t, 1, sum.receipts)
				want := 1
				if transfer == "CHUNKING" {
					want = 16
				}
				require.Equal(t, want, sum.uncertain)
				requireDone(t, p, sum)
			})
		})
	}
}

// Promises 3 and 7, for a batch: when its context ends, in whatever phase, all
// messages that were read have their results at once, and no other is read.
func TestCancelBatchInEachPhase(t *testing.T) {
	for transfer, setup := range map[string]func(*submittest.Server){"DATA": nil, "CHUNKING": chunking, "lock-step": lockStep} {
		for _, phase := range phases(submit.Submissions) {
			for _, after := range []int{0, 1, 5} { // times that all went well
				if after > 0 && phase < submit.PhaseSender {
					continue
				}
				t.Run(fmt.Sprint(transfer, "/", phase, "/", after), func(t *testing.T) {
					t.Parallel()
					stall := faulty(submittest.Fault{Phase: phase, Do: submittest.Stall, After: after})
					inWorld(t, both(setup, stall), func(t *testing.T, w *world) {
						w.config.Timeouts = submit.Timeouts{Connect: -1, Handshake: -1, Greeting: -1}
						p := w.poolOf(1)
						ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, errOwn)
						defer cancel()
						var (
							elapsed   = stopwatch()
							read      int
							receipts  int
							uncertain int
							seen      = map[int]bool{}
						)
						for r := range p.SubmitAll(ctx, letters(1000, func(int, *submit.Message) { read++ })) {
							require.False(t, seen[r.Index], "two results for one message")
							seen[r.Index] = true
							switch {
							case r.Err == nil:
								receipts++
								continue
							case errors.Is(r.Err, submit.ErrUncertain):
								uncertain++
							default:
								requireMeans(t, r.Err)
							}
							require.Equal(t, time.Minute, elapsed())
							require.ErrorIs(t, r.Err, context.DeadlineExceeded)
							require.ErrorIs(t, r.Err, errOwn)
						}
						require.Equal(t, time.Minute, elapsed())
						require.Len(t, seen, read, "a result for each that was read")
						require.Less(t, read, 100, "bounded")
						require.Zero(t, w.net.Open())
						taken := len(w.settled())
						require.GreaterOrEqual(t, taken, receipts)
						require.LessOrEqual(t, taken, receipts+uncertain)
						if phase < submit.PhaseBody && transfer != "CHUNKING" {
							require.Zero(t, uncertain)
						}
						requireDone(t, p, balance{receipts: receipts, uncertain: uncertain})
					})
				})
			}
		}
	}
}

// endedBatch runs a batch whose context ends after a minute, and returns how many
// messages were read, and how many results there were of which kind.
func endedBatch(t *testing.T, p *submit.Pool, messages func(ctx context.Context) iter.Seq[submit.Message]) (sum balance) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	seen := map[int]bool{}
	for r := range p.SubmitAll(ctx, messages(ctx)) {
		require.False(t, seen[r.Index])
		seen[r.Index] = true
		switch {
		case r.Err == nil:
			sum.receipts++
		case errors.Is(r.Err, submit.ErrUncertain):
			sum.uncertain++
		default:
			require.ErrorIs(t, r.Err, context.DeadlineExceeded)
			sum.failed++
		}
	}
	for i := range len(seen) {
		require.True(t, seen[i], "no result for message %d", i)
	}
	return sum
}

// The same where the batch waits for its own side: for the limiter, for the
// reader of a message, for the sequence, for the loop.
func TestCancelBatchThatWaits(t *testing.T) {
	for transfer, offers := range transfers {
		withDepot(t, newDepot(offers...), func(t *testing.T, w *world) {
			d := newDepot()
			slowVerdicts(d)
			until := func(at time.Duration) (wait func()) {
				elapsed := stopwatch()
				return func() { time.Sleep(at - elapsed()) }
			}
			elapsed := stopwatch()
			p := w.poolOf(1)
			p.Limiter = limiterFunc(func(ctx context.Context) error {
				if elapsed() > 20*rtt {
					<-ctx.Done()
					return ctx.Err()
				}
				time.Sleep(rtt / 2)
				return nil
			})
			sum := endedBatch(t, p, func(context.Context) iter.Seq[submit.Message] { return posting(1000, nil) })
			require.Equal(t, time.Minute, elapsed(), "at once")
			require.NotZero(t, sum.receipts)
			require.Equal(t, 1, sum.failed+sum.uncertain, "the one that waited for the limiter")

			elapsed = stopwatch()
			p = w.poolOf(1)
			wait := until(2 * time.Minute)
			sum = endedBatch(t, p, func(context.Context) iter.Seq[submit.Message] {
				return posting(1000, func(i int, m *submit.Message) {
					if i == 10 {
						m.Body = readerFunc(func([]byte) (int, error) { wait(); return 0, io.ErrUnexpectedEOF })
					}
				})
			})
			require.Equal(t, 2*time.Minute, elapsed(), "Read cannot be interrupted")
			require.Equal(t, balance{receipts: sum.receipts, failed: 1}, sum)
			require.Equal(t, 10, sum.receipts, "what was under way meanwhile has its result, too")

			elapsed = stopwatch()
			p = w.poolOf(1)
			sum = endedBatch(t, p, func(ctx context.Context) iter.Seq[submit.Message] {
				return posting(1000, func(i int, _ *submit.Message) {
					if i == 10 {
						<-ctx.Done()
					}
				})
			})
			require.Equal(t, time.Minute, elapsed())
			require.Equal(t, 11, sum.receipts+sum.failed)
			require.NotZero(t, sum.failed)

			p = w.poolOf(1)
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			for range p.SubmitAll(ctx, func(func(submit.Message) bool) { t.Error("read") }) {
				t.Error("a result of nothing")
			}
			require.Zero(t, p.Stats())
		})
		_ = transfer
	}
}

type limiterFunc func(context.Context) error

func (f limiterFunc) Wait(ctx context.Context) error { return f(ctx) }

// A loop that is left finishes what is on its way and takes back what is not.
func TestBatchBrokenOff(t *testing.T) {
	for transfer, offers := range transfers {
		for _, k := range []int{1, 2, 5, 30} {
			for _, sessions := range []int{1, 3} {
				t.Run(fmt.Sprint(transfer, "/", k, "/", sessions), func(t *testing.T) {
					t.Parallel()
					d := newDepot(offers...)
					withDepot(t, d, func(t *testing.T, w *world) {
						p := w.poolOf(sessions)
						got, read := 0, 0
						for r := range p.SubmitAll(t.Context(), posting(1000, func(int, *submit.Message) { read++ })) {
							require.NoError(t, r.Err)
							if got++; got == k {
								break
							}
						}
						require.Equal(t, k, got)
						s := p.Stats()
						require.Zero(t, s.Waiting)
						require.Zero(t, s.InFlight)
						taken := len(d.tookAll())
						require.EqualValues(t, s.Accepted, taken)
						require.LessOrEqual(t, taken, k+sessions*2*17, "what was on its way, or had no result yet")
						if transfer == "DATA" {
							require.Less(t, taken, read, "what was not")
						}
						time.Sleep(time.Hour)
						require.Len(t, d.tookAll(), taken, "nothing comes later")
						must(t, p)
						require.NoError(t, p.Close())
					})
				})
			}
		}
	}
}

// Close, while a batch or a burst is under way, lets what is on its way come to its
// end; the rest has ErrClosed. A batch goes on to say so of what it reads.
func TestCloseDuringMany(t *testing.T) {
	for transfer, offers := range transfers {
		for _, after := range []time.Duration{0, rtt, 6 * rtt, 10*rtt + rtt/2, 15 * rtt} {
			for way, submit300 := range map[string]func(t *testing.T, p *submit.Pool) []submit.Result{
				"Submit": func(t *testing.T, p *submit.Pool) []submit.Result { return burst(t, p, 300) },
				"SubmitAll": func(t *testing.T, p *submit.Pool) []submit.Result {
					return results(t, p.SubmitAll(t.Context(), posting(300, nil)), 300)
				},
				"in the loop": func(t *testing.T, p *submit.Pool) []submit.Result {
					return results(t, func(yield func(submit.Result) bool) {
						for r := range p.SubmitAll(t.Context(), posting(300, nil)) {
							if p.Close(); !yield(r) {
								return
							}
						}
					}, 300)
				},
			} {
				t.Run(fmt.Sprint(transfer, "/", way, "/", after), func(t *testing.T) {
					t.Parallel()
					d := newDepot(offers...)
					withDepot(t, d, func(t *testing.T, w *world) {
						p := w.poolOf(2)
						var closing sync.WaitGroup
						if way != "in the loop" {
							closing.Go(func() {
								time.Sleep(after)
								p.Close()
								require.Zero(t, p.Stats().Open)
								require.Zero(t, p.Stats().InFlight)
							})
						}
						list := submit300(t, p)
						closing.Wait()
						sum := d.compare(t, list)
						require.Zero(t, sum.uncertain)
						for _, r := range list {
							if r.Err != nil {
								requireMeans(t, r.Err, "Closed")
							}
						}
						require.NotZero(t, sum.failed)
						requireDone(t, p, sum)
					})
				})
			}
		}
	}
	withDepot(t, newDepot(), func(t *testing.T, w *world) {
		p := w.poolOf(1)
		p.Close()
		for _, r := range results(t, p.SubmitAll(t.Context(), posting(30, nil)), 30) {
			requireMeans(t, r.Err, "Closed")
		}
		none := &submit.Pool{}
		for _, r := range results(t, none.SubmitAll(t.Context(), posting(30, nil)), 30) {
			requireMeans(t, r.Err, "Invalid")
		}
	})
}

// What a caller's code throws comes out of the loop, once what else is under way
// has come to its end; and the pool is as good as before.
func TestBatchOfPanics(t *testing.T) {
	panics := readerFunc(func([]byte) (int, error) { panic(errOwn) })
	big := func() io.Reader { return io.MultiReader(strings.NewReader(large), panics) }
	for transfer, offers := range transfers {
		for name, change := range map[string]func(i int, m *submit.Message){
			"sequence": func(i int, _ *submit.Message) {
				if i == 20 {
					panic(errOwn)
				}
			},
			"small body": func(i int, m *submit.Message) {
				if i == 20 {
					m.Body = panics
				}
			},
			"large body": func(i int, m *submit.Message) {
				if i == 20 {
					m.Body = big()
				}
			},
			"first large body": func(i int, m *submit.Message) {
				if i == 0 {
					m.Body = big()
				}
			},
			"large bodies": func(i int, m *submit.Message) {
				if i%5 == 1 {
					m.Body = big()
				}
			},
			"loop": nil,
		} {
			for _, sessions := range []int{1, 3} {
				t.Run(fmt.Sprint(transfer, "/", name, "/", sessions), func(t *testing.T) {
					t.Parallel()
					d := newDepot(offers...)
					withDepot(t, d, func(t *testing.T, w *world) {
						p := w.poolOf(sessions)
						seen := map[int]bool{}
						require.PanicsWithValue(t, errOwn, func() {
							for r := range p.SubmitAll(t.Context(), posting(100, change)) {
								require.False(t, seen[r.Index])
								seen[r.Index] = true
								require.NoError(t, r.Err)
								if change == nil && len(seen) == 10 {
									panic(errOwn)
								}
							}
						})
						s := p.Stats()
						require.Zero(t, s.Waiting)
						require.Zero(t, s.InFlight)
						taken := d.tookAll()
						require.EqualValues(t, s.Accepted, len(taken), "nothing that was broken off counts")
						once := map[string]bool{}
						for _, m := range taken {
							require.False(t, once[m.identity])
							once[m.identity] = true
						}
						for i := range seen {
							require.True(t, once[itoa(i)])
						}
						must(t, p)
						require.NoError(t, p.Close())
					})
				})
			}
		}
	}
}

// A reader that ends its goroutine, as require does in a test, ends that of the
// loop.
func TestBatchReaderEndsGoroutine(t *testing.T) {
	withDepot(t, newDepot(), func(t *testing.T, w *world) {
		p := w.poolOf(2)
		returned := false
		done := make(chan struct{})
		go func() {
			defer close(done)
			for r := range p.SubmitAll(t.Context(), posting(30, func(i int, m *submit.Message) {
				if i == 3 {
					m.Body = io.MultiReader(strings.NewReader(large), readerFunc(func([]byte) (int, error) { runtime.Goexit(); return 0, nil }))
				}
			})) {
				if r.Err != nil || r.Receipt == nil {
					t.Errorf("%+v", r)
				}
			}
			returned = true
		}()
		<-done
		require.False(t, returned)
		must(t, p)
	})
}

// A loop may use the pool, which it has no session of.
func TestBatchWithinABatch(t *testing.T) {
	for transfer, offers := range transfers {
		for _, sessions := range []int{1, 2} {
			t.Run(fmt.Sprint(transfer, "/", sessions), func(t *testing.T) {
				t.Parallel()
				d := newDepot(offers...)
				withDepot(t, d, func(t *testing.T, w *world) {
					p := w.poolOf(sessions)
					list := results(t, func(yield func(submit.Result) bool) {
						for r := range p.SubmitAll(t.Context(), posting(40, nil)) {
							must(t, p)
							for _, inner := range results(t, p.SubmitAll(t.Context(), letters(3, nil)), 3) {
								require.NoError(t, inner.Err)
							}
							if !yield(r) {
								return
							}
						}
					}, 40)
					for _, r := range list {
						require.NoError(t, r.Err)
					}
					require.Len(t, d.tookAll(), 40*5)
					require.NoError(t, p.Close())
				})
			})
		}
	}
}
