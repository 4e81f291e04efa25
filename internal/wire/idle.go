package wire

import (
	"errors"
	"net"
	"os"
	"time"
)

// Park watches an idle connection: should the server speak unasked or hang up,
// the connection is cut and lost is called, from a goroutine that waits in a
// read until then. Lost must not call Unpark or Quit.
//
// A connection that knows no deadlines, such as one through an SSH server, is
// not watched: the watch could not be ended.
func (c *Conn) Park(lost func()) {
	if err := c.nc.SetReadDeadline(time.Time{}); err != nil && !errors.Is(err, net.ErrClosed) {
		return
	}
	c.waking.Store(false)
	parked := make(chan struct{})
	c.parked = parked
	go func() { // Unpark waits for it
		defer close(parked)
		_, c.heard = c.br.Peek(1)
		if !c.waking.Load() {
			c.Cut()
			lost()
		}
	}()
}

// Parked reports whether there is a watch.
func (c *Conn) Parked() bool { return c.parked != nil }

// Unpark ends the watch, or looks if there was none, and reports whether the
// connection is still good. It costs no round trip.
func (c *Conn) Unpark() bool {
	if c.parked == nil {
		if err := c.glance(); err != nil {
			c.fail(&LostError{err})
		}
		return c.ready() == nil
	}
	c.waking.Store(true)
	c.nc.SetReadDeadline(time.Unix(1, 0))
	<-c.parked
	c.parked = nil
	switch {
	case c.heard == nil:
		c.fail(c.unasked())
	case !errors.Is(c.heard, os.ErrDeadlineExceeded):
		// Not a timeout of any kind: a peer that no longer answers the kernel's
		// keep-alive is one as well.
		c.fail(&LostError{c.heard})
	}
	c.nc.SetReadDeadline(time.Time{})
	return c.broke() == nil
}
