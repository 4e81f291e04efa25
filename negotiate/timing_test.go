package negotiate_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
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

// An ailment is what is the matter with a port.
type ailment string

const (
	noAilment      ailment = "healthy"
	refuses        ailment = "refused"
	blackHole      ailment = "black hole"
	tarpit         ailment = "tarpit"
	slowGreeting   ailment = "slow greeting"
	wrongMode      ailment = "wrong mode"
	badCertificate ailment = "bad certificate"
	hangsUp        ailment = "hang-up"
)

const (
	slowness = 2 * time.Second // of a slow greeting
	patience = time.Minute     // of the context of each Dial
	noRival  = -1 * time.Nanosecond
)

// An outcome is what came of one Dial.
type outcome struct {
	used  string        // the port, or "none"
	after time.Duration // when Dial returned
	rival time.Duration // when the other port was begun, or noRival
	dials [2]int        // of 465 and of 587
	quits int           // how often a loser said goodbye, since it was ready
	error string        // what it means
}

func (o outcome) String() string {
	rival := "-"
	if o.rival != noRival {
		rival = o.rival.String()
	}
	return fmt.Sprintf("%-4s  %-12v  %-6s  %d+%d      %d", o.used, o.after, rival, o.dials[0], o.dials[1], o.quits)
}

