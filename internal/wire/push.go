package wire

import (
	"sync/atomic"
	"time"
)

// A Pusher writes flight after flight, while somebody else reads the replies from
// the same Conn with [Conn.ReadReply]: one goroutine writes and one reads, and
// nobody does anything else with the Conn meanwhile.
type Pusher struct {
	c       *Conn
	err     error
	hurry   *time.Timer
	hurried atomic.Bool
}

// Pusher returns a Pusher for c. Nothing is under way on c at the time.
func (c *Conn) Pusher() (*Pusher, error) {
	if c.secret {
		_ = c.glance() // what was said unasked may quote it
	}
	if err := c.ready(); err != nil {
		return nil, err
	}
	c.secret = false
	return &Pusher{c: c}, nil
}

// Flush writes what is queued, and leaves the replies to be read with
// [Conn.ReadReply].
func (c *Conn) Flush(limit time.Duration) error {
	out := c.out
	c.Drop()
	if err := c.unheard(false, limit); err != nil {
		return err
	}
	if err := c.writeAll(out, limit); err != nil {
		return c.stopped(err, limit)
	}
	return nil
}

// Queued returns how many octets the next flight has.
func (c *Conn) Queued() int { return len(c.out) }

// Push writes what is queued, in full records. If that fails, the reader gets
// what the server may still have said, and then its end; Push must not be called
// again.
func (p *Pusher) Push(limit time.Duration) error {
	c := p.c
	out := c.out
	c.Drop()
	if cap(c.out) > keptFlight {
		c.out = nil
	}
	if p.err = c.writeAll(out, limit); p.err != nil {
		p.hurry = time.AfterFunc(patience(p.err, limit), func() {
			p.hurried.Store(true)
			c.Cut()
		})
	}
	return p.err
}

// Done ends the pushing, when the reader has ended as well: with the error of the
// connection, or nil if it is still good. If both failed, it is the reader's error,
// which is the server's own word or what it did, unless the reader was ended
// because the writer had failed.
func (p *Pusher) Done(limit time.Duration) error {
	c := p.c
	switch {
	case p.err == nil:
		return c.broke()
	case !p.hurry.Stop() && p.hurried.Load():
		// It was the end of patience that the reader met.
		c.mu.Lock()
		c.err = nil
		c.mu.Unlock()
	default:
		if err := c.broke(); err != nil {
			return err
		}
	}
	return c.network(p.err, limit)
}
