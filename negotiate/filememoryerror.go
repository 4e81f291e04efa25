package negotiate

import (
	"errors"
	"io/fs"
)

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
	where, why := "memory", e.Err.Error()
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