// The golden file is for reading. Each line of it is also computed, from the
// round-trip time alone, by a model that knows nothing of how a race is run. And
// of every line three things are true: both attempts have ended when Dial returns,
// or the bubble would not; no connection is left open (promise 6); nobody has seen
// a credential (promise 2).
func TestTimingTable(t *testing.T) {
	const golden = "testdata/timing.txt"
	var blocks []*string
	agreed := t.Run("dial", func(t *testing.T) { // returns when every block has
		for _, rtt := range []time.Duration{1 * ms, 20 * ms, 100 * ms, 300 * ms, 800 * ms} {
			for _, what := range []ailment{noAilment, refuses, blackHole, tarpit, slowGreeting, wrongMode, badCertificate, hangsUp} {
				for _, where := range []string{"465", "587", "both"} {
					if what == noAilment && where != "both" {
						continue
					}
					block := new(string)
					blocks = append(blocks, block)
					t.Run(fmt.Sprintf("%v, %s, %s", rtt, what, where), func(t *testing.T) {
						t.Parallel()
						synctest.Test(t, func(t *testing.T) { *block = dialUnderEveryPolicy(t, rtt, what, where) })
					})
				}
			}
		}
	})
	if !agreed {
		return // a table with gaps says less than what failed
	}
	got := timingHeader
	for _, block := range blocks {
		got += "\n" + *block
	}
	if *update {
		require.NoError(t, os.WriteFile(golden, []byte(got), 0o644))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	require.Equal(t, string(want), got, "run the test with -update, and read the difference")
}

const timingHeader = `# How long a negotiation takes, to the nanosecond: for every round-trip time (RTT),
# what is the matter with 465, 587 or both of a server, and policy.
#
# A healthy 465 is ready after 4 RTT: TCP, TLS 1.3, greeting, EHLO. The greeting
# comes a round trip after the handshake's last flight, which the client sends. A
# healthy 587 is ready after 6: TCP, greeting, EHLO, STARTTLS, TLS 1.3, EHLO; the
# greeting comes a round trip after the third segment of TCP's handshake.
#
#   refused          a reset comes back after 1 RTT
#   black hole       nothing ever comes back; connecting is given up after 30s
#   tarpit           connects, and says nothing; TLS is given up after 30s, a
#                    greeting when the context ends, here after 1m
#   slow greeting    comes 2s late
#   wrong mode       465 greets in cleartext, 587 waits for TLS
#   bad certificate  is for another name
#   hang-up          connects, and closes at once
#
# For the first Dial of a Negotiator, and for the second, which remembers what the
# first has found, if it has: the port used; after how long; when the other port
# was begun, if it was; how often 465 and 587 were dialled; how many losers said
# QUIT, because they were ready when another had won. Then what the error means.
#
# A nanosecond too much is the time that a port which is preferred, and has TLS,
# gets to be ready at the same time as the other one.
#
# RTT  the matter       port  policy     used  after         other   465+587  QUIT  again after         other   465+587  QUIT  error
`

// dialUnderEveryPolicy dials twice under each policy, and returns the lines that
// tell of it.
func dialUnderEveryPolicy(t *testing.T, rtt time.Duration, what ailment, where string) (lines string) {
	p := newAilingPlace(t, rtt, what, where)
	p.config.DialContext = heardLast(at587, p.config.DialContext)
	for _, policy := range policies {
		n := p.negotiator(policy.Policy)
		first, again := p.outcome(t, n), p.outcome(t, n)
		wantFirst, wantAgain := modelled(policy.Policy, rtt, what, where)
		require.Equal(t, wantFirst, first, policy.name)
		require.Equal(t, wantAgain, again, "%s, the second time", policy.name)
		line := fmt.Sprintf("%-5v  %-15s  %-4s  %-9s  %v     %v     %s", rtt, what, where, policy.name, first, again, first.error)
		lines += strings.TrimRight(line, " ") + "\n"
	}
	require.Zero(t, p.server.Attempts(""), "credentials were shown")
	return lines
}

// outcome dials, and lets pass what is still on its way.
func (p *place) outcome(t *testing.T, n *negotiate.Negotiator) outcome {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	dials := [2]int{p.Dials(at465), p.Dials(at587)}
	quits := strings.Count(p.server.Conversation(), "C: QUIT")
	began := time.Now()
	session, err := n.Dial(ctx)
	o := outcome{used: "none", after: time.Since(began), rival: noRival}
	open := 0
	if err == nil {
		open = 1
	}
	require.Equal(t, open, p.Open(), "connections when Dial has returned")
	o.dials = [2]int{p.Dials(at465) - dials[0], p.Dials(at587) - dials[1]}
	if a := p.report.Attempts; len(a) > 1 && a[1].Outcome != negotiate.NotTried {
		o.rival = a[1].Began
	}
	require.Equal(t, o.after, p.report.Took)
	require.NotEqual(t, session == nil, err == nil, "a session or an error, never both")
	if err != nil {
		o.error = said(err)
	} else {
		o.used = fmt.Sprint(session.Endpoint().Port)
		require.NoError(t, session.Close())
		quits++ // that was the winner
	}
	time.Sleep(patience)
	require.Zero(t, p.server.Open())
	o.quits = strings.Count(p.server.Conversation(), "C: QUIT") - quits
	return o
}

// said is what an error means, and whether the context is part of it.
func said(err error) string {
	all := meanings(err)
	if errors.Is(err, context.DeadlineExceeded) {
		all = append(all, "context ended")
	}
	return strings.Join(all, ", ")
}

// newAilingPlace is newPlace with something the matter. The key exchange is a
// cheap one, since the table takes hundreds of them.
func newAilingPlace(t *testing.T, rtt time.Duration, what ailment, where string) *place {
	p := &place{Network: fakenet.New(rtt), server: submittest.NewUnstartedServer(t)}
	t.Cleanup(func() { p.Check(t) }) // promise 6
	implicit := &lateListener{Listener: p.Listen(at465), pass: 1}
	upgraded := &lateListener{Listener: p.Listen(at587)}
	p.server.Implicit, p.server.STARTTLS = implicit, upgraded
	p.server.Users = map[string]string{user: password}
	if where != "587" {
		p.ail(implicit, at465, submit.Submissions, what)
	}
	if where != "465" {
		p.ail(upgraded, at587, submit.Submission, what)
	}
	require.NoError(t, p.server.Start())
	p.config = p.server.Config()
	p.config.TLS.CurvePreferences = []tls.CurveID{tls.CurveP256}
	p.config.DialContext = p.Network.DialContext
	p.config.LocalName = "client.example.com"
	p.config.Credentials = auth.Password(user, password)
	return p
}

// ail lets something be the matter with a port: in the network, or with who
// listens, or with the server.
func (p *place) ail(l *lateListener, addr, service string, what ailment) {
	fault := func(phase submit.Phase, do submittest.Action) {
		p.server.Faults = append(p.server.Faults, submittest.Fault{Service: service, Phase: phase, Do: do})
	}
	switch what {
	case noAilment:
	case refuses:
		p.Refuse(addr)
	case blackHole:
		p.BlackHole(addr)
	case tarpit:
		if service == submit.Submissions {
			fault(submit.PhaseHandshake, submittest.Stall)
		} else {
			fault(submit.PhaseGreeting, submittest.Stall)
		}
	case slowGreeting:
		l.late = slowness
	case wrongMode:
		fault(submit.PhaseConnect, submittest.OtherMode)
	case badCertificate:
		fault(submit.PhaseHandshake, submittest.WrongName)
	case hangsUp:
		fault(submit.PhaseConnect, submittest.Hangup)
	}
}

// A lateListener's connections hold the greeting back.
type lateListener struct {
	net.Listener
	late time.Duration
	pass int // how many writes come first: with TLS from the start, its handshake is one
}

func (l *lateListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil || l.late == 0 {
		return conn, err
	}
	return &lateConn{conn.(*fakenet.Conn), l.late, l.pass}, nil
}

type lateConn struct {
	*fakenet.Conn
	late time.Duration
	pass int
}

func (c *lateConn) Write(p []byte) (int, error) {
	if c.pass--; c.pass == -1 {
		time.Sleep(c.late)
	}
	return c.Conn.Write(p)
}

// heardLast orders what arrives at the same instant, which may else be heard of in
// any order: what comes from addr is heard of last.
func heardLast(addr string, dial dialFunc) dialFunc {
	return func(ctx context.Context, network, to string) (net.Conn, error) {
		conn, err := dial(ctx, network, to)
		if err != nil || to != addr {
			return conn, err
		}
		return &lastConn{conn}, nil
	}
}

type dialFunc = func(ctx context.Context, network, addr string) (net.Conn, error)

type lastConn struct{ net.Conn }

func (c *lastConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	synctest.Wait()
	return n, err
}

// A course is how one port does by itself, counted from when it was begun. Zero
// means never.
type course struct {
	connected, secured, over time.Duration
	ready                    bool // in the end; otherwise it fails
	forbids                  bool // the other port, when it fails
	error                    string
}

// courseOf counts round trips.
func courseOf(what ailment, port string, rtt time.Duration) course {
	const limit = 30 * time.Second // of connecting, and of the TLS handshake
	implicit := port == "465"
	secured, ready := 5*rtt, 6*rtt
	if implicit {
		secured, ready = 2*rtt, 4*rtt
	}
	silent := course{connected: rtt, error: "context ended"}
	switch what {
	case refuses:
		return course{over: rtt, error: "unreachable, temporary"}
	case blackHole:
		return course{over: limit, error: "unreachable, temporary"}
	case tarpit:
		if implicit {
			return course{connected: rtt, over: rtt + limit, error: "unreachable, temporary"}
		}
		return silent
	case slowGreeting:
		if !implicit {
			secured += slowness
		}
		return course{connected: rtt, secured: secured, over: ready + slowness, ready: true}
	case wrongMode:
		if implicit {
			return course{connected: rtt, over: 2 * rtt, error: "insecure, protocol"}
		}
		return silent
	case badCertificate:
		return course{connected: rtt, over: secured, forbids: true, error: "insecure"}
	case hangsUp:
		return course{connected: rtt, over: 2 * rtt, error: "unreachable, temporary"}
	}
	return course{connected: rtt, secured: secured, over: ready, ready: true}
}

// modelled is what should come of the first and of the second Dial.
func modelled(policy negotiate.Policy, rtt time.Duration, what ailment, where string) (first, again outcome) {
	at := func(port string) *course {
		c := courseOf(noAilment, port, rtt)
		if where == port || where == "both" {
			c = courseOf(what, port, rtt)
		}
		return &c
	}
	preferred, other := "465", "587"
	if policy.Prefer == negotiate.STARTTLS {
		preferred, other = other, preferred
	}
	if policy.FailClosed {
		only := match(preferred, at(preferred), "", nil, 300*ms)
		return only, only
	}
	first = match(preferred, at(preferred), other, at(other), 300*ms)
	switch first.used {
	case preferred:
		return first, match(preferred, at(preferred), other, at(other), max(300*ms, 3*rtt))
	case other:
		return first, match(other, at(other), preferred, at(preferred), max(300*ms, 3*rtt))
	}
	return first, first // nothing to remember
}

// match is what comes of a, and of b when a has failed or has had its head start.
// Without b there is nobody to wait for a.
func match(portA string, a *course, portB string, b *course, headStart time.Duration) (o outcome) {
	o = outcome{used: "none", rival: noRival}
	dial := func(port string) { o.dials[map[string]int{"465": 0, "587": 1}[port]]++ }
	end := func(c *course, began time.Duration) time.Duration { // silence has none but the context's
		if c.over == 0 {
			return patience
		}
		return began + c.over
	}
	dial(portA)
	follows := headStart
	if 0 < a.connected && a.connected < headStart { // who connects at its end connects too late
		follows = a.connected + max(300*ms, 6*a.connected)
	}
	endA := end(a, 0)
	if b == nil || endA <= follows && (a.ready || a.forbids) {
		o.after, o.error = endA, a.error
		if a.ready {
			o.used = portA
		}
		return o
	}
	o.rival = min(follows, endA)
	dial(portB)
	endB := end(b, o.rival)
	switch {
	case a.ready && (endA <= endB || !b.ready && !b.forbids):
		o.used, o.after = portA, endA
	case a.forbids && endA < endB:
		o.after, o.error = endA, a.error
	case b.ready:
		o.used, o.after = portB, endB
		if 0 < a.secured && a.secured < endB && endB < endA {
			o.after += time.Nanosecond // in case that a is ready as well
		}
	case b.forbids:
		o.after, o.error = endB, b.error
	default:
		o.after, o.error = max(endA, endB), failures(a, b)
	}
	return o
}

// failures is what the error means if nothing but these two things happened.
func failures(a, b *course) string {
	switch {
	case a.error == b.error:
		return a.error
	case a.over == 0: // the context's end comes last
		return b.error + ", " + a.error
	}
	return a.error + ", " + b.error
}

// A healthy server up to a round-trip time of 250 ms sees one connection, whichever
// port is preferred.
func TestHealthyServerSeesOneConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newAilingPlace(t, 0, noAilment, "both")
		for _, rtt := range []int{1, 2, 5, 10, 20, 35, 49, 50, 51, 59, 60, 61, 75, 100, 125, 150, 175, 199, 200, 225, 249, 250} {
			rtt := time.Duration(rtt) * ms
			p.SetRTT(fakenet.Anywhere, rtt)
			require.Equal(t, outcome{used: "465", after: 4 * rtt, rival: noRival, dials: [2]int{1, 0}},
				p.outcome(t, p.negotiator(negotiate.Policy{})), rtt)
			require.Equal(t, outcome{used: "587", after: 6 * rtt, rival: noRival, dials: [2]int{0, 1}},
				p.outcome(t, p.negotiator(negotiate.Policy{Prefer: negotiate.STARTTLS})), rtt)
		}
	})
}

