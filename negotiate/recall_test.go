package negotiate_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/internal/fakenet"
	"github.com/mailport/mailport/negotiate"
	"github.com/mailport/mailport/submit"
	"github.com/mailport/mailport/submit/submittest"
)

// connect dials, closes the session, and returns when it was ready.
func connect(t *testing.T, n *negotiate.Negotiator) time.Duration {
	t.Helper()
	began := time.Now()
	session, err := n.Dial(t.Context())
	ready := time.Since(began)
	require.NoError(t, err)
	require.NoError(t, session.Close())
	return ready
}

// begunWith is the port of the last negotiation's first attempt, and whether it
// was tried first because it was remembered.
func (p *place) begunWith() (port int, remembered bool) {
	first := p.report.Attempts[0]
	return first.Endpoint.Port, first.Remembered
}

func (p *place) requireRemembered(t *testing.T, want int) {
	t.Helper()
	port, remembered := p.begunWith()
	require.True(t, remembered, "%v", p.report)
	require.Equal(t, want, port)
}

func (p *place) requireRace(t *testing.T, want int) {
	t.Helper()
	port, _ := p.begunWith()
	require.Equal(t, want, port)
	for _, a := range p.report.Attempts {
		require.False(t, a.Remembered, "%v", p.report)
	}
}

// dialsOf is how often 465 and 587 were dialled.
func dialsOf(p *place) [2]int { return [2]int{p.Dials(at465), p.Dials(at587)} }

// learnt is a negotiator that remembers 587, since 465 was a black hole; it no
// longer is.
func (p *place) learnt(t *testing.T, policy negotiate.Policy) *negotiate.Negotiator {
	t.Helper()
	p.BlackHole(at465)
	n := p.negotiator(policy)
	connect(t, n)
	p.Restore(at465)
	return n
}

func send(ctx context.Context, s submit.Submitter) error {
	_, err := submit.Send(ctx, s, user, []string{"you@example.net"}, []byte(body))
	return err
}

// A diary is a memory that writes down what is asked of it.
type diary struct {
	negotiate.ProcessMemory
	mu      sync.Mutex
	entries []string
	stored  negotiate.Choice // what came last
}

func (d *diary) note(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.entries = append(d.entries, fmt.Sprintf(format, args...))
}

func (d *diary) Load(ctx context.Context, server string) (negotiate.Choice, bool) {
	c, ok := d.ProcessMemory.Load(ctx, server)
	d.note("load %v", ok)
	return c, ok
}

func (d *diary) Store(ctx context.Context, server string, c negotiate.Choice) {
	d.note("store %d", c.Endpoint.Port)
	d.mu.Lock()
	d.stored = c
	d.mu.Unlock()
	d.ProcessMemory.Store(ctx, server, c)
}

func (d *diary) Forget(ctx context.Context, server string) {
	d.note("forget")
	d.ProcessMemory.Forget(ctx, server)
}

// written returns what is new in the diary; that the same was loaded twice in a
// row is said once.
func (d *diary) written() (entries []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, e := range d.entries {
		if len(entries) == 0 || entries[len(entries)-1] != e {
			entries = append(entries, e)
		}
	}
	d.entries = nil
	return entries
}

// What won is tried first next time: one connection, and no head start to wait for.
func TestWinnerIsFirstNextTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t, 100*ms)
		p.BlackHole(at465)
		n := p.negotiator(negotiate.Policy{})
		require.Equal(t, 900*ms, connect(t, n))
		p.requireRace(t, 465)
		for i := range 3 {
			require.Equal(t, 600*ms, connect(t, n))
			require.Equal(t, [2]int{1, 2 + i}, dialsOf(p))
			p.requireRemembered(t, 587)
			require.Equal(t, negotiate.Won, p.report.Attempts[0].Outcome)
			require.Equal(t, 465, p.report.Attempts[1].Endpoint.Port)
			require.Equal(t, negotiate.NotTried, p.report.Attempts[1].Outcome)
			require.False(t, p.report.Attempts[1].Remembered)
		}
		require.Equal(t, submit.Submissions, n.Endpoint().Service, "what the policy prefers, whatever is remembered")
	})
}

