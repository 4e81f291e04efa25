package sink

import "sync"

// A Tally is what a server has taken.
type Tally struct {
	Messages    int      // intact, each of them once
	Octets      int      // of these, as they were before dots were doubled
	Highest     int      // serial number
	Connections int      // that authenticated
	Turns       int      // of sessions over a distance that have ended: round trips, but for connecting
	Wrong       []string // what else happened, the first few
}

const maxWrong = 8

type tally struct {
	mu sync.Mutex
	Tally
	seen []uint64 // serial numbers, a bit each
}

func (t *tally) take() Tally {
	t.mu.Lock()
	defer t.mu.Unlock()
	taken := t.Tally
	t.Tally = Tally{}
	clear(t.seen)
	return taken
}

// intact notes a message, and whether it is the first with its number.
func (t *tally) intact(serial, octets int) (first bool) {
	const bits = 64
	t.mu.Lock()
	defer t.mu.Unlock()
	for serial/bits >= len(t.seen) {
		t.seen = append(t.seen, make([]uint64, 1+len(t.seen))...)
	}
	mask := uint64(1) << (serial % bits)
	if t.seen[serial/bits]&mask != 0 {
		return false
	}
	t.seen[serial/bits] |= mask
	t.Messages++
	t.Octets += octets
	t.Highest = max(t.Highest, serial)
	return true
}

func (t *tally) connected() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.Connections++
}

func (t *tally) turned(n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.Turns += n
}

func (t *tally) wrong(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.Wrong) < maxWrong {
		t.Wrong = append(t.Wrong, err.Error())
	}
}
