package submit_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/internal/fakenet"
	"github.com/mailport/mailport/submit"
)

// far instructs a clerk to be a round trip of 100 ms away.
func far(c *clerk) { c.net.SetRTT(fakenet.Anywhere, rtt) }

// withPool runs test in a bubble with a pool of sessions with a clerk who is far
// away. Fields may be set before the first message. At the end the pool is
// closed, and leaves nothing.
func withPool(t *testing.T, instruct func(*clerk), test func(t *testing.T, c *clerk, p *submit.Pool)) {
	t.Helper()
	if instruct == nil {
		instruct = func(*clerk) {}
	}
	withClerk(t, all(far, instruct), func(t *testing.T, c *clerk) {
		pool := &submit.Pool{Transport: &submit.ImplicitTLS{Host: host, Config: c.withPassword()}}
		t.Cleanup(func() { pool.Close() })
		test(t, c, pool)
		require.NoError(t, pool.Close())
		require.Zero(t, moment(pool))
		require.Zero(t, c.net.Open(), "promise 6")
	})
}

// must submits a message that arrives.
func must(t *testing.T, s submit.Submitter) {
	t.Helper()
	r, err := s.Submit(t.Context(), letter())
	require.NoError(t, err)
	require.NotNil(t, r)
}

// beside runs f in a goroutine until it waits for something.
func beside(f func()) (wait func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	synctest.Wait()
	return func() { <-done }
}

// No more sessions than MaxSessions, whatever comes at once, and every message
// arrives once.
func TestPoolIsBounded(t *testing.T) {
	for _, sessions := range []int{1, 5, 0} {
		withPool(t, nil, func(t *testing.T, c *clerk, p *submit.Pool) {
			p.MaxSessions, p.MaxMessages = sessions, -1
			most := sessions
			if most == 0 {
				most = 4
			}
			var submitting sync.WaitGroup
			for i := range 200 {
				submitting.Go(func() {
					r, err := p.Submit(t.Context(), numbered(i))
					if err != nil || r == nil {
						t.Errorf("%d: %v", i, err)
					}
				})
			}
			submitting.Wait()
			require.Equal(t, submit.PoolStats{Open: most, Idle: most}, moment(p))
			seen := map[string]bool{}
			for _, body := range c.took() {
				seen[body] = true
			}
			require.Len(t, seen, 200)
			require.Len(t, c.took(), 200)
			c.mu.Lock()
			defer c.mu.Unlock()
			require.Equal(t, most, c.most)
			require.Equal(t, most, c.calls, "sessions are kept")
		})
	}
}

// Nor while sessions come and go: every few messages one is retired, refused,
// lost or cut off.
func TestPoolIsBoundedInTrouble(t *testing.T) {
	trouble := func(c *clerk) {
		var n atomic.Int64
		c.answer = func(_ *desk, line string) string {
			if strings.HasPrefix(line, "MAIL") {
				switch n.Add(1) % 11 {
				case 3:
					return "421 4.3.2 restarting" + hangUp
				case 5:
					return hangUp
				case 7:
					return "550 5.7.1 not this one"
				}
			}
			if line == "." && n.Load()%13 == 1 {
				return hangUp
			}
			return ""
		}
	}
	withPool(t, trouble, func(t *testing.T, c *clerk, p *submit.Pool) {
		p.MaxSessions, p.MaxMessages = 3, 7
		var submitting sync.WaitGroup
		var sure, uncertain atomic.Int64
		for i := range 200 {
			submitting.Go(func() {
				ctx := t.Context()
				if i%10 == 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, time.Duration(i)*17*time.Millisecond)
					defer cancel()
				}
				r, err := p.Submit(ctx, numbered(i))
				switch {
				case (r == nil) == (err == nil):
					t.Errorf("%v, %v", r, err)
				case err == nil:
					sure.Add(1)
				case errors.Is(err, submit.ErrUncertain):
					uncertain.Add(1)
				}
			})
		}
		submitting.Wait()
		took := int64(len(c.took()))
		require.GreaterOrEqual(t, took, sure.Load())
		require.LessOrEqual(t, took, sure.Load()+uncertain.Load(), "promise 3")
		seen := map[string]bool{}
		for _, body := range c.took() {
			require.False(t, seen[body], "twice: %q", body)
			seen[body] = true
		}
		require.Greater(t, took, int64(100))
		c.mu.Lock()
		most := c.most
		c.mu.Unlock()
		// A session that is closed takes half a round trip to be closed there.
		require.LessOrEqual(t, most, 6)
		require.LessOrEqual(t, p.Stats().Open, 3)
		require.Zero(t, p.Stats().Waiting)
	})
}

