package submit

import (
	"net"
	"net/netip"
	"strings"

	"github.com/mailport/mailport/internal/wire"
)

// localNames returns what to say to EHLO, and what next if the server does not
// like it (RFC 5321, section 4.1.1.1: a fully qualified domain name or, lacking
// that, an address literal). "localhost" gets mail refused in the field.
func localNames(configured, hostname string, local net.Addr) []string {
	literal := addressLiteral(local)
	switch {
	case configured != "":
		return []string{configured}
	case isQualified(hostname):
		return []string{hostname, literal}
	}
	return []string{literal}
}

func isQualified(name string) bool {
	_, rest, dotted := strings.Cut(name, ".")
	return dotted && rest != "localdomain" && !strings.ContainsAny(name, "_[") && wire.CheckDomain(name) == nil
}

// addressLiteral is RFC 5321, section 4.1.3.
func addressLiteral(a net.Addr) string {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return "[127.0.0.1]" // over a proxy or a pipe there is no better one
	}
	ip, ok := netip.AddrFromSlice(tcp.IP)
	ip = ip.Unmap()
	switch {
	case !ok:
		return "[127.0.0.1]"
	case ip.Is4():
		return "[" + ip.String() + "]"
	}
	return "[IPv6:" + ip.String() + "]"
}
