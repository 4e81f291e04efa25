// Package testcert makes throw-away certificates for tests: an authority and
// what it signs, good and bad.
//
// Use [New] and [CA.Leaf]; the bad ones are named after what is wrong with them.
// A certificate for the wrong name is a Leaf of another name.
//
// The certificates are valid from 1999, because a testing/synctest bubble's
// clock starts in 2000, and until 2100, so that they serve the real clock too.
//
// No function returns an error or takes a testing.TB: programs use the package
// too. What could fail is a programming mistake in it, since reading random
// octets does not fail (crypto/rand ends the program first) and the templates do
// not depend on the outside; that panics.
package testcert

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"net"
	"time"
)

// CA is a certificate authority. It is safe for concurrent use.
type CA struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// New makes an authority that nobody trusts yet.
func New() *CA {
	key := newKey()
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "mailport test authority"},
		NotBefore:             newYear(1999),
		NotAfter:              newYear(2100),
		KeyUsage:              x509.KeyUsageCertSign,
		IsCA:                  true,
		BasicConstraintsValid: true,
	}
	return &CA{sign(template, template, key, key), key}
}

// Pool returns a new pool that holds only this authority.
func (ca *CA) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(ca.cert)
	return pool
}

// PEM returns the authority's certificate, as programs want it in a file.
func (ca *CA) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.cert.Raw})
}

// Leaf returns a server's certificate for names: host names, wildcards such as
// *.example.com, or IP addresses.
func (ca *CA) Leaf(names ...string) tls.Certificate {
	return ca.issue(server(names), newKey())
}

// Client returns a certificate with which a client identifies itself as name.
// It is not valid for a server.
func (ca *CA) Client(name string) tls.Certificate {
	template := leaf([]string{name})
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	return ca.issue(template, newKey())
}

func (ca *CA) issue(template *x509.Certificate, key *ecdsa.PrivateKey) tls.Certificate {
	return pair(sign(template, ca.cert, key, ca.key), key)
}

// sign makes the certificate that template describes, for the holder of key.
func sign(template, parent *x509.Certificate, key, parentKey *ecdsa.PrivateKey) *x509.Certificate {
	der := must(x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, parentKey))
	return must(x509.ParseCertificate(der))
}

func pair(cert *x509.Certificate, key *ecdsa.PrivateKey) tls.Certificate {
	return tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key, Leaf: cert}
}

// newYear returns the moment at which a year begins.
func newYear(year int) time.Time {
	return time.Date(year, time.January, 1, 0, 0, 0, 0, time.UTC)
}

func server(names []string) *x509.Certificate {
	template := leaf(names)
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	return template
}

func leaf(names []string) *x509.Certificate {
	template := &x509.Certificate{
		NotBefore:             newYear(1999),
		NotAfter:              newYear(2100),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		BasicConstraintsValid: true,
	}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	if len(names) > 0 {
		template.Subject.CommonName = names[0]
	}
	return template
}

func newKey() *ecdsa.PrivateKey {
	return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
