package hostile

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"net"
	"net/url"
	"strings"

	"github.com/mailport/mailport/internal/testcert"
	"github.com/mailport/mailport/submit"
)

// certificates are those of somebody else, or that are no good. After one nothing
// follows, whatever else there is: promises 1 and 5.
func certificates() (all []crime) {
	bad := fails(stops, submit.PhaseHandshake, submit.ErrCertificate, submit.ErrInsecure)
	add := func(name, host string, shows *tls.Certificate, w want) {
		all = append(all, under(setting{host: host, shows: shows, trusted: w.outcome == receipt},
			row{"certificate: " + name, onBoth, nil, w})...)
	}
	for name, c := range wrongNames() {
		add("for "+name, "", c, bad)
	}
	for name, c := range wrongChains() {
		add(name, "", c, bad)
		all[len(all)-1].kind = oneOfAKind
	}
	for _, n := range otherHosts() {
		add(fmt.Sprintf("for %q, at %s", n.named, n.host), n.host, leaf(withRawNames(n.named)), bad)
	}
	// A name that is not ASCII is nothing that x509 reads.
	for _, name := range []string{"sm\u200btp.example.com", "smtp.ex\u0430mple.com", "\u017fmtp.example.com", "smtp\u3002example\u3002com", "\xff.example.com"} {
		add(fmt.Sprintf("for %+q", name), "", leaf(withRawNames(name)), bad)
	}
	add("for a name in Unicode", "xn--bcher-kva.example", leaf(withRawNames("b\u00fccher.example")), bad)
	withAddress := x509.Certificate{IPAddresses: []net.IP{net.IPv4(192, 0, 2, 7)}}
	asName := x509.Certificate{DNSNames: []string{"192.0.2.7"}, Subject: pkix.Name{CommonName: "192.0.2.7"}}
	add("for a name that looks like the address", "192.0.2.7", leaf(asName), bad)
	add("for another address", "192.0.2.8", leaf(withAddress), bad)
	add("for the name, at the address", "192.0.2.7", leaf(named(usualHost)), bad)

	// What is good, since to refuse everything would pass all of the above.
	add("good: the address", "192.0.2.7", leaf(withAddress), taken())
	add("good: in capitals", "", leaf(named(strings.ToUpper(usualHost))), taken())
	add("good: a wildcard", "", leaf(named("*.example.com")), taken())
	add("good: among others", "", leaf(named("a.example", "*.b.example", usualHost)), taken())
	add("good: an internationalised name", "xn--bcher-kva.example", leaf(named("xn--bcher-kva.example")), taken())
	add("good: a chain, with more than is needed, in disorder", "", longChain(), taken())
	return all
}

// leaf is a certificate by the root of the tests that is wrong in nothing but what
// the template says.
func leaf(template x509.Certificate) *tls.Certificate { return issue(root(), template).shown() }

// wrongNames are certificates for others than smtp.example.com.
func wrongNames() map[string]*tls.Certificate {
	by := func(t x509.Certificate) *tls.Certificate { return leaf(t) }
	certs := map[string]*tls.Certificate{
		"no name":              by(x509.Certificate{}),
		"a common name":        by(x509.Certificate{Subject: pkix.Name{CommonName: usualHost}}),
		"another, CN right":    by(x509.Certificate{Subject: pkix.Name{CommonName: usualHost}, DNSNames: []string{"mail.example.net"}}),
		"a mail address":       by(x509.Certificate{EmailAddresses: []string{"x@" + usualHost}}),
		"a URI":                by(x509.Certificate{URIs: []*url.URL{{Scheme: "smtp", Host: usualHost}}}),
		"its address, no name": by(x509.Certificate{IPAddresses: []net.IP{net.IPv4(198, 51, 100, 1)}}),
		"the name as bytes":    by(x509.Certificate{IPAddresses: []net.IP{[]byte("smtp")}}),
		"300 others":           by(named(many(300)...)),
		"very long others":     by(named(strings.Repeat(strings.Repeat("x", 63)+".", 900)+"example", "\x1b]0;evil\a.example.com")),
	}
	for _, name := range []string{
		"*", "*.com", "*.*", "*.*.com", "*.*.example.com", "f*.example.com", "s*.example.com", "smt*.example.com",
		"*smtp.example.com", "smtp*.example.com", "*p.example.com", "smtp.*.com", "smtp.example.*", "*.smtp.example.com",
		"**.example.com", ".example.com", "*example.com", "example.com", "com", "smtp", "smtp.example.com.",
		".smtp.example.com", "smtp..example.com", "smtp.example.com.evil.example", "evil-smtp.example.com",
		"smtp.example.co", "smtp-example.com", "smtpXexample.com", "smtp.example.com:465", " smtp.example.com",
		"smtp.example.com ", "smtp.example.com\x00", "smtp.example.com\x00.evil.example", "evil.example\x00smtp.example.com",
		"smtp.example.com\r\n250 ok", "smtp.example.com/", "xn--smtp.example.com", "(smtp|x).example.com",
		"smtp.example.com\x7f", "\x1b[2Jsmtp.example.com", "xn--smtp-ex-mple-6fg.com",
	} {
		certs[fmt.Sprintf("%q", name)] = by(withRawNames(name))
	}
	return certs
}

