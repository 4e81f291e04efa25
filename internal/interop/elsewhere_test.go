//go:build interop && !linux

package interop

import (
	"os"
	"testing"
)

// Other systems have neither the namespaces nor the packages.
func TestServers(t *testing.T) {
	if os.Getenv("CI") == "true" {
		t.Fatal("real servers need Linux")
	}
	t.Skip("real servers need Linux")
}
