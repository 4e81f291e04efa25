package fakenet

import (
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"
)

// Anywhere stands for every address, in place of one: those that have been seen
// and those that have not.
const Anywhere = ""

// Network connects clients, whose address is 192.0.2.1, with servers, each host
// of which has an address in 198.51.100.0/24. It is safe for concurrent use.
type Network struct {
	mu     sync.Mutex                // guards the fields below; not held while waiting
	hosts  map[string]netip.Addr     // addresses are given out in order
	absent map[string]bool           // hosts that do not resolve
	usual  place                     // what a new place begins as
	places map[netip.AddrPort]*place // made when first mentioned
	links  []*Link                   // in the order of dialling
	port   uint16                    // the client's next one
}

// New returns a network on which no one listens yet.
func New(rtt time.Duration) *Network {
	return &Network{
		hosts:  make(map[string]netip.Addr),
		absent: make(map[string]bool),
		usual:  newPlace(rtt),
		places: make(map[netip.AddrPort]*place),
		port:   firstEphemeral,
	}
}

const firstEphemeral = 49152 // RFC 6335, section 6

// Listen lets addr, a host and a port number, be dialled. A connection succeeds
// even if no one calls Accept, as with a kernel's backlog, which is unlimited here.
// Closing the listener resets the connections that were not accepted.
//
// Listen panics if addr is not an address or is taken.
func (n *Network) Listen(addr string) net.Listener {
	n.mu.Lock()
	defer n.mu.Unlock()
	_, to, err := n.resolve(addr)
	if err != nil {
		panic(fmt.Sprintf("fakenet: listen: %v", err))
	}
	p := n.place(to)
	if p.listener != nil {
		panic(fmt.Sprintf("fakenet: listen: %s: address in use", addr))
	}
	l := newListener(net.TCPAddrFromAddrPort(to))
	l.forget = func() { n.vacate(p, l) }
	p.listener = l
	return l
}

// vacate gives an address back, once its listener is closed.
func (n *Network) vacate(p *place, l *listener) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if p.listener == l {
		p.listener = nil
	}
}

// Close closes every listener and the server's end of every connection, so that
// servers come to their end. Clients' ends are the clients' business: see
// [Network.Check].
func (n *Network) Close() error {
	for _, l := range n.listeners() {
		l.Close()
	}
	for _, link := range n.Links(Anywhere) {
		link.server.Close()
	}
	return nil
}

func (n *Network) listeners() (all []*listener) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, p := range n.places {
		if p.listener != nil {
			all = append(all, p.listener)
		}
	}
	return all
}
