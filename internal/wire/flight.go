package wire

import (
	"bufio"
	"bytes"
	"io"
	"time"
)

// safeFlight is how much may be written before replies are read: less than any
// send buffer, so the write cannot wait for a server that waits for us to read
// (RFC 2920, section 3.1).
const safeFlight = 4096

// lastWords is how long a server that stopped reading may take to say why.
const lastWords = time.Second

// Queue adds a command to the next flight. An error leaves the queue as it was.
func (c *Conn) Queue(verb string, args ...string) error {
	out, err := appendCommand(c.out, verb, args...)
	if err != nil {
		return err
	}
	c.out = out
	c.queued++
	return nil
}

// Drop forgets what is queued.
func (c *Conn) Drop() { c.out, c.queued = c.out[:0], 0 }

// Send writes what is queued at once and calls each with the reply to every
// command, in order. If the connection is lost on the way, each has been called
// for the replies that did arrive: a server may refuse a command and hang up.
func (c *Conn) Send(limit time.Duration, each func(i int, r Reply)) error {
	out, n := c.out, c.queued
	c.Drop()
	if cap(c.out) > 4*safeFlight {
		c.out = nil // a great many recipients, once
	}
	if err := c.ready(); err != nil {
		return err
	}
	if len(out) > safeFlight {
		return c.sendBeside(out, n, limit, each)
	}
	if err := c.write(out, limit); err != nil {
		return c.hearOut(err, n, limit, each)
	}
	return c.collect(n, limit, each)
}

// Command sends one command and returns the reply to it.
func (c *Conn) Command(limit time.Duration, verb string, args ...string) (Reply, error) {
	c.Drop()
	if err := c.Queue(verb, args...); err != nil {
		return Reply{}, err
	}
	return c.sendOne(limit)
}

// AuthLine sends one line of an authentication exchange and returns the reply.
func (c *Conn) AuthLine(limit time.Duration, line string) (Reply, error) {
	c.Drop()
	out, err := appendAuthLine(c.out, line)
	if err != nil {
		return Reply{}, err
	}
	c.out, c.queued = out, 1
	defer clear(out) // it may hold a password
	return c.sendOne(limit)
}

func (c *Conn) sendOne(limit time.Duration) (reply Reply, err error) {
	got := false
	err = c.Send(limit, func(_ int, r Reply) { reply, got = r, true })
	if got {
		return reply, nil // a 421 is a reply; that nothing follows it is known
	}
	return Reply{}, err
}

// ready reports what forbids to send: an earlier error, the end of the call, or
// words of the server that nobody asked for. To go on would be to take them for
// replies.
func (c *Conn) ready() error {
	if err := c.Broken(); err != nil {
		return err
	}
	if c.br.Buffered() > 0 {
		return c.fail(c.unasked())
	}
	return nil
}

// unasked describes what a server said unasked, as far as it is here: the rest of
// a reply may never come.
func (c *Conn) unasked() error {
	said, _ := c.br.Peek(c.br.Buffered())
	r, err := readReply(bufio.NewReaderSize(bytes.NewReader(said), MaxLine))
	switch {
	case err != nil:
		return malformed("unasked: %s", excerpt(said))
	case r.Class() == 4:
		return &LostError{&UnaskedError{r}} // going away: RFC 5321, section 3.8
	default:
		return &UnaskedError{r}
	}
}

// An UnaskedError is a reply to nothing. A 421 says that the server closes the
// connection; anything else puts all later replies in doubt.
type UnaskedError struct{ Reply Reply }

func (e *UnaskedError) Error() string { return "server said unasked: " + e.Reply.String() }

// collect reads n replies.
func (c *Conn) collect(n int, limit time.Duration, each func(i int, r Reply)) error {
	for i := range n {
		r, err := c.readReply(limit)
		if err != nil {
			return err
		}
		each(i, r)
		if r.Code == 421 {
			// It may answer any command, and ends the session; replies to what
			// else is in the flight need not come (RFC 5321, section 3.8).
			return c.fail(&LostError{io.EOF})
		}
	}
	return nil
}

// hearOut is for a write that failed: replies may have come before it did.
func (c *Conn) hearOut(err error, n int, limit time.Duration, each func(i int, r Reply)) error {
	for i := 0; i < n && c.err == nil; i++ {
		r, ok := c.lastReply()
		if !ok {
			break
		}
		each(i, r)
	}
	return c.network(err, limit)
}

// lastReply reads a reply from a server that stopped reading, if there is one.
func (c *Conn) lastReply() (Reply, bool) {
	if c.ctx != nil && c.ctx.Err() != nil {
		return Reply{}, false
	}
	c.nc.SetReadDeadline(deadline(lastWords))
	r, err := readReply(c.br)
	return r, err == nil
}

// sendBeside writes a large flight while it reads the replies, since a server
// may stop reading until we read what it wrote.
func (c *Conn) sendBeside(out []byte, n int, limit time.Duration, each func(i int, r Reply)) error {
	var hurry *time.Timer
	written := make(chan error, 1)
	go func() { // waited for below
		err := c.writeAll(out, limit)
		if err != nil {
			hurry = time.AfterFunc(lastWords, c.Cut) // ends the reader
		}
		written <- err
	}()
	err := c.collect(n, limit, each)
	if err != nil {
		c.Cut() // ends the writer
	}
	werr := <-written
	if werr != nil {
		hurry.Stop()
		if err == nil {
			err = c.network(werr, limit)
		}
	}
	return err
}

// writeAll writes in pieces, so that the limit is on progress.
func (c *Conn) writeAll(out []byte, limit time.Duration) error {
	for len(out) > 0 {
		piece := out[:min(len(out), recordSize)]
		if err := c.write(piece, limit); err != nil {
			return err
		}
		out = out[len(piece):]
	}
	return nil
}
