package submit_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/internal/testcert"
	"github.com/mailport/mailport/submit"
)

// An issuer issues what internal/testcert does not: certificates with their
// issuers between, and with whatever is written into them.
type issuer struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return key
}

func year(n int) time.Time { return time.Date(n, time.January, 1, 0, 0, 0, 0, time.UTC) }

// issue signs a certificate that is valid from 1999 to until; by is nil for one
// that signs itself.
func issue(t *testing.T, by *issuer, template x509.Certificate, until time.Time) *issuer {
	t.Helper()
	key := newKey(t)
	template.SerialNumber = big.NewInt(1)
	template.NotBefore, template.NotAfter = year(1999), until
	template.BasicConstraintsValid = true
	parent, parentKey := &template, key
	if by != nil {
		parent, parentKey = by.cert, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, parent, &key.PublicKey, parentKey)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return &issuer{cert, key}
}

func authorityCalled(name string) x509.Certificate {
	return x509.Certificate{Subject: pkix.Name{CommonName: name}, IsCA: true, KeyUsage: x509.KeyUsageCertSign}
}

// shown is what the server shows: the certificate, and those of its issuers.
func (i *issuer) shown(between ...*issuer) tls.Certificate {
	c := tls.Certificate{Certificate: [][]byte{i.cert.Raw}, PrivateKey: i.key}
	for _, b := range between {
		c.Certificate = append(c.Certificate, b.cert.Raw)
	}
	return c
}

func (i *issuer) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(i.cert)
	return pool
}

