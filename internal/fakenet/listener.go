package fakenet

import (
	"net"
	"slices"
	"sync"
	"time"
)

type listener struct {
	addr   *net.TCPAddr
	forget func() // frees the address

	mu      sync.Mutex // guards the fields below
	waiter  waiter
	pending []pending // by arrival
	closed  bool
}

// pending is a connection whose third segment is on its way, or waits for Accept.
type pending struct {
	conn *Conn
	at   time.Time
}

func newListener(addr *net.TCPAddr) *listener {
	return &listener{addr: addr}
}

// Addr returns the address in numbers.
func (l *listener) Addr() net.Addr { return l.addr }

// Accept waits for a connection's third segment.
func (l *listener) Accept() (net.Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiter.enter(&l.mu)
	defer l.waiter.leave()
	for {
		if l.closed {
			return nil, &net.OpError{Op: "accept", Net: "tcp", Addr: l.addr, Err: net.ErrClosed}
		}
		if conn := l.next(time.Now()); conn != nil {
			return conn, nil
		}
		l.waiter.wait(&l.mu, l.arrival())
	}
}

// next takes the first connection, if it is there.
func (l *listener) next(now time.Time) *Conn {
	if len(l.pending) == 0 || now.Before(l.pending[0].at) {
		return nil
	}
	conn := l.pending[0].conn
	l.pending = l.pending[1:]
	return conn
}

// arrival returns when the first connection is there; zero if none is coming.
func (l *listener) arrival() time.Time {
	if len(l.pending) == 0 {
		return time.Time{}
	}
	return l.pending[0].at
}

// enqueue adds a connection that arrives at a given time. A listener that was
// closed while SYN and ACK travelled resets it.
func (l *listener) enqueue(conn *Conn, at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		conn.Reset()
		return
	}
	i := len(l.pending)
	for i > 0 && at.Before(l.pending[i-1].at) {
		i--
	}
	l.pending = slices.Insert(l.pending, i, pending{conn, at})
	l.waiter.rouse()
}

// Close ends Accept and resets what it has not returned.
func (l *listener) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return &net.OpError{Op: "close", Net: "tcp", Addr: l.addr, Err: net.ErrClosed}
	}
	l.closed = true
	l.waiter.rouse()
	for _, p := range l.pending {
		p.conn.Reset()
	}
	l.pending = nil
	l.forget()
	return nil
}
