//go:build interop && linux

package interop

import (
	"flag"
	"testing"

	"go.uber.org/goleak"
)

var (
	packagesDir = flag.String("packages", "", "keep downloaded packages in this `folder`")
	recordDir   = flag.String("record", "", "write transcripts of real servers to this `folder`")
	messages    = flag.Int("messages", 0, "this many `messages` while a server is stopped and started; 0: as the server is fast")
)

// TestMain holds promise 6 against real servers, too.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
