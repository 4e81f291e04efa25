package negotiate_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
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

// What is wrong in a Memory, or was put there by somebody hostile, chooses between
// the two orders in which the policy's transports can be tried, and can make the
// first of them have its way for ten seconds. It can do nothing else:
//
//   - What is no transport of the policy, or stands for longer than the policy
//     says, or no longer, changes nothing at all. Nor does anything under
//     Policy.FailClosed.
//   - What names one of the transports does what a policy that prefers it does:
//     the same receipt or the same error, the same port, as much stored and shown.
//     So it can have a message fail where one port shows a bad certificate, or
//     refuses the password, and the other would have taken it; and it cannot have
//     a message taken where neither order would.
//   - Whatever it says, promises 1 and 2 hold, nobody else is dialled, and nothing
//     follows a bad certificate.

// longestDelay is how much longer a negotiation can take than without a memory,
// in the order that it has.
const longestDelay = 10*time.Second - negotiate.DefaultHeadStart

// attacker is a host with a good certificate for its own name.
const attacker = "mail.example.net"

// A liar is a memory that is not influenced by what it is told.
type liar func(call int) (negotiate.Choice, bool)

type hostile struct {
	liar
	mu    sync.Mutex
	calls int
}

func (h *hostile) Load(context.Context, string) (negotiate.Choice, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.calls++
	return h.liar(h.calls)
}

func (h *hostile) Store(context.Context, string, negotiate.Choice) {}
func (h *hostile) Forget(context.Context, string)                  {}

// lie is always the same answer, that stands for so long.
func lie(service, host string, port int, connect, standing time.Duration) liar {
	return func(int) (negotiate.Choice, bool) {
		e := submit.Endpoint{Service: service, Host: host, Port: port}
		return negotiate.Choice{Endpoint: e, Connect: connect, Until: time.Now().Add(standing)}, true
	}
}

func nothing(int) (negotiate.Choice, bool) { return negotiate.Choice{}, false }

// A poison is an entry, and the port that it can bring forward; 0 is none.
type poison struct {
	name string
	liar
	brings int
}

// harmless are entries that change nothing.
func harmless() []poison {
	until := func(until time.Time) liar {
		return func(int) (negotiate.Choice, bool) {
			return negotiate.Choice{Endpoint: submit.Endpoint{Service: submit.Submission, Host: host, Port: 587}, Until: until}, true
		}
	}
	return []poison{
		{"zero", func(int) (negotiate.Choice, bool) { return negotiate.Choice{}, true }, 0},
		{"another host", lie(submit.Submissions, attacker, 465, 0, time.Minute), 0},
		{"another host, 587", lie(submit.Submission, attacker, 587, 0, time.Minute), 0},
		{"its address", lie(submit.Submission, "198.51.100.1", 587, 0, time.Minute), 0},
		{"another port", lie(submit.Submissions, host, 2465, 0, time.Minute), 0},
		{"the relays' port", lie(submit.Submission, host, 25, 0, time.Minute), 0},
		{"STARTTLS on 465", lie(submit.Submission, host, 465, 0, time.Minute), 0},
		{"implicit TLS on 587", lie(submit.Submissions, host, 587, 0, time.Minute), 0},
		{"no such service", lie("smtp", host, 587, 0, time.Minute), 0},
		{"no service", lie("", host, 587, 0, time.Minute), 0},
		{"port 0", lie(submit.Submission, host, 0, 0, time.Minute), 0},
		{"a negative port", lie(submit.Submission, host, -587, 0, time.Minute), 0},
		{"in capitals", lie(submit.Submission, strings.ToUpper(host), 587, 0, time.Minute), 0},
		{"with a dot", lie(submit.Submission, host+".", 587, 0, time.Minute), 0},
		{"a zero octet", lie(submit.Submission, host+"\x00."+attacker, 587, 0, time.Minute), 0},
		{"lines", lie("submission\r\nRSET", host+"\r\nRSET", 587, 0, time.Minute), 0},
		{"a long name", lie(submit.Submission, strings.Repeat(host, 10_000), 587, 0, time.Minute), 0},
		{"for ever", lie(submit.Submission, host, 587, 0, math.MaxInt64), 0},
		{"a nanosecond too long", lie(submit.Submission, host, 587, 0, negotiate.DefaultRemember+1), 0},
		{"until now", lie(submit.Submission, host, 587, 0, 0), 0},
		{"until long ago", until(time.Unix(0, 0)), 0},
		{"until the end of time", until(time.Unix(math.MaxInt64, 0)), 0},
		{"until no time", until(time.Time{}), 0},
	}
}

