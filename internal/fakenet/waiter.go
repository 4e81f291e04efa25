package fakenet

import (
	"sync"
	"time"
)

// A waiter is where a call blocks: Read, Write or Accept. The owner's mutex
// guards it, and is not held while the call waits.
type waiter struct {
	turn     chan struct{} // holds one: calls of one kind come one after the other
	wake     chan struct{} // holds one: something has changed
	deadline time.Time
}

// enter waits for the calls before. They end when this one could, because a
// deadline or Close concerns them as well. The channels are made here, and so
// belong to the bubble of the caller.
func (w *waiter) enter(mu *sync.Mutex) {
	if w.turn == nil {
		w.turn, w.wake = make(chan struct{}, 1), make(chan struct{}, 1)
	}
	select {
	case w.turn <- struct{}{}:
	default:
		mu.Unlock()
		w.turn <- struct{}{}
		mu.Lock()
	}
}

func (w *waiter) leave() { <-w.turn }

// rouse has the call that waits look again.
func (w *waiter) rouse() {
	select {
	case w.wake <- struct{}{}:
	default: // nobody has ever waited, or it is roused already
	}
}

// wait returns when roused, at a given time unless that is zero, at the deadline,
// or for no reason.
func (w *waiter) wait(mu *sync.Mutex, until time.Time) {
	until = earliest(until, w.deadline)
	mu.Unlock()
	defer mu.Lock()
	if until.IsZero() {
		<-w.wake
		return
	}
	timer := time.NewTimer(time.Until(until))
	defer timer.Stop()
	select {
	case <-w.wake:
	case <-timer.C:
	}
}

func (w *waiter) expired(now time.Time) bool {
	return !w.deadline.IsZero() && !now.Before(w.deadline)
}

func (w *waiter) setDeadline(t time.Time) {
	w.deadline = t
	w.rouse()
}

// earliest takes zero to mean never.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
