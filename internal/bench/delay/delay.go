// Package delay has a connection that is far away: what either end says arrives
// half a round trip later at the other, in order, and at any bandwidth.
//
// It sits at the server's end of a connection over the loopback interface, where
// the operating system answers a client's SYN at once. So that connecting takes
// its round trip too, the client's first octets are held back for one round trip
// more, and the server begins (see [Conn.Arrive]) when the last part of the
// handshake would have reached it.
//
// Neither slow start nor loss nor a bottleneck is modelled: no number of octets
// in flight takes longer than one.
package delay

import (
	"net"
	"sync"
	"time"
)

// A Conn is a connection that is half a round trip long.
type Conn struct {
	net.Conn
	half    time.Duration
	opened  time.Time
	in, out queue
	current piece // being read
	heard   bool  // something, since anything was said
	turns   int
	ending  sync.Once
	pumps   sync.WaitGroup
}

// chunk is how much is read at once.
const chunk = 64 << 10

// New makes nc, which was accepted just now, rtt long. It must be closed.
func New(nc net.Conn, rtt time.Duration) *Conn {
	c := &Conn{Conn: nc, half: rtt / 2, opened: time.Now(), heard: true}
	c.in.init()
	c.out.init()
	c.pumps.Go(c.receive)
	c.pumps.Go(c.transmit)
	return c
}

// Arrive waits until the TCP handshake would have ended for the server.
func (c *Conn) Arrive() { waitUntil(c.opened.Add(3 * c.half)) }

// receive notes what comes from the client, and when the server may see it.
func (c *Conn) receive() {
	connected := c.opened.Add(2 * c.half)
	for {
		buffer := make([]byte, chunk)
		n, err := c.Conn.Read(buffer)
		left := time.Now()
		if left.Before(connected) {
			left = connected
		}
		if n > 0 {
			if n < chunk/4 { // keep no more than there is
				buffer = append([]byte(nil), buffer[:n]...)
			}
			c.in.push(piece{due: left.Add(c.half), data: buffer[:n]})
		}
		if err != nil {
			c.in.end(piece{due: left.Add(c.half), err: err})
			return
		}
	}
}

// transmit lets the client see what the server said.
func (c *Conn) transmit() {
	defer c.Conn.Close()
	for {
		p := c.out.pop()
		waitUntil(p.due)
		if p.err != nil {
			return
		}
		if _, err := c.Conn.Write(p.data); err != nil {
			return
		}
	}
}

// Read returns what has arrived. One goroutine may read and write.
func (c *Conn) Read(p []byte) (int, error) {
	if len(c.current.data) == 0 {
		if c.current.err == nil {
			c.current = c.in.pop()
			waitUntil(c.current.due)
		}
		if c.current.err != nil {
			return 0, c.current.err
		}
	}
	n := copy(p, c.current.data)
	c.current.data = c.current.data[n:]
	c.heard = true
	return n, nil
}

// Turns is how often this end has answered: the number of round trips, but for
// that of the TCP handshake. It may be called when nobody reads or writes.
func (c *Conn) Turns() int { return c.turns }

// Write sends p on its way, and does not wait.
func (c *Conn) Write(p []byte) (int, error) {
	if c.heard {
		c.heard = false
		c.turns++
	}
	c.out.push(piece{due: time.Now().Add(c.half), data: append([]byte(nil), p...)})
	return len(p), nil
}

// Close ends the connection once what was written has arrived.
func (c *Conn) Close() error {
	c.ending.Do(func() { c.out.end(piece{due: time.Now().Add(c.half), err: net.ErrClosed}) })
	c.pumps.Wait()
	return nil
}

// SetDeadline does nothing: this end has no time limits.
func (c *Conn) SetDeadline(time.Time) error { return nil }

// SetReadDeadline does nothing.
func (c *Conn) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline does nothing.
func (c *Conn) SetWriteDeadline(time.Time) error { return nil }
