package negotiate_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/auth"
	"github.com/mailport/mailport/internal/fakenet"
	"github.com/mailport/mailport/negotiate"
	"github.com/mailport/mailport/submit"
	"github.com/mailport/mailport/submit/submittest"
)

const ms = time.Millisecond

// A place is a server in a network, and what can be set about both.
type place struct {
	*fakenet.Network
	server *submittest.Server
	config submit.Config
	report *negotiate.Report
}

const at465, at587 = host + ":465", host + ":587"

func newPlace(t *testing.T, rtt time.Duration) *place {
	p := &place{Network: fakenet.New(rtt)}
	t.Cleanup(func() { p.Check(t) }) // no connection is left open: promise 6
	p.server = submittest.NewUnstartedServer(t)
	p.server.Implicit, p.server.STARTTLS = p.Listen(at465), p.Listen(at587)
	p.server.Users = map[string]string{user: password}
	require.NoError(t, p.server.Start())
	p.config = p.server.Config()
	p.config.TLS.CurvePreferences = []tls.CurveID{tls.CurveP256} // fast
	p.config.DialContext = p.Network.DialContext
	p.config.LocalName = "client.example.com"
	p.config.Credentials = auth.Password(user, password)
	return p
}

func (p *place) negotiator(policy negotiate.Policy) *negotiate.Negotiator {
	return &negotiate.Negotiator{Host: host, Policy: policy, Config: p.config,
		Observe: func(_ context.Context, r *negotiate.Report) { p.report = r }}
}

// dial returns when the session was ready, and closes it.
func (p *place) dial(t *testing.T, policy negotiate.Policy) (ready time.Duration, err error) {
	began := time.Now()
	session, err := p.negotiator(policy).Dial(t.Context())
	ready = time.Since(began)
	if err == nil {
		require.NoError(t, session.Close())
	}
	return ready, err
}

// The times of a negotiation, to the nanosecond: what a fault at the preferred port
// costs, and that a healthy server sees one connection.
func TestWhenTheSessionIsReady(t *testing.T) {
	prefer587 := negotiate.Policy{Prefer: negotiate.STARTTLS}
	for _, test := range []struct {
		name   string
		rtt    time.Duration
		policy negotiate.Policy
		setUp  func(*place)
		chosen string
		ready  time.Duration
		dials  [2]int // of 465 and 587
	}{
		{"healthy", 100 * ms, negotiate.Policy{}, nil, submit.Submissions, 400 * ms, [2]int{1, 0}},
		{"healthy, 587 first", 100 * ms, prefer587, nil, submit.Submission, 600 * ms, [2]int{0, 1}},
		{"healthy and near", 1 * ms, negotiate.Policy{}, nil, submit.Submissions, 4 * ms, [2]int{1, 0}},
		{"healthy, 250 ms away", 250 * ms, negotiate.Policy{}, nil, submit.Submissions, 1000 * ms, [2]int{1, 0}},
		{"healthy, 299 ms away, 587 first", 299 * ms, prefer587, nil, submit.Submission, 1794 * ms, [2]int{0, 1}},
		{"too far for one connection", 400 * ms, negotiate.Policy{}, nil, submit.Submissions, 1600 * ms, [2]int{1, 1}},
		{"465 refused", 100 * ms, negotiate.Policy{}, func(p *place) { p.Refuse(at465) }, submit.Submission, 700 * ms, [2]int{1, 1}},
		{"465 a black hole", 100 * ms, negotiate.Policy{}, func(p *place) { p.BlackHole(at465) }, submit.Submission, 900 * ms, [2]int{1, 1}},
		{"465 a tar pit", 100 * ms, negotiate.Policy{}, fault(submit.Submissions, submit.PhaseHandshake, submittest.Stall), submit.Submission, 1300 * ms, [2]int{1, 1}},
		{"465 in cleartext", 100 * ms, negotiate.Policy{}, fault(submit.Submissions, submit.PhaseConnect, submittest.OtherMode), submit.Submission, 800 * ms, [2]int{1, 1}},
		{"587 refused", 100 * ms, prefer587, func(p *place) { p.Refuse(at587) }, submit.Submissions, 500 * ms, [2]int{1, 1}},
		{"587 a black hole", 100 * ms, prefer587, func(p *place) { p.BlackHole(at587) }, submit.Submissions, 700 * ms, [2]int{1, 1}},
		{"587 expects TLS", 100 * ms, prefer587, fault(submit.Submission, submit.PhaseConnect, submittest.OtherMode), submit.Submissions, 1100 * ms, [2]int{1, 1}},
		{"587 stripped", 100 * ms, prefer587, fault(submit.Submission, submit.PhaseHello, submittest.Strip), submit.Submissions, 700 * ms, [2]int{1, 1}},
		{"a longer head start", 100 * ms, negotiate.Policy{HeadStart: time.Second}, func(p *place) { p.BlackHole(at465) }, submit.Submission, 1600 * ms, [2]int{1, 1}},
		{"no head start", 100 * ms, negotiate.Policy{HeadStart: 1}, nil, submit.Submissions, 400 * ms, [2]int{1, 1}},
		{"never a rival until it failed", 400 * ms, negotiate.Policy{HeadStart: -1}, nil, submit.Submissions, 1600 * ms, [2]int{1, 0}},
		{"fail over without head start", 100 * ms, negotiate.Policy{HeadStart: -1}, func(p *place) { p.Refuse(at465) }, submit.Submission, 700 * ms, [2]int{1, 1}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPlace(t, test.rtt)
				if test.setUp != nil {
					test.setUp(p)
				}
				ready, err := p.dial(t, test.policy)
				require.NoError(t, err)
				chosen, _ := p.report.Chosen()
				require.Equal(t, test.chosen, chosen.Service)
				require.Equal(t, test.ready, ready)
				require.Equal(t, test.dials, [2]int{p.Dials(at465), p.Dials(at587)})
				require.Zero(t, p.server.Attempts(""), "Dial shows no credentials: promise 2")
			})
		})
	}
}

