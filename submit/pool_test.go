package submit_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
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
		require.Zero(t, pool.Stats())
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
			require.Equal(t, submit.PoolStats{Open: most, Idle: most}, p.Stats())
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
			require.Equal(t, submit.PoolStats{Open: 1, Waiting: i}, p.Stats())
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
		require.Equal(t, submit.PoolStats{Open: 1}, p.Stats())

		ended, cancel := context.WithCancel(t.Context())
		cancel()
		_, err = p.Submit(ended, letter())
		require.ErrorIs(t, err, context.Canceled)
		require.Equal(t, submit.PoolStats{Open: 1}, p.Stats())
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
				require.Equal(t, submit.PoolStats{Open: 1, Idle: 1}, p.Stats())
				if want > 1 {
					must(t, p)
				}
			}
			require.Empty(t, c.heard("QUIT"))
			time.Sleep(want)
			synctest.Wait()
			require.Zero(t, p.Stats())
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
			require.Zero(t, p.Stats())
			require.Equal(t, i+1, c.called())
		}
		// Those who wait already are served by it, since it is not idle then.
		p.MaxSessions = 1
		first := beside(func() { must(t, p) })
		second := beside(func() { must(t, p) })
		first()
		second()
		require.Equal(t, 4, c.called())
		require.Zero(t, p.Stats())
	})
}

