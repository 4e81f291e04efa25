package delay

import (
	"errors"
	"syscall"
	"time"
)

// waitUntil waits more precisely than a timer of the runtime does, which on an
// idle machine goes off up to a millisecond late.
func waitUntil(t time.Time) {
	for {
		left := time.Until(t)
		if left <= 0 {
			return
		}
		request := syscall.NsecToTimespec(left.Nanoseconds())
		if err := syscall.Nanosleep(&request, nil); err != nil && !errors.Is(err, syscall.EINTR) {
			return
		}
	}
}
