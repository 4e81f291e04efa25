package negotiate_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"slices"
	"strings"
	"sync"
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

// untouched is a Memory, and who Observes, that nobody may ask.
type untouched struct{ t *testing.T }

func (u untouched) Load(context.Context, string) (negotiate.Choice, bool) {
	u.t.Error("a probe asked what is remembered")
	return negotiate.Choice{}, false
}

func (u untouched) Store(context.Context, string, negotiate.Choice) {
	u.t.Error("a probe remembers something")
}

func (u untouched) Forget(context.Context, string) { u.t.Error("a probe forgets something") }

// newFaultyPlace is a place whose server may also be missing from the network.
func newFaultyPlace(t *testing.T, rtt time.Duration) *place { return newPlaceOf(t, rtt, password) }

// newPlaceOf is newFaultyPlace with a password of one's own.
func newPlaceOf(t *testing.T, rtt time.Duration, password string) *place {
	p := &place{Network: fakenet.New(rtt)}
	t.Cleanup(func() { p.Check(t) })
	p.server = submittest.NewUnstartedServer(t)
	p.server.Implicit, p.server.STARTTLS = p.Listen(at465), p.Listen(at587)
	p.server.DialContext = p.Network.DialContext
	p.server.Users = map[string]string{user: password}
	require.NoError(t, p.server.Start())
	p.config = p.server.Config()
	p.config.TLS.CurvePreferences = []tls.CurveID{tls.CurveP256} // fast
	p.config.LocalName = "client.example.com"
	p.config.Credentials = auth.Password(user, password)
	return p
}

// prober is a negotiator of a place that a probe must leave as it is.
func (p *place) prober(t *testing.T, policy negotiate.Policy) *negotiate.Negotiator {
	n := p.negotiator(policy)
	n.Memory = untouched{t}
	n.Observe = func(context.Context, *negotiate.Report) { t.Error("a probe was observed") }
	return n
}

func attempt(t *testing.T, r *negotiate.Report, port int) negotiate.Attempt {
	t.Helper()
	i := slices.IndexFunc(r.Attempts, func(a negotiate.Attempt) bool { return a.Endpoint.Port == port })
	require.GreaterOrEqual(t, i, 0)
	return r.Attempts[i]
}

// requireHarmless holds that nothing but greetings was said.
func requireHarmless(t *testing.T, p *place, quits int) {
	t.Helper()
	synctest.Wait()
	time.Sleep(time.Second) // QUIT is on its way
	synctest.Wait()
	said := p.server.Conversation()
	for line := range strings.Lines(said) {
		if command, ok := strings.CutPrefix(line, "C: "); ok {
			verb, _, _ := strings.Cut(strings.TrimSpace(command), " ")
			require.Contains(t, []string{"EHLO", "STARTTLS", "QUIT"}, verb)
		}
	}
	require.Equal(t, quits, strings.Count(said, "C: QUIT"), said)
	require.Zero(t, p.server.Attempts(""), "no credentials: promise 2")
	require.Empty(t, p.server.Messages())
	require.Zero(t, p.Open())
}

// Everything is tried at the same time and to its end; nothing is submitted, no
// password is shown, nothing remembered, and no connection left (promises 2 and
// 6).
func TestProbe(t *testing.T) {
	for policy, chosen := range map[negotiate.Policy]int{{}: 465, {Prefer: negotiate.STARTTLS}: 587} {
		synctest.Test(t, func(t *testing.T) {
			p := newPlace(t, 100*ms)
			began := time.Now()
			r, err := p.prober(t, policy).Probe(t.Context())
			require.NoError(t, err)
			require.Equal(t, 600*ms, time.Since(began), "as long as the longer one, and not both")
			require.Equal(t, 600*ms, r.Took)
			endpoint, ok := r.Chosen()
			require.True(t, ok)
			require.Equal(t, chosen, endpoint.Port)
			require.True(t, strings.HasPrefix(r.Diagnosis(), "would use "+endpoint.String()), r.Diagnosis())
			require.Equal(t, 400*ms, attempt(t, r, 465).Took)
			require.Equal(t, 600*ms, attempt(t, r, 587).Took)
			for _, a := range r.Attempts {
				require.Zero(t, a.Began)
				require.False(t, a.Authenticated)
				require.Equal(t, "works; TLS 1.3; certificate until 2100-01-01; takes PLAIN, LOGIN", a.Diagnosis())
				if a.Endpoint.Port != chosen {
					require.Equal(t, negotiate.Lost, a.Outcome)
				}
			}
			requireHarmless(t, p, 2)
			require.Equal(t, [2]int{1, 1}, [2]int{p.Dials(at465), p.Dials(at587)})
		})
	}
}

