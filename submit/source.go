package submit

import (
	"bytes"
	"errors"
	"io"
	"math"
	"unicode/utf8"
)

// maxHead is how much of a message is read before anything is sent: enough to
// know all about most messages, and to find those that are empty or cannot be
// read.
const maxHead = 64 << 10

// A source is the body of a message, the beginning of which has been read.
type source struct {
	r      io.Reader
	head   []byte
	rest   io.Reader // of what is being read now: head, and r if head is not all
	whole  bool      // head is all there is
	used   bool      // r was read beyond head
	start  int64     // where the message begins in r, if that can seek; or else -1
	length int64     // how long the message is before it is read; -1 if unknown
}

// newSource reads the beginning of a message.
func newSource(r io.Reader) (*source, error) {
	s := &source{r: r, start: -1, length: -1}
	err := s.measure()
	if err == nil {
		err = s.readHead()
	}
	if err != nil {
		return nil, &InvalidError{Field: "Message.Body", Reason: "cannot be read", Err: err}
	}
	if len(s.head) == 0 {
		return nil, &InvalidError{Field: "Message.Body", Reason: "is empty; a message has a header at least"}
	}
	s.rest = s.fromHead()
	return s, nil
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

func (s *source) fromHead() io.Reader {
	if s.whole {
		return bytes.NewReader(s.head)
	}
	return io.MultiReader(bytes.NewReader(s.head), (*beyond)(s))
}

// beyond reads what is not in the head.
type beyond source

func (b *beyond) Read(p []byte) (int, error) {
	b.used = true
	return b.r.Read(p)
}

// readHead reads until the head is full or the message ends.
func (s *source) readHead() error {
	size := 4 << 10
	if s.length >= 0 {
		size = int(min(max(s.length, 511)+1, maxHead)) // one more, to see the end
	}
	head := make([]byte, 0, size)
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

func (s *source) Read(p []byte) (int, error) { return s.rest.Read(p) }

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
	s.rest = s.fromHead()
	return true
}

// size returns how many octets SMTP counts: every line end as two, doubled dots
// and the end of data not at all (RFC 1870, section 5). Of a message whose end
// has not been seen, least is what is sure, if the reader says how much is left;
// the estimate takes the rest to be like the beginning, and is rather too large
// than too small, as section 6 there recommends.
func (s *source) size() (least, estimate int64) {
	head := canonicalSize(s.head)
	if s.whole {
		if last := s.head[len(s.head)-1]; last != '\n' && last != '\r' {
			head += 2
		}
		return head, head
	}
	if s.length < 0 {
		return 0, 0
	}
	if s.head[len(s.head)-1] == '\r' {
		head-- // its LF may be the next
	}
	rest := max(s.length-int64(len(s.head)), 0)
	growth := float64(head) / float64(len(s.head))
	return head + rest, head + int64(math.Ceil(growth*float64(rest))) + 2
}

func canonicalSize(b []byte) int64 {
	pairs := bytes.Count(b, []byte("\r\n"))
	alone := bytes.Count(b, []byte("\n")) + bytes.Count(b, []byte("\r")) - 2*pairs
	return int64(len(b) + alone)
}

// eightBit reports whether the message has an octet above 127. Of a message
// whose end has not been seen that is not known, unless there is one at its
// beginning.
func (s *source) eightBit() (found, known bool) {
	found = bytes.ContainsFunc(s.head, func(r rune) bool { return r >= utf8.RuneSelf })
	return found, found || s.whole
}

// headerUTF8 reports whether the header is internationalised, RFC 6532: it has
// characters beyond ASCII, encoded in UTF-8. Octets that are no UTF-8 are not
// covered by SMTPUTF8; no standard covers them.
func (s *source) headerUTF8() bool {
	header := s.head[:headerEnd(s.head)]
	found := bytes.ContainsFunc(header, func(r rune) bool { return r >= utf8.RuneSelf })
	return found && utf8.Valid(header)
}

// headerEnd returns where the first empty line is, or the length of b. Lines end
// in CR, LF or both, as they do for whoever encodes the message.
func headerEnd(b []byte) int {
	line := 0 // where it begins
	for i := 0; i < len(b); i++ {
		end := i
		switch {
		case b[i] == '\r' && i+1 < len(b) && b[i+1] == '\n':
			i++
		case b[i] != '\r' && b[i] != '\n':
			continue
		}
		if end == line {
			return line
		}
		line = i + 1
	}
	return len(b)
}