// A choice stands for as long as the policy says, to the nanosecond.
func TestChoiceStandsForItsTime(t *testing.T) {
	for _, test := range []struct{ remember, standing time.Duration }{
		{0, 10 * time.Minute},
		{time.Hour, time.Hour},
		{time.Second, time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			for _, early := range []time.Duration{1, 0} {
				p := newPlace(t, 100*ms)
				n := p.learnt(t, negotiate.Policy{Remember: test.remember})
				time.Sleep(test.standing - early)
				connect(t, n)
				if early > 0 {
					p.requireRemembered(t, 587)
				} else {
					p.requireRace(t, 465)
				}
			}
		})
	}
}

// A negative Policy.Remember chooses afresh every time, and asks no memory.
func TestRememberNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, d := newPlace(t, 100*ms), new(diary)
		p.BlackHole(at465)
		n := p.negotiator(negotiate.Policy{Remember: -1})
		n.Memory = d
		for range 2 {
			require.Equal(t, 900*ms, connect(t, n))
			p.requireRace(t, 465)
		}
		require.Equal(t, [2]int{2, 2}, dialsOf(p))
		p.server.SetFaults(submittest.Fault{Phase: submit.PhaseAuth, Do: submittest.Refuse})
		require.ErrorIs(t, send(t.Context(), n), submit.ErrCredentials)
		require.Empty(t, d.written())
	})
}

// A choice that is not what the policy prefers is not renewed by use, so that the
// preferred one, which was missing for a moment, is not forgotten for ever.
func TestPreferredGetsItsChance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, d := newPlace(t, 100*ms), new(diary)
		p.BlackHole(at465)
		n := p.negotiator(negotiate.Policy{})
		n.Memory = d
		connect(t, n)
		p.Restore(at465)
		chosen := time.Now()
		for time.Since(chosen) < 9*time.Minute {
			time.Sleep(time.Minute)
			connect(t, n)
			p.requireRemembered(t, 587)
		}
		require.Equal(t, []string{"load false", "store 587", "load true"}, d.written())
		time.Sleep(10*time.Minute - time.Since(chosen))
		require.Equal(t, 400*ms, connect(t, n))
		p.requireRace(t, 465)
		require.Equal(t, 1, p.Dials(at465)-1)
		require.Equal(t, []string{"load false", "store 465"}, d.written())
	})
}

// The preferred choice is renewed, with the connect time of the day, once half
// of its time is over: a server in use is not raced again.
func TestPreferredIsRenewed(t *testing.T) {
	for _, policy := range []negotiate.Policy{{}, {Prefer: negotiate.STARTTLS}} {
		synctest.Test(t, func(t *testing.T) {
			p, d := newPlace(t, 100*ms), new(diary)
			n := p.negotiator(policy)
			n.Memory = d
			connect(t, n)
			first := d.stored
			require.Equal(t, negotiate.Choice{Endpoint: n.Endpoint(), Connect: 100 * ms, Until: time.Now().Add(10 * time.Minute)}, first)
			store := fmt.Sprintf("store %d", first.Endpoint.Port)
			require.Equal(t, []string{"load false", store}, d.written())

			time.Sleep(4 * time.Minute)
			connect(t, n)
			require.Equal(t, []string{"load true"}, d.written())

			time.Sleep(2 * time.Minute)
			p.SetRTT(fmt.Sprintf("%s:%d", host, first.Endpoint.Port), 200*ms)
			connect(t, n)
			require.Equal(t, []string{"load true", store}, d.written())
			require.Equal(t, negotiate.Choice{Endpoint: first.Endpoint, Connect: 200 * ms, Until: time.Now().Add(10 * time.Minute)}, d.stored)

			time.Sleep(time.Until(first.Until)) // it would be over by now
			connect(t, n)
			p.requireRemembered(t, first.Endpoint.Port)
		})
	}
}

// Half of the time is over: to the nanosecond.
func TestHalfOfTheTime(t *testing.T) {
	for _, test := range []struct {
		early time.Duration
		want  []string
	}{
		{1, []string{"load true"}},
		{0, []string{"load true", "store 465"}},
	} {
		synctest.Test(t, func(t *testing.T) {
			p, d := newPlace(t, 100*ms), new(diary)
			n := p.negotiator(negotiate.Policy{Remember: time.Minute})
			n.Memory = d
			connect(t, n)
			d.written()
			time.Sleep(30*time.Second - 400*ms - test.early) // it is ready 400 ms later
			connect(t, n)
			require.Equal(t, test.want, d.written())
		})
	}
}