// Whom the policy forbids is not asked.
func TestProbeFailClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t, 100*ms)
		r, err := p.prober(t, negotiate.Policy{FailClosed: true}).Probe(t.Context())
		require.NoError(t, err)
		require.Len(t, r.Attempts, 1)
		require.Zero(t, p.Dials(at587))
	})
}

// ProbeAuth shows the password once, to what would be chosen (promise 2).
func TestProbeAuth(t *testing.T) {
	for _, test := range []struct {
		name     string
		setUp    func(*place)
		took     time.Duration
		port     int // that sees the password; 0: none
		err      error
		outcome  negotiate.Outcome
		diagnose string
	}{
		{"accepted", nil, 600*ms + 400*ms + 100*ms, 465, nil, negotiate.Won, "authenticated"},
		{"accepted at 587", refuse465, 600*ms + 600*ms + 100*ms, 587, nil, negotiate.Won, "authenticated"},
		{"refused", func(p *place) { p.config.Credentials = auth.Password(user, "mistyped") }, 600*ms + 400*ms + 100*ms, 465,
			submit.ErrCredentials, negotiate.Fatal, "auth: 535"},
		{"lost between", func(p *place) {
			p.server.SetFaults(submittest.Fault{Service: submit.Submissions, Phase: submit.PhaseGreeting, Do: submittest.RefuseTemporarily, After: 1})
		}, 600*ms + 300*ms, 0, submit.ErrTemporary, negotiate.Fatal, "greeting: 421"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPlace(t, 100*ms)
				if test.setUp != nil {
					test.setUp(p)
				}
				r, err := p.prober(t, negotiate.Policy{}).ProbeAuth(t.Context())
				require.Equal(t, test.took, r.Took)
				require.ErrorIs(t, err, test.err)
				port := test.port
				if port == 0 {
					port = 465
				}
				a := attempt(t, r, port)
				require.Equal(t, test.outcome, a.Outcome)
				require.Equal(t, test.err == nil, a.Authenticated)
				require.Contains(t, a.Diagnosis(), test.diagnose)
				require.Contains(t, r.Diagnosis(), test.diagnose)
				_, chosen := r.Chosen()
				require.Equal(t, test.err == nil, chosen)
				shown := map[int]int{465: p.server.Attempts(submit.Submissions), 587: p.server.Attempts(submit.Submission)}
				require.Equal(t, test.port == 465, shown[465] == 1)
				require.Equal(t, test.port == 587, shown[587] == 1)
				require.LessOrEqual(t, shown[465]+shown[587], 1)
				if test.port != 0 {
					require.Equal(t, submit.PhaseAuth, a.Steps[len(a.Steps)-1].Phase)
				}
				require.Empty(t, p.server.Messages())
			})
		})
	}
}

// Where nothing would be chosen, no password is shown.
func TestProbeAuthOfNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t, 100*ms)
		fault(submit.Submissions, submit.PhaseHandshake, submittest.WrongName)(p)
		r, err := p.prober(t, negotiate.Policy{}).ProbeAuth(t.Context())
		require.ErrorIs(t, err, submit.ErrCertificate)
		require.Equal(t, negotiate.Fatal, attempt(t, r, 465).Outcome)
		require.Contains(t, attempt(t, r, 587).Diagnosis(), "works; ")
		requireHarmless(t, p, 1)
	})
}

// What is wrong with the configuration is told without a report, and nobody asked.
func TestProbeInvalid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t, 100*ms)
		n := p.prober(t, negotiate.Policy{})
		n.Host = "mail.example.com:465"
		for _, probe := range []func(context.Context) (*negotiate.Report, error){n.Probe, n.ProbeAuth} {
			r, err := probe(t.Context())
			require.Nil(t, r)
			require.ErrorIs(t, err, submit.ErrInvalid)
		}
		n = p.prober(t, negotiate.Policy{})
		n.Credentials = nil
		r, err := n.ProbeAuth(t.Context())
		require.Nil(t, r)
		var invalid *submit.InvalidError
		require.ErrorAs(t, err, &invalid)
		require.Equal(t, "Config.Credentials", invalid.Field)
		require.Zero(t, p.Dials(at465))
	})
}

