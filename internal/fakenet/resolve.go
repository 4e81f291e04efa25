package fakenet

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// Unresolvable makes the name of a host unknown: dialling it fails at once with
// a *net.DNSError that says IsNotFound.
func (n *Network) Unresolvable(host string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.absent[canonical(host)] = true
}

// resolve returns the address that addr, a host and a port, stands for, even if
// a client would not find it. The caller holds n.mu.
func (n *Network) resolve(addr string) (host string, to netip.AddrPort, err error) {
	host, service, err := net.SplitHostPort(addr)
	if err != nil {
		return "", netip.AddrPort{}, err
	}
	port, err := strconv.ParseUint(service, 10, 16)
	if err != nil || port == 0 {
		return "", netip.AddrPort{}, &net.AddrError{Err: "invalid port", Addr: addr}
	}
	host = canonical(host)
	return host, netip.AddrPortFrom(n.lookup(host), uint16(port)), nil
}

// lookup returns a host's address. A host that is not a literal and was not seen
// before gets the next free one.
func (n *Network) lookup(host string) netip.Addr {
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.Unmap()
	}
	if host == "localhost" {
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	ip, ok := n.hosts[host]
	if !ok {
		ip = n.nextAddr()
		n.hosts[host] = ip
	}
	return ip
}

// nextAddr takes the next address of a network meant for documentation, RFC 5737.
func (n *Network) nextAddr() netip.Addr {
	last := len(n.hosts) + 1
	if last > 254 {
		panic(fmt.Sprintf("fakenet: no address left for host %d", last))
	}
	return netip.AddrFrom4([4]byte{198, 51, 100, byte(last)})
}

// source returns the address that a client talks to a server from.
func source(to netip.Addr) netip.Addr {
	switch {
	case to.IsLoopback():
		return to
	case to.Is6():
		return netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 15: 1}) // RFC 3849
	}
	return netip.AddrFrom4([4]byte{192, 0, 2, 1})
}

func canonical(host string) string {
	return strings.ToLower(strings.TrimSuffix(host, "."))
}