// A choice that failed is forgotten, in whichever way it failed, and whether or
// not the policy let the other port try.
func TestForgottenOnFailure(t *testing.T) {
	stalls := func(phase submit.Phase) func(*place) { return fault(submit.Submission, phase, submittest.Stall) }
	for _, test := range []struct {
		name  string
		setUp func(*place)
		other bool // is tried
	}{
		{"refused", func(p *place) { p.Refuse(at587) }, true},
		{"a black hole", func(p *place) { p.BlackHole(at587) }, true},
		{"does not resolve", func(p *place) { p.Unresolvable(host) }, false},
		{"hangs up", fault(submit.Submission, submit.PhaseConnect, submittest.Hangup), true},
		{"expects TLS", fault(submit.Submission, submit.PhaseConnect, submittest.OtherMode), true},
		{"never greets", stalls(submit.PhaseGreeting), true},
		{"greets with a refusal", fault(submit.Submission, submit.PhaseGreeting, submittest.RefuseTemporarily), true},
		{"another service", fault(submit.Submission, submit.PhaseGreeting, submittest.Garbage), true},
		{"stripped", fault(submit.Submission, submit.PhaseHello, submittest.Strip), true},
		{"injected", fault(submit.Submission, submit.PhaseStartTLS, submittest.Inject), false},
		{"wrong name", fault(submit.Submission, submit.PhaseHandshake, submittest.WrongName), false},
		{"expired", fault(submit.Submission, submit.PhaseHandshake, submittest.Expired), false},
		{"alert", fault(submit.Submission, submit.PhaseHandshake, submittest.Refuse), true},
		{"no AUTH", fault(submit.Submission, submit.PhaseHelloAgain, submittest.Strip), true},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, d := newPlace(t, 10*ms), new(diary)
				p.BlackHole(at465)
				n := p.negotiator(negotiate.Policy{Remember: time.Hour})
				n.Memory = d
				n.TLS.SessionTicketsDisabled = true // or a new certificate would not be seen
				connect(t, n)
				p.Refuse(at465)
				test.setUp(p)
				before := p.Dials(at465)
				d.written()

				session, err := n.Dial(t.Context())
				require.Error(t, err)
				require.Nil(t, session)
				p.requireRemembered(t, 587)
				require.Equal(t, test.other, p.Dials(at465) > before, "%v", p.report)
				written := d.written()
				require.Contains(t, written, "forget")
				require.NotContains(t, written, "store 587")

				p.Restore(at465)
				p.Restore(at587)
				p.server.SetFaults()
				if session, _ = n.Dial(t.Context()); session != nil { // a name that is unknown stays so
					require.NoError(t, session.Close())
				}
				p.requireRace(t, 465)
			})
		})
	}
}

// No other port may follow a refused password: but next time the other is tried
// first again. Whoever submits, the choice is forgotten.
func TestForgottenWhenAuthIsRefused(t *testing.T) {
	for _, do := range []submittest.Action{submittest.Refuse, submittest.RefuseTemporarily, submittest.Hangup} {
		for _, pooled := range []bool{false, true} {
			t.Run(fmt.Sprintf("%v, in a pool %v", do, pooled), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					p := newPlace(t, 10*ms)
					n := p.learnt(t, negotiate.Policy{})
					s := submit.Submitter(n)
					if pooled {
						pool := &submit.Pool{Transport: n}
						defer pool.Close()
						s = pool
					}
					fault(submit.Submission, submit.PhaseAuth, do)(p)
					require.Error(t, send(t.Context(), s))
					p.requireRemembered(t, 587)
					require.Equal(t, 1, p.Dials(at465), "no other port after AUTH")

					require.NoError(t, send(t.Context(), s))
					p.requireRace(t, 465)
				})
			})
		}
	}
}

// What is refused after authentication says nothing about the port.
func TestNotForgottenAfterAuth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t, 10*ms)
		n := p.learnt(t, negotiate.Policy{})
		fault(submit.Submission, submit.PhaseSender, submittest.Refuse)(p)
		for range 2 {
			require.ErrorIs(t, send(t.Context(), n), submit.ErrRejected)
			p.requireRemembered(t, 587)
		}
	})
}

// That the caller lost patience is no failure of the port, in any phase.
func TestNotForgottenWhenTheContextEnds(t *testing.T) {
	for _, phase := range []submit.Phase{submit.PhaseConnect, submit.PhaseGreeting, submit.PhaseHandshake, submit.PhaseAuth} {
		t.Run(phase.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPlace(t, 10*ms)
				n := p.learnt(t, negotiate.Policy{HeadStart: -1}) // so that it is 587 alone
				if phase == submit.PhaseConnect {
					p.BlackHole(at587)
				} else {
					fault(submit.Submission, phase, submittest.Stall)(p)
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				require.ErrorIs(t, send(ctx, n), context.DeadlineExceeded)
				p.requireRemembered(t, 587)

				p.Restore(at587)
				p.server.SetFaults()
				connect(t, n)
				p.requireRemembered(t, 587)
			})
		})
	}
}

