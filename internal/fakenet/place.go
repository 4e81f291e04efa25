package fakenet

import (
	"fmt"
	"net/netip"
	"time"
)

// A place is what is to be known about one address: the way there and what a
// dial finds.
type place struct {
	rtt       time.Duration
	window    int
	segment   int
	fate      fate
	listener  *listener // nil: refuses
	cuts      [2]cut    // by Direction
	onConnect func(*Link)
	dials     int
}

// A fate is what becomes of a dial.
type fate int

const (
	answered fate = iota // if someone listens
	refused
	swallowed
)

func newPlace(rtt time.Duration) place {
	return place{rtt: rtt, window: 64 << 10, cuts: [2]cut{never, never}}
}

// SetRTT sets the round-trip time to addr for dials from now on.
func (n *Network) SetRTT(addr string, rtt time.Duration) {
	n.each(addr, func(p *place) { p.rtt = rtt })
}

// SetWindow sets how many octets each direction of a connection to addr holds
// until they are read: 64 KiB unless set. It counts for dials from now on.
func (n *Network) SetWindow(addr string, octets int) {
	if octets < 1 {
		panic("fakenet: a window holds at least one octet")
	}
	n.each(addr, func(p *place) { p.window = octets })
}

// SetSegment sets how many octets a single Read returns at most, at either end of
// a connection to addr: 1 is octet by octet, 0 no limit. It counts for dials
// from now on.
func (n *Network) SetSegment(addr string, octets int) {
	n.each(addr, func(p *place) { p.segment = octets })
}

// Refuse lets dials of addr fail with ECONNREFUSED after one round trip, though
// someone may listen. An address where no one listens refuses by itself.
func (n *Network) Refuse(addr string) {
	n.each(addr, func(p *place) { p.fate = refused })
}

// BlackHole lets dials of addr get no answer: they block until their context
// ends. Connections that exist are not concerned; see [Link.Cut] for these.
func (n *Network) BlackHole(addr string) {
	n.each(addr, func(p *place) { p.fate = swallowed })
}

// Restore ends what Refuse or BlackHole began. A dial that is in the black hole
// stays there: a SYN is not sent twice.
func (n *Network) Restore(addr string) {
	n.each(addr, func(p *place) { p.fate = answered })
}

// OnConnect has f called with each connection to addr before DialContext returns
// it, for example to cut only the third. A nil f calls nothing.
func (n *Network) OnConnect(addr string, f func(*Link)) {
	n.each(addr, func(p *place) { p.onConnect = f })
}

// CutAfter cuts each connection that is dialled to addr from now on once octets
// have been written in a direction; see [Link.CutAfter].
func (n *Network) CutAfter(addr string, d Direction, octets int, how Manner) {
	n.each(addr, func(p *place) { p.cuts[d] = cut{octets, how} })
}

// each changes the place at addr or, for Anywhere, all that are and will be.
func (n *Network) each(addr string, change func(*place)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if addr != Anywhere {
		change(n.named(addr))
		return
	}
	change(&n.usual)
	for _, p := range n.places {
		change(p)
	}
}

// named returns the place at addr. The caller holds n.mu.
func (n *Network) named(addr string) *place {
	_, to, err := n.resolve(addr)
	if err != nil {
		panic(fmt.Sprintf("fakenet: %v", err))
	}
	return n.place(to)
}

// place returns the place at an address. The caller holds n.mu.
func (n *Network) place(at netip.AddrPort) *place {
	p, ok := n.places[at]
	if !ok {
		p = new(place)
		*p = n.usual
		n.places[at] = p
	}
	return p
}
