package submit

import (
	"sync"
	"time"
)

// ringPause is how long a batch is left alone after it was told of a result, if
// more are on their way. To wake a goroutine costs as much as a system call: with
// a server that answers within microseconds that would be most of what a message
// costs, and with any other, nothing is later for it.
const ringPause = time.Millisecond

// arrivals are the messages of a batch that are settled, on their way from the
// sessions to the goroutine of the loop. That waits for the bell and for late, and
// then collects; either may have come for nothing.
type arrivals struct {
	bell  chan struct{}    // rung when there is something to collect
	late  <-chan time.Time // there is something that has waited long enough
	quick int              // so many are told of at once

	mu    sync.Mutex // guards the fields below
	list  []*waiter
	under int       // messages that have not been collected
	told  time.Time // when the bell was rung for the last time
	timer *time.Timer
	due   time.Time // when the timer goes off, or went off
}

func newArrivals(most int) *arrivals {
	timer := time.NewTimer(0)
	timer.Stop()
	return &arrivals{bell: make(chan struct{}, 1), late: timer.C, timer: timer, quick: max(1, most/4)}
}

// expect is for a message that will arrive.
func (a *arrivals) expect() {
	a.mu.Lock()
	a.under++
	a.mu.Unlock()
}

// unexpect is for one that will not.
func (a *arrivals) unexpect() {
	a.mu.Lock()
	a.under--
	a.mu.Unlock()
}

// add does not block. It rings at once if it did not do so just now, if there is
// nothing to wait for, or if whoever collects may be what others wait for.
func (a *arrivals) add(w *waiter) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.list = append(a.list, w)
	now := time.Now()
	pause := ringPause - now.Sub(a.told)
	switch {
	case pause <= 0 || len(a.list) == a.under || len(a.list) >= a.quick:
		a.told = now
		select {
		case a.bell <- struct{}{}:
		default:
		}
	case !now.Before(a.due):
		a.timer.Reset(pause)
		a.due = now.Add(pause)
	}
}

// collect swaps what has arrived for a list that is used no more.
func (a *arrivals) collect(used []*waiter) []*waiter {
	clear(used)
	a.mu.Lock()
	defer a.mu.Unlock()
	list := a.list
	a.list = used[:0]
	a.under -= len(list)
	return list
}

// stop is the end: nothing rings any more.
func (a *arrivals) stop() { a.timer.Stop() }
