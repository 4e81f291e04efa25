//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package negotiate_test

import (
	"bufio"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/negotiate"
)

// What another process does with the memory at a path. It begins when its standard
// input ends, or is killed before.
const (
	otherDoes = "MAILPORT_TEST_MEMORY"      // a few stores, stores without end, or half of one
	otherPath = "MAILPORT_TEST_MEMORY_PATH" //
	otherName = "MAILPORT_TEST_MEMORY_NAME" // of the process, in what it stores

	storesFew, storesEver, storesHalf = "a few", "endless", "half"
	few                               = 25 // stores
)

// TestOtherProcess is nothing by itself, but what the other processes are.
func TestOtherProcess(t *testing.T) {
	m := &negotiate.FileMemory{Path: os.Getenv(otherPath)}
	store := func(i int) {
		server, failed := fmt.Sprint(os.Getenv(otherName), "/", i), error(nil)
		m.OnError = func(err error) { failed = err }
		m.Store(t.Context(), server, chosen(465, time.Hour))
		if failed != nil {
			fmt.Println("failed:", failed)
			return
		}
		fmt.Println("stored:", server)
	}
	ready := func() {
		fmt.Println("ready")
		_, _ = io.Copy(io.Discard, os.Stdin)
	}
	switch os.Getenv(otherDoes) {
	case storesFew:
		ready()
		for i := range few {
			store(i)
		}
	case storesEver:
		ready()
		for i := 0; ; i++ {
			store(i % 200) // four times that is less than a memory keeps
		}
	case storesHalf:
		_, err := m.Lock(t.Context())
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(m.Path+negotiate.Temporary+"1", []byte(`{"version":1,"choi`), 0o600))
		ready()
	}
}

// An other is another process, which is ready.
type other struct {
	*exec.Cmd
	begin io.Closer
	says  *bufio.Scanner
}

