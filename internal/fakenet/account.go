package fakenet

import (
	"fmt"
	"slices"
	"time"
)

// Write is what one Write call handed to the network.
type Write struct {
	At     time.Duration // since the client's SYN, when the call was made
	Octets int
}

// record notes what a Write that began at a given time has written.
func (c *Conn) record(began time.Time, octets int) {
	if octets > 0 {
		c.out.writes = append(c.out.writes, Write{began.Sub(c.link.syn), octets})
	}
}

// Octets returns how many octets have been written in a direction so far.
func (l *Link) Octets(d Direction) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.streams[d].written
}

// Writes returns the Write calls in a direction that have returned, in order.
func (l *Link) Writes(d Direction) []Write {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.streams[d].writes)
}

// Flights returns the Writes in a direction, with those made at the same instant
// taken together. In a bubble, where only the network takes time, that is what
// leaves without waiting for an answer.
func (l *Link) Flights(d Direction) (flights []Write) {
	for _, w := range l.Writes(d) {
		if last := len(flights) - 1; last >= 0 && flights[last].At == w.At {
			flights[last].Octets += w.Octets
		} else {
			flights = append(flights, w)
		}
	}
	return flights
}

// String names both ends, the way they are in a trace of packets.
func (l *Link) String() string {
	return fmt.Sprintf("%s > %s (%s)", l.client.local, l.addr, l.client.remote)
}

// Dials returns how often addr was dialled, whatever came of it.
func (n *Network) Dials(addr string) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	if addr != Anywhere {
		return n.named(addr).dials
	}
	sum := 0
	for _, p := range n.places {
		sum += p.dials
	}
	return sum
}

// Links returns the connections that were dialled at addr and succeeded, open or
// not, in that order.
func (n *Network) Links(addr string) (links []*Link) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if addr == Anywhere {
		return slices.Clone(n.links)
	}
	p := n.named(addr)
	for _, l := range n.links {
		if l.place == p {
			links = append(links, l)
		}
	}
	return links
}

// Open returns how many connections the clients have not closed.
func (n *Network) Open() (open int) {
	for _, l := range n.Links(Anywhere) {
		if l.Open() {
			open++
		}
	}
	return open
}

// TB is what [Network.Check] needs of a testing.TB.
type TB interface {
	Helper()
	Errorf(format string, args ...any)
}

// Check fails the test if a client has left a connection open. Call it when all
// should be over.
func (n *Network) Check(t TB) {
	t.Helper()
	for _, l := range n.Links(Anywhere) {
		if l.Open() {
			t.Errorf("fakenet: left open: %v, %d octets to the server, %d to the client",
				l, l.Octets(ToServer), l.Octets(ToClient))
		}
	}
}
