//go:build interop && linux

package interop

import (
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// tidy makes a folder that is gone after the test, even if this process is killed:
// then a pipe breaks, and the shell at its other end, which no signal for this
// process reaches, removes the folder.
func tidy(t *testing.T) string {
	dir, err := os.MkdirTemp("", "mailport-interop-")
	require.NoError(t, err)
	require.NoError(t, os.Chmod(dir, 0o755))
	// What is in a box may go on writing for a moment.
	cmd := exec.Command("sh", "-c", `trap '' INT TERM HUP QUIT
		read -r _
		n=0; while [ -e "$1" ] && [ $n -lt 100 ]; do rm -rf -- "$1" 2>/dev/null; n=$((n + 1)); done`, "sh", dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	pipe, err := cmd.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		pipe.Close()
		cmd.Wait()
		require.NoDirExists(t, dir)
	})
	return dir
}
