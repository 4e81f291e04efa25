package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"
)

// recordSize is what one TLS record holds, RFC 8446, section 5.1.
const recordSize = 16 << 10

// A BodyError says that the message could not be read, or not be sent as it is.
// The connection has been cut before the end of the message.
type BodyError struct{ Err error }

func (e *BodyError) Error() string { return "message cut off: " + e.Err.Error() }

// Unwrap returns the cause.
func (e *BodyError) Unwrap() error { return e.Err }

// ErrEightBit says that a message has an octet above 127, which the server has
// not said it can take.
var ErrEightBit = errors.New("octet above 127, and the server does not offer 8BITMIME")

// WriteBody sends a message after the 354 to DATA: line ends made CRLF, dots
// doubled, and the final dot, which is written here and nowhere else, and only
// after all of src was read. It does not wait for the verdict.
//
// Ended tells whether the end of the message was handed to the network: if so,
// and no verdict is read, the outcome is uncertain. If not, the connection has
// been cut and the server discards what it has.
//
// A Read of src that blocks cannot be cut short: the end of the call is noticed
// when it returns.
func (c *Conn) WriteBody(src io.Reader, sevenBit bool, limit time.Duration) (ended bool, err error) {
	if err := c.ready(); err != nil {
		return false, err
	}
	enc := encoder{lineStart: true, sevenBit: sevenBit}
	if c.in == nil {
		// At worst every octet is a line end alone, or a line of a dot, and comes
		// out as two. The rest of a record may stand before it, and the end behind.
		c.in, c.body = make([]byte, recordSize), make([]byte, 0, 3*recordSize+len("\r\n.\r\n.\r\n"))
	}
	out := c.body[:0]
	for idle := 0; ; {
		n, rerr := c.read(src)
		if err := c.Broken(); err != nil {
			return false, err // the call has ended meanwhile
		}
		if out, err = enc.append(out, c.in[:n]); err != nil {
			return false, c.fail(&BodyError{err})
		}
		if out, err = c.writeRecords(out, limit); err != nil {
			return false, err
		}
		switch {
		case rerr == io.EOF:
			return c.writeEnd(enc.finish(out), limit)
		case rerr != nil:
			return false, c.fail(&BodyError{rerr})
		case n > 0:
			idle = 0
		default:
			if idle++; idle == 100 {
				return false, c.fail(&BodyError{io.ErrNoProgress})
			}
		}
	}
}

// errCount is said of a reader that breaks the contract of io.Reader.
var errCount = errors.New("reader returned an impossible count")

// read reads a piece of a message. Should src panic, the connection must not
// survive amid the message: the next command would become a part of it.
func (c *Conn) read(src io.Reader) (n int, err error) {
	returned := false
	defer func() {
		if !returned {
			c.fail(&BodyError{errors.New("reader panicked")})
		}
	}()
	n, err = src.Read(c.in)
	returned = true
	if n < 0 || n > len(c.in) {
		return 0, errCount
	}
	return n, err
}

// writeRecords writes full records and returns the rest.
func (c *Conn) writeRecords(out []byte, limit time.Duration) ([]byte, error) {
	rest := out
	for len(rest) > recordSize {
		if err := c.write(rest[:recordSize], limit); err != nil {
			return nil, c.stopped(err, limit)
		}
		rest = rest[recordSize:]
	}
	return append(out[:0], rest...), nil
}

// writeEnd writes the rest of a message with its end. The end is in the last
// write, and so in the last TLS record: a server that got less than all of that
// record has not got the end.
func (c *Conn) writeEnd(out []byte, limit time.Duration) (ended bool, err error) {
	if out, err = c.writeRecords(out, limit); err != nil {
		return false, err
	}
	c.glance()
	if err := c.ready(); err != nil {
		return false, err // whatever it said, it is not the verdict
	}
	c.raw.whole = false
	if err := c.write(out, limit); err != nil {
		ended = c.raw.whole || c.raw.blind
		return ended, c.stopped(err, limit)
	}
	return true, nil
}

// glance takes what TLS has already got from the network, and waits for no more.
func (c *Conn) glance() {
	if c.nc.SetReadDeadline(time.Unix(1, 0)) == nil {
		_, _ = c.br.Peek(1) // whatever comes, ready tells
	}
}

// stopped is for a server that no longer reads: it may have said why.
func (c *Conn) stopped(err error, limit time.Duration) error {
	var said error
	c.hear(err, 1, limit, func(_ int, r Reply) { said = &LostError{&UnaskedError{r}} })
	if said != nil {
		return c.fail(said)
	}
	return c.network(err, limit)
}

// An encoder makes a message fit for DATA, RFC 5321, sections 2.3.8 and 4.5.2.
// Its state lives across the pieces that a message comes in.
type encoder struct {
	lineStart bool // nothing of the current line was written yet
	cr        bool // a CR was read whose LF, if there is one, is in the next piece
	sevenBit  bool // refuse octets above 127
}

// append encodes a piece of the message. A CR or LF alone becomes CRLF, so that
// no server further on can see an end of data where there is none.
func (e *encoder) append(dst, src []byte) ([]byte, error) {
	if e.sevenBit {
		if i := indexEightBit(src); i >= 0 {
			return dst, fmt.Errorf("%w (%#x)", ErrEightBit, src[i])
		}
	}
	if e.cr && len(src) > 0 {
		e.cr, e.lineStart = false, true
		dst = append(dst, "\r\n"...)
		if src[0] == '\n' {
			src = src[1:]
		}
	}
	done, lf := 0, -1 // what was copied, and where the next LF is
	for i := 0; i < len(src); {
		if e.lineStart && src[i] == '.' {
			dst = append(append(dst, src[done:i]...), '.')
			done = i
		}
		if lf < i { // not for every CR: that would take squares
			if lf = bytes.IndexByte(src[i:], '\n'); lf >= 0 {
				lf += i
			} else {
				lf = len(src)
			}
		}
		end, next := lf, lf+1
		if cr := bytes.IndexByte(src[i:lf], '\r'); cr >= 0 {
			end, next = i+cr, i+cr+1
		}
		switch {
		case end == len(src): // the piece ends within a line
			e.lineStart = false
			return append(dst, src[done:]...), nil
		case src[end] == '\r' && next == len(src): // or within what may be a CRLF
			e.cr, e.lineStart = true, false
			return append(dst, src[done:end]...), nil
		case src[end] == '\r' && src[next] == '\n': // CRLF, as it should be
			next++
		default:
			dst = append(append(dst, src[done:end]...), "\r\n"...)
			done = next
		}
		i, e.lineStart = next, true
	}
	return append(dst, src[done:]...), nil
}

// finish ends the last line, if it is not, and the message.
func (e *encoder) finish(dst []byte) []byte {
	if !e.lineStart { // also after a CR
		dst = append(dst, "\r\n"...)
	}
	return append(dst, ".\r\n"...)
}

// indexEightBit returns where the first octet above 127 is, or -1.
func indexEightBit(b []byte) int {
	i := 0
	for ; i+8 <= len(b); i += 8 {
		if binary.LittleEndian.Uint64(b[i:])&0x8080808080808080 != 0 {
			break
		}
	}
	for ; i < len(b); i++ {
		if b[i] >= 0x80 {
			return i
		}
	}
	return -1
}
