package hostile

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/negotiate"
	"github.com/mailport/mailport/submit"
)

// crimes is the whole table, in the order of its names: what is played of a case
// depends on where it stands.
func crimes() []crime {
	all := slices.Concat(stripping(), injections(), certificates(), handshakesGoneWrong(), replies(),
		logins(), transactions(), endings(), overTLS(), chunking(), promises())
	slices.SortFunc(all, func(a, b crime) int { return strings.Compare(a.name, b.name) })
	return all
}

// atLeast is how many cases there are. It only grows.
const atLeast = 4193

// Every crime, alone and beside others, under each policy that is concerned.
func TestHostile(t *testing.T) {
	cases, trials := 0, 0
	names := map[string]bool{}
	for _, c := range crimes() {
		require.False(t, names[c.name], "two cases are called %q", c.name)
		names[c.name] = true
		for _, service := range c.on.services() {
			cases++
			for _, s := range some(cases, c.kind, stagings(c, service)) {
				trials++
				t.Run(c.name+"/"+s.name, func(t *testing.T) {
					try(t, c, s.policy, s.parts, func(x *trial, got result) { s.judge(x, got) })
				})
			}
		}
	}
	t.Logf("%d hostile cases, played %d times", cases, trials)
	require.GreaterOrEqual(t, cases, atLeast, "cases have been lost")
}

// some are those that are played of the ways to play the n-th case: all, but with the
// race detector, which looks for other things than these tests do.
func some(n int, k kind, all []staging) []staging {
	switch {
	case raced && k == oneOfAKind && n%2 == 0:
		return all[n/2%len(all):][:1]
	case raced && n%9 == 0:
		return all[n/9%len(all):][:1]
	case raced:
		return nil
	}
	return all
}

// A staging is a policy, what stands at the two ports, and what must come of that.
type staging struct {
	name   string
	policy negotiate.Policy
	parts  map[string]part
	by     string // service that gives the receipt, if there must be one
	want   want
	dials  map[string]int
}

// stagings are the ways in which a crime at a port is played. What must come of
// them follows from what must come of the crime alone.
func stagings(c crime, service string) []staging {
	c.want = c.want.at(service)
	rival, mode, number := submit.Submission, negotiate.ImplicitTLS, "465"
	if service == submit.Submission {
		rival, mode, number = submit.Submissions, negotiate.STARTTLS, "587"
	}
	alone := staging{number + " only", negotiate.Policy{Prefer: mode, FailClosed: true},
		map[string]part{service: hostile, rival: honest}, service, c.want, map[string]int{service: max(1, c.connections)}}
	if c.client != nil || c.kind == oneOfMany {
		alone.dials = nil
		return []staging{alone}
	}
	mayFollow := c.want.outcome == failure &&
		(c.want.other == goesOn || c.want.other == implicitOnly && rival == submit.Submissions || c.want.slow())

	rescued := staging{number + " first, other honest", negotiate.Policy{Prefer: mode},
		map[string]part{service: hostile, rival: honest}, service, c.want, map[string]int{service: max(1, c.connections)}}
	joined := staging{number + " first, other hostile", negotiate.Policy{Prefer: mode},
		map[string]part{service: hostile, rival: hostile}, service, c.want, map[string]int{service: max(1, c.connections)}}
	if c.on != onBoth {
		joined.name, joined.parts[rival] = number+" first, other dead", dead
	}
	spared := staging{number + " second, other honest", negotiate.Policy{Prefer: otherMode(mode)},
		map[string]part{service: hostile, rival: honest}, rival, taken(), map[string]int{rival: 1}}
	if mayFollow {
		rescued.by, rescued.want = rival, taken()
		rescued.dials[rival] = 1
		joined.dials[rival] = 1
	}
	if c.credentials != nil {
		return []staging{alone, rescued, joined} // a good server would not know what to do with them
	}
	return []staging{alone, rescued, joined, spared}
}

func otherMode(m negotiate.Mode) negotiate.Mode { return 1 - m }

// judge compares.
func (s staging) judge(x *trial, got result) {
	t, w := x.t, s.want
	switch w.outcome {
	case receipt:
		require.NoError(t, got.err)
		require.Equal(t, s.by, got.receipt.Endpoint.Service)
	default:
		require.Error(t, got.err)
		require.Equal(t, w.outcome == doubt, errors.Is(got.err, submit.ErrUncertain), "%v", got.err)
		for _, sentinel := range w.means {
			require.ErrorIs(t, got.err, sentinel)
		}
		for _, never := range []error{submit.ErrInvalid, submit.ErrClosed} {
			require.NotErrorIs(t, got.err, never)
		}
		var e *submit.Error
		require.ErrorAs(t, got.err, &e)
		require.Equal(t, w.phase, e.Phase, "%v", got.err)
	}
	if w.unsent {
		for _, v := range x.all() {
			require.Empty(t, v.evidence.ends(), "the end of the message was sent")
		}
	}
	require.GreaterOrEqual(t, got.took, w.takes)
	require.Less(t, got.took, w.takes+soon)
	if s.dials != nil {
		for _, service := range []string{submit.Submissions, submit.Submission} {
			require.Equal(t, s.dials[service], x.net.Dials(x.addr(service)), "dials of %s", service)
		}
		require.Equal(t, s.dials[submit.Submissions]+s.dials[submit.Submission], x.net.Dials(""), "somebody else was dialled")
	}
}
