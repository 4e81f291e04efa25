package submit_test

import (
	"runtime/debug"
	"testing"

	"go.uber.org/goleak"
)

// TestMain holds promise 6 for the tests that run outside of a bubble; inside,
// the bubble does.
func TestMain(m *testing.M) {
	debug.SetGCPercent(400) // the heap is small, and collected all the time
	goleak.VerifyTestMain(m)
}
