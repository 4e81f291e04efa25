package submit

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"unicode/utf8"

	"github.com/mailport/mailport/internal/wire"
)

// checkHost refuses what is no host before anything is done with it.
func checkHost(host string) error {
	invalid := func(reason string) error {
		return &InvalidError{Field: "Host", Value: withoutUserinfo(host), Reason: reason}
	}
	if host == "" {
		return invalid("no host given")
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return nil // the certificate must name the address: RFC 9525, section 6.4
	}
	if strings.ContainsAny(host, ":/[]@") {
		return invalid("has a port, a scheme or brackets in it; the host is a name or an address alone")
	}
	if strings.ContainsFunc(host, func(r rune) bool { return r >= utf8.RuneSelf }) {
		return invalid("not ASCII; of an internationalised name the form with xn-- is wanted")
	}
	if err := wire.CheckDomain(strings.TrimSuffix(host, ".")); err != nil {
		return invalid(err.Error())
	}
	return nil
}

func checkPort(field string, port int) error {
	switch {
	case port < 0 || port > 65535:
		return &InvalidError{Field: field, Value: fmt.Sprint(port), Reason: "not between 1 and 65535"}
	case port == 25:
		return &InvalidError{Field: field, Value: "25", Reason: "is for relays, not for submission (RFC 6409, section 3.1)"}
	}
	return nil
}

// checkLocalName refuses an EHLO argument that servers refuse, or that is more
// than one.
func checkLocalName(name string) error {
	if name == "" {
		return nil
	}
	if err := wire.CheckDomain(name); err != nil {
		return &InvalidError{Field: "Config.LocalName", Value: name, Reason: err.Error()}
	}
	return nil
}

// tlsFor returns a copy of c.TLS that is strict: verified against host, TLS 1.2
// or later, never renegotiated.
func (c *Config) tlsFor(host string) (*tls.Config, error) {
	t := c.TLS.Clone()
	if t == nil {
		t = &tls.Config{}
	}
	if t.MaxVersion != 0 && t.MaxVersion < tls.VersionTLS12 {
		return nil, &InvalidError{Field: "Config.TLS.MaxVersion", Value: tls.VersionName(t.MaxVersion),
			Reason: "TLS 1.2 is the least that is spoken (RFC 8997)"}
	}
	t.MinVersion = max(t.MinVersion, tls.VersionTLS12)
	if t.MaxVersion != 0 && t.MaxVersion < t.MinVersion {
		return nil, &InvalidError{Field: "Config.TLS.MaxVersion", Value: tls.VersionName(t.MaxVersion),
			Reason: "is below MinVersion, " + tls.VersionName(t.MinVersion)}
	}
	if t.ServerName == "" {
		t.ServerName = strings.TrimSuffix(host, ".")
	}
	t.Renegotiation = tls.RenegotiateNever
	t.DynamicRecordSizingDisabled = true // a body fills its records
	if unverified(t) && !c.mayBeLoopback(host) {
		return nil, errUnverified()
	}
	markCallers(t)
	return t, nil
}

// markCallers makes what the caller's own verification says recognisable: to
// refuse a certificate is another thing than to fail in a handshake.
func markCallers(t *tls.Config) {
	if verify := t.VerifyConnection; verify != nil {
		t.VerifyConnection = func(state tls.ConnectionState) error {
			return accepted(verify(state), state.PeerCertificates[0])
		}
	}
	if verify := t.VerifyPeerCertificate; verify != nil {
		t.VerifyPeerCertificate = func(raw [][]byte, chains [][]*x509.Certificate) error {
			leaf, err := x509.ParseCertificate(raw[0]) // of a server there is one, and it was parsed before
			return cmp.Or(accepted(verify(raw, chains), leaf), err)
		}
	}
}

func accepted(err error, leaf *x509.Certificate) error {
	if err == nil {
		return nil
	}
	return &notAccepted{err: err, leaf: leaf}
}

// notAccepted says that a certificate was looked at and refused. It is opaque on
// its way through a handshake: the caller's verification may ask others over a
// network, and its failure must not look like one of this connection.
type notAccepted struct {
	err  error
	leaf *x509.Certificate // nil where err has it
}

func (e *notAccepted) Error() string { return e.err.Error() }

func unverified(t *tls.Config) bool { return t.InsecureSkipVerify && t.VerifyConnection == nil }

func errUnverified() error {
	return &InvalidError{Field: "Config.TLS.InsecureSkipVerify", Reason: "switches verification off without a VerifyConnection to replace it; " +
		"to trust a certificate of your own, put its issuer into RootCAs"}
}

// mayBeLoopback reports whether host can turn out to be this machine. With a
// DialContext of the caller's own, perhaps a proxy, the peer's address does not
// tell, and so only the host itself counts.
func (c *Config) mayBeLoopback(host string) bool {
	if addr, err := netip.ParseAddr(host); err == nil {
		return addr.IsLoopback()
	}
	return c.DialContext == nil || host == "localhost"
}

// isLoopback is the last check of a configuration that does not verify, before
// anything is sent.
func (c *Config) isLoopback(nc net.Conn) bool {
	if c.DialContext != nil {
		return true // mayBeLoopback has judged
	}
	tcp, ok := nc.RemoteAddr().(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}

// checkVerified makes sure that a connection of the caller's own is as good as
// one of ours: TLS 1.2 or later, verified by crypto/tls or by c.
func (c *Config) checkVerified(conn *tls.Conn) error {
	state := conn.ConnectionState()
	switch {
	case state.Version < tls.VersionTLS12:
		return &cause{meaning: ErrInsecure, text: "connection speaks " + tls.VersionName(state.Version)}
	case len(state.VerifiedChains) > 0:
		return nil
	case c.TLS != nil && c.TLS.VerifyConnection != nil:
		if err := c.TLS.VerifyConnection(state); err != nil {
			return (&notAccepted{err: err, leaf: state.PeerCertificates[0]}).cause(state.ServerName)
		}
		return nil
	}
	if tcp, ok := conn.RemoteAddr().(*net.TCPAddr); ok && tcp.IP.IsLoopback() {
		return nil
	}
	return &cause{meaning: ErrInsecure, err: ErrCertificate, whole: true,
		text: "connection is not verified: neither crypto/tls nor Config.TLS.VerifyConnection has checked the certificate"}
}