func TestPoolMaxMessages(t *testing.T) {
	for _, test := range []struct{ max, messages, calls int }{
		{1, 3, 3}, {2, 5, 3}, {0, 100, 1}, {0, 101, 2}, {-1, 150, 1},
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
			require.Zero(t, p.Stats(), "older")
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

// A server that ends an idle session, with a word or without, is noticed while it
// does so; the next message takes no longer than over any new session.
func TestPoolIdleSessionEnds(t *testing.T) {
	for _, farewell := range []string{hangUp, "421 4.4.2 timeout" + hangUp, "451 4.4.2 timeout" + hangUp, "421 4.4.2 timeout", "250 what?", "nonsense"} {
		withPool(t, nil, func(t *testing.T, c *clerk, p *submit.Pool) {
			elapsed := stopwatch()
			must(t, p)
			cold := elapsed()
			time.Sleep(time.Second)
			if c.desk(1).say(farewell); strings.HasSuffix(farewell, hangUp) {
				c.desk(1).conn.Close()
			}
			require.Equal(t, 1, p.Stats().Open)
			time.Sleep(rtt)
			synctest.Wait()
			require.Zero(t, p.Stats(), "%q", farewell)
			require.Zero(t, c.net.Open())

			elapsed = stopwatch()
			must(t, p)
			require.Equal(t, cold, elapsed())
			require.Equal(t, 2, c.called())
			require.Len(t, c.took(), 2)
		})
	}
}

// Of several idle sessions the one that was used last is used next, so that the
// others may go; and one that has died in between is passed over.
func TestPoolUsesTheFreshest(t *testing.T) {
	withPool(t, nil, func(t *testing.T, c *clerk, p *submit.Pool) {
		first, second := beside(func() { must(t, p) }), beside(func() { must(t, p) })
		first()
		second()
		require.Equal(t, submit.PoolStats{Open: 2, Idle: 2}, p.Stats())
		for range 6 {
			time.Sleep(8 * time.Second)
			must(t, p)
		}
		require.Equal(t, submit.PoolStats{Open: 1, Idle: 1}, p.Stats())
	})
}

// dying instructs a clerk to answer the second command of a kind over the first
// connection with reply.
func dying(command, reply string) func(*clerk) {
	return func(c *clerk) {
		n := 0 // only the first connection counts
		c.answer = func(d *desk, line string) string {
			if d.n != 1 || !strings.HasPrefix(line, command) {
				return ""
			}
			if n++; n == 2 {
				return reply
			}
			return ""
		}
	}
}

// A session that dies when it is needed again is replaced unseen: nothing of the
// message was taken. Its body is read again.
func TestPoolReplacesTheDead(t *testing.T) {
	for _, command := range []string{"MAIL", "RCPT", "DATA"} {
		for _, reply := range []string{hangUp, "421 4.3.2 shutting down" + hangUp} {
			for _, pipelining := range []string{"PIPELINING", "X-NONE"} {
				name := fmt.Sprintf("%s %q %s", command, reply, pipelining)
				t.Run(name, func(t *testing.T) {
					withPool(t, all(dying(command, reply), func(c *clerk) { c.offers[0] = pipelining }), func(t *testing.T, c *clerk, p *submit.Pool) {
						must(t, p)
						_, err := p.Submit(t.Context(), numbered(2))
						require.NoError(t, err)
						require.Equal(t, 2, c.called())
						require.Equal(t, []string{text, "Subject: 2\r\n\r\nHello.\r\n"}, c.took())
						require.Equal(t, submit.PoolStats{Open: 1, Idle: 1}, p.Stats())
					})
				})
			}
		}
	}
	// SES ends idle sessions so; here the word and MAIL cross on their way.
	t.Run("451", func(t *testing.T) {
		withPool(t, dying("MAIL", "451 4.4.2 timeout waiting for data"+hangUp), func(t *testing.T, c *clerk, p *submit.Pool) {
			must(t, p)
			must(t, p)
			require.Equal(t, 2, c.called())
		})
	})
	// Dead for the network: no FIN, no RST.
	t.Run("silence", func(t *testing.T) {
		withPool(t, dying("MAIL", silence), func(t *testing.T, c *clerk, p *submit.Pool) {
			must(t, p)
			elapsed := stopwatch()
			must(t, p)
			require.GreaterOrEqual(t, elapsed(), 5*time.Minute)
			require.Equal(t, 2, c.called())
		})
	})
}

// The body of a message that was begun is read again from where it began, if it
// can be.
func TestPoolRewindsBodies(t *testing.T) {
	body := "Subject: large\r\n\r\n" + strings.Repeat("0123456789\r\n", 20000)
	amid := dying("DATA", "354 go ahead"+hangUp)
	withPool(t, amid, func(t *testing.T, c *clerk, p *submit.Pool) {
		must(t, p)
		r := strings.NewReader("not this" + body)
		r.Seek(8, io.SeekStart)
		m := letter()
		m.Body = r
		_, err := p.Submit(t.Context(), m)
		require.NoError(t, err)
		require.Equal(t, []string{text, body}, c.took())
	})
	for name, r := range map[string]io.Reader{
		"a stream":        io.MultiReader(strings.NewReader(body)),
		"one that cannot": unseekable{strings.NewReader(body)},
	} {
		t.Run(name, func(t *testing.T) {
			withPool(t, amid, func(t *testing.T, c *clerk, p *submit.Pool) {
				must(t, p)
				m := letter()
				m.Body = r
				_, err := p.Submit(t.Context(), m)
				require.Equal(t, submit.PhaseBody, asError(t, err).Phase)
				requireMeans(t, err, "Temporary")
				require.Equal(t, 1, c.called())
				require.Equal(t, []string{text}, c.took())
				require.Zero(t, p.Stats().Open)
			})
		})
	}
	// Up to 64 KiB are kept, of a stream as well.
	withPool(t, dying("DATA", hangUp), func(t *testing.T, c *clerk, p *submit.Pool) {
		must(t, p)
		m := letter()
		m.Body = iotest.OneByteReader(strings.NewReader(body[:60000]))
		_, err := p.Submit(t.Context(), m)
		require.NoError(t, err)
		require.Equal(t, 2, c.called())
	})
}

type unseekable struct{ *strings.Reader }

func (unseekable) Seek(int64, int) (int64, error) { return 0, errors.New("illegal seek") }

// What is in doubt is not sent again (promise 3).
func TestPoolDoesNotRepeatTheUncertain(t *testing.T) {
	for _, reply := range []string{hangUp, "nonsense", "354 go on", silence} {
		withPool(t, dying(".", reply), func(t *testing.T, c *clerk, p *submit.Pool) {
			must(t, p)
			_, err := p.Submit(t.Context(), letter())
			requireMeans(t, err, "Uncertain")
			require.Equal(t, 1, c.called())
			require.Len(t, c.took(), 2)
			require.Zero(t, p.Stats().Open, "the session is not kept")
		})
	}
}

// A refusal is an answer: it is not asked for again elsewhere, and the session is
// as good as before. RSET goes ahead of the next message.
func TestPoolKeepsRefusedSessions(t *testing.T) {
	for command, reply := range map[string]string{"MAIL": "550 5.7.1 no", "RCPT": "450 4.2.1 later", "DATA": "451 4.3.0 later", ".": "554 5.6.0 no"} {
		withPool(t, dying(command, reply), func(t *testing.T, c *clerk, p *submit.Pool) {
			must(t, p)
			_, err := p.Submit(t.Context(), letter())
			require.Contains(t, asError(t, err).Error(), reply)
			require.Equal(t, submit.PoolStats{Open: 1, Idle: 1}, p.Stats())
			must(t, p)
			require.Equal(t, 1, c.called())
			if command != "." {
				require.Len(t, c.heard("RSET"), 1)
			}
		})
	}
}

// Once: a new session that dies as well is the network's answer. One that had
// never carried a message is not replaced at all.
func TestPoolReplacesOnce(t *testing.T) {
	second := func(c *clerk) {
		mails := 0
		c.answer = func(_ *desk, line string) string {
			if strings.HasPrefix(line, "MAIL") {
				if mails++; mails > 1 {
					return hangUp
				}
			}
			return ""
		}
	}
	withPool(t, second, func(t *testing.T, c *clerk, p *submit.Pool) {
		must(t, p)
		_, err := p.Submit(t.Context(), letter())
		requireMeans(t, err, "Temporary")
		require.Equal(t, 2, c.called())
		require.Zero(t, p.Stats())
		_, err = p.Submit(t.Context(), letter())
		requireMeans(t, err, "Temporary")
		require.Equal(t, 3, c.called())
	})
	// And if there is no new one to be had, that is the error.
	withPool(t, dying("MAIL", hangUp), func(t *testing.T, c *clerk, p *submit.Pool) {
		must(t, p)
		c.net.Refuse(host + ":465")
		_, err := p.Submit(t.Context(), letter())
		require.Equal(t, submit.PhaseConnect, asError(t, err).Phase)
		require.Zero(t, p.Stats())
	})
}

// A context that ends is no dead session.
func TestPoolDoesNotRepeatTheCancelled(t *testing.T) {
	withPool(t, dying("MAIL", silence), func(t *testing.T, c *clerk, p *submit.Pool) {
		must(t, p)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := p.Submit(ctx, letter())
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, 1, c.called())
		require.Zero(t, p.Stats())
	})
}

// A session whose password was refused is of no use; the next message may bring
// another answer.
func TestPoolDropsUnauthenticatedSessions(t *testing.T) {
	refused := func(c *clerk) {
		c.answer = func(d *desk, line string) string {
			if d.n == 1 && strings.HasPrefix(line, "AUTH") {
				return "535 5.7.8 not yet"
			}
			return ""
		}
	}
	withPool(t, refused, func(t *testing.T, c *clerk, p *submit.Pool) {
		_, err := p.Submit(t.Context(), letter())
		requireMeans(t, err, "Credentials")
		require.Zero(t, p.Stats())
		must(t, p)
		require.Equal(t, 2, c.called())
		require.Len(t, c.heard("AUTH"), 2)
		must(t, p)
		require.Len(t, c.heard("AUTH"), 2, "once per session")
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
		require.Equal(t, submit.PoolStats{Open: 1}, p.Stats())
		first()
		for _, wait := range closings {
			wait()
		}
		require.Equal(t, 7*rtt, elapsed(), "a cold message")
		require.Zero(t, p.Stats())
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
		require.Equal(t, submit.PoolStats{Open: 1, Idle: 1}, p.Stats())
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
		require.Equal(t, submit.PoolStats{Open: 1, Idle: 1}, p.Stats())
	})
	withPool(t, nil, func(t *testing.T, c *clerk, p *submit.Pool) {
		p.MaxSessions = 2
		c.net.Refuse(host + ":465")
		for range 5 {
			_, err := p.Submit(t.Context(), letter())
			requireMeans(t, err, "Temporary", "Unreachable")
			require.Zero(t, p.Stats())
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
		require.Zero(t, p.Stats())
		p.Transport = transport
		must(t, p)
	})
}

type panicking struct{ submit.Transport }

func (panicking) Dial(context.Context) (*submit.Session, error) { panic(errOwn) }

func TestPoolStats(t *testing.T) {
	withPool(t, nil, func(t *testing.T, c *clerk, p *submit.Pool) {
		p.MaxSessions = 2
		require.Zero(t, p.Stats())
		var waits []func()
		for i, want := range []submit.PoolStats{{Open: 1}, {Open: 2}, {Open: 2, Waiting: 1}, {Open: 2, Waiting: 2}} {
			waits = append(waits, beside(func() { must(t, p) }))
			require.Equal(t, want, p.Stats(), i)
		}
		for _, wait := range waits {
			wait()
		}
		require.Equal(t, submit.PoolStats{Open: 2, Idle: 2}, p.Stats())
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