// Each row of the table of failures is a word in the report of a probe; the other
// port is tried all the same, and it is the policy that says whether it counts.
func TestProbeSaysWhatFailed(t *testing.T) {
	const implicit, starttls = submit.Submissions, submit.Submission
	prefer587 := negotiate.Policy{Prefer: negotiate.STARTTLS}
	for _, test := range []struct {
		name   string
		policy negotiate.Policy
		setUp  func(*place)
		port   int
		says   string
		chosen bool // the other one
	}{
		{"refused", negotiate.Policy{}, refuse465, 465, "connect: connection refused", true},
		{"no answer", negotiate.Policy{}, func(p *place) { p.BlackHole(at465) }, 465, "connect: .*30s", true},
		{"no such name", negotiate.Policy{}, fault(implicit, submit.PhaseResolve, submittest.Refuse), 465, "resolve: .*no such host", false},
		{"without TLS", negotiate.Policy{}, fault(implicit, submit.PhaseConnect, submittest.OtherMode), 465, "without TLS", true},
		{"IMAP", prefer587, func(p *place) {
			p.server.SetFaults(submittest.Fault{Service: starttls, Phase: submit.PhaseGreeting, Do: submittest.Garbage, Text: "* OK IMAP4rev1"})
		}, 587, "IMAP", true},
		{"expects TLS", prefer587, fault(starttls, submit.PhaseConnect, submittest.OtherMode), 587, "TLS from the first byte", true},
		{"alert", negotiate.Policy{}, fault(implicit, submit.PhaseHandshake, submittest.Refuse), 465, "handshake: ", true},
		{"certificate", negotiate.Policy{}, fault(implicit, submit.PhaseHandshake, submittest.WrongName), 465, "certificate is valid for wrong", false},
		{"greeting", negotiate.Policy{}, fault(implicit, submit.PhaseGreeting, submittest.Refuse), 465, "greeting: 554", true},
		{"EHLO", negotiate.Policy{}, fault(implicit, submit.PhaseHello, submittest.Refuse), 465, "hello: 550", true},
		{"no STARTTLS", prefer587, fault(starttls, submit.PhaseHello, submittest.Strip), 587, "no STARTTLS", true},
		{"injection", prefer587, fault(starttls, submit.PhaseStartTLS, submittest.Inject), 587, "injection", false},
		{"no AUTH", negotiate.Policy{}, fault(implicit, submit.PhaseHello, submittest.Strip), 465, "offers no authentication", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newFaultyPlace(t, 100*ms)
				test.setUp(p)
				r, err := p.prober(t, test.policy).Probe(t.Context())
				failed, other := attempt(t, r, test.port), attempt(t, r, 465+587-test.port)
				require.Regexp(t, test.says, failed.Diagnosis())
				require.Regexp(t, test.says, r.Diagnosis())
				require.Error(t, failed.Err)
				require.Contains(t, other.Diagnosis(), "works; ", "it was tried to its end")
				require.Equal(t, test.chosen, err == nil)
				if test.chosen {
					require.Equal(t, negotiate.Failed, failed.Outcome)
					require.Equal(t, negotiate.Won, other.Outcome)
				} else {
					require.Equal(t, negotiate.Fatal, failed.Outcome)
					require.Equal(t, negotiate.Lost, other.Outcome)
					require.ErrorIs(t, err, failed.Err)
				}
				require.Zero(t, p.server.Attempts(""))
			})
		})
	}
}

// Promise 7: the end of the context ends a probe at once, and is its error.
func TestContextEndsAProbe(t *testing.T) {
	cause := errors.New("the user went home")
	for _, one := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			p := newPlace(t, 100*ms)
			p.BlackHole(at465)
			if !one {
				fault(submit.Submission, submit.PhaseGreeting, submittest.Stall)(p)
			}
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(1234*ms, func() { cancel(cause) })
			began := time.Now()
			r, err := p.prober(t, negotiate.Policy{}).Probe(ctx)
			require.Equal(t, 1234*ms, time.Since(began))
			if one { // it works, and that is known by then
				require.NoError(t, err)
				require.Equal(t, negotiate.Won, attempt(t, r, 587).Outcome)
				return
			}
			require.ErrorIs(t, err, context.Canceled)
			require.ErrorIs(t, err, cause)
			require.NotErrorIs(t, err, submit.ErrTemporary)
			require.NotNil(t, r)
			for _, a := range r.Attempts {
				require.Equal(t, negotiate.Fatal, a.Outcome)
				require.ErrorIs(t, a.Err, cause)
			}
		})
	}
}