// A healthy server farther away sees two, and one when it is remembered.
func TestFarServerSeesOneConnectionOnceRemembered(t *testing.T) {
	for _, test := range []struct {
		prefer       negotiate.Mode
		at465        time.Duration // away; 587 is 800 ms
		first, again outcome
	}{
		{negotiate.ImplicitTLS, 800 * ms,
			outcome{used: "465", after: 3200 * ms, rival: 300 * ms, dials: [2]int{1, 1}},
			outcome{used: "465", after: 3200 * ms, rival: noRival, dials: [2]int{1, 0}}},
		{negotiate.STARTTLS, 1200 * ms,
			outcome{used: "587", after: 4800 * ms, rival: 300 * ms, dials: [2]int{1, 1}},
			outcome{used: "587", after: 4800 * ms, rival: noRival, dials: [2]int{0, 1}}},
		{negotiate.STARTTLS, 800 * ms, // the other is nearer its goal, and then comes first
			outcome{used: "465", after: 3500 * ms, rival: 300 * ms, dials: [2]int{1, 1}},
			outcome{used: "465", after: 3200 * ms, rival: noRival, dials: [2]int{1, 0}}},
	} {
		synctest.Test(t, func(t *testing.T) {
			p := newAilingPlace(t, 800*ms, noAilment, "both")
			p.SetRTT(at465, test.at465)
			n := p.negotiator(negotiate.Policy{Prefer: test.prefer})
			require.Equal(t, test.first, p.outcome(t, n))
			require.Equal(t, test.again, p.outcome(t, n))
		})
	}
}