// leading are entries that bring a port forward.
func leading() (all []poison) {
	for _, connect := range []time.Duration{0, -1, math.MinInt64, math.MinInt64 / 3, 24 * time.Hour, math.MaxInt64, math.MaxInt64 / 2, math.MaxInt64/3 + 1} {
		all = append(all,
			poison{fmt.Sprintf("465, %v", connect), lie(submit.Submissions, host, 465, connect, time.Minute), 465},
			poison{fmt.Sprintf("587, %v", connect), lie(submit.Submission, host, 587, connect, time.Minute), 587})
	}
	return all
}

// A mishap is what is wrong with the server. Both ports are equally far away, so
// that which one is taken does not depend on a head start.
type mishap struct {
	name  string
	setUp func(*place)
}

// dead are mishaps in which nobody is reached.
var dead = []mishap{
	{"both refused", func(p *place) { p.Refuse(at465); p.Refuse(at587) }},
	{"465 refused, 587 a black hole", func(p *place) { p.Refuse(at465); p.BlackHole(at587) }},
	{"587 refused, 465 a black hole", func(p *place) { p.Refuse(at587); p.BlackHole(at465) }},
	{"both black holes", func(p *place) { p.BlackHole(at465); p.BlackHole(at587) }},
	{"no such name", func(p *place) { p.Unresolvable(host) }},
}

// alive are mishaps in which somebody is.
var alive = []mishap{
	{"none", func(*place) {}},
	{"465 refused", func(p *place) { p.Refuse(at465) }},
	{"587 refused", func(p *place) { p.Refuse(at587) }},
	{"465 a black hole", func(p *place) { p.BlackHole(at465) }},
	{"587 a black hole", func(p *place) { p.BlackHole(at587) }},
	{"465 with a bad certificate", fault(submit.Submissions, submit.PhaseHandshake, submittest.WrongName)},
	{"587 with a bad certificate", fault(submit.Submission, submit.PhaseHandshake, submittest.WrongName)},
	{"587 with a bad certificate, 465 refused", func(p *place) {
		p.Refuse(at465)
		fault(submit.Submission, submit.PhaseHandshake, submittest.Untrusted)(p)
	}},
	{"stripped", fault(submit.Submission, submit.PhaseHello, submittest.Strip)},
	{"stripped, 465 refused", func(p *place) {
		p.Refuse(at465)
		fault(submit.Submission, submit.PhaseHello, submittest.Strip)(p)
	}},
	{"injected", fault(submit.Submission, submit.PhaseStartTLS, submittest.Inject)},
	{"465 in cleartext", fault(submit.Submissions, submit.PhaseConnect, submittest.OtherMode)},
	{"587 a tar pit", fault(submit.Submission, submit.PhaseGreeting, submittest.Stall)},
	{"465 refuses the password", fault(submit.Submissions, submit.PhaseAuth, submittest.Refuse)},
	{"587 refuses the password", fault(submit.Submission, submit.PhaseAuth, submittest.Refuse)},
	{"the verdict is lost", fault("", submit.PhaseVerdict, submittest.Hangup)},
}

// An effect is what can be seen of one message.
type effect struct {
	result        string // a receipt and its port, or what the error means
	stored, shown int    // what the server has, and how often it saw a password
	attempts      string // which port came first, and what became of each
	took          time.Duration
}