func fault(service string, phase submit.Phase, do submittest.Action) func(*place) {
	return func(p *place) { p.server.SetFaults(submittest.Fault{Service: service, Phase: phase, Do: do}) }
}

// If both are ready at the same time, the preferred one is taken, whichever is
// heard of first.
func TestTieGoesToThePreferred(t *testing.T) {
	for range 20 {
		synctest.Test(t, func(t *testing.T) {
			p := newPlace(t, 100*ms)
			p.SetRTT(at465, 450*ms) // connected after the head start, ready after 4 round trips
			p.SetRTT(at587, 250*ms) // began after 300 ms, ready after 6
			ready, err := p.dial(t, negotiate.Policy{})
			require.NoError(t, err)
			require.Equal(t, 1800*ms, ready)
			require.Equal(t, negotiate.Won, p.report.Attempts[0].Outcome, "%v", p.report)
			require.Equal(t, submit.Submissions, p.report.Attempts[0].Endpoint.Service)
			require.Equal(t, negotiate.Lost, p.report.Attempts[1].Outcome)
			require.Regexp(t, "587: (ready as well|not ready after)", p.report.Diagnosis())
			synctest.Wait()
			time.Sleep(time.Second)
			// The loser hears QUIT if it was ready already, and is cut if it was about to be.
			require.Contains(t, []int{1, 2}, strings.Count(p.server.Conversation(), "QUIT"), p.server.Conversation())
		})
	}
}

