package negotiate

import (
	"math"
	"math/rand/v2"
	"net"
	"testing"

	"github.com/stretchr/testify/require"
)

// RFC 2782: by priority, the lowest first, whatever the weights.
func TestShuffleKeepsPriorities(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2)).IntN
	for range 200 {
		records := []*net.SRV{{Priority: 20, Weight: 65535}, {Priority: 10}, {Priority: 20}, {Priority: 0, Weight: 1}, {Priority: 10, Weight: 9}}
		given := append([]*net.SRV(nil), records...)
		shuffled := shuffle(records, random)
		require.ElementsMatch(t, given, shuffled)
		require.Equal(t, given, records) // the caller's slice is not touched
		var priorities []uint16
		for _, r := range shuffled {
			priorities = append(priorities, r.Priority)
		}
		require.Equal(t, []uint16{0, 10, 10, 20, 20}, priorities)
	}
}

// RFC 2782: each is chosen as often as its weight says, and of those that are
// left the same holds again; one of no weight has a very small chance. The
// random numbers are always the same, so that this cannot fail now and then.
func TestShuffleByWeight(t *testing.T) {
	const n = 20000
	random := rand.New(rand.NewPCG(3, 4)).IntN
	first, second, zero := map[string]int{}, map[string]int{}, 0
	for range n {
		shuffled := shuffle([]*net.SRV{{Target: "a", Weight: 60}, {Target: "none"}, {Target: "b", Weight: 30}, {Target: "c", Weight: 10}}, random)
		first[shuffled[0].Target]++
		if shuffled[0].Target == "a" {
			second[shuffled[1].Target]++
		}
		if shuffled[0].Target == "none" {
			zero++
		}
	}
	near := func(count, of int, share float64) {
		t.Helper()
		deviation := math.Sqrt(float64(of) * share * (1 - share))
		require.InDelta(t, float64(of)*share, count, 4*deviation)
	}
	// The number drawn is one of 0 to 100, and 0 stands for the one of no weight.
	near(first["a"], n, 60.0/101)
	near(first["b"], n, 30.0/101)
	near(first["c"], n, 10.0/101)
	near(zero, n, 1.0/101)
	near(second["b"], first["a"], 30.0/41)
	near(second["c"], first["a"], 10.0/41)

	// Of no weight, all of them: any order does.
	firsts := map[string]bool{}
	for range 10 {
		firsts[shuffle([]*net.SRV{{Target: "a"}, {Target: "b"}}, random)[0].Target] = true
	}
	require.NotEmpty(t, firsts)
}

// What comes from a LookupSRV is in no order, and is put into one here.
func TestReadSRVShuffles(t *testing.T) {
	box, err := parseMailbox("me@example.com")
	require.NoError(t, err)
	last := func(n int) int { return n - 1 }
	got := readSRV(box, []srvAnswer{{service: services[0], records: []*net.SRV{
		{Target: "a.example.com.", Port: 465, Weight: 1}, {Target: "b.example.com.", Port: 465, Weight: 1},
	}}}, last)
	require.Equal(t, "b.example.com", got.found[0].Endpoint.Host)
}

// Weights say nothing across services: RFC 8314, section 3, does.
func TestReadSRVMergesServices(t *testing.T) {
	box, err := parseMailbox("me@example.com")
	require.NoError(t, err)
	for range 20 {
		got := readSRV(box, []srvAnswer{
			{service: services[0], records: []*net.SRV{{Target: "a.example.com.", Port: 465, Weight: 0}, {Target: "z.example.com.", Port: 465, Priority: 2}}},
			{service: services[1], records: []*net.SRV{{Target: "b.example.com.", Port: 587, Weight: 65535}, {Target: "y.example.com.", Port: 587, Priority: 1}}},
		}, rand.IntN)
		var hosts []string
		for _, f := range got.found {
			hosts = append(hosts, f.Endpoint.Host)
		}
		require.Equal(t, []string{"a.example.com", "b.example.com", "y.example.com", "z.example.com"}, hosts)
	}
}
