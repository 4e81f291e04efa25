package submit

import (
	"bytes"
	"errors"
	"io"
)

// maxHead is how much of a message is read before anything is sent: enough to
// know all about most messages, and to find those that are empty or cannot be
// read.
const maxHead = 64 << 10

// A source is the body of a message, the beginning of which has been read. The
// head is a copy: the caller may use the same buffer for the next message while
// this one is still on its way.
type source struct {
	r      io.Reader
	head   []byte
	at     int   // how much of head was read again
	whole  bool  // head is all there is
	used   bool  // r was read beyond head
	start  int64 // where the message begins in r, if that can seek; or else -1
	length int64 // how long the message is before it is read; -1 if unknown
	scan   scan  // of head
}

// open reads the beginning of a message. A head that there is, is written over.
func (s *source) open(r io.Reader) error {
	*s = source{r: r, head: s.head[:0], start: -1, length: -1}
	err := s.measure()
	if err == nil {
		err = s.readHead()
	}
	if err != nil {
		return &InvalidError{Field: "Message.Body", Reason: "cannot be read", Err: err}
	}
	if len(s.head) == 0 {
		return &InvalidError{Field: "Message.Body", Reason: "is empty; a message has a header at least"}
	}
	return nil
}

// measure finds out where the message begins and how long it is, where the
// reader knows; a pipe does not.
func (s *source) measure() error {
	if buffer, ok := s.r.(*bytes.Buffer); ok {
		s.length = int64(buffer.Len())
	}
	seeker, ok := s.r.(io.Seeker)
	if !ok {
		return nil
	}
	at, err := seeker.Seek(0, io.SeekCurrent)
	if err != nil {
		return nil //nolint:nilerr // then it cannot seek, and is only read
	}
	s.start = at
	end, err := seeker.Seek(0, io.SeekEnd)
	if err == nil {
		s.length = max(end-at, 0)
	}
	_, err = seeker.Seek(at, io.SeekStart)
	return err
}

// readHead reads until the head is full or the message ends.
func (s *source) readHead() error {
	size := 4 << 10
	if s.length >= 0 {
		size = int(min(max(s.length, 511)+1, maxHead)) // one more, to see the end
	}
	head := s.head
	if cap(head) < size {
		head = make([]byte, 0, size)
	}
	for idle := 0; len(head) < maxHead; {
		if len(head) == cap(head) {
			head = append(make([]byte, 0, min(4*cap(head), maxHead)), head...)
		}
		n, err := s.r.Read(head[len(head):cap(head)])
		if n < 0 || n > cap(head)-len(head) {
			return errors.New("reader returned an impossible count")
		}
		head = head[:len(head)+n]
		s.head = head
		switch {
		case err == io.EOF: // an error that wraps it is no end, but a failure
			s.whole = true
			return nil
		case err != nil:
			return err
		case n > 0:
			idle = 0
		default:
			if idle++; idle == 100 {
				return io.ErrNoProgress
			}
		}
	}
	return nil
}

// Read reads the message from its beginning: what was read already, and then
// what was not.
func (s *source) Read(p []byte) (int, error) {
	switch {
	case s.at < len(s.head):
		n := copy(p, s.head[s.at:])
		s.at += n
		return n, nil
	case s.whole:
		return 0, io.EOF
	}
	s.used = true
	return s.r.Read(p)
}

// rewind goes back to the beginning, and reports whether that was possible.
func (s *source) rewind() bool {
	if s.used {
		seeker, ok := s.r.(io.Seeker)
		if !ok || s.start < 0 {
			return false
		}
		if _, err := seeker.Seek(s.start+int64(len(s.head)), io.SeekStart); err != nil {
			return false
		}
		s.used = false
	}
	s.at = 0
	return true
}