// The port that had to take over is the one to begin with from then on.
func TestTheOtherWinnerIsRememberedInstead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, d := newPlace(t, 100*ms), new(diary)
		n := p.negotiator(negotiate.Policy{})
		n.Memory = d
		connect(t, n)
		d.written()
		for _, test := range []struct {
			broken, well string
			port         int
		}{{at465, at587, 587}, {at587, at465, 465}} {
			p.Restore(test.well)
			p.Refuse(test.broken)
			connect(t, n)
			require.Equal(t, []string{"load true", fmt.Sprintf("store %d", test.port)}, d.written())
			p.Restore(test.broken)
			connect(t, n)
			p.requireRemembered(t, test.port)
			require.Equal(t, []string{"load true"}, d.written())
		}
	})
}

// Policy.FailClosed leaves nothing to choose: the memory is not asked, nor told.
func TestFailClosedUsesNoMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, d := newPlace(t, 100*ms), new(diary)
		p.learnt(t, negotiate.Policy{})
		n := p.negotiator(negotiate.Policy{FailClosed: true})
		n.Memory = d
		require.Equal(t, 400*ms, connect(t, n))
		p.requireRace(t, 465)
		fault("", submit.PhaseAuth, submittest.Refuse)(p)
		require.ErrorIs(t, send(t.Context(), n), submit.ErrCredentials)
		p.Refuse(at465)
		_, err := n.Dial(t.Context())
		require.Error(t, err)
		require.Empty(t, d.written())
	})
}

// One memory may serve any number of Negotiators: what one of them found, those
// begin with that would negotiate the same, and no other.
func TestSharedMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, shared := newPlace(t, 100*ms), new(negotiate.ProcessMemory)
		for _, addr := range []string{host + ":2465", "other.example.com:465", "other.example.com:587"} {
			defer p.Listen(addr).Close() // nobody answers
		}
		p.BlackHole(at465)
		first := p.negotiator(negotiate.Policy{})
		first.Memory = shared
		connect(t, first)
		p.Restore(at465)
		for _, test := range []struct {
			name       string
			change     func(*negotiate.Negotiator)
			remembered bool
		}{
			{"the same", func(*negotiate.Negotiator) {}, true},
			{"other credentials", func(n *negotiate.Negotiator) { n.Credentials = nil }, true},
			{"another head start", func(n *negotiate.Negotiator) { n.Policy.HeadStart = time.Minute }, true},
			{"the ports by number", func(n *negotiate.Negotiator) { n.ImplicitPort, n.STARTTLSPort = 465, 587 }, true},
			{"587 first", func(n *negotiate.Negotiator) { n.Policy.Prefer = negotiate.STARTTLS }, false},
			{"another port", func(n *negotiate.Negotiator) { n.ImplicitPort = 2465 }, false},
			{"both modes on one port", func(n *negotiate.Negotiator) { n.Port = 587 }, false},
			{"another host", func(n *negotiate.Negotiator) { n.Host = "other.example.com" }, false},
			{"one port only", func(n *negotiate.Negotiator) { n.Policy.FailClosed = true }, false},
			{"a shorter time to remember", func(n *negotiate.Negotiator) { n.Policy.Remember = time.Minute }, false},
			{"a memory of its own", func(n *negotiate.Negotiator) { n.Memory = nil }, false},
		} {
			n := p.negotiator(negotiate.Policy{})
			n.Memory = shared
			test.change(n)
			ctx, cancel := context.WithTimeout(t.Context(), ms) // how it begins is enough
			_, err := n.Dial(ctx)
			cancel()
			require.ErrorIs(t, err, context.DeadlineExceeded, test.name)
			require.Equal(t, test.remembered, p.report.Attempts[0].Remembered, test.name)
		}
		connect(t, first)
		p.requireRemembered(t, 587)
	})
}

