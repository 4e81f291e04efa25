package submittest

import (
	"bufio"
	"errors"
	"io"
	"net"
)

// RFC 4954, section 4, asks for lines of up to 12288 octets; the rest is for
// those who send more.
const maxLine = 16 << 10

// Real servers buffer about as much before they write.
const maxPending = 4 << 10

var (
	errLongLine = errors.New("line too long")
	errBareLF   = errors.New("line does not end in CRLF")
)

// A socket is the client's connection. It says what is pending before it waits
// for the client, so that replies to commands that came together leave together.
type socket struct {
	conn net.Conn
	in   *bufio.Reader
	out  []byte
	log  *transcript
}

func newSocket(conn net.Conn, log *transcript) *socket {
	s := &socket{conn: conn, log: log}
	s.in = bufio.NewReaderSize(s, maxLine)
	return s
}

// secure goes on over conn, which is TLS over the connection so far. What the
// client said ahead of TLS is forgotten.
func (s *socket) secure(conn net.Conn) {
	s.conn = conn
	s.in.Reset(s)
}

// Read belongs to the bufio.Reader above it.
func (s *socket) Read(p []byte) (int, error) {
	if err := s.flush(); err != nil {
		return 0, err
	}
	return s.conn.Read(p)
}

// readLine returns a line without its CRLF.
func (s *socket) readLine() (string, error) {
	line, err := s.in.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return "", errLongLine
	case err != nil:
		return "", err
	case len(line) < 2 || line[len(line)-2] != '\r':
		return "", errBareLF
	}
	return string(line[:len(line)-2]), nil
}

func (s *socket) say(octets []byte) error {
	s.out = append(s.out, octets...)
	if len(s.out) < maxPending {
		return nil
	}
	return s.flush()
}

func (s *socket) flush() error {
	if len(s.out) == 0 {
		return nil
	}
	s.log.server(s.out)
	_, err := s.conn.Write(s.out)
	s.out = s.out[:0]
	return err
}

// leave ends the server's side of the conversation and waits for the client to
// do so too. Closing at once could reset the connection, and then the client
// might never read what was said last.
func (s *socket) leave() {
	half, ok := s.conn.(interface{ CloseWrite() error })
	if s.flush() == nil && ok && half.CloseWrite() == nil {
		s.drain()
	}
}

// drain reads, and says nothing, until the client goes.
func (s *socket) drain() { _, _ = io.Copy(io.Discard, s.in) }