// Each kind of certificate that is not accepted has its sentence: what is wrong,
// what to do where that is known, and what is in the certificate.
func TestCertificateTexts(t *testing.T) {
	ca := authority()
	root := issue(t, nil, authorityCalled("root"), year(2100))
	stale := issue(t, root, authorityCalled("between"), year(2000).AddDate(0, 0, -1))
	fresh := issue(t, root, authorityCalled("between"), year(2100))
	old := issue(t, nil, x509.Certificate{Subject: pkix.Name{CommonName: "old"}, DNSNames: []string{host}, SignatureAlgorithm: x509.ECDSAWithSHA1}, year(2100))
	leaf := x509.Certificate{Subject: pkix.Name{CommonName: "x"}, DNSNames: []string{host, "mail.example.com"}}
	named := func(names ...string) x509.Certificate { return x509.Certificate{DNSNames: names} }
	elsewhere := authorityCalled("other")
	elsewhere.PermittedDNSDomains = []string{"example.net"}
	bound := issue(t, root, elsewhere, year(2100))
	nameless := issue(t, nil, x509.Certificate{IsCA: true, KeyUsage: x509.KeyUsageCertSign}, year(2100))
	var (
		byTest = `issued by "CN=mailport test authority"; valid 1999-01-01 to 2100-01-01`
		long   = strings.Repeat("x", 63)
	)
	for name, tt := range map[string]struct {
		shows tls.Certificate
		trust *x509.CertPool
		says  string
	}{
		"another name": {ca.Leaf("mail.example.net"), nil,
			`certificate is valid for mail.example.net, not for smtp.example.com (` + byTest + `)`},
		"other names": {ca.Leaf("a.example", "b.example", "c.example", "*.d.example", "e.example", "f.example", "192.0.2.1"), nil,
			`certificate is valid for a.example, b.example, c.example, *.d.example, e.example, 2 more, not for smtp.example.com (` + byTest + `)`},
		"another name, and self-signed": {testcert.SelfSigned("localhost"), nil,
			`certificate is valid for localhost, not for smtp.example.com (self-signed by "CN=localhost"; valid 1999-01-01 to 2100-01-01)`},
		"no name": {ca.Leaf(), nil,
			`certificate names no host, and so not smtp.example.com; it takes a subject alternative name, as a common name does not count (` + byTest + `)`},
		"expired": {ca.Expired(host), nil,
			`certificate expired 1999-12-31 00:00 UTC; the server needs a new one, unless this machine's clock is wrong: 2000-01-01 00:00 UTC ` +
				`(for smtp.example.com; issued by "CN=mailport test authority"; valid 1999-01-01 to 1999-12-31)`},
		"expired, with a wildcard": {ca.Expired("*.example.com"), nil,
			`certificate expired 1999-12-31 00:00 UTC; the server needs a new one, unless this machine's clock is wrong: 2000-01-01 00:00 UTC ` +
				`(for *.example.com; wanted for smtp.example.com; issued by "CN=mailport test authority"; valid 1999-01-01 to 1999-12-31)`},
		"expired, and another name": {ca.Expired("old.example.net"), nil,
			`certificate expired 1999-12-31 00:00 UTC; the server needs a new one, unless this machine's clock is wrong: 2000-01-01 00:00 UTC ` +
				`(for old.example.net, not for smtp.example.com either; issued by "CN=mailport test authority"; valid 1999-01-01 to 1999-12-31)`},
		"not yet valid": {ca.NotYetValid(host), nil,
			`certificate is not valid before 2090-01-01 00:00 UTC, and it is 2000-01-01 00:00 UTC by this machine's clock, which may be wrong ` +
				`(for smtp.example.com; issued by "CN=mailport test authority"; valid 2090-01-01 to 2100-01-01)`},
		"issuer expired": {issue(t, stale, leaf, year(2100)).shown(stale), root.pool(),
			`certificate of the issuer "CN=between" expired 1999-12-31 00:00 UTC; the server must send a newer one, or Config.TLS.RootCAs must have it, ` +
				`unless this machine's clock is wrong: 2000-01-01 00:00 UTC ` +
				`(for smtp.example.com, mail.example.com; wanted for smtp.example.com; issued by "CN=between"; valid 1999-01-01 to 2100-01-01)`},
		"issuer not shown": {issue(t, fresh, leaf, year(2100)).shown(), root.pool(),
			`certificate is from an issuer that is not trusted; if it is the right one, the server lacks an intermediate certificate, or Config.TLS.RootCAs the issuer's ` +
				`(for smtp.example.com, mail.example.com; wanted for smtp.example.com; issued by "CN=between"; valid 1999-01-01 to 2100-01-01)`},
		"issuer not known": {testcert.UnknownRoot(host), nil,
			`certificate is from an issuer that is not trusted; if it is the right one, the server lacks an intermediate certificate, or Config.TLS.RootCAs the issuer's ` +
				`(for smtp.example.com; ` + byTest + `)`},
		"self-signed": {testcert.SelfSigned(host), nil,
			`certificate is self-signed; if it is the right one, put it into Config.TLS.RootCAs ` +
				`(for smtp.example.com; self-signed by "CN=smtp.example.com"; valid 1999-01-01 to 2100-01-01)`},
		"for clients": {ca.Client(host), nil,
			`certificate was not issued for a server (extended key usage); the server needs another one (for smtp.example.com; ` + byTest + `)`},
		"issuer is for other names": {issue(t, bound, named(host), year(2100)).shown(bound), root.pool(),
			`certificate not accepted: <as crypto/x509 says> ` +
				`(for smtp.example.com; issued by "CN=other"; valid 1999-01-01 to 2100-01-01)`},
		"issuer and holder have no names": {issue(t, nameless, named(host), year(2100)).shown(), nil,
			`certificate is from an issuer that is not trusted; if it is the right one, the server lacks an intermediate certificate, or Config.TLS.RootCAs the issuer's ` +
				`(for smtp.example.com; issued by ""; valid 1999-01-01 to 2100-01-01)`},
		"signed by itself, in an old way": {old.shown(), nil,
			`certificate is self-signed; if it is the right one, put it into Config.TLS.RootCAs ` +
				`(for smtp.example.com; self-signed by "CN=old"; valid 1999-01-01 to 2100-01-01)`},
		"long names": {ca.Leaf(long + ".example.net"), nil,
			`certificate is valid for ` + long + `.…, not for smtp.example.com (` + byTest + `)`},
	} {
		for _, service := range services {
			t.Run(name+"/"+service, func(t *testing.T) {
				withClerk(t, certificate(tt.shows), func(t *testing.T, c *clerk) {
					config := c.withPassword()
					if tt.trust != nil {
						config.TLS = &tls.Config{RootCAs: tt.trust}
					}
					transport := (&world{config: config}).transport(service)
					_, err := transport.Submit(t.Context(), letter())
					require.Equal(t, submit.PhaseHandshake, asError(t, err).Phase)
					requireMeans(t, err, "Certificate", "Insecure")
					var verify *tls.CertificateVerificationError
					require.ErrorAs(t, err, &verify)
					says := strings.Replace(tt.says, "<as crypto/x509 says>", verify.Err.Error(), 1)
					require.Equal(t, transport.Endpoint().String()+": handshake: "+says, err.Error())
					require.Empty(t, c.heard("AUTH", "MAIL"))
				})
			})
		}
	}
}

