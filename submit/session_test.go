package submit_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/submit"
)

// Concurrent calls wait for each other, and each message arrives whole.
func TestSessionIsSafeForConcurrentUse(t *testing.T) {
	withClerk(t, far, func(t *testing.T, c *clerk) {
		s := c.session(c.withPassword())
		var calls sync.WaitGroup
		for i := range 50 {
			calls.Go(func() {
				if i%10 == 0 {
					if err := s.Auth(t.Context()); err != nil {
						t.Error(err)
					}
				}
				if _, err := s.Submit(t.Context(), numbered(i)); err != nil {
					t.Error(err)
				}
				s.Extension("SIZE")
				s.Endpoint()
			})
		}
		calls.Wait()
		seen := map[string]bool{}
		for _, body := range c.took() {
			seen[body] = true
		}
		require.Len(t, seen, 50)
		require.Equal(t, 1, c.called())
		require.Len(t, c.heard("AUTH"), 1)
	})
}

// Promise 7, while another call has the session.
func TestSessionWaitingRespectsContext(t *testing.T) {
	withClerk(t, all(far, on2("MAIL", silence)), func(t *testing.T, c *clerk) {
		s := c.session(c.config())
		first := beside(func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			s.Submit(ctx, letter())
		})
		elapsed := stopwatch()
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errOwn)
		defer cancel()
		_, err := s.Submit(ctx, letter())
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorIs(t, err, errOwn)
		requireMeans(t, err)
		asError(t, err)
		require.Equal(t, time.Second, elapsed())
		first()
	})
}

// Close amid a message: the connection is cut, and Submit says exactly what
// became of the message (promise 3).
func TestSessionCloseDuringSubmit(t *testing.T) {
	for _, test := range []struct {
		command string
		means   string
	}{{"AUTH", "Closed"}, {"MAIL", "Closed"}, {"RCPT", "Closed"}, {"DATA", "Closed"}, {".", "Uncertain"}} {
		t.Run(test.command, func(t *testing.T) {
			withClerk(t, all(far, on2(test.command, silence)), func(t *testing.T, c *clerk) {
				s := c.session(c.withPassword())
				elapsed := stopwatch()
				var calls []func()
				calls = append(calls, beside(func() {
					r, err := s.Submit(t.Context(), letter())
					require.Nil(t, r)
					requireMeans(t, err, test.means)
					require.Contains(t, asError(t, err).Error(), "session was closed")
				}))
				calls = append(calls, beside(func() { // waits
					_, err := s.Submit(t.Context(), letter())
					requireMeans(t, err, "Closed")
				}))
				time.Sleep(time.Second)
				require.NoError(t, s.Close())
				for _, wait := range calls {
					wait()
				}
				require.Equal(t, time.Second, elapsed(), "at once")
				require.Zero(t, c.net.Open())
				require.Empty(t, c.heard("QUIT"))
				require.NoError(t, s.Close())
				if test.means == "Closed" {
					require.Empty(t, c.took())
				}
			})
		})
	}
}

// Close of an idle session says goodbye, waits for no answer, and is heard once;
// after it every call fails.
func TestSessionClose(t *testing.T) {
	withClerk(t, all(far, on2("QUIT", silence)), func(t *testing.T, c *clerk) {
		s := c.session(c.withPassword())
		_, err := s.Submit(t.Context(), letter())
		require.NoError(t, err)
		elapsed := stopwatch()
		var closing sync.WaitGroup
		for range 5 {
			closing.Go(func() { s.Close() })
		}
		closing.Wait()
		require.Zero(t, elapsed())
		require.Zero(t, c.net.Open())
		_, err = s.Submit(t.Context(), letter())
		requireMeans(t, err, "Closed")
		require.Contains(t, asError(t, err).Error(), "session is closed")
		requireMeans(t, s.Auth(t.Context()), "Closed")
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		requireMeans(t, s.Auth(ended), "Closed")
		_, err = s.Submit(t.Context(), submit.Message{})
		requireMeans(t, err, "Invalid")
		time.Sleep(rtt)
		require.Len(t, c.heard("QUIT"), 1)

		// What is known of it stays known.
		require.Equal(t, host, s.Endpoint().Host)
		require.NotNil(t, s.TLS())
		_, ok := s.Extension("PIPELINING")
		require.True(t, ok)
	})
}

// A session that is broken has nothing more to say, not even goodbye.
func TestSessionCloseOfABrokenOne(t *testing.T) {
	withClerk(t, on2("MAIL", "nonsense"), func(t *testing.T, c *clerk) {
		s := c.session(c.config())
		_, err := s.Submit(t.Context(), letter())
		requireMeans(t, err, "Protocol")
		require.NoError(t, s.Close())
		synctest.Wait()
		require.Empty(t, c.heard("QUIT"))
	})
}

