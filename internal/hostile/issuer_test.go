package hostile

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	"sync"
	"time"
)

// An issuer is a certificate with its key, made for a test: an authority, a link
// of a chain, or the last one of it.
type issuer struct {
	cert *x509.Certificate
	key  crypto.Signer
}

// keyOfAll is the key of every certificate that needs none of its own: to make
// keys takes time, and what is wrong with a certificate is not its key.
var keyOfAll = sync.OnceValue(func() *ecdsa.PrivateKey {
	return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
})

// root is an authority that clients trust beside the tests' usual one, for chains.
var root = sync.OnceValue(func() *issuer { return issue(nil, ca("root")) })

// staleRoot is one that clients went on trusting for too long.
var staleRoot = sync.OnceValue(func() *issuer {
	return issue(nil, with(ca("stale root"), func(c *x509.Certificate) { c.NotAfter = newYear(2000).AddDate(0, 0, -1) }))
})

// ca is the template of an authority.
func ca(name string) x509.Certificate {
	return x509.Certificate{
		Subject:  pkix.Name{CommonName: name},
		KeyUsage: x509.KeyUsageCertSign, IsCA: true, BasicConstraintsValid: true,
	}
}

// named is the template of a server's certificate.
func named(names ...string) x509.Certificate {
	return x509.Certificate{DNSNames: names, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
}

// issue makes the certificate that a template describes, with the key of all, from
// 1999 to 2100 if it does not say when. Without a parent it signs itself.
func issue(parent *issuer, template x509.Certificate) *issuer {
	return issueWith(keyOfAll(), parent, template)
}

func issueWith(key crypto.Signer, parent *issuer, template x509.Certificate) *issuer {
	template.SerialNumber = big.NewInt(4711)
	if template.NotBefore.IsZero() {
		template.NotBefore = newYear(1999)
	}
	if template.NotAfter.IsZero() {
		template.NotAfter = newYear(2100)
	}
	by, signer := &template, key
	if parent != nil {
		by, signer = parent.cert, parent.key
	}
	der := must(x509.CreateCertificate(rand.Reader, &template, by, key.Public(), signer))
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		cert = &x509.Certificate{Raw: der} // servers need not understand what they show
	}
	return &issuer{cert, key}
}

// shown is i as a server shows it, with the certificates between it and a root.
func (i *issuer) shown(between ...*issuer) *tls.Certificate {
	c := &tls.Certificate{Certificate: [][]byte{i.cert.Raw}, PrivateKey: i.key}
	for _, b := range between {
		c.Certificate = append(c.Certificate, b.cert.Raw)
	}
	return c
}

func newYear(year int) time.Time { return time.Date(year, time.January, 1, 0, 0, 0, 0, time.UTC) }

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// A forger has the public key of one certificate and signs with another: what
// somebody can do who has seen a certificate and not its key.
type forger struct {
	crypto.Signer
	public crypto.PublicKey
}

func (f forger) Public() crypto.PublicKey { return f.public }

func (f forger) Sign(r io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	if key, ok := f.public.(*rsa.PublicKey); ok {
		return make([]byte, key.Size()), nil
	}
	return f.Signer.Sign(r, digest, opts)
}

// shortKey is a public RSA key of that many bits, for which there is no private one.
func shortKey(bits int) *rsa.PublicKey {
	n := new(big.Int).Lsh(big.NewInt(1), uint(bits-1))
	return &rsa.PublicKey{N: n.SetBit(n, 0, 1), E: 65537}
}
