package fuzzsession

import (
	"runtime/debug"
	"testing"

	"go.uber.org/goleak"
)

// TestMain holds that no goroutine outlives what started it.
func TestMain(m *testing.M) {
	debug.SetGCPercent(400) // the heap is small, and collected all the time
	goleak.VerifyTestMain(m)
}
