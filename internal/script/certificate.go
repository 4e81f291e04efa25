package script

import (
	"crypto/tls"
	"fmt"

	"github.com/mailport/mailport/internal/testcert"
)

// A certificate is what a TLS line says.
type certificate struct {
	highest uint16 // version
	flaw    string
	names   []string
}

func parseCertificate(words []string) (certificate, error) {
	c := certificate{highest: tls.VersionTLS13}
	versions := map[string]uint16{"1.1": tls.VersionTLS11, "1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13}
	if len(words) > 0 && versions[words[0]] != 0 {
		c.highest, words = versions[words[0]], words[1:]
	}
	if len(words) == 0 {
		return c, fmt.Errorf("no name for the certificate")
	}
	switch words[0] {
	case "expired", "early", "untrusted", "self-signed":
		c.flaw, words = words[0], words[1:]
	}
	c.names = words
	return c, nil
}

// config is the server's. Where no name is given it is the right one.
func (c certificate) config(ca *testcert.CA, host string) *tls.Config {
	names := c.names
	if len(names) == 0 {
		names = []string{host}
	}
	var cert tls.Certificate
	switch c.flaw {
	case "expired":
		cert = ca.Expired(names...)
	case "early":
		cert = ca.NotYetValid(names...)
	case "untrusted":
		cert = testcert.UnknownRoot(names...)
	case "self-signed":
		cert = testcert.SelfSigned(names...)
	default:
		cert = ca.Leaf(names...)
	}
	return &tls.Config{
		Certificates: []tls.Certificate{cert},
		MinVersion:   tls.VersionTLS10, // old servers are among what is played
		MaxVersion:   c.highest,
	}
}
