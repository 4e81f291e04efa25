package submit_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/internal/fakenet"
	"github.com/mailport/mailport/negotiate"
	"github.com/mailport/mailport/submit"
	"github.com/mailport/mailport/submit/submittest"
)

// stranger is a setup: CHUNKING is offered, and BDAT not known the first times.
func stranger(times int) func(*submittest.Server) {
	return both(chunking, faulty(submittest.Fault{Phase: submit.PhaseData, Do: submittest.Refuse, Code: 502, Times: times}))
}

// tries is how often the server was offered a chunk.
func (w *world) tries() int { return strings.Count(w.server.Conversation(), "C: BDAT") }

// What is learnt of a server is a transport's own, and its copies': all its sessions
// and pools have it, and no other transport does. Nothing that the server says makes them
// forget it.
func TestQuirksOfATransport(t *testing.T) {
	for _, service := range services {
		inWorld(t, stranger(1), func(t *testing.T, w *world) {
			one, other := w.transport(service), w.transport(service)
			must(t, one)
			require.Equal(t, 1, w.tries())
			must(t, one)
			s, err := one.Dial(t.Context())
			require.NoError(t, err)
			_, err = s.Submit(t.Context(), letter())
			require.NoError(t, err)
			require.NoError(t, s.Close())
			p := &submit.Pool{Transport: one}
			for range 3 {
				must(t, p)
			}
			for _, r := range results(t, p.SubmitAll(t.Context(), letters(5, nil)), 5) {
				require.NoError(t, r.Err)
			}
			require.NoError(t, p.Close())
			switch one := one.(type) {
			case *submit.ImplicitTLS:
				again := *one
				must(t, &again)
			case *submit.STARTTLS:
				again := *one
				must(t, &again)
			}
			w.server.SetFaults(refusing(submit.PhaseRecipient, 550))
			_, err = one.Submit(t.Context(), letter())
			require.ErrorIs(t, err, submit.ErrRejected)
			w.server.SetFaults()
			must(t, one)
			require.Equal(t, 1, w.tries(), "it is known")

			must(t, other) // and now BDAT is known to the server
			require.Equal(t, 2, w.tries())
			must(t, one)
			require.Equal(t, 2, w.tries())
		})
	}
}

// Quirks in a Config are shared by all that have them, an endpoint for itself: what
// answers at one port may be another program than what answers at another.
func TestQuirksAreShared(t *testing.T) {
	inWorld(t, stranger(1), func(t *testing.T, w *world) {
		w.config.Quirks = new(submit.Quirks)
		must(t, w.transport(submit.Submissions))
		require.Equal(t, 1, w.tries())
		must(t, w.transport(submit.Submissions))
		require.Equal(t, 1, w.tries())
		must(t, w.transport(submit.Submission)) // where it is known
		require.Equal(t, 2, w.tries())
		must(t, w.transport(submit.Submissions))
		require.Equal(t, 2, w.tries())
		w.config.Quirks = new(submit.Quirks)
		must(t, w.transport(submit.Submissions))
		require.Equal(t, 3, w.tries(), "others")
	})
}

// Another name and another port are another server, though they lead to the same.
func TestQuirksOfEndpoints(t *testing.T) {
	inWorld(t, stranger(1), func(t *testing.T, w *world) {
		w.config.Quirks = new(submit.Quirks)
		w.config.TLS.ServerName = host
		w.config.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return w.net.DialContext(ctx, network, host+":465")
		}
		for i, transport := range []submit.ImplicitTLS{
			{Host: host}, {Host: "other.example.com"}, {Host: host, Port: 2465},
		} {
			transport.Config = w.config
			for range 2 {
				again := transport // with a memory of its own for all else
				must(t, &again)
			}
			require.Equal(t, []int{1, 3, 5}[i], w.tries(), "which takes chunks, by now")
		}
		must(t, w.transport(submit.Submissions))
		require.Equal(t, 5, w.tries())
	})
}

// A Negotiator makes a transport for each dial, and keeps for all of them what is
// learnt: by one port for that port. Two of them teach each other if they have the
// same Quirks.
func TestQuirksOfANegotiator(t *testing.T) {
	inWorld(t, stranger(1), func(t *testing.T, w *world) {
		negotiator := func(prefer negotiate.Mode) *negotiate.Negotiator {
			return &negotiate.Negotiator{Host: host, Policy: negotiate.Policy{Prefer: prefer}, Config: w.config}
		}
		one := negotiator(negotiate.ImplicitTLS)
		for range 3 {
			must(t, one)
			require.Equal(t, 1, w.tries())
		}
		must(t, negotiator(negotiate.ImplicitTLS))
		require.Equal(t, 2, w.tries(), "another, to which the server is new, and takes chunks now")
		must(t, one)
		require.Equal(t, 2, w.tries())

		w.config.Quirks = new(submit.Quirks)
		w.server.SetFaults(submittest.Fault{Phase: submit.PhaseData, Do: submittest.Refuse, Code: 502, Times: 1})
		for range 2 {
			must(t, negotiator(negotiate.ImplicitTLS))
			must(t, w.transport(submit.Submissions))
			require.Equal(t, 3, w.tries())
		}
		must(t, negotiator(negotiate.STARTTLS))
		require.Equal(t, 4, w.tries())
	})
}

