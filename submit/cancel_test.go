package submit_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/internal/fakenet"
	"github.com/mailport/mailport/submit"
	"github.com/mailport/mailport/submit/submittest"
)

// large is more than a window and all buffers on the way hold, so that a server
// that does not read stops the client.
var large = text + strings.Repeat(strings.Repeat("x", 98)+"\r\n", 2500)

// phases are what a session over a service goes through, in its order.
func phases(service string) []submit.Phase {
	if service == submit.Submissions {
		return []submit.Phase{
			submit.PhaseResolve, submit.PhaseConnect, submit.PhaseHandshake, submit.PhaseGreeting, submit.PhaseHello,
			submit.PhaseAuth, submit.PhaseSender, submit.PhaseRecipient, submit.PhaseData, submit.PhaseBody, submit.PhaseVerdict,
		}
	}
	return []submit.Phase{
		submit.PhaseResolve, submit.PhaseConnect, submit.PhaseGreeting, submit.PhaseHello, submit.PhaseStartTLS,
		submit.PhaseHandshake, submit.PhaseHelloAgain,
		submit.PhaseAuth, submit.PhaseSender, submit.PhaseRecipient, submit.PhaseData, submit.PhaseBody, submit.PhaseVerdict,
	}
}

// eachStall runs test for each phase of each transport, with and without
// PIPELINING, in a world where the server says nothing more from that phase on.
func eachStall(t *testing.T, test func(t *testing.T, w *world, service string, phase submit.Phase)) {
	for _, service := range services {
		for _, phase := range phases(service) {
			for name, setup := range map[string]func(*submittest.Server){"pipelined": nil, "lock-step": lockStep} {
				if setup != nil && phase < submit.PhaseSender {
					continue // no difference
				}
				t.Run(fmt.Sprintf("%s/%v/%s", service, phase, name), func(t *testing.T) {
					t.Parallel()
					stall := faulty(submittest.Fault{Phase: phase, Do: submittest.Stall})
					inWorld(t, both(setup, stall), func(t *testing.T, w *world) { test(t, w, service, phase) })
				})
			}
		}
	}
}

// errOwn is what a caller says when it cancels.
var errOwn = errors.New("the user has closed the window")

// Promise 7: a context that ends, however it does, ends the call at once, in any
// phase, whatever the server does; the error is the context's. Promise 3: it is
// uncertain whether the message was taken if it was handed over and no verdict
// was read, and only then. Promise 4: otherwise it was not. Promise 6: nothing
// is left (the bubble and the network see to that).
func TestCancelInEachPhase(t *testing.T) {
	ends := []struct {
		name             string
		end              func(parent context.Context, after time.Duration) (context.Context, context.CancelFunc)
		is, cause, isNot error
	}{
		{
			name: "cancel",
			end: func(parent context.Context, after time.Duration) (context.Context, context.CancelFunc) {
				ctx, cancel := context.WithCancel(parent)
				time.AfterFunc(after, cancel)
				return ctx, cancel
			},
			is: context.Canceled, isNot: context.DeadlineExceeded,
		},
		{
			name: "deadline", end: context.WithTimeout,
			is: context.DeadlineExceeded, isNot: context.Canceled,
		},
		{
			name: "cause",
			end: func(parent context.Context, after time.Duration) (context.Context, context.CancelFunc) {
				ctx, cancel := context.WithCancelCause(parent)
				time.AfterFunc(after, func() { cancel(errOwn) })
				return ctx, func() { cancel(nil) }
			},
			is: context.Canceled, cause: errOwn, isNot: context.DeadlineExceeded,
		},
	}
	eachStall(t, func(t *testing.T, w *world, service string, phase submit.Phase) {
		for i, how := range ends {
			const after = 42*time.Second + 1 // no limit of ours, nor a multiple of anything
			w.config.Timeouts = submit.Timeouts{Connect: -1, Handshake: -1}
			ctx, cancel := how.end(t.Context(), after)
			elapsed := stopwatch()
			receipt, err := w.transport(service).Submit(ctx, letterOf(large))
			require.Equal(t, after, elapsed(), "%s: at once", how.name)
			cancel()
			require.Nil(t, receipt)
			require.ErrorIs(t, err, how.is, how.name)
			require.NotErrorIs(t, err, how.isNot)
			if how.cause != nil {
				require.ErrorIs(t, err, how.cause)
			}
			var e *submit.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, seenIn(phase), e.Phase, "%v", err)
			require.Nil(t, e.Reply)
			require.NotErrorIs(t, err, submit.ErrTemporary, "it was not the server's fault")
			require.NotErrorIs(t, err, submit.ErrUnreachable)
			if phase == submit.PhaseVerdict {
				require.ErrorIs(t, err, submit.ErrUncertain)
				require.Len(t, w.settled(), i+1, "the server took it, the client could not know")
			} else {
				require.NotErrorIs(t, err, submit.ErrUncertain)
				require.Empty(t, w.settled())
			}
			require.Zero(t, w.net.Open())
		}
	})
}

// seenIn is the phase that a client is in when a server stalls in another: who
// does not resolve or connect is one to DialContext.
func seenIn(phase submit.Phase) submit.Phase {
	if phase == submit.PhaseResolve {
		return submit.PhaseConnect
	}
	return phase
}