// What is remembered has a head start of three times its connect time, 10 s at
// most, or that of the policy, if that is longer.
func TestRememberedHeadStart(t *testing.T) {
	for _, test := range []struct{ rtt, policy, want time.Duration }{
		{1 * ms, 0, 300 * ms},
		{99 * ms, 0, 300 * ms},
		{100 * ms, 0, 300 * ms},
		{101 * ms, 0, 303 * ms},
		{250 * ms, 0, 750 * ms},
		{800 * ms, 0, 2400 * ms},
		{3333 * ms, 0, 9999 * ms},
		{3334 * ms, 0, 10 * time.Second},
		{5 * time.Second, 0, 10 * time.Second},
		{100 * ms, 1 * time.Second, 1 * time.Second},
		{400 * ms, 1 * time.Second, 1200 * ms},
		{100 * ms, 10 * ms, 300 * ms},
	} {
		for _, prefer := range []negotiate.Mode{negotiate.ImplicitTLS, negotiate.STARTTLS} {
			synctest.Test(t, func(t *testing.T) {
				p := newAilingPlace(t, test.rtt, noAilment, "both")
				winner, steps := at465, 4*time.Duration(1)
				if prefer == negotiate.STARTTLS {
					winner, steps = at587, 6
				}
				p.BlackHole(map[string]string{at465: at587, at587: at465}[winner]) // it wins, however far away
				n := p.negotiator(negotiate.Policy{Prefer: prefer, HeadStart: test.policy})
				require.Equal(t, steps*test.rtt, p.outcome(t, n).after)
				p.Restore(fakenet.Anywhere)
				p.BlackHole(winner)
				require.Equal(t, test.want, p.outcome(t, n).rival, "%v away, %v", test.rtt, prefer)
			})
		}
	}
}