// suffer sends one message, in a bubble of its own, and checks what holds for
// any memory.
func suffer(t *testing.T, l liar, policy negotiate.Policy, m mishap) (seen effect) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t, 100*ms)
		m.setUp(p)
		seen = p.submit(t, l, policy)
		synctest.Wait()
		seen.stored, seen.shown = len(p.server.Messages()), p.server.Attempts("")
		require.LessOrEqual(t, seen.shown, 1, "credentials shown more than once")
	})
	return seen
}

// sufferAlone is suffer where there is no server.
func sufferAlone(t *testing.T, l liar, policy negotiate.Policy, m mishap) (seen effect) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := &place{Network: fakenet.New(100 * ms)}
		p.config = submit.Config{DialContext: p.DialContext, LocalName: "client.example.com", Credentials: auth.Password(user, password)}
		m.setUp(p)
		seen = p.submit(t, l, policy)
	})
	return seen
}

func (p *place) submit(t *testing.T, l liar, policy negotiate.Policy) effect {
	t.Helper()
	var clear cleartext
	p.config.DialContext = clear.tap(p.config.DialContext)
	n := p.negotiator(policy)
	n.Memory = &hostile{liar: l}
	began := time.Now()
	receipt, err := n.Submit(t.Context(), submit.Message{
		From: user, To: []string{"you@example.net"}, Body: strings.NewReader(body)})
	took := time.Since(began)

	clear.check(t)
	require.Equal(t, p.Dials(fakenet.Anywhere), p.Dials(at465)+p.Dials(at587), "somebody else was dialled")
	requireNothingAfterABadCertificate(t, p.report)
	if receipt != nil {
		require.NoError(t, receipt.TLS.VerifiedChains[0][0].VerifyHostname(host))
	}
	return effect{result: result(receipt, err), attempts: attempts(p.report), took: took}
}

func requireNothingAfterABadCertificate(t *testing.T, r *negotiate.Report) {
	t.Helper()
	for _, bad := range r.Attempts {
		if !errors.Is(bad.Err, submit.ErrCertificate) {
			continue
		}
		_, chosen := r.Chosen()
		require.False(t, chosen, "%v", r)
		for _, a := range r.Attempts {
			require.True(t, a.Outcome == negotiate.NotTried || a.Began <= bad.Began+bad.Took, "%v", r)
		}
	}
}

// A court compares what poison does with what happens without.
type court struct {
	suffer  func(*testing.T, liar, negotiate.Policy, mishap) effect
	without map[string]effect
}

func newCourt(suffer func(*testing.T, liar, negotiate.Policy, mishap) effect) *court {
	return &court{suffer, make(map[string]effect)}
}

// innocent is what happens without a memory.
func (c *court) innocent(t *testing.T, policy negotiate.Policy, m mishap) effect {
	t.Helper()
	key := fmt.Sprint(m.name, policy)
	if _, ok := c.without[key]; !ok {
		c.without[key] = c.suffer(t, nothing, policy, m)
	}
	return c.without[key]
}

// judge requires that poison did nothing but what it may.
func (c *court) judge(t *testing.T, poison poison, policy negotiate.Policy, m mishap) {
	t.Helper()
	got := c.suffer(t, poison.liar, policy, m)
	name := fmt.Sprintf("memory: %s; policy: %+v; server: %s", poison.name, policy, m.name)
	if poison.brings == 0 || policy.FailClosed {
		require.Equal(t, c.innocent(t, policy, m), got, name)
		return
	}
	policy.Prefer = negotiate.ImplicitTLS
	if poison.brings == 587 {
		policy.Prefer = negotiate.STARTTLS
	}
	want := c.innocent(t, policy, m)
	require.GreaterOrEqual(t, got.took, want.took, name)
	require.LessOrEqual(t, got.took, want.took+longestDelay, name)
	got.took = want.took
	require.Equal(t, want, got, name)
}

