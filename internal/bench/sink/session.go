package sink

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"net"

	"github.com/mailport/mailport/internal/bench/letter"
)

// The credentials that a server takes.
const (
	User     = "bench"
	Password = "sesame"
)

// A session is a connection. What it says is kept until there is nothing more to
// read, and goes out at once then (RFC 2920, section 3.2).
type session struct {
	place *Place
	conn  net.Conn
	in    []byte // what was received; of it, from r to w is not yet looked at
	r, w  int
	out   []byte

	secured       bool
	authenticated bool
	sender        bool
	recipients    int
	check         letter.Check
	octets        int // of the message
}

const (
	inSize  = 64 << 10 // holds a few TLS records
	outSize = 16 << 10
)

func newSession(p *Place, nc net.Conn) *session {
	return &session{place: p, conn: nc, in: make([]byte, inSize), out: make([]byte, 0, outSize)}
}

func (s *session) secure() {
	s.conn = tls.Server(s.conn, s.place.config)
	s.secured = true
}

// run serves the client until it leaves. A client that hangs up without a word
// has done nothing wrong.
func (s *session) run() error {
	s.say("220 sink.example.com ESMTP")
	for {
		line, err := s.line()
		if err == nil {
			err = s.obey(line)
		}
		switch {
		case errors.Is(err, errBye):
			return s.flush()
		case errors.Is(err, errGone):
			return nil
		case err != nil:
			return errors.Join(err, s.flush())
		}
	}
}

var (
	errBye  = errors.New("the client said goodbye")
	errGone = errors.New("the client has gone")
)

// say queues a reply.
func (s *session) say(reply string) {
	s.out = append(s.out, reply...)
	s.out = append(s.out, '\r', '\n')
}

func (s *session) flush() error {
	if len(s.out) == 0 {
		return nil
	}
	_, err := s.conn.Write(s.out)
	s.out = s.out[:0]
	if err != nil {
		return errGone
	}
	return nil
}

// line returns the next line, without its end.
func (s *session) line() ([]byte, error) {
	for {
		if end := bytes.IndexByte(s.in[s.r:s.w], '\n'); end >= 0 {
			line := s.in[s.r : s.r+end]
			s.r += end + 1
			if !bytes.HasSuffix(line, []byte("\r")) {
				return nil, fmt.Errorf("a line that ends in LF alone: %.40q", line)
			}
			return line[:len(line)-1], nil
		}
		if s.w-s.r == len(s.in) {
			return nil, errors.New("a line that has no end")
		}
		if err := s.fill(); err != nil {
			return nil, err
		}
	}
}

// fill says what there is to say, and reads more.
func (s *session) fill() error {
	if err := s.flush(); err != nil {
		return err
	}
	if s.r > 0 {
		s.w = copy(s.in, s.in[s.r:s.w])
		s.r = 0
	}
	n, err := s.conn.Read(s.in[s.w:])
	s.w += n
	if n == 0 && err != nil {
		return errGone
	}
	return nil
}

// need waits for n octets at least.
func (s *session) need(n int) error {
	for s.w-s.r < n {
		if err := s.fill(); err != nil {
			return err
		}
	}
	return nil
}

// last sees to it that the client waits for the reply to a command after which
// it has to (RFC 2920, section 3.1; RFC 3207, section 4; RFC 4954, section 4).
func (s *session) last(command string) error {
	if s.r < s.w {
		return fmt.Errorf("the client did not wait for the reply to %s", command)
	}
	return nil
}
