package wire

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"sync/atomic"
	"time"
)

// safeFlight is how much may be written before replies are read: less than any
// send buffer, so the write cannot wait for a server that waits for us to read
// (RFC 2920, section 3.1).
const safeFlight = 4096

// FewReplies are as many as a server can get rid of at any rate: they fit into
// what the network holds between two programs. So a flight with few commands may
// be as long as it likes.
const FewReplies = 16

// keptFlight is how much of a buffer for flights is kept for the next one.
const keptFlight = 32 << 10

// lastWords is how long a server that broke off may take to say why.
const lastWords = time.Second

// reserve is the end of a time limit, which writing leaves to hear what a server
// said that stopped reading: it is here, or will not come.
func reserve(limit time.Duration) time.Duration {
	return max(0, min(limit/2, 10*time.Millisecond))
}

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

// A Stage is how far the next flight has come.
type Stage struct{ octets, commands int }

// Stage returns how far the next flight has come.
func (c *Conn) Stage() Stage { return Stage{len(c.out), c.queued} }

// Back forgets what has been queued since a stage of the same flight.
func (c *Conn) Back(to Stage) { c.out, c.queued = c.out[:to.octets], to.commands }

// Drop forgets what is queued.
func (c *Conn) Drop() { c.out, c.queued = c.out[:0], 0 }

// Send writes what is queued at once and calls each with the reply to every
// command, in order. If the connection is lost on the way, each has been called
// for the replies that did arrive: a server may refuse a command and hang up.
func (c *Conn) Send(limit time.Duration, each func(i int, r Reply)) error {
	return c.send(false, limit, each)
}

// Limits are the time limits of a flight.
type Limits struct {
	Write time.Duration // each write
	Reply time.Duration // each reply
	Last  time.Duration // the last of them
}

// SendWithin is Send with several limits.
func (c *Conn) SendWithin(limits Limits, each func(i int, r Reply)) error {
	return c.sendWithin(false, limits, each)
}

func (c *Conn) send(secret bool, limit time.Duration, each func(i int, r Reply)) error {
	return c.sendWithin(secret, Limits{limit, limit, limit}, each)
}

func (c *Conn) sendWithin(secret bool, limits Limits, each func(i int, r Reply)) error {
	out, n := c.out, c.queued
	if secret {
		defer clear(out)
	}
	c.Drop()
	if cap(c.out) > keptFlight {
		c.out = nil // a great many recipients, once
	}
	if c.secret {
		_ = c.glance() // what was said unasked may quote it, too
	}
	if err := c.ready(); err != nil {
		return err
	}
	c.secret = secret
	if len(out) > safeFlight && n > FewReplies {
		return c.sendBeside(out, n, limits, each)
	}
	if err := c.writeAll(out, limits.Write); err != nil {
		c.hear(err, n, limits.Write, each)
		return c.network(err, limits.Write)
	}
	late, err := c.collect(n, limits, each)
	return c.broken(err, late)
}

// Command sends one command and returns the reply to it.
func (c *Conn) Command(limit time.Duration, verb string, args ...string) (Reply, error) {
	c.Drop()
	if err := c.Queue(verb, args...); err != nil {
		return Reply{}, err
	}
	return c.sendOne(verb == "AUTH", limit)
}

// AuthLine sends one line of an authentication exchange and returns the reply.
func (c *Conn) AuthLine(limit time.Duration, line string) (Reply, error) {
	c.Drop()
	out, err := appendAuthLine(c.out, line)
	if err != nil {
		return Reply{}, err
	}
	c.out, c.queued = out, 1
	return c.sendOne(true, limit)
}

func (c *Conn) sendOne(secret bool, limit time.Duration) (reply Reply, err error) {
	got := false
	err = c.send(secret, limit, func(_ int, r Reply) { reply, got = r, true })
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

// collect reads n replies. What ends it is not yet told apart; limit is that of the
// reply that was due.
func (c *Conn) collect(n int, limits Limits, each func(i int, r Reply)) (limit time.Duration, err error) {
	for i := range n {
		limit = limits.Reply
		if i == n-1 {
			limit = limits.Last
		}
		r, err := c.receive(nil, limit)
		if err != nil {
			return limit, err
		}
		each(i, r)
		if r.Code == 421 {
			// It may answer any command, and ends the session; replies to what
			// else is in the flight need not come (RFC 5321, section 3.8).
			return limit, &LostError{io.EOF}
		}
	}
	return limit, nil
}

// hear is for a write that failed with err: up to n replies may have come before
// it did.
func (c *Conn) hear(err error, n int, limit time.Duration, each func(i int, r Reply)) {
	c.nc.SetReadDeadline(time.Now().Add(patience(err, limit)))
	for i := range n {
		r, err := readReply(c.br)
		if err != nil {
			return
		}
		each(i, r)
	}
}

// patience is how long to listen after a write failed with err.
func patience(err error, limit time.Duration) time.Duration {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return reserve(limit)
	}
	return lastWords
}

// sendBeside writes a large flight while it reads the replies, since a server
// may stop reading until we read what it wrote.
func (c *Conn) sendBeside(out []byte, n int, limits Limits, each func(i int, r Reply)) error {
	var (
		hurry   *time.Timer
		hurried atomic.Bool
		written = make(chan error, 1)
	)
	go func() { // waited for below
		err := c.writeAll(out, limits.Write)
		if err != nil {
			hurry = time.AfterFunc(patience(err, limits.Write), func() { // ends the reader
				hurried.Store(true)
				c.Cut()
			})
		}
		written <- err
	}()
	limit, err := c.collect(n, limits, each)
	byWriter := err == nil || hurried.Load()
	if err != nil {
		c.Cut() // ends the writer
	}
	werr := <-written
	if hurry != nil {
		hurry.Stop()
	}
	if byWriter {
		err, limit = werr, limits.Write
	}
	return c.broken(err, limit)
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
