package submit_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// In a window each message has an RSET in front, which leaves nothing of the one before
// it. The first of those that leave together while others are on their way has two, by
// which it is known again should the server lose those: about one in eight, and none that is
// alone.
func TestLandmarksOfAWindow(t *testing.T) {
	d := newDepot("CHUNKING")
	d.delay = func(verb string) time.Duration {
		if verb == "." {
			return time.Millisecond // so that not all answers come at the same time
		}
		return 0
	}
	var resets, doubles int
	d.say = func(_ *guest, verb, _ string) string {
		switch {
		case verb == "RSET":
			if resets++; resets == 2 {
				doubles++
			}
		case verb == "MAIL":
			if resets > 2 {
				t.Errorf("%d RSET in front of a message", resets)
			}
			resets = 0
		}
		return ""
	}
	withDepot(t, d, func(t *testing.T, w *world) {
		w.teach(d)
		p := w.poolOf(1)
		for range 20 {
			for _, r := range results(t, p.SubmitAll(t.Context(), posting(1, nil)), 1) {
				require.NoError(t, r.Err)
			}
			time.Sleep(time.Second)
		}
		require.Zero(t, doubles)
		list := results(t, p.SubmitAll(t.Context(), posting(16+8*10, nil)), 16+8*10)
		for _, r := range list {
			require.NoError(t, r.Err)
		}
		require.GreaterOrEqual(t, doubles, 10)
		require.LessOrEqual(t, doubles, 20, "a half may leave in parts, as the messages come")
		require.NoError(t, p.Close())
	})
}