func TestSessionExtension(t *testing.T) {
	withClerk(t, only("size 1000", "X-One", "limits  MAILMAX=2   RCPTMAX=3 "), func(t *testing.T, c *clerk) {
		s := c.session(c.config())
		for name, want := range map[string]string{"SIZE": "1000", "Size": "1000", "x-one": "", "Limits": "MAILMAX=2 RCPTMAX=3"} {
			params, ok := s.Extension(name)
			require.True(t, ok, name)
			require.Equal(t, want, params)
		}
		for _, name := range []string{"", "PIPELINING", "SIZE 1000", host} {
			_, ok := s.Extension(name)
			require.False(t, ok, name)
		}
	})
}

// recorded is what was traced, on one line each.
type recorded struct {
	mu     sync.Mutex
	events []submit.Event
}

func (r *recorded) add(_ context.Context, e submit.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
}

func (r *recorded) lines() (lines []string) {
	for _, e := range r.events {
		line := fmt.Sprintf("%v %v", e.Phase, e.Took)
		if e.Err != nil {
			line += " failed"
		}
		lines = append(lines, line)
	}
	return lines
}

// Every step is told once, in order, with the time that it took.
func TestTrace(t *testing.T) {
	for _, test := range []struct {
		name, service, pipelining string
		want                      []string
	}{
		{"implicit TLS, pipelined", submit.Submissions, "PIPELINING", []string{
			"connect 100ms", "handshake 100ms", "greeting 100ms", "hello 100ms", "auth 100ms",
			"sender 100ms", "recipient 100ms", "data 100ms", "body 0s", "verdict 100ms"}},
		{"STARTTLS, in lock-step", submit.Submission, "X-NONE", []string{
			"connect 100ms", "greeting 100ms", "hello 100ms", "starttls 100ms", "handshake 100ms", "hello again 100ms", "auth 100ms",
			"sender 100ms", "recipient 100ms", "data 100ms", "body 0s", "verdict 100ms"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			withClerk(t, all(far, only(test.pipelining, "AUTH PLAIN")), func(t *testing.T, c *clerk) {
				var all, perCall recorded
				config := c.withPassword()
				config.Trace = all.add
				transport := (&world{config: config}).transport(test.service)
				_, err := transport.Submit(submit.WithTrace(t.Context(), perCall.add), letter())
				require.NoError(t, err)
				require.Equal(t, test.want, all.lines())
				require.Equal(t, test.want, perCall.lines())
				for _, e := range all.events {
					require.Equal(t, transport.Endpoint(), e.Endpoint)
					require.Regexp(t, `^198\.51\.100\.\d+:(465|587)$`, e.Address)
					require.Equal(t, e.Phase == submit.PhaseHandshake, e.TLS != nil)
					if e.TLS != nil {
						require.NotEmpty(t, e.TLS.VerifiedChains)
					}
				}

				// Another call, without a trace of its own.
				perCall.events = nil
				_, err = transport.Submit(t.Context(), letter())
				require.NoError(t, err)
				require.Empty(t, perCall.events)
			})
		})
	}
}

// Traces of contexts within contexts are all told, the inner one first, and the
// configuration's before them.
func TestWithTraceNests(t *testing.T) {
	withClerk(t, nil, func(t *testing.T, c *clerk) {
		var order []string
		note := func(name string) func(context.Context, submit.Event) {
			return func(ctx context.Context, e submit.Event) {
				require.NotNil(t, ctx)
				if e.Phase == submit.PhaseVerdict {
					order = append(order, name)
				}
			}
		}
		config := c.config()
		config.Trace = note("config")
		ctx := submit.WithTrace(submit.WithTrace(t.Context(), note("outer")), note("inner"))
		_, err := (&submit.ImplicitTLS{Host: host, Config: config}).Submit(ctx, letter())
		require.NoError(t, err)
		require.Equal(t, []string{"config", "inner", "outer"}, order)
	})
}

// What fails is told where it does.
func TestTraceOfFailures(t *testing.T) {
	for _, phase := range phases(submit.Submission) {
		if phase == submit.PhaseGreeting || commands[phase] != "" {
			for _, reply := range []string{"421 bye" + hangUp, "550 5.0.0 no", hangUp} {
				t.Run(fmt.Sprintf("%v %q", phase, reply), func(t *testing.T) {
					withClerk(t, replying(submit.Submission, phase, reply), func(t *testing.T, c *clerk) {
						var trace recorded
						config := c.withPassword()
						config.Trace = trace.add
						_, err := (&submit.STARTTLS{Host: host, Config: config}).Submit(t.Context(), letter())
						failed := asError(t, err)
						require.Equal(t, phase, failed.Phase)
						found := false
						for _, e := range trace.events {
							if e.Err != nil && e.Phase == phase {
								requireOneLine(t, e.Err.Error())
								require.Equal(t, meanings(err), meanings(e.Err))
								found = true
							}
						}
						require.True(t, found, trace.lines())
					})
				})
			}
		}
	}
}

