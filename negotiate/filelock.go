package negotiate

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	lockWait  = time.Second          // an update takes about a millisecond: who takes longer was stopped
	lockRetry = 5 * time.Millisecond // how often to look whether it is free
)

var errLocked = errors.New("somebody else has had the lock for " + lockWait.String())

// lock returns what unlocks the file, for other goroutines and processes. It asks
// again and again, as whoever waits inside flock cannot be called back when ctx
// ends.
func (m *FileMemory) lock(ctx context.Context) (unlock func(), err error) {
	waiting, cancel := context.WithTimeoutCause(ctx, lockWait, errLocked)
	defer cancel()
	retry := time.NewTicker(lockRetry)
	defer retry.Stop()
	for {
		if unlock, err := m.tryLock(); unlock != nil || err != nil {
			return unlock, err
		}
		select {
		case <-retry.C:
		case <-waiting.Done():
			if err := ctx.Err(); err != nil {
				return nil, fmt.Errorf("somebody else has the lock: %w", err)
			}
			return nil, context.Cause(waiting)
		}
	}
}

// tryLock returns nil if somebody else has the lock.
func (m *FileMemory) tryLock() (unlock func(), err error) {
	if !m.mu.TryLock() {
		return nil, nil
	}
	release, err := tryFlock(m.Path + ".lock")
	if release == nil {
		m.mu.Unlock()
		return nil, err
	}
	return func() { release(); m.mu.Unlock() }, nil
}
