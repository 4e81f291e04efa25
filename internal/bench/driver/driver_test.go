package driver

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/mailport/mailport/internal/bench/letter"
	"github.com/mailport/mailport/internal/bench/sink"
	"github.com/mailport/mailport/internal/testcert"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// place opens a server, and returns how to reach it.
func place(t *testing.T, setting sink.Setting) (*sink.Place, Target) {
	authority := testcert.New()
	p, err := sink.Open(t.Context(), authority.Leaf(Host), setting)
	require.NoError(t, err)
	t.Cleanup(func() { p.Close() })
	return p, Target{
		Implicit: p.Implicit(), STARTTLS: p.STARTTLS(), CA: string(authority.PEM()),
		User: sink.User, Password: sink.Password, Size: 2048,
	}
}

// Every client sends what it is told to: over both ports, with what the server
// offers and without, over one connection and over several, small and large. The
// server has nothing to object to.
func TestAllSendWhatTheyShould(t *testing.T) {
	const n = 7
	l := letter.NewLarge(200_000)
	for _, k := range kinds {
		for _, c := range []struct {
			chunking, upgrade bool
			connections       int
		}{{false, false, 1}, {false, true, 1}, {true, false, 1}, {true, true, 3}} {
			p, target := place(t, sink.Setting{Pipelining: true, Chunking: c.chunking})
			target.Upgrade, target.Connections = c.upgrade, c.connections
			d, err := New(k.name, target)
			require.NoError(t, err)
			require.NoError(t, d.Open(t.Context()), k.name)
			require.NoError(t, d.Send(t.Context(), 0, 0), k.name)
			require.NoError(t, d.Send(t.Context(), 0, n), k.name)
			require.NoError(t, d.SendLarge(t.Context(), l, n), k.name)
			require.NoError(t, d.Close(), k.name)
			tally := p.Tally()
			require.Empty(t, tally.Wrong, k.name)
			require.Equal(t, n+1, tally.Messages, k.name)
			require.Equal(t, n, tally.Highest, k.name)
		}
	}
}

// Where PIPELINING is not offered nobody uses it, but for the floor, which does
// not look.
func TestWithoutPipelining(t *testing.T) {
	for _, k := range kinds {
		if k.name == "floor" {
			continue
		}
		p, target := place(t, sink.Setting{})
		d, err := New(k.name, target)
		require.NoError(t, err)
		require.NoError(t, d.Open(t.Context()), k.name)
		require.NoError(t, d.Send(t.Context(), 0, 2), k.name)
		require.NoError(t, d.Close(), k.name)
		tally := p.Tally()
		require.Empty(t, tally.Wrong, k.name)
		require.Equal(t, 2, tally.Messages, k.name)
	}
}

// The floor takes the round trips that it must, and no more: seven until the first
// message is taken with implicit TLS, nine with STARTTLS, one less with CHUNKING;
// then one for each message.
func TestTheFloorsRoundTrips(t *testing.T) {
	const n = 4
	for _, chunking := range []bool{false, true} {
		for _, upgrade := range []bool{false, true} {
			first := 7
			if upgrade {
				first += 2
			}
			more := n + 1
			if chunking {
				first, more = first-1, 1
			}
			require.Equal(t, first+1, roundTrips(t, chunking, upgrade, 1), "with QUIT")
			require.Equal(t, first+more+1, roundTrips(t, chunking, upgrade, 1, n), "with QUIT")
		}
	}
}

// roundTrips counts those of the floor that sends some messages, and then some
// more.
func roundTrips(t *testing.T, chunking, upgrade bool, numbers ...int) int {
	t.Helper()
	p, target := place(t, sink.Setting{Pipelining: true, Chunking: chunking, RTT: 10 * time.Millisecond})
	target.Upgrade = upgrade
	d, err := New("floor", target)
	require.NoError(t, err)
	require.NoError(t, d.Open(t.Context()))
	first := 0
	for _, n := range numbers {
		require.NoError(t, d.Send(t.Context(), first, n))
		first += n
	}
	require.NoError(t, d.Close())
	require.NoError(t, p.Close())
	return p.Tally().Turns + 1
}

func TestNobodyHasThatName(t *testing.T) {
	_, target := place(t, sink.Setting{})
	_, err := New("pigeon", target)
	require.ErrorContains(t, err, "pigeon")
	target.CA = "none"
	_, err = New("floor", target)
	require.Error(t, err)
}

// Each of several has a part of the messages, and none is left out.
func TestPart(t *testing.T) {
	for _, n := range []int{0, 1, 7, 8, 9, 100} {
		next := 0
		for i := range 8 {
			from, to := part(i, 8, n)
			require.Equal(t, next, from)
			next = to
		}
		require.Equal(t, n, next)
	}
}