// The logger gets all steps for who is looking for something, and what is
// uncertain for everyone.
func TestLogger(t *testing.T) {
	for _, uncertain := range []bool{false, true} {
		reply := "250 ok"
		if uncertain {
			reply = hangUp
		}
		withClerk(t, all(far, on2(".", reply)), func(t *testing.T, c *clerk) {
			var log bytes.Buffer
			config := c.withPassword()
			config.Logger = slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
			_, err := (&submit.ImplicitTLS{Host: host, Config: config}).Submit(t.Context(), letter())
			require.Equal(t, uncertain, err != nil)
			lines := strings.Split(strings.TrimSpace(log.String()), "\n")
			require.Len(t, lines, 10)
			for i, line := range lines {
				var record struct {
					Level, Msg, Endpoint, Address, Phase, Error string
					Took                                        time.Duration
				}
				require.NoError(t, json.Unmarshal([]byte(line), &record))
				require.Equal(t, "submissions://smtp.example.com:465", record.Endpoint)
				require.Contains(t, record.Address, ":465")
				if uncertain && i == 9 {
					require.Equal(t, "WARN", record.Level)
					require.Equal(t, "verdict", record.Phase)
					require.Equal(t, err.Error(), record.Error)
					require.Equal(t, rtt, record.Took)
				} else {
					require.Equal(t, "DEBUG", record.Level)
					require.Empty(t, record.Error)
				}
			}
			require.NotContains(t, log.String(), password)
		})
	}
}

// A receipt has all that can be known of a message that was taken.
func TestReceipt(t *testing.T) {
	for _, service := range services {
		withClerk(t, on2(".", "250-2.0.0 thanks\n250 2.0.0 queued as\t4711"), func(t *testing.T, c *clerk) {
			transport := (&world{config: c.withPassword()}).transport(service)
			r, err := transport.Submit(t.Context(), letter())
			require.NoError(t, err)
			require.Equal(t, transport.Endpoint(), r.Endpoint)
			require.Equal(t, submit.Reply{Code: 250, Enhanced: [3]int{2, 0, 0}, Lines: []string{"2.0.0 thanks", "2.0.0 queued as\t4711"}}, r.Reply)
			require.Equal(t, "2.0.0 thanks\n2.0.0 queued as\t4711", r.Reply.Text())
			require.Equal(t, "250 2.0.0 thanks / 2.0.0 queued as 4711", r.Reply.String())
			require.Empty(t, r.Refused)
			require.NotEmpty(t, r.TLS.VerifiedChains)
			require.Equal(t, host, r.TLS.ServerName)
		})
	}
	withClerk(t, on2(".", "250"), func(t *testing.T, c *clerk) {
		r, err := c.implicit().Submit(t.Context(), letter())
		require.NoError(t, err)
		require.Equal(t, submit.Reply{Code: 250, Lines: []string{""}}, r.Reply)
		require.Equal(t, "250", r.Reply.String())
	})
}

// The caller's structs are read, never written.
func TestMessageIsNotWritten(t *testing.T) {
	withClerk(t, nil, func(t *testing.T, c *clerk) {
		m := letter("b@example.net", "a@example.net")
		before := m
		config := c.config()
		config.Without = []string{"size"}
		tlsBefore := config.TLS.Clone()
		_, err := (&submit.STARTTLS{Host: host, Config: config}).Submit(t.Context(), m)
		require.NoError(t, err)
		require.Equal(t, before, m)
		require.Equal(t, []string{"size"}, config.Without)
		require.Equal(t, tlsBefore.MinVersion, config.TLS.MinVersion)
		require.Equal(t, tlsBefore.ServerName, config.TLS.ServerName)
		require.Nil(t, config.TLS.VerifyConnection)
	})
}

// A panic in code of the caller's comes amid replies: what is left of them must
// not be taken for those to the next message.
func TestTracePanics(t *testing.T) {
	withClerk(t, far, func(t *testing.T, c *clerk) {
		config := c.config()
		config.Trace = func(_ context.Context, e submit.Event) {
			if e.Phase == submit.PhaseSender {
				panic(errOwn)
			}
		}
		s := c.session(config)
		require.PanicsWithValue(t, errOwn, func() { s.Submit(t.Context(), letter()) })
		require.Zero(t, c.net.Open())
		_, err := s.Submit(t.Context(), letter())
		requireMeans(t, err, "Temporary")
		require.Empty(t, c.took())
	})
}
