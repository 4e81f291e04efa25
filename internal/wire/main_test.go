package wire

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain holds promise 6: nothing that a Conn started outlives the tests.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