func startOther(t *testing.T, m *negotiate.FileMemory, does, name string) *other {
	o := &other{Cmd: exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestOtherProcess$")}
	o.Env = append(os.Environ(), otherDoes+"="+does, otherPath+"="+m.Path, otherName+"="+name)
	stdin, err := o.StdinPipe()
	require.NoError(t, err)
	stdout, err := o.StdoutPipe()
	require.NoError(t, err)
	o.begin, o.says = stdin, bufio.NewScanner(stdout)
	require.NoError(t, o.Start())
	t.Cleanup(func() {
		_ = o.Process.Kill()
		_ = o.Wait()
	})
	require.Equal(t, "ready", o.next(t))
	return o
}

// next returns the next line that o prints.
func (o *other) next(t *testing.T) string {
	require.True(t, o.says.Scan(), "it has ended")
	return o.says.Text()
}

// kill ends o at once, and returns what it has stored since next was last called.
func (o *other) kill(t *testing.T) (stored []string) {
	require.NoError(t, o.Process.Kill())
	for o.says.Scan() {
		if server, ok := strings.CutPrefix(o.says.Text(), "stored: "); ok {
			stored = append(stored, server)
		}
	}
	require.Error(t, o.Wait())
	return stored
}

// Several processes update one file, and read it: nothing is lost, and at each
// moment it is whole.
func TestFileMemoryAmongProcesses(t *testing.T) {
	m := fileMemory(t)
	others := make([]*other, 4)
	for i := range others {
		others[i] = startOther(t, m, storesFew, fmt.Sprint(i))
	}

	over := make(chan struct{})
	var reading sync.WaitGroup
	reading.Go(func() {
		for most := 0; ; {
			data, err := os.ReadFile(m.Path)
			if err == nil {
				choices, err := negotiate.Decode(data)
				if err != nil || len(choices) < most {
					t.Errorf("%d choices after %d, %v, in %q", len(choices), most, err, data)
					return
				}
				most = len(choices)
			}
			select {
			case <-over:
				return
			default:
			}
		}
	})
	for _, o := range others {
		require.NoError(t, o.begin.Close())
	}
	stored := 0
	for i, o := range others {
		for j := range few {
			switch line := o.next(t); {
			case strings.HasPrefix(line, "stored: "):
				stored++
			default: // a machine that is busy elsewhere for a second
				require.Contains(t, line, "somebody else has had the lock for 1s")
				t.Logf("process %d, store %d: %s", i, j, line)
			}
		}
	}
	close(over)
	reading.Wait()
	data, err := os.ReadFile(m.Path)
	require.NoError(t, err)
	choices, err := negotiate.Decode(data)
	require.NoError(t, err)
	require.Len(t, choices, stored)
	require.Equal(t, []string{"memory.json"}, beside(t, m))
}

// Memories of one process, with one file, are as processes to each other.
func TestFileMemoriesOfOneProcess(t *testing.T) {
	m := fileMemory(t)
	synctest.Test(t, func(t *testing.T) {
		var all sync.WaitGroup
		for i := range 4 {
			all.Go(func() {
				mine := &negotiate.FileMemory{Path: m.Path, OnError: m.OnError}
				for j := range 8 {
					mine.Store(t.Context(), fmt.Sprint(i, j), chosen(465, time.Hour))
					if _, ok := mine.Load(t.Context(), fmt.Sprint(i, j)); !ok {
						t.Errorf("%d %d was lost", i, j)
					}
				}
			})
		}
		all.Wait()
		for i := range 4 {
			for j := range 8 {
				_, ok := m.Load(t.Context(), fmt.Sprint(i, j))
				require.True(t, ok, "%d %d was lost", i, j)
			}
		}
	})
}

// Whoever is killed, at whatever moment, leaves a whole file with all that he has
// stored, and nobody waits for him.
func TestFileMemorySurvivesAKill(t *testing.T) {
	m := fileMemory(t)
	for i := range 4 {
		o := startOther(t, m, storesEver, fmt.Sprint(i))
		require.NoError(t, o.begin.Close())
		for range 3 * i {
			require.Contains(t, o.next(t), "stored: ")
		}
		for _, server := range o.kill(t) {
			_, ok := m.Load(t.Context(), server)
			require.True(t, ok, "%s was lost", server)
		}
		m.Store(t.Context(), "mine", chosen(465, time.Hour))
		require.Equal(t, []string{"memory.json"}, beside(t, m))
	}
}

// The same for one who was in the middle of it.
func TestFileMemorySurvivesAKillInTheMiddle(t *testing.T) {
	m := fileMemory(t)
	m.Store(t.Context(), "a", chosen(465, time.Hour))
	startOther(t, m, storesHalf, "").kill(t)
	require.Len(t, beside(t, m), 2)
	_, ok := m.Load(t.Context(), "a")
	require.True(t, ok)
	m.Store(t.Context(), "b", chosen(465, time.Hour))
	_, ok = m.Load(t.Context(), "b")
	require.True(t, ok)
	require.Equal(t, []string{"memory.json"}, beside(t, m))
}

// A process that was stopped while it had the lock stops nobody else.
func TestFileMemoryDoesNotWaitForAStoppedProcess(t *testing.T) {
	m := fileMemory(t)
	m.Store(t.Context(), "a", chosen(465, time.Hour))
	o := startOther(t, m, storesHalf, "")
	require.NoError(t, o.Process.Signal(syscall.SIGSTOP))
	waitsForTheLock(t, m)
}

// Promise 6: however often somebody tries, nothing stays open.
func TestFileMemoryKeepsNoFileOpen(t *testing.T) {
	lowest := func() uintptr { // of the descriptors that are free
		f, err := os.Open(os.DevNull)
		require.NoError(t, err)
		defer f.Close()
		return f.Fd()
	}
	m := fileMemory(t)
	m.Store(t.Context(), "a", chosen(465, time.Hour))
	before := lowest()
	m.Store(t.Context(), "a", chosen(465, time.Hour))
	m.Load(t.Context(), "a")
	require.Equal(t, before, lowest())

	unlock, err := m.Lock(t.Context())
	require.NoError(t, err)
	before = lowest()
	other := &negotiate.FileMemory{Path: m.Path} // with no lock but the file's in common
	waitsForTheLock(t, other)
	require.Equal(t, before, lowest())
	unlock()
}

// Nobody else may read what is remembered, whatever was there before.
func TestFileMemoryIsItsOwnersAlone(t *testing.T) {
	mode := func(path string) fs.FileMode {
		info, err := os.Stat(path)
		require.NoError(t, err)
		return info.Mode().Perm()
	}
	m := fileMemory(t)
	m.Path = filepath.Join(filepath.Dir(m.Path), "new", "memory.json")
	m.Store(t.Context(), "a", chosen(465, time.Hour))
	require.Equal(t, fs.FileMode(0o700), mode(filepath.Dir(m.Path)))
	require.Equal(t, fs.FileMode(0o600), mode(m.Path+".lock"))
	require.Equal(t, fs.FileMode(0o600), mode(m.Path))

	require.NoError(t, os.Chmod(m.Path, 0o644))
	m.Store(t.Context(), "b", chosen(465, time.Hour))
	require.Equal(t, fs.FileMode(0o600), mode(m.Path))
	_, ok := m.Load(t.Context(), "a")
	require.True(t, ok)
}

// Who puts a link where the file should be does not get another file read or
// written.
func TestFileMemoryFollowsNoLink(t *testing.T) {
	m, victim := fileMemory(t), fileMemory(t)
	victim.Store(t.Context(), "a", chosen(465, time.Hour))
	before, err := os.ReadFile(victim.Path)
	require.NoError(t, err)
	require.NoError(t, os.Symlink(victim.Path, m.Path))
	errs := toldBy(m)
	_, ok := m.Load(t.Context(), "a")
	require.False(t, ok)
	require.Len(t, *errs, 1)
	require.ErrorIs(t, (*errs)[0], negotiate.ErrCorrupt)

	m.Store(t.Context(), "b", chosen(465, time.Hour))
	require.Len(t, *errs, 1)
	info, err := os.Lstat(m.Path)
	require.NoError(t, err)
	require.True(t, info.Mode().IsRegular(), "the link was replaced")
	after, err := os.ReadFile(victim.Path)
	require.NoError(t, err)
	require.Equal(t, before, after)

	// Nor is one followed to a lock.
	require.NoError(t, os.Remove(m.Path+".lock"))
	target := m.Path + ".new"
	require.NoError(t, os.Symlink(target, m.Path+".lock"))
	m.Store(t.Context(), "c", chosen(465, time.Hour))
	require.Len(t, *errs, 2)
	require.ErrorIs(t, (*errs)[1], syscall.ELOOP)
	require.ErrorContains(t, (*errs)[1], "memory "+m.Path+": lock: open ")
	require.NoFileExists(t, target)
}

// What has no end is not read, and what is a device to others is not replaced.
func TestFileMemoryLeavesAPipeAlone(t *testing.T) {
	m := fileMemory(t)
	errs := toldBy(m)
	require.NoError(t, syscall.Mkfifo(m.Path, 0o600))
	_, ok := m.Load(t.Context(), "a")
	require.False(t, ok)
	m.Store(t.Context(), "a", chosen(465, time.Hour))
	require.Len(t, *errs, 2)
	for _, err := range *errs {
		require.EqualError(t, err, "memory "+m.Path+": read: is there, and is not a file")
	}
	info, err := os.Lstat(m.Path)
	require.NoError(t, err)
	require.Equal(t, fs.ModeNamedPipe, info.Mode().Type())
	require.NoFileExists(t, m.Path+".lock", "nor is anything put beside it, as beside /dev/null")
}

// What cannot be read, locked or written is told, and does not get lost.
func TestFileMemoryTellsWhatTheSystemSays(t *testing.T) {
	m := fileMemory(t)
	errs := toldBy(m)
	m.Store(t.Context(), "a", chosen(465, time.Hour))

	below := &negotiate.FileMemory{Path: filepath.Join(m.Path, "memory.json"), OnError: m.OnError}
	_, ok := below.Load(t.Context(), "a")
	require.False(t, ok)
	below.Store(t.Context(), "a", chosen(465, time.Hour))
	require.NoError(t, os.Remove(m.Path+".lock"))
	require.NoError(t, os.Mkdir(m.Path+".lock", 0o700))
	m.Store(t.Context(), "a", chosen(587, time.Hour))
	m.Forget(t.Context(), "a")

	require.Len(t, *errs, 4)
	require.EqualError(t, (*errs)[0], "memory "+below.Path+": read: not a directory")
	require.EqualError(t, (*errs)[1], "memory "+below.Path+": write: mkdir "+m.Path+": not a directory")
	for _, err := range (*errs)[2:] {
		require.EqualError(t, err, "memory "+m.Path+": lock: open "+m.Path+".lock: is a directory")
		require.ErrorIs(t, err, syscall.EISDIR)
	}
	c, ok := m.Load(t.Context(), "a")
	require.True(t, ok)
	require.Equal(t, 465, c.Endpoint.Port)
}
