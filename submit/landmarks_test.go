package submit

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/internal/wire"
)

// Replies that have lost their places are told from others by what the server has said
// before; and no server is suspected that says the same to RSET and MAIL, or never the
// same twice.
func TestLandmarks(t *testing.T) {
	var (
		reset   = wire.Reply{Code: 250, Enhanced: [3]int{2, 0, 0}, Lines: []string{"flushed"}}
		mail    = wire.Reply{Code: 250, Enhanced: [3]int{2, 1, 0}, Lines: []string{"sender ok"}}
		verdict = wire.Reply{Code: 250, Enhanced: [3]int{2, 0, 0}, Lines: []string{"queued as 4711"}}
		refusal = wire.Reply{Code: 550, Enhanced: [3]int{5, 7, 1}, Lines: []string{"no"}}
		no      = wire.Reply{Code: 421, Lines: []string{"closing"}}
	)
	numbered := func(text string) wire.Reply { return wire.Reply{Code: 250, Lines: []string{text}} }
	type place struct {
		i int
		r wire.Reply
	}
	good := []place{{-1, reset}, {0, mail}, {1, mail}}
	for name, test := range map[string]struct {
		replies []place
		shifted bool // by the last one
	}{
		"in order":                     {append(good, good...), false},
		"the first has no RSET":        {append([]place{{0, mail}, {1, mail}}, good...), false},
		"two RSET":                     {append(good, place{-2, reset}, place{-1, reset}, place{0, mail}), false},
		"two RSET in place of one":     {append(good, place{-1, reset}, place{0, reset}), true},
		"a verdict too many":           {append(good, place{-1, verdict}, place{0, reset}), true},
		"one too few":                  {append(good, place{-1, mail}, place{0, mail}), true},
		"at once":                      {[]place{{-1, reset}, {0, reset}}, false},
		"always the same":              {[]place{{-1, mail}, {0, mail}, {-1, mail}, {0, mail}}, false},
		"the same, and then not":       {[]place{{-1, mail}, {0, mail}, {-1, reset}, {0, mail}, {-1, mail}, {0, mail}}, false},
		"MAIL refused":                 {append(good, place{-1, reset}, place{0, refusal}), false},
		"refused alike":                {append(good, place{-1, no}, place{0, no}), false},
		"what differs in its code":     {append(good, place{0, wire.Reply{Code: 251, Enhanced: reset.Enhanced, Lines: reset.Lines}}), false},
		"what differs in its status":   {append(good, place{0, wire.Reply{Code: 250, Enhanced: [3]int{2, 1, 5}, Lines: reset.Lines}}), false},
		"what has one line more":       {append(good, place{0, wire.Reply{Code: 250, Enhanced: reset.Enhanced, Lines: []string{"flushed", ""}}}), false},
		"other words each time":        {[]place{{-1, numbered("1")}, {0, numbered("2")}, {-1, numbered("3")}, {0, numbered("4")}}, false},
		"other words, and what is new": {[]place{{-1, numbered("1")}, {0, numbered("2")}, {-1, numbered("3")}, {0, numbered("3")}}, true},
	} {
		t.Run(name, func(t *testing.T) {
			var l landmarks
			last := len(test.replies) - 1
			for _, p := range test.replies[:last] {
				require.True(t, l.passes(p.i, p.r), "%+v", p)
			}
			require.Equal(t, !test.shifted, l.passes(test.replies[last].i, test.replies[last].r))
		})
	}
}
