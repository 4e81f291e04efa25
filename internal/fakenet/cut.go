package fakenet

import (
	"io"
	"math"
	"syscall"
	"time"
)

// Manner is how a connection is cut.
type Manner int

// The three ways to go.
const (
	FIN     Manner = iota // as if both ends had been closed, in good order
	RST                   // as if both ends had been reset
	Silence               // neither end learns anything, whatever it does
)

// A cut is due when a number of octets has been written.
type cut struct {
	after int
	how   Manner
}

var never = cut{after: -1}

// left returns how many octets may pass before the cut.
func (c cut) left(written int) int {
	if c.after < 0 {
		return math.MaxInt
	}
	return max(0, c.after-written)
}

// CutAfter cuts the connection once octets have been written in a direction, at
// once if they have been already; fewer than 0 never. Octets are counted as the
// network sees them: those of TLS, if there is TLS.
//
// These octets arrive, none after them does. The cut is at the writer's door, at
// the moment it writes the last of them:
//
//   - FIN: the writer's Write returns how many octets still passed and EPIPE, if
//     there were more; its Read, io.EOF after what is in flight. The peer reads
//     the octets, then io.EOF; its writes seem to succeed for one round trip.
//   - RST: likewise, but both read and write ECONNRESET.
//   - Silence: whatever either end writes from then on is accepted and lost, and
//     so are FIN and RST. What is in flight arrives.
//
// There is one cut for each direction; the first that is due is made.
func (l *Link) CutAfter(d Direction, octets int, how Manner) {
	l.mu.Lock()
	defer l.mu.Unlock()
	writer := l.client
	if d == ToClient {
		writer = l.server
	}
	writer.out.cut = cut{octets, how}
	l.cutIfDue(writer, time.Now())
}

// Cut cuts the connection now, at the client's door.
func (l *Link) Cut(how Manner) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sever(l.client, how, time.Now())
}

// cutIfDue cuts the connection if what writer has written was all that may pass.
func (l *Link) cutIfDue(writer *Conn, now time.Time) bool {
	s := writer.out
	if l.severed || s.cut.left(s.written) > 0 {
		return false
	}
	l.sever(writer, s.cut.how, now)
	return true
}

// sever cuts at the writer's door: what the peer does takes its time to get there.
func (l *Link) sever(writer *Conn, how Manner, now time.Time) {
	if l.severed {
		return
	}
	l.severed = true
	switch how {
	case FIN:
		writer.hangUp(now, io.EOF, syscall.EPIPE)
	case RST:
		writer.hangUp(now, syscall.ECONNRESET, syscall.ECONNRESET)
		writer.in.halt(now, syscall.ECONNRESET)
	case Silence:
		writer.in.lost, writer.out.lost = true, true
	}
	l.rouse()
}

// hangUp ends what c writes and what it reads, with the errors its peer and itself
// then get.
func (c *Conn) hangUp(now time.Time, end error, stop syscall.Errno) {
	c.out.finish(now, end)
	c.out.stop.set(now, stop)
	c.in.end.set(now, end)
	c.in.gone = true
}
