package wire

import (
	"bytes"
	"errors"
	"io"
	"os"
	"time"
)

const (
	// shortly is how long the rest of something may take whose beginning has
	// arrived.
	shortly = 10 * time.Millisecond

	// aMoment is how long it takes to see whether something has arrived, where
	// there is no way to see it at once.
	aMoment = time.Millisecond

	// lookEvery is after how many records of a message it is looked whether the
	// server has something to say against it.
	lookEvery = 16
)

// Looks reports whether it can be seen without waiting that something has arrived.
func (c *Conn) Looks() bool { return c.look != nil }

// glance takes what has arrived, if anything has, into the buffer, and waits for
// no more. It returns what ends the connection, if that has.
func (c *Conn) glance() error {
	if err := c.rest(); err != nil || c.br.Buffered() > 0 {
		return err
	}
	if c.look == nil || time.Since(c.looked) < aMoment || !c.look.arrived() {
		return nil
	}
	c.nc.SetReadDeadline(time.Now().Add(shortly))
	return c.peek()
}

// rest takes what has been read from the network already, and was not asked for:
// TLS reads what it can get, and gives a record at a time.
func (c *Conn) rest() error {
	if !c.raw.blind {
		c.raw.idle = true
		defer func() { c.raw.idle = false }()
	} else if !c.until(time.Unix(1, 0)) {
		return nil
	}
	return c.peek()
}

// gaze is glance for where it does not matter whether it takes a moment.
func (c *Conn) gaze() error {
	if err := c.glance(); err != nil || c.look != nil || c.br.Buffered() > 0 {
		return err
	}
	if !c.until(time.Now().Add(aMoment)) {
		return nil
	}
	return c.peek()
}

// until has reads end then, and reports whether they will: those of a connection
// without deadlines would wait.
func (c *Conn) until(t time.Time) bool { return c.nc.SetReadDeadline(t) == nil }

func (c *Conn) peek() error {
	_, err := c.br.Peek(1)
	if err == nil || errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, io.ErrNoProgress) {
		return nil
	}
	return err
}

// Next returns as much as has been read from the network of the code of a reply
// beyond the last. It does not look for more. What it returns holds until the next
// read.
func (c *Conn) Next() []byte {
	code, _ := c.br.Peek(min(c.br.Buffered(), 3))
	return code
}

// Beyond is Next for the reply behind the next one.
func (c *Conn) Beyond() []byte {
	here, _ := c.br.Peek(c.br.Buffered())
	for {
		line, rest, whole := bytes.Cut(here, []byte("\n"))
		switch {
		case !whole:
			return nil
		case len(line) < 4 || line[3] != '-':
			return rest[:min(len(rest), 3)]
		}
		here = rest
	}
}

// Surplus reports whether the server has said more than it was asked, as far as
// that has arrived: then replies are out of step. A 4yz says that it is going away
// (RFC 5321, section 3.8), and does not count.
func (c *Conn) Surplus() bool {
	if c.glance() != nil || c.br.Buffered() == 0 {
		return false
	}
	first, _ := c.br.Peek(1)
	return first[0] != '4'
}
