package submittest

import (
	"bufio"
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

// next reads a line, or as much of it as fits in the buffer. The buffer is
// larger than the final line, so that is never in pieces.
func (d *dots) next() error {
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
