package offsets

import (
	"flag"
	"runtime/debug"
	"testing"

	"go.uber.org/goleak"
)

var everyOctet = flag.Bool("everyoctet", false, "cut after every octet, which takes minutes")

func TestMain(m *testing.M) {
	debug.SetGCPercent(400) // the heap is small, and collected all the time
	goleak.VerifyTestMain(m)
}
