package sink

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
)

// consume passes n octets that were received on as octets of the message.
func (s *session) consume(n int) {
	piece := s.in[s.r : s.r+n]
	s.octets += n
	s.check.Take(piece)
	s.r += n
}

// data takes a message up to its final dot, and removes doubled ones (RFC 5321,
// section 4.5.2).
func (s *session) data() error {
	if s.recipients == 0 {
		return s.disorder("DATA")
	}
	s.say("354 go on")
	if err := s.last("DATA"); err != nil {
		return err
	}
	for { // at the beginning of a line
		ended, err := s.dot()
		if err != nil {
			return err
		}
		if ended {
			s.taken()
			return nil
		}
		if err := s.upToDot(); err != nil {
			return err
		}
	}
}

// dot looks at what begins a line that may begin with a dot.
func (s *session) dot() (ended bool, err error) {
	if err := s.need(3); err != nil {
		return false, err
	}
	switch {
	case s.in[s.r] != '.':
		return false, nil
	case s.in[s.r+1] == '\r' && s.in[s.r+2] == '\n':
		s.r += 3
		return true, nil
	}
	s.r++
	return false, nil
}

// upToDot takes all lines up to the next that begins with a dot.
func (s *session) upToDot() error {
	for {
		at := bytes.Index(s.in[s.r:s.w], []byte("\r\n."))
		if at >= 0 {
			s.consume(at + 2)
			return nil
		}
		if most := s.w - s.r - 2; most > 0 {
			s.consume(most)
		}
		if err := s.fill(); err != nil {
			return err
		}
	}
}

// bdat takes a chunk, RFC 3030.
func (s *session) bdat(rest []byte) error {
	if !s.place.setting.Chunking {
		return s.disorder("BDAT that was not offered")
	}
	if s.recipients == 0 {
		return s.disorder("BDAT")
	}
	size, mark, last := bytes.Cut(rest, []byte(" "))
	if last && !is(mark, "LAST") {
		return fmt.Errorf("BDAT with %q", mark)
	}
	left, err := strconv.Atoi(string(size))
	if err != nil || left < 0 {
		return errors.New("BDAT without a size")
	}
	for left > 0 {
		if err := s.need(1); err != nil {
			return err
		}
		n := min(left, s.w-s.r)
		s.consume(n)
		left -= n
	}
	if last {
		s.taken()
	} else {
		s.say("250 2.0.0 chunk ok")
	}
	return nil
}