// With a negative head start nothing but a failure begins the other port, neither
// the first time nor with something remembered.
func TestNegativeHeadStart(t *testing.T) {
	policy := negotiate.Policy{HeadStart: -1}
	for _, test := range []struct {
		what         ailment
		first, again outcome
	}{
		{noAilment,
			outcome{used: "465", after: 3200 * ms, rival: noRival, dials: [2]int{1, 0}},
			outcome{used: "465", after: 3200 * ms, rival: noRival, dials: [2]int{1, 0}}},
		{slowGreeting,
			outcome{used: "465", after: 5200 * ms, rival: noRival, dials: [2]int{1, 0}},
			outcome{used: "465", after: 5200 * ms, rival: noRival, dials: [2]int{1, 0}}},
		{refuses,
			outcome{used: "587", after: 5600 * ms, rival: 800 * ms, dials: [2]int{1, 1}},
			outcome{used: "587", after: 4800 * ms, rival: noRival, dials: [2]int{0, 1}}},
		{tarpit,
			outcome{used: "587", after: 35600 * ms, rival: 30800 * ms, dials: [2]int{1, 1}},
			outcome{used: "587", after: 4800 * ms, rival: noRival, dials: [2]int{0, 1}}},
	} {
		synctest.Test(t, func(t *testing.T) {
			p := newAilingPlace(t, 800*ms, test.what, "465")
			n := p.negotiator(policy)
			require.Equal(t, test.first, p.outcome(t, n), test.what)
			require.Equal(t, test.again, p.outcome(t, n), test.what)
		})
	}
	synctest.Test(t, func(t *testing.T) {
		p := newAilingPlace(t, 800*ms, noAilment, "both")
		n := p.negotiator(policy)
		p.outcome(t, n)
		p.BlackHole(at465)
		require.Equal(t, 30*time.Second, p.outcome(t, n).rival)
	})
}