// The failure of one never hides another's: the text has both, and what
// errors.Is sees is what decided.
func TestErrorOfANegotiation(t *testing.T) {
	for _, test := range []struct {
		name    string
		setUp   func(*place)
		text    []string
		is, not []error
	}{
		{
			"both refused", func(p *place) { p.Refuse(at465); p.Refuse(at587) },
			[]string{"submissions://" + at465 + ": connect: ", "; submission://" + at587 + ": connect: ", "connection refused"},
			[]error{submit.ErrUnreachable, submit.ErrTemporary}, []error{submit.ErrInsecure},
		},
		{
			"refused, then a bad certificate", func(p *place) {
				p.Refuse(at465)
				fault(submit.Submission, submit.PhaseHandshake, submittest.WrongName)(p)
			},
			[]string{"connection refused", "certificate is valid for"},
			[]error{submit.ErrInsecure, submit.ErrCertificate}, []error{submit.ErrTemporary, submit.ErrUnreachable},
		},
		{
			"refused, then stripped", func(p *place) {
				p.Refuse(at465)
				fault(submit.Submission, submit.PhaseHello, submittest.Strip)(p)
			},
			[]string{"connection refused", "no STARTTLS"},
			[]error{submit.ErrInsecure, submit.ErrNoSTARTTLS}, []error{submit.ErrTemporary, submit.ErrUnreachable},
		},
		{
			"does not resolve", func(p *place) { p.Unresolvable(host) },
			[]string{"resolve: ", "no such host"},
			[]error{submit.ErrUnreachable}, []error{submit.ErrTemporary},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPlace(t, 100*ms)
				test.setUp(p)
				_, err := p.dial(t, negotiate.Policy{})
				var e *negotiate.Error
				require.ErrorAs(t, err, &e)
				require.Same(t, p.report, e.Report)
				for _, text := range test.text {
					require.ErrorContains(t, err, text)
				}
				require.NotContains(t, err.Error(), "\n")
				for _, is := range test.is {
					require.ErrorIs(t, err, is)
				}
				for _, not := range test.not {
					require.NotErrorIs(t, err, not)
				}
				_, chosen := e.Report.Chosen()
				require.False(t, chosen)
			})
		})
	}
}

// Promise 7: the end of the context ends a race at once, and is its error.
func TestContextEndsARace(t *testing.T) {
	cause := errors.New("the user went home")
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t, 100*ms)
		p.BlackHole(at465)
		p.BlackHole(at587)
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(1234*ms, func() { cancel(cause) })
		began := time.Now()
		_, err := p.negotiator(negotiate.Policy{}).Dial(ctx)
		require.Equal(t, 1234*ms, time.Since(began))
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorIs(t, err, cause)
		require.NotErrorIs(t, err, submit.ErrTemporary)
		for _, a := range p.report.Attempts {
			require.Equal(t, negotiate.Fatal, a.Outcome)
		}
	})
}

// The caller's own transports are tried in their order, whatever Prefer says; a
// name that does not resolve stops those alone that have the same.
func TestOwnTransports(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t, 100*ms)
		p.Unresolvable("old.example.com")
		n := p.negotiator(negotiate.Policy{Prefer: negotiate.STARTTLS})
		n.Transports = []submit.Transport{
			&submit.ImplicitTLS{Host: "old.example.com", Config: p.config},
			&submit.ImplicitTLS{Host: host, Config: p.config},
		}
		session, err := n.Dial(t.Context())
		require.NoError(t, err)
		defer session.Close()
		require.Equal(t, host, session.Endpoint().Host)
		require.Equal(t, "old.example.com", n.Endpoint().Host)
		require.Equal(t, negotiate.Failed, p.report.Attempts[0].Outcome)

		n.Transports = []submit.Transport{}
		_, err = n.Dial(t.Context())
		require.ErrorIs(t, err, submit.ErrInvalid)
	})
}

// Where STARTTLS was stripped, only TLS from the start may follow.
func TestNothingButImplicitTLSAfterStripping(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t, 100*ms)
		fault(submit.Submission, submit.PhaseHello, submittest.Strip)(p)
		n := p.negotiator(negotiate.Policy{})
		n.Transports = []submit.Transport{
			&submit.STARTTLS{Host: host, Config: p.config},
			&submit.STARTTLS{Host: host, Port: 2587, Config: p.config},
			&submit.ImplicitTLS{Host: host, Config: p.config},
		}
		session, err := n.Dial(t.Context())
		require.NoError(t, err)
		require.Equal(t, 465, session.Endpoint().Port)
		require.NoError(t, session.Close())
		require.Zero(t, p.Dials(host+":2587"))
		require.Equal(t, negotiate.NotTried, p.report.Attempts[2].Outcome)
	})
}

