package submit_test

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain holds promise 6 for the tests that run outside of a bubble; inside,
// the bubble does.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
