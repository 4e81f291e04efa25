package submittest

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// dots reads a message as DATA transfers it, RFC 5321, section 4.5.2: a dot at
// the beginning of a line is removed, and a line of one dot is the end. Lines
// end in CRLF and in nothing else, so whoever sends a bare LF finds it in the
// message.
type dots struct {
	in    *bufio.Reader
	rest  []byte // read, not yet returned
	start bool   // the next octet begins a line
	cr    bool   // the last octet was CR
}

func newDots(in *bufio.Reader) *dots { return &dots{in: in, start: true} }

// Read belongs to [io.Reader].
func (d *dots) Read(p []byte) (int, error) {
	if len(d.rest) == 0 {
		if err := d.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, d.rest)
	d.rest = d.rest[n:]
	return n, nil
}

// next reads lines: those that are there already and need no care, or else one.
func (d *dots) next() error {
	if n := d.plain(); n > 0 {
		d.rest, _ = d.in.Peek(n)
		_, _ = d.in.Discard(n) // which are there
		d.follow(d.rest)
		return nil
	}
	return d.line()
}

// plain returns how many octets of whole lines have been read ahead up to the next
// one that begins with a dot; behind a part of a line nothing has. It is what makes
// large messages fast.
func (d *dots) plain() int {
	ahead, _ := d.in.Peek(d.in.Buffered())
	if len(ahead) == 0 || d.start && ahead[0] == '.' {
		return 0
	}
	ahead = ahead[:bytes.LastIndexByte(ahead, '\n')+1]
	if i := bytes.Index(ahead, []byte("\r\n.")); i >= 0 {
		return i + len("\r\n")
	}
	return len(ahead)
}

// line reads a line, or as much of it as fits in the buffer. The buffer is
// larger than the final line, so that is never in pieces.
func (d *dots) line() error {
	piece, err := d.in.ReadSlice('\n')
	if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return err
	}
	if d.start && string(piece) == ".\r\n" {
		return io.EOF
	}
	d.rest = piece
	if d.start && piece[0] == '.' {
		d.rest = piece[1:]
	}
	d.follow(piece)
	return nil
}

// follow notes how piece ends.
func (d *dots) follow(piece []byte) {
	last := len(piece) - 1
	if last > 0 {
		d.cr = piece[last-1] == '\r'
	}
	d.start = d.cr && piece[last] == '\n'
	d.cr = piece[last] == '\r'
}