// That only TLS from the start may follow stays so, whatever fails after it.
func TestStrippingIsNotForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t, 100*ms)
		fault(submit.Submission, submit.PhaseHello, submittest.Strip)(p)
		p.Refuse(at465)
		l := p.Listen(host + ":2587") // it would do
		defer l.Close()
		n := p.negotiator(negotiate.Policy{})
		n.Transports = []submit.Transport{
			&submit.STARTTLS{Host: host, Config: p.config},
			&submit.STARTTLS{Host: host, Port: 2587, Config: p.config},
			&submit.ImplicitTLS{Host: host, Config: p.config},
		}
		_, err := n.Dial(t.Context())
		require.ErrorIs(t, err, submit.ErrNoSTARTTLS)
		require.Zero(t, p.Dials(host+":2587"))
	})
}

// Promise 7: the context's end is in the error, whatever else went wrong before.
func TestContextEndsAfterStripping(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t, 100*ms)
		p.BlackHole(at465)
		fault(submit.Submission, submit.PhaseHello, submittest.Strip)(p)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := p.negotiator(negotiate.Policy{}).Dial(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorIs(t, err, submit.ErrNoSTARTTLS)
	})
}

// The head start that counts is that of the latest: one that connects late does
// not hold up the third.
func TestHeadStartOfTheLatest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t, 400*ms)
		p.BlackHole(host + ":2465")
		n := p.negotiator(negotiate.Policy{})
		n.Transports = []submit.Transport{
			&submit.ImplicitTLS{Host: host, Config: p.config},
			&submit.ImplicitTLS{Host: host, Port: 2465, Config: p.config},
			&submit.STARTTLS{Host: host, Config: p.config},
		}
		session, err := n.Dial(t.Context())
		require.NoError(t, err)
		require.NoError(t, session.Close())
		require.Equal(t, 300*ms, p.report.Attempts[1].Began)
		require.Equal(t, 600*ms, p.report.Attempts[2].Began)
	})
}

// A Negotiator is a Transport, and so can be one of another's.
func TestNegotiatorOfNegotiators(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t, 10*ms)
		p.BlackHole(at465)
		inner := p.negotiator(negotiate.Policy{})
		outer := &negotiate.Negotiator{Transports: []submit.Transport{inner}, Policy: negotiate.Policy{HeadStart: time.Minute}}
		session, err := outer.Dial(t.Context())
		require.NoError(t, err)
		require.Equal(t, 587, session.Endpoint().Port)
		require.NoError(t, session.Close())
	})
}

func TestPorts(t *testing.T) {
	for _, test := range []struct {
		n    *negotiate.Negotiator
		want string
	}{
		{&negotiate.Negotiator{}, "submissions://h:465 submission://h:587"},
		{&negotiate.Negotiator{Policy: negotiate.Policy{Prefer: negotiate.STARTTLS}}, "submission://h:587 submissions://h:465"},
		{&negotiate.Negotiator{Policy: negotiate.Policy{FailClosed: true}}, "submissions://h:465"},
		{&negotiate.Negotiator{Port: 2525}, "submissions://h:2525 submission://h:2525"},
		{&negotiate.Negotiator{Port: 2525, ImplicitPort: 2465}, "submissions://h:2465 submission://h:2525"},
		{&negotiate.Negotiator{STARTTLSPort: 2587}, "submissions://h:465 submission://h:2587"},
	} {
		synctest.Test(t, func(t *testing.T) {
			network := fakenet.New(ms)
			n := test.n
			n.Host, n.DialContext = "h", network.DialContext
			_, err := n.Dial(t.Context()) // nobody listens
			var e *negotiate.Error
			require.ErrorAs(t, err, &e)
			var got []string
			for _, a := range e.Report.Attempts {
				got = append(got, a.Endpoint.String())
			}
			require.Equal(t, test.want, strings.Join(got, " "))
			require.Equal(t, got[0], n.Endpoint().String())
		})
	}
}

