//go:build interop && linux

package interop

import (
	"fmt"
	"os"
	"os/exec"
	"testing"
)

// impossible ends a test that cannot have its servers: in CI that is a failure.
func impossible(t *testing.T, err error) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("real servers cannot be had here: %v", err)
	}
	t.Skipf("real servers cannot be had here: %v", err)
}

// lacking says what the machine does not have.
func lacking() error {
	if uid := os.Geteuid(); uid != 0 {
		return fmt.Errorf("this needs root, for roots and namespaces of the servers' own; it runs as user %d", uid)
	}
	for _, program := range []string{"apt-get", "dpkg", "dpkg-deb", "tar", "cp", "sh"} {
		if _, err := exec.LookPath(program); err != nil {
			return fmt.Errorf("%s is needed: %w", program, err)
		}
	}
	if _, err := os.Stat(keyring); err != nil {
		return fmt.Errorf("the keys of Debian's archive are needed, from the package debian-archive-keyring: %w", err)
	}
	return nil
}