// Who came first is served first.
func TestPoolIsFair(t *testing.T) {
	withPool(t, nil, func(t *testing.T, c *clerk, p *submit.Pool) {
		p.MaxSessions = 1
		var want []string
		var waits []func()
		for i := range 20 {
			waits = append(waits, beside(func() { p.Submit(t.Context(), numbered(i)) }))
			want = append(want, fmt.Sprintf("Subject: %d\r\n\r\nHello.\r\n", i))
			require.Equal(t, submit.PoolStats{Open: 1, InFlight: 1, Waiting: i}, moment(p))
		}
		for _, wait := range waits {
			wait()
		}
		require.Equal(t, want, c.took())
		require.Equal(t, 1, c.called())
	})
}

// Promise 7, while waiting for a session.
func TestPoolWaitingRespectsContext(t *testing.T) {
	withPool(t, on2(".", silence), func(t *testing.T, c *clerk, p *submit.Pool) {
		p.MaxSessions = 1
		first, cancelFirst := context.WithTimeout(t.Context(), time.Minute)
		defer cancelFirst()
		wait := beside(func() {
			_, err := p.Submit(first, letter())
			requireMeans(t, err, "Uncertain")
		})
		elapsed := stopwatch()
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errOwn)
		defer cancel()
		_, err := p.Submit(ctx, letter())
		require.Equal(t, time.Second, elapsed())
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorIs(t, err, errOwn)
		requireMeans(t, err)
		e := asError(t, err)
		require.Equal(t, submit.Endpoint{Service: submit.Submissions, Host: host, Port: 465}, e.Endpoint)
		require.Zero(t, e.Phase)
		require.Equal(t, submit.PoolStats{Open: 1, InFlight: 1}, moment(p))

		ended, cancel := context.WithCancel(t.Context())
		cancel()
		_, err = p.Submit(ended, letter())
		require.ErrorIs(t, err, context.Canceled)
		require.Equal(t, submit.PoolStats{Open: 1, InFlight: 1}, moment(p))
		wait()
		require.Equal(t, 1, c.called())
	})
}

// A context that ends at the very moment at which the session comes free takes
// nothing with it: the next gets the session.
func TestPoolServedAtTheLastMoment(t *testing.T) {
	for _, off := range []time.Duration{-1, 0, 1} {
		for range 10 {
			withPool(t, nil, func(t *testing.T, c *clerk, p *submit.Pool) {
				p.MaxSessions = 1
				must(t, p)
				const warm = 2 * rtt // to MAIL, RCPT and DATA, and to the message
				first := beside(func() { must(t, p) })
				ctx, cancel := context.WithTimeout(t.Context(), warm+off)
				defer cancel()
				second := beside(func() { p.Submit(ctx, letter()) })
				third := beside(func() { must(t, p) })
				first()
				second()
				third()
				must(t, p)
				require.Equal(t, 1, p.Stats().Open)
				require.Zero(t, p.Stats().Waiting)
			})
		}
	}
}

// MaxIdle is kept to the nanosecond, and then the server hears QUIT.
func TestPoolMaxIdle(t *testing.T) {
	for set, want := range map[time.Duration]time.Duration{0: 30 * time.Second, time.Minute: time.Minute, time.Nanosecond: time.Nanosecond} {
		withPool(t, nil, func(t *testing.T, c *clerk, p *submit.Pool) {
			p.MaxIdle = set
			must(t, p)
			for range 3 { // each message begins it anew
				time.Sleep(want - 1)
				synctest.Wait()
				require.Equal(t, submit.PoolStats{Open: 1, Idle: 1}, moment(p))
				if want > 1 {
					must(t, p)
				}
			}
			require.Empty(t, c.heard("QUIT"))
			time.Sleep(want)
			synctest.Wait()
			require.Zero(t, moment(p))
			require.Zero(t, c.net.Open())
			time.Sleep(rtt)
			require.Len(t, c.heard("QUIT"), 1)

			must(t, p)
			require.Equal(t, 2, c.called())
		})
	}
	withPool(t, nil, func(t *testing.T, c *clerk, p *submit.Pool) {
		p.MaxIdle = -1
		for i := range 3 {
			must(t, p)
			require.Zero(t, moment(p))
			require.Equal(t, i+1, c.called())
		}
		// Those who wait already are served by it, since it is not idle then.
		p.MaxSessions = 1
		first := beside(func() { must(t, p) })
		second := beside(func() { must(t, p) })
		first()
		second()
		require.Equal(t, 4, c.called())
		require.Zero(t, moment(p))
	})
}