// Bad input is found before anybody is asked.
func TestInvalidNegotiator(t *testing.T) {
	network := fakenet.New(ms)
	config := submit.Config{DialContext: network.DialContext}
	for _, n := range []*negotiate.Negotiator{
		{Config: config},
		{Host: "smtp.example.com:465", Config: config},
		{Host: "smtp.example.com", Port: 70000, Config: config},
		{Host: "smtp.example.com", Policy: negotiate.Policy{Prefer: 2}, Config: config},
		{Host: "smtp.example.com", Port: 25, Config: config},
		{Host: "submit://me:hunter2@smtp.example.com", Config: config},
	} {
		_, err := n.Dial(t.Context())
		require.ErrorIs(t, err, submit.ErrInvalid)
		var invalid *submit.InvalidError
		require.ErrorAs(t, err, &invalid)
		require.Equal(t, err, n.Check())
		require.NotContains(t, err.Error(), "hunter2")
	}
	n := &negotiate.Negotiator{Host: host, Config: config}
	_, err := n.Submit(t.Context(), submit.Message{From: "me", To: []string{"you@example.net"}})
	require.ErrorIs(t, err, submit.ErrInvalid)
	require.Zero(t, network.Dials(fakenet.Anywhere))
}

// A burst through a pool: no more negotiations than sessions.
func TestPoolNegotiatesOncePerSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t, 10*ms)
		p.BlackHole(at465)
		n := p.negotiator(negotiate.Policy{})
		n.Observe = nil // two at a time
		pool := &submit.Pool{Transport: n, MaxSessions: 2}
		done := make(chan error)
		for range 50 {
			go func() {
				_, err := submit.Send(t.Context(), pool, user, []string{"you@example.net"}, []byte(body))
				done <- err
			}()
		}
		for range 50 {
			require.NoError(t, <-done)
		}
		require.NoError(t, pool.Close())
		require.Equal(t, 2, p.Dials(at587))
		require.Len(t, p.server.Messages(), 50)
	})
}

// What a person reads, what a log gets, and what a program reads.
func TestReportForms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t, 100*ms)
		p.BlackHole(at465)
		_, err := p.dial(t, negotiate.Policy{})
		require.NoError(t, err)
		lines := strings.Split(p.report.String(), "\n")
		require.Equal(t, "used submission://mail.example.com:587; submissions://mail.example.com:465: not connected after 900ms", lines[0])
		require.Equal(t, "  submissions://mail.example.com:465  lost      |========================| 0.0ms +900ms", lines[1])
		require.Regexp(t, `^  submission://mail.example.com:587   won       \|        ================\| 300ms \+600ms  198\.51\.100\.\d+:587  TLS 1\.3 for mail\.example\.com`, lines[2])

		var read struct {
			Diagnosis, Chosen string
			Took              float64 `json:"took_ms"`
			Attempts          []struct {
				Endpoint, Outcome, TLS string
				Began                  float64  `json:"began_ms"`
				Names                  []string `json:"certificate_names"`
			}
		}
		data, err := json.Marshal(p.report)
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(data, &read))
		require.Equal(t, "submission://mail.example.com:587", read.Chosen)
		require.Equal(t, 900.0, read.Took)
		require.Equal(t, "lost", read.Attempts[0].Outcome)
		require.Equal(t, 300.0, read.Attempts[1].Began)
		require.Contains(t, read.Attempts[1].Names, host)

		var b strings.Builder
		slog.New(slog.NewTextHandler(&b, nil)).Info("negotiated", "report", p.report)
		require.Contains(t, b.String(), "report.chosen=submission://mail.example.com:587")
		require.Contains(t, b.String(), "report.attempt1.outcome=lost")
	})
	require.Equal(t, "outcome 9", negotiate.Outcome(9).String())
	require.Equal(t, "implicit TLS, STARTTLS", fmt.Sprintf("%v, %v", negotiate.ImplicitTLS, negotiate.STARTTLS))
}