// judgeFickle is judge for a memory that says now this and now that.
func (c *court) judgeFickle(t *testing.T, l liar, m mishap) {
	t.Helper()
	got := c.suffer(t, l, negotiate.Policy{}, m)
	var either []effect
	var longest time.Duration
	for _, prefer := range []negotiate.Mode{negotiate.ImplicitTLS, negotiate.STARTTLS} {
		want := c.innocent(t, negotiate.Policy{Prefer: prefer}, m)
		longest = max(longest, want.took+longestDelay)
		want.took = got.took
		either = append(either, want)
	}
	require.Contains(t, either, got, m.name)
	require.LessOrEqual(t, got.took, longest, m.name)
}

// Every entry, under every policy, where nobody is reached: who is dialled, and
// when, is all that there is to change.
func TestPoisonedMemoryWithoutServer(t *testing.T) {
	c := newCourt(sufferAlone)
	for _, m := range dead {
		for _, policy := range policies {
			for _, poison := range append(harmless(), leading()...) {
				c.judge(t, poison, policy.Policy, m)
			}
		}
	}
}

// Any entry, under any policy, with a server that does any thing wrong.
func TestPoisonedMemory(t *testing.T) {
	c := newCourt(suffer)
	random := rand.New(rand.NewPCG(20, 26))
	useless, useful := harmless(), leading()
	draw := func() poison {
		if n := random.IntN(len(useless) + len(useful)); n < len(useful) {
			return useful[n]
		}
		return useless[random.IntN(len(useless))]
	}
	for _, m := range alive {
		c.judge(t, draw(), policies[random.IntN(len(policies))].Policy, m)
		c.judge(t, useful[2*random.IntN(len(useful)/2)+1], policies[0].Policy, m) // 587
		c.judge(t, useful[2*random.IntN(len(useful)/2)], policies[1].Policy, m)   // 465
		c.judgeFickle(t, func(call int) (negotiate.Choice, bool) { return draw().liar(call) }, m)
	}
}

// A host of somebody else is not talked to, though its certificate is good.
func TestPoisonedMemoryCannotRedirect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t, 100*ms)
		other := submittest.NewUnstartedServer(t)
		other.Host = attacker
		other.Implicit, other.STARTTLS = p.Listen(attacker+":465"), p.Listen(attacker+":587")
		require.NoError(t, other.Start())
		p.config.TLS.RootCAs.AppendCertsFromPEM(other.CAPEM())
		for _, poison := range harmless() {
			n := p.negotiator(negotiate.Policy{})
			n.Memory = &hostile{liar: poison.liar}
			p.Refuse(at465)
			p.Refuse(at587) // although there is nowhere else to go
			require.ErrorIs(t, send(t.Context(), n), submit.ErrUnreachable)
		}
		require.Zero(t, other.Connections(""))
		require.Zero(t, p.Dials(attacker+":465")+p.Dials(attacker+":587"))
	})
}

// No connect time that a memory claims delays the other port by more than ten
// seconds; and with a negative head start, where the other port waits for a
// failure anyway, it sets no timer.
func TestLongestHeadStartFromAMemory(t *testing.T) {
	for _, test := range []struct {
		connect, headStart, began time.Duration
	}{
		{0, 0, 300 * ms},
		{-time.Hour, 0, 300 * ms},
		{time.Second, 0, 3 * time.Second},
		{24 * time.Hour, 0, 10 * time.Second},
		{math.MaxInt64/3 + 1, 0, 300 * ms}, // three times that is negative
		{math.MaxInt64, 0, 10 * time.Second},
		{24 * time.Hour, time.Minute, time.Minute}, // the caller's own
		{time.Second, -1, 30 * time.Second},        // until connecting has failed
		{24 * time.Hour, -1, 30 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			p := newPlace(t, 100*ms)
			p.BlackHole(at587)
			n := p.negotiator(negotiate.Policy{HeadStart: test.headStart})
			n.Config.Timeouts.Connect = 30 * time.Second
			if test.headStart > 0 {
				n.Config.Timeouts.Connect = time.Hour
			}
			n.Memory = &hostile{liar: lie(submit.Submission, host, 587, test.connect, time.Minute)}
			connect(t, n)
			require.True(t, p.report.Attempts[0].Remembered)
			require.Equal(t, test.began, p.report.Attempts[1].Began, "%+v", test)
		})
	}
}