// Who watches waits 30 seconds for silence, not five minutes; unless told otherwise.
func TestProbeWaitsHalfAMinute(t *testing.T) {
	for _, test := range []struct {
		phase   submit.Phase
		trips   time.Duration // before the silence
		command time.Duration
		waits   time.Duration
	}{
		{submit.PhaseConnect, 0, 0, 30 * time.Second},
		{submit.PhaseGreeting, 1, 0, 30 * time.Second},
		{submit.PhaseHello, 2, 0, 30 * time.Second},
		{submit.PhaseStartTLS, 3, 0, 30 * time.Second},
		{submit.PhaseHandshake, 4, 0, 30 * time.Second},
		{submit.PhaseHelloAgain, 5, 0, 30 * time.Second},
		{submit.PhaseHello, 2, 2 * time.Minute, 2 * time.Minute},
		{submit.PhaseHello, 2, time.Second, time.Second},
	} {
		t.Run(fmt.Sprint(test.phase, test.command), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPlace(t, 100*ms)
				p.config.Timeouts.Command = test.command
				fault(submit.Submission, test.phase, submittest.Stall)(p)
				if test.phase == submit.PhaseConnect {
					p.BlackHole(at587)
				}
				n := p.prober(t, negotiate.Policy{})
				r, err := n.Probe(t.Context())
				require.NoError(t, err)
				require.Equal(t, test.trips*100*ms+test.waits, attempt(t, r, 587).Took)
				require.Equal(t, r.Took, attempt(t, r, 587).Took)
				require.Equal(t, test.command, n.Timeouts.Command, "the caller's struct is read, never written")
			})
		})
	}
}

// On one port that expects TLS from the first byte, nobody waits half a minute for
// a greeting: five seconds after TLS was found is enough.
func TestProbeOfOnePort(t *testing.T) {
	for policy, port := range map[negotiate.Policy]int{{}: 2525, {Prefer: negotiate.STARTTLS}: 443} {
		synctest.Test(t, func(t *testing.T) {
			p := newPlace(t, 100*ms)
			twoModes(t, p, port, -1)
			n := p.prober(t, policy)
			n.Port = port
			r, err := n.Probe(t.Context())
			require.NoError(t, err)
			require.Equal(t, 400*ms+5*time.Second, r.Took)
			chosen, _ := r.Chosen()
			require.Equal(t, submit.Submissions, chosen.Service)
			for _, a := range r.Attempts {
				if a.Endpoint.Service == submit.Submission {
					require.Equal(t, negotiate.Failed, a.Outcome)
					require.Contains(t, a.Diagnosis(), "TLS from the first byte")
					var e *submit.PortError
					require.ErrorAs(t, a.Err, &e)
				}
			}
		})
	}
}

// A server may take both modes on one port, and greet when no TLS has come for a
// while; one that has greeted has all the time that there is.
func TestProbeOfOnePortWithBothModes(t *testing.T) {
	for _, test := range []struct {
		after time.Duration
		works bool
	}{{time.Second, true}, {5 * time.Second, true}, {6 * time.Second, false}} {
		synctest.Test(t, func(t *testing.T) {
			p := newPlace(t, 100*ms)
			twoModes(t, p, 2525, test.after)
			n := p.prober(t, negotiate.Policy{})
			n.Port = 2525
			r, err := n.Probe(t.Context())
			require.NoError(t, err)
			starttls := r.Attempts[1]
			require.Equal(t, submit.Submission, starttls.Endpoint.Service)
			require.Equal(t, test.works, strings.HasPrefix(starttls.Diagnosis(), "works; "), "%v", r)
		})
	}
}

// Of two ports neither is hurried by what the other found.
func TestProbeOfASlowPort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t, 100*ms)
		p.SetRTT(at587, 4*time.Second)
		r, err := p.prober(t, negotiate.Policy{}).Probe(t.Context())
		require.NoError(t, err)
		require.Equal(t, 24*time.Second, r.Took)
		require.Contains(t, attempt(t, r, 587).Diagnosis(), "works; ")
	})
}

