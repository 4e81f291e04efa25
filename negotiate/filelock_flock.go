//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package negotiate

import (
	"errors"
	"os"
	"syscall"
)

// openCarefully does not follow a symbolic link, nor wait for the other end of a
// pipe.
const openCarefully = syscall.O_NOFOLLOW | syscall.O_NONBLOCK

// tryFlock returns nil if somebody else has the lock. The system takes it back
// from a process that dies. The file is not removed: it may be somebody's lock by
// then.
func tryFlock(path string) (release func(), err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|openCarefully, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	switch {
	case err == nil:
		return func() { f.Close() }, nil
	case errors.Is(err, syscall.EWOULDBLOCK):
		err = nil
	default:
		err = &os.PathError{Op: "flock", Path: path, Err: err}
	}
	f.Close()
	return nil, err
}
