package wire

import (
	"runtime/debug"
	"testing"

	"go.uber.org/goleak"
)

// TestMain holds promise 6: nothing that a Conn started outlives the tests.
func TestMain(m *testing.M) {
	debug.SetGCPercent(400) // the heap is small, and collected all the time
	goleak.VerifyTestMain(m)
}