func TestPoolMaxMessages(t *testing.T) {
	for _, test := range []struct{ max, messages, calls int }{
		{1, 3, 3}, {2, 5, 3}, {0, 1000, 1}, {0, 1001, 2}, {-1, 1050, 1},
	} {
		withPool(t, nil, func(t *testing.T, c *clerk, p *submit.Pool) {
			p.MaxMessages = test.max
			for range test.messages {
				must(t, p)
			}
			require.Equal(t, test.calls, c.called())
		})
	}
}

// MaxAge is looked at when a session is given back.
func TestPoolMaxAge(t *testing.T) {
	for set, want := range map[time.Duration]time.Duration{0: 5 * time.Minute, time.Hour: time.Hour} {
		withPool(t, nil, func(t *testing.T, c *clerk, p *submit.Pool) {
			p.MaxIdle, p.MaxAge = 24*time.Hour, set
			must(t, p) // open after 4 round trips, given back after 7
			time.Sleep(want - 6*rtt)
			must(t, p)
			require.Equal(t, 1, p.Stats().Idle, "younger by a round trip")
			must(t, p)
			require.Zero(t, moment(p), "older")
			require.Equal(t, 1, c.called())
			must(t, p)
			require.Equal(t, 2, c.called())
		})
	}
	withPool(t, nil, func(t *testing.T, c *clerk, p *submit.Pool) {
		p.MaxIdle, p.MaxAge = 24*time.Hour, -1
		must(t, p)
		time.Sleep(20 * time.Hour)
		must(t, p)
		require.Equal(t, 1, p.Stats().Idle)
	})
}

// Close waits for what is under way, and wakes who waits for a session.
func TestPoolClose(t *testing.T) {
	withPool(t, nil, func(t *testing.T, c *clerk, p *submit.Pool) {
		p.MaxSessions = 1
		elapsed := stopwatch()
		first := beside(func() { must(t, p) })
		woken := time.Duration(-1)
		second := beside(func() {
			_, err := p.Submit(t.Context(), letter())
			requireMeans(t, err, "Closed")
			asError(t, err)
			woken = elapsed()
		})
		time.Sleep(rtt)
		closings := []func(){beside(func() { p.Close() }), beside(func() { p.Close() })}
		second()
		require.Equal(t, rtt, woken, "at once")
		_, err := p.Submit(t.Context(), letter())
		requireMeans(t, err, "Closed")
		require.Contains(t, asError(t, err).Error(), "pool is closed")
		require.Equal(t, submit.PoolStats{Open: 1, InFlight: 1}, moment(p))
		first()
		for _, wait := range closings {
			wait()
		}
		require.Equal(t, 7*rtt, elapsed(), "a cold message")
		require.Zero(t, moment(p))
		require.Equal(t, []string{text}, c.took())
		require.NoError(t, p.Close())
		_, err = p.Submit(t.Context(), letter())
		requireMeans(t, err, "Closed")
		time.Sleep(rtt)
		require.Len(t, c.heard("QUIT"), 1)
	})
}

// Close says goodbye to idle sessions, and needs no answer.
func TestPoolCloseIdle(t *testing.T) {
	withPool(t, on2("QUIT", silence), func(t *testing.T, c *clerk, p *submit.Pool) {
		waits := []func(){beside(func() { must(t, p) }), beside(func() { must(t, p) }), beside(func() { must(t, p) })}
		for _, wait := range waits {
			wait()
		}
		elapsed := stopwatch()
		require.NoError(t, p.Close())
		require.Zero(t, elapsed())
		time.Sleep(rtt)
		require.Len(t, c.heard("QUIT"), 3)
	})
}

func TestPoolCloseUnused(t *testing.T) {
	withPool(t, nil, func(t *testing.T, c *clerk, p *submit.Pool) {
		require.NoError(t, p.Close())
		require.NoError(t, p.Close())
		_, err := p.Submit(t.Context(), letter())
		requireMeans(t, err, "Closed")
		require.Zero(t, c.called())
	})
}

