package fakenet

import (
	"net"
	"net/netip"
	"sync"
	"time"
)

// Direction is a direction of a connection.
type Direction int

// The two directions.
const (
	ToServer Direction = iota
	ToClient
)

// Link is a connection as the network sees it: two ends, what went through, and
// where it is cut. It is safe for concurrent use.
type Link struct {
	addr           string
	place          *place
	syn            time.Time
	client, server *Conn

	mu      sync.Mutex // guards the streams and the ends' state; not held while waiting
	streams [2]stream  // by Direction
	severed bool
}

func newLink(syn time.Time, rtt time.Duration, addr string, from, to netip.AddrPort, p *place) *Link {
	l := &Link{addr: addr, place: p, syn: syn}
	there, back := rtt/2, rtt-rtt/2 // together one round trip, even if rtt is odd
	l.streams[ToServer] = newStream(there, back, p)
	l.streams[ToClient] = newStream(back, there, p)
	up, down := &l.streams[ToServer], &l.streams[ToClient]
	client, server := net.TCPAddrFromAddrPort(from), net.TCPAddrFromAddrPort(to)
	l.client = &Conn{link: l, in: down, out: up, local: client, remote: server}
	l.server = &Conn{link: l, in: up, out: down, local: server, remote: client}
	return l
}

func newStream(delay, back time.Duration, p *place) stream {
	return stream{delay: delay, back: back, segment: p.segment, room: p.window, cut: never}
}

// Addr returns the host and port that were dialled.
func (l *Link) Addr() string { return l.addr }

// Client returns the end that dialled.
func (l *Link) Client() *Conn { return l.client }

// Server returns the end that was, or will be, accepted.
func (l *Link) Server() *Conn { return l.server }

// Open reports whether the client has not closed its end.
func (l *Link) Open() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.client.closed
}

func (l *Link) rouse() {
	l.streams[ToServer].rouse()
	l.streams[ToClient].rouse()
}
