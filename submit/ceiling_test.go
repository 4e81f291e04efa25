package submit

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Of five sessions that were asked for at once three are refused, before any of these
// is closed: two are what may be had.
func TestCeilingOfRefusalsAtOnce(t *testing.T) {
	for _, left := range [][]int{{4, 4, 4}, {4, 3, 2}, {4, 4, 3}} {
		var c ceiling
		for _, n := range left {
			c.lower(n)
		}
		require.Equal(t, 2, c.of(5), left)
	}
}