// twoModes puts a server behind one port that speaks TLS to those who begin with
// it, and greets those who wait for so long; with less than nothing, nobody.
func twoModes(t *testing.T, p *place, port int, greets time.Duration) {
	outer := p.Listen(fmt.Sprintf("%s:%d", host, port))
	modes := [2]*mode{{conns: make(chan net.Conn), addr: outer.Addr()}, {conns: make(chan net.Conn), addr: outer.Addr()}}
	server := submittest.NewUnstartedServer(t)
	server.Implicit, server.STARTTLS = modes[0], modes[1]
	server.Users = map[string]string{user: password}
	require.NoError(t, server.Start())
	p.config.TLS = server.Config().TLS
	var all sync.WaitGroup
	all.Go(func() { // until the listener closes
		defer close(modes[0].conns)
		defer close(modes[1].conns)
		for {
			conn, err := outer.Accept()
			if err != nil {
				return
			}
			all.Go(func() { sortOut(conn, modes, greets) })
		}
	})
	t.Cleanup(func() { // before the server closes
		outer.Close()
		all.Wait()
	})
}

// sortOut waits for the first octet of who came.
func sortOut(conn net.Conn, modes [2]*mode, greets time.Duration) {
	if greets >= 0 {
		conn.SetReadDeadline(time.Now().Add(greets))
	}
	first := make([]byte, 1)
	_, err := io.ReadFull(conn, first)
	var late net.Error
	switch {
	case err == nil:
		modes[0].conns <- &begun{conn, first}
	case errors.As(err, &late) && late.Timeout():
		conn.SetReadDeadline(time.Time{})
		modes[1].conns <- conn
	default:
		conn.Close()
	}
}

// A mode is a listener that is given its connections.
type mode struct {
	conns chan net.Conn
	addr  net.Addr
}

func (m *mode) Addr() net.Addr { return m.addr }
func (m *mode) Close() error   { return nil }

func (m *mode) Accept() (net.Conn, error) {
	if conn, ok := <-m.conns; ok {
		return conn, nil
	}
	return nil, net.ErrClosed
}

// begun is a connection of which some was read already.
type begun struct {
	net.Conn
	read []byte
}

func (b *begun) Read(p []byte) (int, error) {
	if len(b.read) == 0 {
		return b.Conn.Read(p)
	}
	n := copy(p, b.read)
	b.read = b.read[n:]
	return n, nil
}

// What a probe foresees is what a negotiation does: for every fault until the
// session would be ready, under every policy, near and far; the race detector sees
// a third of them.
func TestProbeForeseesTheRace(t *testing.T) {
	rtts := []time.Duration{20 * ms, 100 * ms, 400 * ms}
	races := 0
	for i, f := range faults() {
		if f.Phase > submit.PhaseHelloAgain {
			break
		}
		for j, policy := range policies {
			if f.Service != "" && f.Service != serviceOf(policy.Prefer) && (policy.FailClosed || i%4 != 0) {
				continue // nobody comes by, or after it is decided: a sample is enough
			}
			if races++; raced && races%3 != 0 {
				continue
			}
			rtt := rtts[(i+j)%len(rtts)]
			t.Run(fmt.Sprintf("%s %v %v, %s, %v", port(f.Service), f.Phase, f.Do, policy.name, rtt), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					p := newFaultyPlace(t, rtt)
					p.server.SetFaults(f)
					foreseen, probeErr := p.prober(t, policy.Policy).Probe(t.Context())
					_, dialErr := p.dial(t, policy.Policy)
					was, _ := p.report.Chosen()
					willBe, _ := foreseen.Chosen()
					require.Equal(t, was, willBe, "%v\n%v", foreseen, p.report)
					require.Equal(t, meanings(dialErr), meanings(probeErr), "%v\n%v", dialErr, probeErr)
				})
			})
		}
	}
}

func serviceOf(m negotiate.Mode) string {
	if m == negotiate.STARTTLS {
		return submit.Submission
	}
	return submit.Submissions
}