// Promises 3, 4 and 7: a context may end at any moment of a good conversation,
// also at the very one when a reply arrives. Receipt or error, it is the truth;
// and it comes at once.
func TestCancelAtEachMoment(t *testing.T) {
	for _, service := range services {
		for name, setup := range map[string]func(*submittest.Server){"pipelined": nil, "lock-step": lockStep} {
			t.Run(service+"/"+name, func(t *testing.T) {
				t.Parallel()
				inWorld(t, setup, func(t *testing.T, w *world) {
					m := letter()
					elapsed := stopwatch()
					_, err := w.transport(service).Submit(t.Context(), m)
					require.NoError(t, err)
					whole := elapsed()
					for at := time.Duration(0); at <= whole+rtt/2; at += rtt / 2 {
						for _, off := range []time.Duration{-1, 0, 1} {
							w.cancelAt(service, at+off, whole)
						}
					}
				})
			})
		}
	}
}

func (w *world) cancelAt(service string, at, whole time.Duration) {
	t := w.t
	before := len(w.server.Messages())
	ctx, cancel := context.WithTimeout(t.Context(), at)
	defer cancel()
	elapsed := stopwatch()
	receipt, err := w.transport(service).Submit(ctx, letter())
	took := elapsed()
	taken := len(w.settled()) - before
	require.Equal(t, err == nil, receipt != nil, "a receipt or an error")
	switch {
	case err == nil:
		require.GreaterOrEqual(t, at, whole)
		require.Equal(t, whole, took)
		require.Equal(t, 1, taken)
		return
	case errors.Is(err, submit.ErrUncertain):
		require.GreaterOrEqual(t, at, whole-rtt, "the end of the message has not left yet")
	default:
		require.LessOrEqual(t, at, whole-rtt, "the end of the message has left")
		require.Zero(t, taken)
	}
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Equal(t, max(0, at), took)
	require.Zero(t, w.net.Open())
}

// Promise 7, for a session that is in use for longer: a call whose context has
// ended already says nothing, and spoils nothing.
func TestCancelBeforeCall(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		s := w.warm(submit.Submissions)
		before := w.link().Octets(fakenet.ToServer)
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errOwn)
		elapsed := stopwatch()
		_, err := s.Submit(ctx, letter())
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorIs(t, err, errOwn)
		_, err = w.transport(submit.Submission).Submit(ctx, letter())
		require.ErrorIs(t, err, errOwn)
		require.Zero(t, elapsed())
		require.Equal(t, before, w.link().Octets(fakenet.ToServer))
		require.Len(t, w.net.Links(fakenet.Anywhere), 1)

		_, err = s.Submit(t.Context(), letter())
		require.NoError(t, err, "the session is as good as before")
	})
}

// Promise 7: a session whose call was cut short is at its end; the next call
// says so at once, and nothing more is sent.
func TestCancelEndsSession(t *testing.T) {
	inWorld(t, faulty(submittest.Fault{Phase: submit.PhaseSender, Do: submittest.Stall}), func(t *testing.T, w *world) {
		s := w.warm(submit.Submissions)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := s.Submit(ctx, letter())
		require.ErrorIs(t, err, context.DeadlineExceeded)
		elapsed := stopwatch()
		_, err = s.Submit(t.Context(), letter())
		require.ErrorIs(t, err, submit.ErrTemporary)
		require.NotErrorIs(t, err, context.DeadlineExceeded, "that was another call's")
		require.Zero(t, elapsed())
		require.Empty(t, w.settled())
	})
}

// Promise 7 and its limit: a Read of the body that blocks cannot be interrupted.
// The connection is cut at once all the same, the message is not delivered
// (promise 4), and what Read returns afterwards is not sent.
func TestCancelWhileBodyBlocks(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		r, writer := io.Pipe()
		elapsed := stopwatch()
		go func() {
			io.WriteString(writer, large)
			time.Sleep(time.Hour - elapsed())
			io.WriteString(writer, "Too late.\r\n")
			writer.Close()
		}()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		time.AfterFunc(time.Minute+1, func() { require.Zero(t, w.net.Open(), "cut at once") })
		m := letter()
		m.Body = r
		_, err := w.transport(submit.Submissions).Submit(ctx, m)
		require.Equal(t, time.Hour, elapsed())
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NotErrorIs(t, err, submit.ErrUncertain)
		require.Empty(t, w.settled())
		r.Close()
	})
}

// Promise 7: who waits for a session that another call uses does not wait for
// longer than its own context. The other call is not concerned.
func TestCancelWhileWaitingForSession(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		s := w.warm(submit.Submissions)
		first := make(chan error)
		go func() {
			_, err := s.Submit(t.Context(), letter())
			first <- err
		}()
		time.Sleep(time.Nanosecond)
		ctx, cancel := context.WithTimeout(t.Context(), rtt/2)
		defer cancel()
		elapsed := stopwatch()
		_, err := s.Submit(ctx, letter())
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, rtt/2, elapsed())
		require.NoError(t, <-first)
		require.Len(t, w.settled(), 1)
	})
}

// Promise 3: a session that is closed while a message is under way says what
// became of it, and why.
func TestCloseInEachPhase(t *testing.T) {
	eachStall(t, func(t *testing.T, w *world, service string, phase submit.Phase) {
		if phase < submit.PhaseAuth {
			return // there is no session yet
		}
		s := w.dial(service)
		time.AfterFunc(time.Minute, func() { s.Close() })
		elapsed := stopwatch()
		_, err := s.Submit(t.Context(), letterOf(large))
		require.Equal(t, time.Minute, elapsed())
		require.Equal(t, phase == submit.PhaseVerdict, errors.Is(err, submit.ErrUncertain))
		if phase != submit.PhaseVerdict {
			require.ErrorIs(t, err, submit.ErrClosed)
			require.Empty(t, w.settled())
		}
		_, err = s.Submit(t.Context(), letter())
		require.ErrorIs(t, err, submit.ErrClosed)
	})
}
