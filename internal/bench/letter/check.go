package letter

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
)

// A Check looks at a message, as it was before dots were doubled, and finds out
// whether it is one of ours and intact. The zero value is ready.
type Check struct {
	stage  stage
	line   [128]byte // what was seen of a line; of a long one its beginning
	seen   int       // of that line
	serial int
	left   int // of the payload
	sum    uint32
	want   uint32
}

type stage int

const (
	searching stage = iota // before the declaration
	waiting                // after it, before the payload
	inside
	behind
)

// Reset makes c ready for the next message.
func (c *Check) Reset() { c.stage, c.seen = searching, 0 }

// Take takes the next piece of the message.
func (c *Check) Take(p []byte) {
	for len(p) > 0 && c.stage != behind {
		if c.stage == inside {
			p = c.payload(p)
		} else {
			p = c.seek(p)
		}
	}
}

// seek looks at a line, or at as much of one as there is.
func (c *Check) seek(p []byte) (rest []byte) {
	end := bytes.IndexByte(p, '\n') + 1
	if end == 0 {
		c.keep(p)
		return nil
	}
	line := p[:end]
	if c.seen > 0 {
		c.keep(line)
		line = c.line[:min(c.seen, len(c.line))]
	}
	whole := c.seen <= len(c.line)
	c.seen = 0
	switch {
	case !whole:
	case c.stage == searching && bytes.HasPrefix(line, []byte(declaration)):
		c.declared(line)
	case c.stage == waiting && bytes.HasPrefix(line, []byte(start)):
		c.stage = inside
		c.payload(line)
	}
	return p[end:]
}

func (c *Check) keep(p []byte) {
	if c.seen < len(c.line) {
		copy(c.line[c.seen:], p)
	}
	c.seen += len(p)
}

// declared reads "#mail serial length sum".
func (c *Check) declared(line []byte) {
	const width = len(declaration) + len(blank) + 1 + 10 + 1 + 8 + 2
	b := line[len(declaration):]
	if len(line) != width || b[10] != ' ' || b[21] != ' ' || string(b[30:]) != "\r\n" {
		return
	}
	serial, ok1 := number(b[:10], 10)
	length, ok2 := number(b[11:21], 10)
	sum, ok3 := number(b[22:30], 16)
	if ok1 && ok2 && ok3 {
		c.serial, c.left, c.want, c.sum = int(serial), int(length), uint32(sum), 0
		c.stage = waiting
	}
}

// number is strconv.ParseUint without an allocation.
func number(b []byte, base uint64) (n uint64, ok bool) {
	for _, d := range b {
		switch {
		case d >= '0' && d <= '9':
			d -= '0'
		case d >= 'a' && d <= 'f' && base == 16:
			d -= 'a' - 10
		default:
			return 0, false
		}
		n = n*base + uint64(d)
	}
	return n, true
}

func (c *Check) payload(p []byte) (rest []byte) {
	n := min(len(p), c.left)
	c.sum = checksum(c.sum, p[:n])
	if c.left -= n; c.left == 0 {
		c.stage = behind
	}
	return p[n:]
}

// Verdict returns the serial number of a message that was intact, or what is
// wrong with it. The message has ended.
func (c *Check) Verdict() (serial int, err error) {
	switch {
	case c.stage == searching:
		return 0, errors.New("a message that is none of the benchmark's")
	case c.stage == waiting:
		return 0, errors.New("message " + strconv.Itoa(c.serial) + " has no payload")
	case c.stage == inside:
		return 0, fmt.Errorf("message %d ends %d octets too early", c.serial, c.left)
	case c.sum != c.want:
		return 0, fmt.Errorf("message %d is damaged", c.serial)
	}
	return c.serial, nil
}
