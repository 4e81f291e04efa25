package delay

import (
	"sync"
	"time"
)

// A piece is on its way, or the end is.
type piece struct {
	due  time.Time
	data []byte
	err  error
}

// A queue holds what is on its way in one direction, as much as there is.
type queue struct {
	mu     sync.Mutex
	filled sync.Cond
	pieces []piece
	ended  bool
}

func (q *queue) init() { q.filled.L = &q.mu }

// push adds a piece, unless the end is under way.
func (q *queue) push(p piece) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.ended {
		q.pieces = append(q.pieces, p)
		q.filled.Signal()
	}
}

// end adds the last piece.
func (q *queue) end(p piece) {
	q.push(p)
	q.mu.Lock()
	q.ended = true
	q.mu.Unlock()
}

// pop waits for the next piece. Behind the end there is none.
func (q *queue) pop() piece {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.pieces) == 0 {
		q.filled.Wait()
	}
	p := q.pieces[0]
	q.pieces[0] = piece{}
	q.pieces = q.pieces[1:]
	return p
}