// Promise 10, for a text: whatever is in a certificate, and however much, an
// error is one line that a person can read.
func TestLargeCertificate(t *testing.T) {
	var many []string
	for i := range 300 { // crypto/tls takes 256 KiB
		many = append(many, fmt.Sprintf("%s%d\r\n\x1b[31m.example.com", strings.Repeat("evil", 100), i))
	}
	template := x509.Certificate{
		Subject:  pkix.Name{CommonName: strings.Repeat("\u202eevil\n", 1000), Organization: many[:20]},
		DNSNames: many,
	}
	past := year(1999).AddDate(0, 6, 0)
	ofIssuer := authorityCalled(strings.Repeat("evil", 1000))
	stale := issue(t, nil, ofIssuer, past)
	ofIssuer.PermittedDNSDomains = []string{"example.net"}
	elsewhere := issue(t, nil, ofIssuer, year(2100))
	long := x509.Certificate{DNSNames: []string{strings.Repeat(strings.Repeat("x", 60)+".", 3) + "example.com", host}}
	for name, tt := range map[string]struct {
		shows tls.Certificate
		trust *issuer // nil: the tests' own authority
		says  string
	}{
		"another name":       {issue(t, nil, template, year(2100)).shown(), nil, "295 more"},
		"expired":            {issue(t, nil, template, past).shown(), nil, "295 more"},
		"issuer expired":     {issue(t, stale, long, year(2100)).shown(), stale, `issuer "CN=evilevil`},
		"issuer not allowed": {issue(t, elsewhere, long, year(2100)).shown(), elsewhere, "not accepted: x509: "},
	} {
		t.Run(name, func(t *testing.T) {
			withClerk(t, certificate(tt.shows), func(t *testing.T, c *clerk) {
				config := c.config()
				if tt.trust != nil {
					config.TLS = &tls.Config{RootCAs: tt.trust.pool()}
				}
				_, err := (&submit.ImplicitTLS{Host: host, Config: config}).Dial(t.Context())
				asError(t, err)
				require.Contains(t, err.Error(), tt.says)
				require.Contains(t, err.Error(), host)
				var verify *tls.CertificateVerificationError
				require.ErrorAs(t, err, &verify)
				if len(verify.Err.Error()) > 200 {
					require.NotContains(t, err.Error(), verify.Err.Error())
				}
				require.Less(t, utf8.RuneCountInString(err.Error()), 750)
			})
		})
	}
}

// A certificate is a text by the server, too.
func TestHostileCertificate(t *testing.T) {
	name := "evil\r\n2000-01-01 all is well\x1b[31m.example.com"
	withClerk(t, func(c *clerk) {
		c.tls.Certificates = []tls.Certificate{authority().Leaf(name)}
	}, func(t *testing.T, c *clerk) {
		_, err := c.implicit().Dial(t.Context())
		requireMeans(t, err, "Certificate", "Insecure")
		require.Contains(t, asError(t, err).Error(), "evil")
	})
	withClerk(t, func(c *clerk) {
		c.tls.Certificates = []tls.Certificate{testcert.SelfSigned(name)}
	}, func(t *testing.T, c *clerk) {
		_, err := c.implicit().Dial(t.Context())
		requireMeans(t, err, "Certificate", "Insecure")
		asError(t, err)
	})
}

// To refuse a certificate is a sign of attack, whatever the caller's own
// verification looks like when it fails: it may ask others over a network. The
// next port must not be tried as if this one were out of order (promise 1).
func TestOwnVerification(t *testing.T) {
	for name, refusal := range map[string]error{
		"of its own":   errOwn,
		"network":      &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED},
		"timeout":      os.ErrDeadlineExceeded,
		"end":          io.EOF,
		"early end":    fmt.Errorf("OCSP: %w", io.ErrUnexpectedEOF),
		"closed":       net.ErrClosed,
		"certificate":  x509.UnknownAuthorityError{},
		"verification": &tls.CertificateVerificationError{Err: errOwn},
		"no TLS":       tls.RecordHeaderError{Msg: "first record does not look like a TLS handshake", RecordHeader: [5]byte{'2', '2', '0', ' ', 'x'}},
	} {
		for kind, set := range map[string]func(*tls.Config){
			"VerifyConnection": func(c *tls.Config) { c.VerifyConnection = func(tls.ConnectionState) error { return refusal } },
			"VerifyConnection alone": func(c *tls.Config) {
				c.InsecureSkipVerify = true
				c.VerifyConnection = func(tls.ConnectionState) error { return refusal }
			},
			"VerifyPeerCertificate": func(c *tls.Config) {
				c.VerifyPeerCertificate = func([][]byte, [][]*x509.Certificate) error { return refusal }
			},
		} {
			for _, service := range services {
				t.Run(service+"/"+kind+"/"+name, func(t *testing.T) {
					withClerk(t, nil, func(t *testing.T, c *clerk) {
						config := c.withPassword()
						config.TLS = &tls.Config{RootCAs: authority().Pool()}
						set(config.TLS)
						_, err := (&world{config: config}).transport(service).Submit(t.Context(), letter())
						require.Equal(t, submit.PhaseHandshake, asError(t, err).Phase)
						requireMeans(t, err, "Certificate", "Insecure")
						require.ErrorIs(t, err, refusal)
						require.Empty(t, c.heard("AUTH", "MAIL"))
					})
				})
			}
		}
	}
}

// A clock that is wrong makes every certificate look so: the text gives both.
func TestNotYetValidBecauseOfTheClock(t *testing.T) {
	withClerk(t, certificate(authority().NotYetValid(host)), func(t *testing.T, c *clerk) {
		_, err := c.implicit().Dial(t.Context())
		require.Contains(t, err.Error(), "2090-01-01")
		require.Contains(t, err.Error(), "2000-01-01")
		var verify *tls.CertificateVerificationError
		require.ErrorAs(t, err, &verify)
		var invalid x509.CertificateInvalidError
		require.ErrorAs(t, err, &invalid)
	})
}
