package fakenet

import (
	"bytes"
	"syscall"
	"time"
)

// A stream is one direction of a link. The link's mutex guards it.
//
// While somebody reads, room is conserved: room, owed and data are the window.
type stream struct {
	delay   time.Duration // from the writer to the reader
	back    time.Duration // from the reader to the writer
	segment int           // most octets one Read returns; 0: no limit

	data   bytes.Buffer // written and not yet read
	due    []mark       // when the octets of data arrive
	room   int          // free window, as far as the writer knows
	owed   []mark       // room that the writer will know of
	reader waiter
	writer waiter

	written int
	writes  []Write
	cut     cut

	end  ending // what the reader learns after data
	stop ending // what the writer learns
	gone bool   // octets cause an RST, since nobody reads them
	lost bool   // octets cause nothing at all
}

// A mark says how many octets there are from a time on.
type mark struct {
	octets int
	at     time.Time
}

// put takes octets from the writer, as many as there is room for and as may pass
// before the cut.
func (s *stream) put(p []byte, now time.Time) int {
	n := len(p)
	if !s.lost {
		s.collect(now)
		n = min(n, s.room, s.cut.left(s.written))
		s.send(p[:n], now)
	}
	s.written += n
	return n
}

func (s *stream) send(p []byte, now time.Time) {
	if len(p) == 0 {
		return
	}
	s.room -= len(p)
	if s.gone {
		s.stop.set(now.Add(s.delay+s.back), syscall.EPIPE)
		return
	}
	s.data.Write(p)
	s.due = schedule(s.due, len(p), now.Add(s.delay))
	s.reader.rouse()
}

// collect adds to room what the writer has learnt that it has.
func (s *stream) collect(now time.Time) {
	for len(s.owed) > 0 && !now.Before(s.owed[0].at) {
		s.room += s.owed[0].octets
		s.owed = drop(s.owed)
	}
}

// writable returns when something changes for a writer that waits for room.
func (s *stream) writable() time.Time {
	if len(s.owed) > 0 {
		return earliest(s.owed[0].at, s.stop.at)
	}
	return s.stop.at
}

// take gives the reader octets that have arrived.
func (s *stream) take(p []byte, now time.Time) int {
	if s.segment > 0 && len(p) > s.segment {
		p = p[:s.segment]
	}
	n := 0
	for n < len(p) && s.arrived(now) {
		first := &s.due[0]
		m := min(first.octets, len(p)-n)
		n += m
		if first.octets -= m; first.octets == 0 {
			s.due = drop(s.due)
		}
	}
	if n > 0 {
		s.data.Read(p[:n])
		s.owed = schedule(s.owed, n, now.Add(s.back))
		s.writer.rouse()
	}
	return n
}

func (s *stream) arrived(now time.Time) bool {
	return len(s.due) > 0 && !now.Before(s.due[0].at)
}

// ended reports whether the reader has had everything and knows it.
func (s *stream) ended(now time.Time) bool {
	return len(s.due) == 0 && s.end.reached(now)
}

// readable returns when something changes for a reader that waits for octets.
func (s *stream) readable() time.Time {
	if len(s.due) > 0 {
		return s.due[0].at
	}
	return s.end.at
}

// finish is the writer's farewell, which arrives after what was written.
func (s *stream) finish(now time.Time, err error) {
	if !s.lost {
		s.end.set(now.Add(s.delay), err)
	}
}

// halt tells the writer, half a round trip from now, that the reader will not
// have any more.
func (s *stream) halt(now time.Time, err syscall.Errno) {
	if !s.lost {
		s.stop.set(now.Add(s.back), err)
	}
}

// abandon is the reader's farewell: it reads no more.
func (s *stream) abandon(now time.Time) {
	s.gone = true
	if len(s.due) > 0 && !s.lost {
		first := s.due[0].at
		if first.Before(now) {
			first = now
		}
		s.stop.set(first.Add(s.back), syscall.EPIPE)
	}
	s.due, s.data = nil, bytes.Buffer{}
}

func (s *stream) rouse() {
	s.reader.rouse()
	s.writer.rouse()
}

// schedule adds octets at a time that is not before the others.
func schedule(marks []mark, octets int, at time.Time) []mark {
	if last := len(marks) - 1; last >= 0 && marks[last].at.Equal(at) {
		marks[last].octets += octets
		return marks
	}
	return append(marks, mark{octets, at})
}

// drop removes the first mark, and keeps the memory when it was the only one.
func drop(marks []mark) []mark {
	if len(marks) == 1 {
		return marks[:0]
	}
	return marks[1:]
}

// An ending is what one end learns, and when. The first counts.
type ending struct {
	at  time.Time
	err error // nil: nothing is to be learnt
}

func (e *ending) set(at time.Time, err error) {
	if e.err == nil || at.Before(e.at) {
		*e = ending{at, err}
	}
}

func (e *ending) reached(now time.Time) bool {
	return e.err != nil && !now.Before(e.at)
}