// The second head start goes by the TCP handshake, where it is known: not by the
// time that passed until it began, to resolve the name, say. Who has a DialContext
// of his own is taken at what that takes. What is remembered is all the time until
// there was a connection: a dead address takes as long the next time.
func TestConnectTimes(t *testing.T) {
	const rtt, resolving = 120 * ms, 100 * ms
	for _, test := range []struct {
		name         string
		slow         func(*place, *negotiate.Negotiator)
		first, again time.Duration // when the other port is begun
	}{
		{"known", func(p *place, n *negotiate.Negotiator) {
			n.Transports = []submit.Transport{
				&slowlyResolved{&submit.ImplicitTLS{Host: host, Config: p.config}, resolving},
				&submit.STARTTLS{Host: host, Config: p.config},
			}
		}, resolving + rtt + 6*rtt, 3 * (resolving + rtt)},
		{"not known", func(_ *place, n *negotiate.Negotiator) {
			dial := n.DialContext
			n.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
				time.Sleep(resolving)
				return dial(ctx, network, addr)
			}
		}, resolving + rtt + 6*(resolving+rtt), 3 * (resolving + rtt)},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newAilingPlace(t, rtt, tarpit, "465")
				n := p.negotiator(negotiate.Policy{})
				test.slow(p, n)
				require.Equal(t, test.first, p.outcome(t, n).rival)
			})
			synctest.Test(t, func(t *testing.T) {
				p := newAilingPlace(t, rtt, noAilment, "both")
				n := p.negotiator(negotiate.Policy{})
				test.slow(p, n)
				require.Equal(t, noRival, p.outcome(t, n).rival)
				p.BlackHole(at465)
				require.Equal(t, test.again, p.outcome(t, n).rival)
			})
		})
	}
}

// slowlyResolved is a transport whose connection begins late.
type slowlyResolved struct {
	*submit.ImplicitTLS
	resolving time.Duration
}

func (s *slowlyResolved) Dial(ctx context.Context) (*submit.Session, error) {
	time.Sleep(s.resolving)
	return s.ImplicitTLS.Dial(ctx)
}

// Ready at the same instant, the preferred one wins, whichever is heard of first.
// The other says QUIT if it was ready, and is cut if it was about to be.
func TestTieInEitherOrder(t *testing.T) {
	for _, test := range []struct {
		prefer   negotiate.Mode
		far465   time.Duration
		far587   time.Duration
		used     string
		after    time.Duration
		last     string // to be heard of
		goodbyes int
	}{
		// 465 connects too late for a longer head start, and is ready after 4 RTT.
		{negotiate.ImplicitTLS, 450 * ms, 250 * ms, "465", 1800 * ms, at587, 0},
		{negotiate.ImplicitTLS, 450 * ms, 250 * ms, "465", 1800 * ms, at465, 1},
		// 587 does so, and is ready after 6.
		{negotiate.STARTTLS, 450 * ms, 350 * ms, "587", 2100 * ms, at465, 0},
		{negotiate.STARTTLS, 450 * ms, 350 * ms, "587", 2100 * ms, at587, 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			p := newAilingPlace(t, 0, noAilment, "both")
			p.config.DialContext = heardLast(test.last, p.config.DialContext)
			p.SetRTT(at465, test.far465)
			p.SetRTT(at587, test.far587)
			want := outcome{used: test.used, after: test.after, rival: 300 * ms, dials: [2]int{1, 1}, quits: test.goodbyes}
			require.Equal(t, want, p.outcome(t, p.negotiator(negotiate.Policy{Prefer: test.prefer})), "%s is heard of last", test.last)
			require.Equal(t, negotiate.Lost, p.report.Attempts[1].Outcome)
			require.Zero(t, p.server.Attempts(""))
		})
	}
}

// Who connects at the very end of the head start connects too late, whichever of
// the two is heard of first.
func TestConnectedAsTheHeadStartEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newAilingPlace(t, 300*ms, noAilment, "both")
		for range 50 {
			require.Equal(t, outcome{used: "465", after: 1200 * ms, rival: 300 * ms, dials: [2]int{1, 1}},
				p.outcome(t, p.negotiator(negotiate.Policy{})))
		}
	})
}
