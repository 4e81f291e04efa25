package differential

import (
	"flag"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	seed    = flag.Uint64("seed", 1, "what letters are made from")
	letters = flag.Int("letters", usual, "how many")
)

// Promise 8, and RFC 2920, section 3.1: however it is sent, and to whichever server, a
// letter has the same outcome, and what is delivered is the same to the octet.
func TestVoicesAgree(t *testing.T) {
	var all []letter
	for n := range *letters {
		all = append(all, write(*seed, n))
	}
	var first []outcome
	for _, h := range houses {
		for _, v := range voices {
			if !h.voice(v) {
				continue
			}
			t.Run(v.name+" to "+h.name, func(t *testing.T) {
				got := hear(t, h, v, all)
				if first == nil {
					first = got
				}
				for n := range all {
					require.Equal(t, first[n], got[n], "letter %d: %.500q", n, all[n])
				}
			})
		}
	}
	requireVariety(t, first)
}

// hear returns what came of each letter, with what the server has of it.
func hear(t *testing.T, h house, v voice, all []letter) []outcome {
	o := h.open(t)
	outcomes := v.send(t, o, all)
	for _, d := range o.took() {
		n := d.number()
		outcomes[n].deliver = append(outcomes[n].deliver, d)
	}
	for n, out := range outcomes {
		if out.taken {
			require.Len(t, out.deliver, 1, "letter %d", n)
			require.Equal(t, len(all[n].to), len(out.deliver[0].to)+len(out.refused))
		} else {
			require.Empty(t, out.deliver, "letter %d", n)
			require.NotZero(t, out.why.code)
		}
	}
	return outcomes
}

// requireVariety makes sure that there is something to compare.
func requireVariety(t *testing.T, outcomes []outcome) {
	t.Helper()
	var taken, partly, refused int
	for _, o := range outcomes {
		switch {
		case !o.taken:
			refused++
		case len(o.refused) > 0:
			partly++
		default:
			taken++
		}
	}
	require.Greater(t, taken, len(outcomes)/2)
	require.Greater(t, refused, len(outcomes)/20)
	require.NotZero(t, partly)
}