// That a chunk was taken is known to all as well: what another session hears later is
// a refusal of the message, and has nothing to do with BDAT.
func TestQuirksProveChunks(t *testing.T) {
	for _, code := range strangers {
		inWorld(t, chunking, func(t *testing.T, w *world) {
			w.config.Quirks = new(submit.Quirks)
			must(t, w.transport(submit.Submissions))
			w.server.SetFaults(refusing(submit.PhaseVerdict, code))
			_, err := w.transport(submit.Submissions).Submit(t.Context(), letter())
			require.ErrorIs(t, err, submit.ErrRejected)
			w.server.SetFaults()
			must(t, w.transport(submit.Submissions))
			require.Equal(t, 3, w.tries())
			require.NotContains(t, w.server.Conversation(), "C: DATA")
		})
	}
}

// Many learn at the same time, of two endpoints: each message is taken once, and the
// race detector has nothing to say.
func TestQuirksAreSafeForConcurrentUse(t *testing.T) {
	const n = 20
	inWorld(t, stranger(n/2), func(t *testing.T, w *world) {
		w.config.Quirks = new(submit.Quirks)
		var all sync.WaitGroup
		for i := range n {
			all.Go(func() {
				transport := w.transport(services[i%2])
				p := &submit.Pool{Transport: transport, MaxSessions: 2}
				defer p.Close()
				for j := range 3 {
					_, err := p.Submit(t.Context(), numbered(100*i+j))
					require.NoError(t, err)
				}
				for r := range p.SubmitAll(t.Context(), letters(3, nil)) {
					require.NoError(t, r.Err)
				}
				_ = fmt.Sprintf("%+v", w.config.Quirks)
			})
		}
		all.Wait()
		require.Len(t, w.settled(), 6*n)
		before := w.tries()
		must(t, w.transport(submit.Submissions))
		must(t, w.transport(submit.Submission))
		require.LessOrEqual(t, w.tries(), before+2)
	})
}

// Promise 9: what is remembered of a server is bits, and shows nothing else.
func TestQuirksShowNothing(t *testing.T) {
	inWorld(t, stranger(1), func(t *testing.T, w *world) {
		q := new(submit.Quirks)
		w.config.Quirks = q
		mustNotShow(t, "empty quirks", q)
		must(t, w.transport(submit.Submissions))
		must(t, w.transport(submit.Submission))
		mustNotShow(t, "quirks", q)
		mustNotShow(t, "config with quirks", w.config)
		_, err := (&submit.ImplicitTLS{Host: user + ":" + password + "@" + host, Config: w.config}).Submit(t.Context(), letter())
		require.Error(t, err)
		mustNotShow(t, "quirks, after a URL in the place of a host", q)
	})
}

// A message that only chunks can carry, for a server that does not know BDAT: no
// session can send it, and none is opened to try. The one that tried goes on when it
// is known to be in step, and not before.
func TestBinaryMIMEForAStranger(t *testing.T) {
	binary := func(body string) submit.Message {
		m := letterOf(body)
		m.Options = &smtp.MailOptions{Body: smtp.BodyBinaryMIME}
		return m
	}
	for _, body := range []string{text, ofSize(100 << 10)} {
		for _, way := range []func(*submittest.Server){nil, lockStep} {
			inWorld(t, both(way, stranger(1)), func(t *testing.T, w *world) {
				s := w.warm(submit.Submissions)
				_, err := s.Submit(t.Context(), binary(body))
				require.ErrorIs(t, err, errors.ErrUnsupported)
				require.ErrorIs(t, err, submit.ErrRejected)
				require.NotErrorIs(t, err, submit.ErrTemporary)
				before := len(w.server.Conversation())
				_, err = s.Submit(t.Context(), letterOf(body))
				require.NoError(t, err)
				require.True(t, strings.HasPrefix(w.server.Conversation()[before:], "C: RSET\nS: 250"), "alone")
				require.Len(t, w.settled(), 1)
				require.Len(t, w.net.Links(fakenet.Anywhere), 1)
			})
			inWorld(t, both(way, stranger(2)), func(t *testing.T, w *world) {
				_, err := w.transport(submit.Submissions).Submit(t.Context(), binary(body))
				require.ErrorIs(t, err, errors.ErrUnsupported)
				require.Len(t, w.net.Links(fakenet.Anywhere), 1)
				p := &submit.Pool{Transport: w.transport(submit.Submissions)}
				defer p.Close()
				_, err = p.Submit(t.Context(), binary(body))
				require.ErrorIs(t, err, errors.ErrUnsupported)
				require.Len(t, w.net.Links(fakenet.Anywhere), 2)
				require.Empty(t, w.settled())
			})
		}
	}
	withActor(t, func(a *actor) {
		a.welcome("PIPELINING", "CHUNKING", "BINARYMIME")
		a.hears(3)
		a.say("250 ok", "250 ok", "502 what?")
		a.hear() // the message
		a.hear() // RSET
		a.say("500 what?", "250 reset")
		io.Copy(io.Discard, a.in)
	}, func(t *testing.T, w *world) {
		s := w.warm(submit.Submissions)
		_, err := s.Submit(t.Context(), binary("Subject: one line\r\n"))
		require.ErrorIs(t, err, errors.ErrUnsupported)
		_, err = s.Submit(t.Context(), letter())
		require.ErrorIs(t, err, submit.ErrTemporary)
		require.NotErrorIs(t, err, submit.ErrUncertain)
		require.ErrorContains(t, err, "out of step")
		require.False(t, w.link().Open())
	})
}