// A message under way whose session is dead while the pool is closed is still
// replaced: it was under way.
func TestPoolCloseDuringReplacement(t *testing.T) {
	withPool(t, dying("MAIL", hangUp), func(t *testing.T, c *clerk, p *submit.Pool) {
		must(t, p)
		wait := beside(func() { must(t, p) })
		require.NoError(t, p.Close())
		wait()
		require.Len(t, c.took(), 2)
	})
}

// Who waits for a session that then dies gets leave to open one.
func TestPoolSessionDiesWhileWaitedFor(t *testing.T) {
	first := func(c *clerk) {
		c.answer = func(d *desk, line string) string {
			if d.n == 1 && line == "." {
				return hangUp
			}
			return ""
		}
	}
	withPool(t, first, func(t *testing.T, c *clerk, p *submit.Pool) {
		p.MaxSessions = 1
		one := beside(func() {
			_, err := p.Submit(t.Context(), letter())
			requireMeans(t, err, "Uncertain")
		})
		two, three := beside(func() { must(t, p) }), beside(func() { must(t, p) })
		one()
		two()
		three()
		require.Equal(t, 2, c.called())
		require.Equal(t, submit.PoolStats{Open: 1, Idle: 1}, moment(p))
	})
}

// Leave to open a session is passed on by who could not use it.
func TestPoolDialFailure(t *testing.T) {
	withPool(t, nil, func(t *testing.T, c *clerk, p *submit.Pool) {
		p.MaxSessions = 1
		c.net.BlackHole(host + ":465")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		one := beside(func() {
			_, err := p.Submit(ctx, letter())
			require.ErrorIs(t, err, context.DeadlineExceeded)
		})
		two := beside(func() { must(t, p) })
		time.Sleep(rtt) // the first is lost by now
		c.net.Restore(host + ":465")
		one()
		two()
		require.Equal(t, submit.PoolStats{Open: 1, Idle: 1}, moment(p))
	})
	withPool(t, nil, func(t *testing.T, c *clerk, p *submit.Pool) {
		p.MaxSessions = 2
		c.net.Refuse(host + ":465")
		for range 5 {
			_, err := p.Submit(t.Context(), letter())
			requireMeans(t, err, "Temporary", "Unreachable")
			require.Zero(t, moment(p))
		}
	})
}

// A transport that panics keeps no place in the pool.
func TestPoolDialPanics(t *testing.T) {
	withPool(t, nil, func(t *testing.T, c *clerk, p *submit.Pool) {
		p.MaxSessions = 1
		transport := p.Transport
		p.Transport = panicking{transport}
		require.PanicsWithValue(t, errOwn, func() { p.Submit(t.Context(), letter()) })
		require.Zero(t, moment(p))
		p.Transport = transport
		must(t, p)
	})
}

type panicking struct{ submit.Transport }

func (panicking) Dial(context.Context) (*submit.Session, error) { panic(errOwn) }

func TestPoolStats(t *testing.T) {
	withPool(t, nil, func(t *testing.T, c *clerk, p *submit.Pool) {
		p.MaxSessions = 2
		require.Zero(t, moment(p))
		must(t, p) // there is one at a time until one has authenticated
		var waits []func()
		for i, want := range []submit.PoolStats{{Open: 1, InFlight: 1}, {Open: 2, InFlight: 2}, {Open: 2, InFlight: 2, Waiting: 1}, {Open: 2, InFlight: 2, Waiting: 2}} {
			waits = append(waits, beside(func() { must(t, p) }))
			require.Equal(t, want, moment(p), i)
		}
		for _, wait := range waits {
			wait()
		}
		require.Equal(t, submit.PoolStats{Open: 2, Idle: 2}, moment(p))
	})
}

// The other transport is kept as well.
func TestPoolOfSTARTTLS(t *testing.T) {
	withClerk(t, nil, func(t *testing.T, c *clerk) {
		p := &submit.Pool{Transport: &submit.STARTTLS{Host: host, Config: c.withPassword()}}
		for range 3 {
			must(t, p)
		}
		require.Len(t, c.heard("STARTTLS"), 1)
		require.NoError(t, p.Close())
	})
}

// moment is what p is doing when nothing more happens by itself, without what it has
// done.
func moment(p *submit.Pool) submit.PoolStats {
	synctest.Wait()
	s := p.Stats()
	return submit.PoolStats{Open: s.Open, Idle: s.Idle, Waiting: s.Waiting, InFlight: s.InFlight}
}
