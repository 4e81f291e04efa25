package negotiate

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/mailport/mailport/submit"
)

// A FileMemory is a [Memory] in a file, for programs that run for a moment: a cron
// job, a command. What one run found, the next one begins with, if it comes in time:
// [Policy].Remember is ten minutes by default, and a job that runs every hour would
// never find anything. Set it to 24 hours, say.
//
// Any number of goroutines and processes may share a file. It is replaced as a
// whole, so that whoever reads it finds the old one or the new one, and updates
// follow one another: each locks the file Path.lock, which stays there, and waits
// for that a second at most. Where the system has no flock (Windows, Solaris) the
// processes do not wait for each other, and of two updates at the same time one
// may be lost.
//
// The file is readable and writable by its owner only, and so is its directory if
// that has to be made. A file that makes no sense, or is a symbolic link, counts
// as empty, and the next Store puts a proper one in its place; a directory or a
// device is left alone.
//
// A FileMemory must not be changed while in use, nor copied after first use.
type FileMemory struct {
	// Path of the file, in a directory where nobody else may write: below what
	// [os.UserCacheDir] returns, say.
	Path string

	// OnError, if not nil, is told what could not be read, locked or written, as
	// a [*MemoryError]. Nothing else comes of it: a memory that fails costs time,
	// never a message. Calls may come concurrently, and come before the method
	// returns that failed.
	OnError func(error)

	mu sync.Mutex // held while the file is replaced
}

var _ Memory = (*FileMemory)(nil)

// Load implements [Memory]. It locks nothing. If ctx has ended there is nothing
// to be found.
func (m *FileMemory) Load(ctx context.Context, server string) (Choice, bool) {
	if !m.usable(ctx, "read") {
		return Choice{}, false
	}
	choices, err := readChoices(m.Path)
	m.tell("read", err)
	c, ok := choices[server]
	if !ok || !time.Now().Before(c.Until) {
		return Choice{}, false
	}
	return c, true
}

// Store implements [Memory]. It returns when ctx ends, and has stored nothing then.
func (m *FileMemory) Store(ctx context.Context, server string, c Choice) {
	if !m.usable(ctx, "write") {
		return
	}
	if err := unfit(server, c); err != nil {
		m.tell("write", err)
		return
	}
	m.update(ctx, func(choices map[string]Choice) { choices[server] = c })
}

// Forget implements [Memory]. It returns when ctx ends, and has forgotten nothing
// then.
func (m *FileMemory) Forget(ctx context.Context, server string) {
	if !m.usable(ctx, "write") {
		return
	}
	choices, err := readChoices(m.Path)
	if _, ok := choices[server]; !ok { // nothing to wait for
		m.tell("read", err)
		return
	}
	m.update(ctx, func(choices map[string]Choice) { delete(choices, server) })
}

// usable reports whether there is time, and a file to use it for.
func (m *FileMemory) usable(ctx context.Context, doing string) bool {
	if m.Path == "" {
		m.tell(doing, &submit.InvalidError{Field: "FileMemory.Path", Reason: "is empty"})
	}
	return m.Path != "" && ctx.Err() == nil
}

// update replaces the file by a changed one.
func (m *FileMemory) update(ctx context.Context, change func(choices map[string]Choice)) {
	doing, err := m.tryUpdate(ctx, change)
	m.tell(doing, err) // nothing is locked any more: OnError may take its time
}

func (m *FileMemory) tryUpdate(ctx context.Context, change func(choices map[string]Choice)) (doing string, err error) {
	if err := look(m.Path); errors.Is(err, errNoFile) {
		return "read", err // and no lock is left beside somebody's device
	}
	// 0700 as the XDG Base Directory Specification has it, of which Path may be
	// the first use.
	if err := os.MkdirAll(filepath.Dir(m.Path), 0o700); err != nil {
		return "write", err
	}
	unlock, err := m.lock(ctx)
	if err != nil {
		return "lock", err
	}
	defer unlock()
	choices, err := readChoices(m.Path)
	if err != nil && !errors.Is(err, ErrCorrupt) {
		return "read", err // what is there may be somebody else's
	}
	change(choices)
	prune(choices, time.Now())
	return "write", replaceFile(m.Path, encode(choices))
}

func (m *FileMemory) tell(doing string, err error) {
	if err != nil && m.OnError != nil {
		m.OnError(&MemoryError{Path: m.Path, Op: doing, Err: err})
	}
}

// ErrCorrupt is what a [MemoryError] matches if the file is not one that a
// [FileMemory] wrote. The next Store mends that.
var ErrCorrupt = errors.New("not a memory's file")

// A MemoryError says what a [FileMemory] could not do.
type MemoryError struct {
	Path string
	Op   string // "read", "lock" or "write"
	Err  error
}

// Error returns one line: the file, what was done with it, and why not. It shows
// nothing of what is in the file, which may be another than was meant.
func (e *MemoryError) Error() string {
	where, why := "memory", "failed"
	if e.Err != nil {
		why = e.Err.Error()
	}
	if e.Path != "" {
		where += " " + e.Path
	}
	var file *fs.PathError
	if errors.As(e.Err, &file) && file.Path == e.Path {
		why = file.Err.Error()
	}
	return where + ": " + e.Op + ": " + why
}

// Unwrap returns the cause.
func (e *MemoryError) Unwrap() error { return e.Err }