// The caller's own transports are remembered too, wherever they stand.
func TestOwnTransportsAreRemembered(t *testing.T) {
	for _, test := range []struct {
		port   int
		setUp  func(*place)
		second time.Duration
	}{
		{port: 465, setUp: func(*place) {}, second: 400 * ms},
		{port: 587, setUp: func(p *place) { p.BlackHole(at465) }, second: 600 * ms},
	} {
		synctest.Test(t, func(t *testing.T) {
			p := newPlace(t, 100*ms)
			p.Refuse("old.example.com:465")
			test.setUp(p)
			n := p.negotiator(negotiate.Policy{})
			n.Transports = []submit.Transport{
				&submit.ImplicitTLS{Host: "old.example.com", Config: p.config},
				&submit.ImplicitTLS{Host: host, Config: p.config},
				&submit.STARTTLS{Host: host, Config: p.config},
			}
			connect(t, n)
			before := p.Dials(fakenet.Anywhere)
			require.Equal(t, test.second, connect(t, n))
			p.requireRemembered(t, test.port)
			require.Equal(t, before+1, p.Dials(fakenet.Anywhere))
			require.Equal(t, "old.example.com", p.report.Attempts[1].Endpoint.Host, "the others stay in their order")
		})
	}
}

// A server too far away for the head start costs two connections once: then its
// connect time is known, and three times that is what it gets.
func TestFarServerOnceRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t, 800*ms)
		n := p.negotiator(negotiate.Policy{})
		require.Equal(t, 3200*ms, connect(t, n))
		require.Equal(t, [2]int{1, 1}, dialsOf(p))
		require.Equal(t, 3200*ms, connect(t, n))
		require.Equal(t, [2]int{2, 1}, dialsOf(p))

		p.SetRTT(at465, 2400*ms-1) // further away now, but within its head start
		connect(t, n)
		require.Equal(t, [2]int{3, 1}, dialsOf(p))
		p.BlackHole(at465)
		connect(t, n)
		require.Equal(t, 2400*ms, p.report.Attempts[1].Began)
	})
}

// Of concurrent first calls one negotiates, and the others dial what it found.
func TestConcurrentFirstCallsNegotiateOnce(t *testing.T) {
	for _, test := range []struct {
		name   string
		calls  int
		memory negotiate.Memory
	}{
		{"its own memory", 50, nil},
		{"a memory that keeps nothing", 10, forgetful{}}, // they do not wait for one another
		{"a memory of nonsense", 10, &hostile{liar: lie(submit.Submission, host, 465, 0, time.Minute)}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPlace(t, 100*ms)
				p.BlackHole(at465)
				n, told := p.negotiator(negotiate.Policy{}), new(told)
				n.Memory, n.Observe = test.memory, told.observe
				began := time.Now()
				for err := range together(test.calls, func() error {
					session, err := n.Dial(t.Context())
					if err == nil {
						err = session.Close()
					}
					return err
				}) {
					require.NoError(t, err)
				}
				require.Equal(t, 900*ms+600*ms, time.Since(began))
				require.Equal(t, [2]int{1, test.calls}, dialsOf(p))
				require.Equal(t, test.calls, told.reports())
				require.Equal(t, test.calls-1, told.remembered)
			})
		})
	}
}

// If nothing was found all have the same error, and the server one attempt to bear.
func TestConcurrentFirstCallsFailOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t, 100*ms)
		p.Refuse(at465)
		fault(submit.Submission, submit.PhaseHandshake, submittest.Expired)(p)
		n, told := p.negotiator(negotiate.Policy{}), new(told)
		n.Observe = told.observe
		var first error
		for err := range together(50, func() error { _, err := n.Dial(t.Context()); return err }) {
			require.ErrorIs(t, err, submit.ErrCertificate)
			if first == nil {
				first = err
			}
			require.Same(t, first, err)
		}
		require.Equal(t, [2]int{1, 1}, dialsOf(p))
		require.Equal(t, 1, told.reports())

		_, err := n.Dial(t.Context()) // it is not for ever
		require.NotSame(t, first, err)
		require.Equal(t, [2]int{2, 2}, dialsOf(p))
	})
}

// The one who negotiates may give up; then another does, and nobody else fails.
func TestFirstCallerGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t, 100*ms)
		p.BlackHole(at465)
		n := p.negotiator(negotiate.Policy{})
		n.Observe = nil
		cause := errors.New("the user went home")
		ctx, cancel := context.WithCancelCause(t.Context())
		gaveUp := make(chan error, 1)
		began := time.Now()
		go func() { _, err := n.Dial(ctx); gaveUp <- err }() // received below
		synctest.Wait()
		time.AfterFunc(200*ms, func() { cancel(cause) })
		for err := range together(5, func() error {
			session, err := n.Dial(t.Context())
			if err == nil {
				err = session.Close()
			}
			return err
		}) {
			require.NoError(t, err)
		}
		require.ErrorIs(t, <-gaveUp, cause)
		require.Equal(t, 200*ms+900*ms+600*ms, time.Since(began))
		require.Equal(t, [2]int{2, 5}, dialsOf(p))
	})
}

