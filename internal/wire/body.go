package wire

import (
	"errors"
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
// What was queued before leaves in one write with the final dot: the next
// message's commands (RFC 2920, section 3.1). Their replies come after the verdict.
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
	c.buffers()
	out, start := c.body[:0], c.handed.Load()
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
			return c.writeEnd(enc.finish(out), start, limit)
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

// keptBody is how much of a buffer for messages is kept for the next one. At
// worst every octet is a line end alone, or a line of a dot, and comes out as two;
// the rest of a record may stand before it, and the end behind.
const keptBody = 3*recordSize + len("\r\n.\r\n.\r\n")

func (c *Conn) buffers() {
	if c.in == nil {
		c.in = make([]byte, recordSize)
	}
	if cap(c.body) < keptBody {
		c.body = make([]byte, 0, keptBody)
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
		if c.records++; c.records%lookEvery == 0 {
			if err := c.unheard(true, limit); err != nil {
				return nil, err
			}
		}
	}
	return append(out[:0], rest...), nil
}

// unheard makes sure that the server has said nothing unasked, and is still there.
// Long says that it was given reason to: that takes a closer look.
func (c *Conn) unheard(long bool, limit time.Duration) error {
	look := c.glance
	if long {
		look = c.gaze
	}
	if err := look(); err != nil {
		return c.network(err, limit)
	}
	return c.ready()
}

// writeEnd writes the rest of a message with its end. The end is in the last
// record of it: a server that got less than all of that record has not got the
// end.
//
// Start is a mark where the message began.
func (c *Conn) writeEnd(out []byte, start int64, limit time.Duration) (ended bool, err error) {
	if out, err = c.writeRecords(out, limit); err != nil {
		return false, err
	}
	if err := c.unheard(c.handed.Load() > start, limit); err != nil {
		return false, err // whatever it said, it is not the verdict
	}
	end := c.handed.Load() + int64(len(out))
	out = append(out, c.out...)
	c.Drop()
	if err := c.writeAll(out, limit); err != nil {
		ended = c.Reached(end)
		return ended, c.stopped(err, limit)
	}
	return true, nil
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
