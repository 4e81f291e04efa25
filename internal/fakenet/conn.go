package fakenet

import (
	"io"
	"net"
	"os"
	"syscall"
	"time"
)

// Conn is one end of a connection.
type Conn struct {
	link          *Link
	in, out       *stream
	local, remote *net.TCPAddr
	closed        bool // by Close or Reset; guarded by the link's mutex
	shut          bool // by CloseWrite; likewise
}

// Link returns the connection that c is an end of.
func (c *Conn) Link() *Link { return c.link }

// LocalAddr returns a *net.TCPAddr.
func (c *Conn) LocalAddr() net.Addr { return c.local }

// RemoteAddr returns a *net.TCPAddr.
func (c *Conn) RemoteAddr() net.Addr { return c.remote }

// Read reads what has arrived.
func (c *Conn) Read(p []byte) (int, error) {
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	c.in.reader.enter(&c.link.mu)
	defer c.in.reader.leave()
	for {
		now := time.Now()
		if err := c.usable(&c.in.reader, now); err != nil {
			return 0, c.fail("read", err)
		}
		if n := c.in.take(p, now); n > 0 || len(p) == 0 {
			return n, nil
		}
		if c.in.ended(now) {
			return 0, c.fail("read", c.in.end.err)
		}
		c.in.reader.wait(&c.link.mu, c.in.readable())
	}
}

// Write returns when the network has taken all of p, or fails with the number of
// octets that it has taken.
func (c *Conn) Write(p []byte) (n int, err error) {
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	c.out.writer.enter(&c.link.mu)
	defer c.out.writer.leave()
	began := time.Now()
	defer func() { c.record(began, n) }()
	for {
		now := time.Now()
		if err := c.writable(now); err != nil {
			return n, c.fail("write", err)
		}
		m := c.out.put(p[n:], now)
		if n += m; n == len(p) {
			c.link.cutIfDue(c, now)
			return n, nil
		}
		if !c.link.cutIfDue(c, now) && m == 0 {
			c.out.writer.wait(&c.link.mu, c.out.writable())
		}
	}
}

// usable returns what keeps any call from even trying.
func (c *Conn) usable(w *waiter, now time.Time) error {
	switch {
	case c.closed:
		return net.ErrClosed
	case w.expired(now):
		return os.ErrDeadlineExceeded
	}
	return nil
}

func (c *Conn) writable(now time.Time) error {
	if err := c.usable(&c.out.writer, now); err != nil {
		return err
	}
	switch {
	case c.shut:
		return syscall.EPIPE
	case c.out.stop.reached(now):
		return c.out.stop.err
	}
	return nil
}

// Close sends FIN after what was written, and ends the calls that are blocked.
func (c *Conn) Close() error {
	return c.leave("close", func(now time.Time) {
		c.out.finish(now, io.EOF)
	})
}

// Reset closes the connection with RST: the peer reads what was written, then
// ECONNRESET.
func (c *Conn) Reset() error {
	return c.leave("reset", func(now time.Time) {
		c.out.finish(now, syscall.ECONNRESET)
		c.in.halt(now, syscall.ECONNRESET)
	})
}

func (c *Conn) leave(op string, farewell func(now time.Time)) error {
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	if c.closed {
		return c.fail(op, net.ErrClosed)
	}
	now := time.Now()
	farewell(now)
	c.in.abandon(now)
	c.closed = true
	c.link.rouse()
	return nil
}

// CloseWrite sends FIN after what was written. Reading goes on.
func (c *Conn) CloseWrite() error {
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	if c.closed {
		return c.fail("close", net.ErrClosed)
	}
	c.out.finish(time.Now(), io.EOF)
	c.shut = true
	c.link.rouse()
	return nil
}

// SetDeadline sets when blocked and later calls fail with os.ErrDeadlineExceeded.
func (c *Conn) SetDeadline(t time.Time) error {
	return c.setDeadline(t, &c.in.reader, &c.out.writer)
}

// SetReadDeadline is SetDeadline for Read.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.setDeadline(t, &c.in.reader) }

// SetWriteDeadline is SetDeadline for Write.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.setDeadline(t, &c.out.writer) }

func (c *Conn) setDeadline(t time.Time, waiters ...*waiter) error {
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	if c.closed {
		return c.fail("set", net.ErrClosed)
	}
	for _, w := range waiters {
		w.setDeadline(t)
	}
	return nil
}

// fail dresses an error as package net does.
func (c *Conn) fail(op string, err error) error {
	if err == io.EOF {
		return err
	}
	if errno, ok := err.(syscall.Errno); ok {
		err = os.NewSyscallError(op, errno)
	}
	return &net.OpError{Op: op, Net: "tcp", Source: c.local, Addr: c.remote, Err: err}
}
