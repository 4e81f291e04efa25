package fakenet

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"
)

// DialContext connects to addr, a host and a port number, as net.Dialer does and
// with the same errors. The connection is a [*Conn].
func (n *Network) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	syn := time.Now()
	to, p, err := n.find(network, addr)
	if err == nil {
		err = ended(ctx)
	}
	if err != nil {
		return nil, dialError(network, to, err)
	}
	link, err := n.handshake(ctx, syn, addr, to, p)
	if err != nil {
		return nil, dialError(network, to, err)
	}
	return link.client, nil
}

// find returns the place that addr stands for, and counts the dial.
func (n *Network) find(network, addr string) (netip.AddrPort, *place, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if network != "tcp" && network != "tcp4" && network != "tcp6" {
		return netip.AddrPort{}, nil, net.UnknownNetworkError(network)
	}
	host, to, err := n.resolve(addr)
	if err != nil {
		return netip.AddrPort{}, nil, err
	}
	p := n.place(to)
	p.dials++
	if n.absent[host] {
		return netip.AddrPort{}, nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	if network == "tcp4" && !to.Addr().Is4() || network == "tcp6" && to.Addr().Is4() {
		return netip.AddrPort{}, nil, &net.AddrError{Err: "no suitable address found", Addr: addr}
	}
	return to, p, nil
}

// handshake sends SYN and waits for SYN and ACK. What the SYN finds is decided
// when it arrives; the third segment is on its way when handshake returns.
func (n *Network) handshake(ctx context.Context, syn time.Time, addr string, to netip.AddrPort, p *place) (*Link, error) {
	n.mu.Lock()
	rtt := p.rtt
	n.mu.Unlock()
	if err := travel(ctx, rtt/2); err != nil {
		return nil, err
	}
	l, fate := n.arrive(p)
	if fate == swallowed {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if err := travel(ctx, rtt-rtt/2); err != nil {
		return nil, err
	}
	if fate == refused {
		return nil, os.NewSyscallError("connect", syscall.ECONNREFUSED)
	}
	link := n.connect(syn, rtt, addr, to, p)
	l.enqueue(link.server, time.Now().Add(rtt/2))
	return link, nil
}

// arrive tells what a SYN meets at p.
func (n *Network) arrive(p *place) (*listener, fate) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if p.fate == answered && p.listener == nil {
		return nil, refused
	}
	return p.listener, p.fate
}

// connect makes the link and lets the test have its way with it.
func (n *Network) connect(syn time.Time, rtt time.Duration, addr string, to netip.AddrPort, p *place) *Link {
	n.mu.Lock()
	from := netip.AddrPortFrom(source(to.Addr()), n.port)
	n.port = max(n.port+1, firstEphemeral) // wraps around
	link := newLink(syn, rtt, addr, from, to, p)
	onConnect, cuts := p.onConnect, p.cuts
	n.links = append(n.links, link)
	n.mu.Unlock()

	for d, c := range cuts {
		link.CutAfter(Direction(d), c.after, c.how)
	}
	if onConnect != nil {
		onConnect(link)
	}
	return link
}

// travel waits for d or until the context ends. When both are at the same time,
// the context has ended.
func travel(ctx context.Context, d time.Duration) error {
	if d > 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	return ended(ctx)
}

// ended returns why a context has ended. It looks at the deadline itself, since a
// timer that is due at the same time may not have fired yet.
func ended(ctx context.Context) error {
	if deadline, ok := ctx.Deadline(); ok && ctx.Err() == nil && !time.Now().Before(deadline) {
		return context.DeadlineExceeded
	}
	return ctx.Err()
}

func dialError(network string, to netip.AddrPort, err error) error {
	switch {
	case errors.Is(err, context.Canceled):
		err = canceled{}
	case errors.Is(err, context.DeadlineExceeded):
		err = timeout{}
	}
	op := &net.OpError{Op: "dial", Net: network, Err: err}
	if to.IsValid() {
		op.Addr = net.TCPAddrFromAddrPort(to)
	}
	return op
}

// canceled and timeout are what net.Dialer makes of a context's errors.
type (
	canceled struct{}
	timeout  struct{}
)

func (canceled) Error() string        { return "operation was canceled" }
func (canceled) Is(target error) bool { return target == context.Canceled }
func (timeout) Error() string         { return "i/o timeout" }
func (timeout) Is(target error) bool  { return target == context.DeadlineExceeded }
func (timeout) Timeout() bool         { return true }
func (timeout) Temporary() bool       { return true }