// It also foresees that where STARTTLS was stripped only TLS from the first byte
// may follow, whatever fails after it.
func TestProbeDoesNotForgetStripping(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t, 100*ms)
		p.Refuse(at465)
		fault(submit.Submission, submit.PhaseHello, submittest.Strip)(p)
		another := submittest.NewUnstartedServer(t)
		another.Implicit, another.STARTTLS = p.Listen(host+":2465"), p.Listen(host+":2587")
		another.Users = map[string]string{user: password}
		require.NoError(t, another.Start())
		fine := p.config
		fine.TLS = another.Config().TLS
		n := p.prober(t, negotiate.Policy{})
		n.Transports = []submit.Transport{
			&submit.STARTTLS{Host: host, Config: p.config},
			&submit.ImplicitTLS{Host: host, Config: p.config},
			&submit.STARTTLS{Host: host, Port: 2587, Config: fine},
		}
		r, err := n.Probe(t.Context())
		require.ErrorIs(t, err, submit.ErrNoSTARTTLS)
		require.Contains(t, attempt(t, r, 2587).Diagnosis(), "works; ")
		require.Regexp(t, "Nothing is used although something works: where STARTTLS", page(t, r, negotiate.Terminal{}))

		n.Transports = append(n.Transports, &submit.ImplicitTLS{Host: host, Port: 2465, Config: fine})
		r, err = n.Probe(t.Context())
		require.NoError(t, err)
		require.Equal(t, negotiate.Won, attempt(t, r, 2465).Outcome)
		require.Equal(t, negotiate.Lost, attempt(t, r, 2587).Outcome)
	})
}

// What is ready at the moment at which another fails for good is in time.
func TestProbeOfATie(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t, 100*ms)
		p.SetRTT(at465, 300*ms+1) // the certificate is seen after two round trips
		fault(submit.Submissions, submit.PhaseHandshake, submittest.WrongName)(p)
		r, err := p.prober(t, negotiate.Policy{HeadStart: 2}).Probe(t.Context())
		require.NoError(t, err)
		require.Equal(t, 600*ms+2, attempt(t, r, 465).Took)
		require.Equal(t, 600*ms, attempt(t, r, 587).Took)
	})
}

// The button that tests somebody's settings: what is there, and would it do?
func ExampleNegotiator_Probe() {
	example := exampleServer() // a server of the example's own
	defer example.Close()      // a server of the example's own
	ctx := context.Background()
	config := example.Config()

	server := &negotiate.Negotiator{Host: "smtp.example.com", Config: config}
	report, err := server.Probe(ctx) // or ProbeAuth, to try the password too
	if report == nil {
		log.Fatal(err) // there is something wrong with the settings themselves
	}
	fmt.Println(report.Diagnosis())
	for _, a := range report.Attempts {
		fmt.Printf("%v: %s\n", a.Endpoint, a.Diagnosis())
	}
	// Output:
	// would use submissions://smtp.example.com:465; submission://smtp.example.com:587: ready as well
	// submissions://smtp.example.com:465: works; TLS 1.3; certificate until 2100-01-01; takes PLAIN, LOGIN
	// submission://smtp.example.com:587: works; TLS 1.3; certificate until 2100-01-01; takes PLAIN, LOGIN
}

// A probe that has failed is not told to have waited in silence, though its port has
// turned out to expect TLS.
func TestProbeKeepsItsOwnFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t, 100*ms)
		p.BlackHole(host + ":2525") // which keeps the probe going
		refused := p.config
		refused.DialContext = func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("proxy: no route") }
		n := p.negotiator(negotiate.Policy{})
		n.Transports = []submit.Transport{
			&submit.ImplicitTLS{Host: host, Config: p.config},
			&submit.STARTTLS{Host: host, Port: 465, Config: refused},
			&submit.STARTTLS{Host: host, Port: 2525, Config: p.config},
		}
		report, err := n.Probe(t.Context())
		require.NoError(t, err)
		require.ErrorContains(t, report.Attempts[1].Err, "proxy: no route")
		require.NotContains(t, report.Diagnosis(), "TLS from the first byte")
	})
}

// Of two failures that would each end a race, the first one does, and is the only
// one that decides.
func TestProbeHasOneDecider(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t, 100*ms)
		p.Unresolvable(host)
		report, err := p.negotiator(negotiate.Policy{}).Probe(t.Context())
		require.Error(t, err)
		require.Equal(t, negotiate.Fatal, report.Attempts[0].Outcome)
		require.Equal(t, negotiate.Failed, report.Attempts[1].Outcome)
		require.True(t, report.Attempts[0].Endpoint.Service == submit.Submissions)
		require.False(t, report.Attempts[0].Works())
	})
}

func TestTransportsWithoutOne(t *testing.T) {
	n := &negotiate.Negotiator{Transports: []submit.Transport{&submit.ImplicitTLS{Host: host}, nil}}
	require.EqualError(t, n.Check(), "invalid Negotiator.Transports[1]: is nil")
}
