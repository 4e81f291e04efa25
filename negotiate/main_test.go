package negotiate_test

import (
	"runtime/debug"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	debug.SetGCPercent(400) // the heap is small, and collected all the time
	goleak.VerifyTestMain(m)
}