// withRawNames has names as they are, also where crypto/x509 would not write them.
func withRawNames(names ...string) x509.Certificate {
	var raw []asn1.RawValue
	for _, name := range names {
		raw = append(raw, asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 2, Bytes: []byte(name)})
	}
	return x509.Certificate{
		ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Value: must(asn1.Marshal(raw))}},
	}
}

func many(n int) (names []string) {
	for i := range n {
		names = append(names, fmt.Sprintf("host%d.example.net", i))
	}
	return names
}

// otherHosts are names that a certificate has, and that are dialled, and differ.
func otherHosts() []struct{ host, named string } {
	return []struct{ host, named string }{
		{"a.smtp.example.com", "*.example.com"}, // one label too deep
		{"example.com", "*.example.com"},        // one too few
		{"xn--bcher-kva.example", "bucher.example"},
		{"xn--bcher-kva.example", "xn--bcher-kva"},
		{"xn--bcher-kva.example", "x*.example"},
		{"xn--bcher-kva.example", "xn--*.example"},
		{"smtp.xn--exmple-4nf.com", usualHost}, // with a Cyrillic letter in it
		{"localhost", "127.0.0.1"},
	}
}

// wrongChains are certificates for the right name that nobody should believe.
func wrongChains() map[string]*tls.Certificate {
	var (
		right    = named(usualHost)
		between  = issue(root(), ca("between"))
		plain    = issue(root(), x509.Certificate{Subject: pkix.Name{CommonName: "CA:false"}, BasicConstraintsValid: true})
		noSign   = issue(root(), with(ca("may not sign"), func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageDigitalSignature }))
		short    = issue(root(), with(ca("short"), func(c *x509.Certificate) { c.MaxPathLenZero = true }))
		tooDeep  = issue(short, ca("too deep"))
		stale    = issue(root(), with(ca("stale"), func(c *x509.Certificate) { c.NotAfter = newYear(2000).AddDate(0, 0, -1) }))
		early    = issue(root(), with(ca("early"), func(c *x509.Certificate) { c.NotBefore = newYear(2090) }))
		others   = issue(root(), with(ca("others"), func(c *x509.Certificate) { c.PermittedDNSDomains = []string{"example.net"} }))
		without  = issue(root(), with(ca("without"), func(c *x509.Certificate) { c.ExcludedDNSDomains = []string{"example.com"} }))
		clients  = issue(root(), with(ca("clients"), func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }))
		namesake = issueWith(must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)), nil, ca("root"))
	)
	forged := issue(root(), right).shown()
	forged.Certificate[0] = bytes.Replace(forged.Certificate[0], []byte(usualHost), []byte("SMTP.example.com"), 1)
	ptr := func(c tls.Certificate) *tls.Certificate { return &c }
	return map[string]*tls.Certificate{
		"self-signed":                   ptr(testcert.SelfSigned(usualHost)),
		"self-signed authority":         issue(nil, with(ca("self"), func(c *x509.Certificate) { c.DNSNames = []string{usualHost} })).shown(),
		"unknown root":                  ptr(testcert.UnknownRoot(usualHost)),
		"unknown root, of the name":     issue(namesake, right).shown(namesake),
		"expired":                       ptr(authority().Expired(usualHost)),
		"not yet valid":                 ptr(authority().NotYetValid(usualHost)),
		"for clients":                   ptr(authority().Client(usualHost)),
		"for code":                      leaf(with(right, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning} })),
		"issuer not shown":              issue(between, right).shown(),
		"issuer is CA:false":            issue(plain, right).shown(plain),
		"issuer may not sign":           issue(noSign, right).shown(noSign),
		"issuer's path is too long":     issue(tooDeep, right).shown(tooDeep, short),
		"issuer expired":                issue(stale, right).shown(stale),
		"root expired":                  issue(staleRoot(), right).shown(),
		"issuer not yet valid":          issue(early, right).shown(early),
		"issuer is for other names":     issue(others, right).shown(others),
		"issuer must not for this name": issue(without, right).shown(without),
		"issuer is for clients":         issue(clients, right).shown(clients),
		"issuer is a good server":       issue(issue(root(), named("mail.example.net")), right).shown(issue(root(), named("mail.example.net"))),
		"changed after it was signed":   forged,
		"signed with SHA-1":             leaf(with(right, func(c *x509.Certificate) { c.SignatureAlgorithm = x509.ECDSAWithSHA1 })),
		"issuer signed with SHA-1":      issue(weak(), right).shown(weak()),
		"a critical extension":          leaf(with(right, func(c *x509.Certificate) { c.ExtraExtensions = critical })),
		"name in a critical one only":   leaf(x509.Certificate{ExtraExtensions: critical}),
	}
}

var critical = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3, 4}, Critical: true, Value: []byte(usualHost)}}

func weak() *issuer {
	return issue(root(), with(ca("weak"), func(c *x509.Certificate) { c.SignatureAlgorithm = x509.ECDSAWithSHA1 }))
}

func with(c x509.Certificate, change func(*x509.Certificate)) x509.Certificate {
	change(&c)
	return c
}

func longChain() *tls.Certificate {
	one := issue(root(), ca("one"))
	two := issue(one, ca("two"))
	needless := issue(nil, ca("needless"))
	return issue(two, named(usualHost)).shown(needless, one, two, root())
}