// One who waits may give up: at once, alone, with the context's error, and
// without a connection (promise 7).
func TestWaitingCallerGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t, 100*ms)
		p.BlackHole(at465)
		n := p.negotiator(negotiate.Policy{})
		n.Observe = nil
		began, others := time.Now(), together(2, func() error {
			session, err := n.Dial(t.Context())
			if err == nil {
				err = session.Close()
			}
			return err
		})
		synctest.Wait()
		cause := errors.New("the user went home")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(123*ms, func() { cancel(cause) })
		_, err := n.Dial(ctx)
		require.Equal(t, 123*ms, time.Since(began))
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorIs(t, err, cause)
		require.NotErrorIs(t, err, submit.ErrTemporary)
		require.Empty(t, p.Links(fakenet.Anywhere))

		for err := range others {
			require.NoError(t, err)
		}
		require.Equal(t, 1500*ms, time.Since(began))
		require.Len(t, p.Links(at587), 2)
	})
}

// A hook that panics takes down who called, and leaves nobody waiting.
func TestPanicOfTheFirstCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t, 100*ms)
		n := p.negotiator(negotiate.Policy{})
		memory := &fragile{letGo: make(chan struct{})}
		n.Memory, n.Observe = memory, nil
		first := together(1, func() (err error) {
			defer func() { err = fmt.Errorf("panic %v", recover()) }()
			_, err = n.Dial(t.Context())
			return err
		})
		synctest.Wait()
		others := together(2, func() error {
			session, err := n.Dial(t.Context())
			if err == nil {
				err = session.Close()
			}
			return err
		})
		synctest.Wait()
		require.Zero(t, p.Dials(fakenet.Anywhere))
		close(memory.letGo)
		for err := range first {
			require.EqualError(t, err, "panic in a hook")
		}
		for err := range others {
			require.NoError(t, err)
		}
	})
}

// together calls f so often at once, and yields what each call returned.
func together(calls int, f func() error) func(yield func(error) bool) {
	results := make(chan error, calls)
	for range calls {
		go func() { results <- f() }() // received below
	}
	return func(yield func(error) bool) {
		for range calls {
			if !yield(<-results) {
				return
			}
		}
	}
}

// told counts reports that come concurrently.
type told struct {
	mu              sync.Mutex
	all, remembered int
}

func (c *told) observe(_ context.Context, r *negotiate.Report) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all++
	if r.Attempts[0].Remembered {
		c.remembered++
	}
}

func (c *told) reports() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.all
}

// forgetful keeps nothing.
type forgetful struct{}

func (forgetful) Load(context.Context, string) (negotiate.Choice, bool) {
	return negotiate.Choice{}, false
}
func (forgetful) Store(context.Context, string, negotiate.Choice) {}
func (forgetful) Forget(context.Context, string)                  {}

// A fragile memory panics where the first caller makes sure that nobody was faster.
type fragile struct {
	forgetful
	calls atomic.Int32
	letGo chan struct{}
}

func (f *fragile) Load(context.Context, string) (negotiate.Choice, bool) {
	if f.calls.Add(1) == 2 {
		<-f.letGo
		panic("in a hook")
	}
	return negotiate.Choice{}, false
}

// A waiter that gives up takes nothing of what the negotiation finds as it does:
// for the race detector.
func TestWaitingCallerGivesUpAtTheEnd(t *testing.T) {
	for range 20 {
		synctest.Test(t, func(t *testing.T) {
			p := newPlace(t, 100*ms)
			n := p.negotiator(negotiate.Policy{})
			n.Observe = nil
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(400*ms, cancel) // as the session is ready
			began := together(1, func() error {
				session, err := n.Dial(t.Context())
				if err == nil {
					err = session.Close()
				}
				return err
			})
			synctest.Wait()
			if session, err := n.Dial(ctx); err == nil {
				session.Close() // it was a moment before that
			} else {
				require.ErrorIs(t, err, context.Canceled)
			}
			for err := range began {
				require.NoError(t, err)
			}
		})
	}
}
