package hostile

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"strconv"
	"strings"
	"time"

	"github.com/mailport/mailport/submit"
)

// handshakesGoneWrong are those that do not come to a certificate, or to no good end
// though that is the right one. TLS and its limits are those of crypto/tls; what is
// made of its errors is not.
func handshakesGoneWrong() (all []crime) {
	broken := fails(goesOn, submit.PhaseHandshake, submit.ErrInsecure)
	lost := fails(goesOn, submit.PhaseHandshake, submit.ErrTemporary, submit.ErrUnreachable)
	add := func(name string, s setting, w want) {
		all = append(all, under(s, row{"TLS: " + name, onBoth, nil, w})...)
	}
	version := func(v uint16) setting { return setting{tls: speaks(v)} }
	add("1.0 only", version(tls.VersionTLS10), broken)
	add("1.1 only", version(tls.VersionTLS11), broken)
	add("1.2 only", version(tls.VersionTLS12), taken())
	for _, suite := range append(tls.InsecureCipherSuites(), tls.CipherSuites()...) {
		if suite.SupportedVersions[0] == tls.VersionTLS13 {
			continue
		}
		w := broken
		if strings.Contains(suite.Name, "ECDHE_ECDSA") && !suite.Insecure {
			w = taken()
		}
		add("with "+suite.Name, setting{tls: func(c *tls.Config) {
			c.MaxVersion, c.CipherSuites = tls.VersionTLS12, []uint16{suite.ID}
		}}, w)
	}
	afterwards := fails(goesOn, firstOverTLS, submit.ErrInsecure)
	for _, v := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		name := tls.VersionName(v)[len("TLS "):]
		demand := version(v)
		demand.tls = both(demand.tls, func(c *tls.Config) { c.ClientAuth = tls.RequireAnyClientCert })
		add(name+", a client certificate demanded", demand, map[bool]want{true: broken, false: afterwards}[v == tls.VersionTLS12])
		asked := version(v)
		asked.tls = both(asked.tls, func(c *tls.Config) { c.ClientAuth = tls.RequestClientCert })
		add(name+", a client certificate asked for", asked, taken())

		other := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
		stolen := version(v)
		stolen.shows = leaf(named(usualHost))
		stolen.shows.PrivateKey = forger{other, keyOfAll().Public()}
		add(name+", a good certificate without its key", stolen, broken)
	}
	for _, bits := range []int{512, 768, 1000} {
		short := version(tls.VersionTLS12)
		key := forger{nil, shortKey(bits)}
		short.shows = &tls.Certificate{Certificate: [][]byte{signedFor(key).Raw}, PrivateKey: key}
		add("RSA of "+strconv.Itoa(bits)+" bits", short, broken)
	}
	long := version(tls.VersionTLS12) // to verify takes long: a way to keep clients busy
	key := forger{nil, shortKey(16 << 10)}
	long.shows = &tls.Certificate{Certificate: [][]byte{signedFor(key).Raw}, PrivateKey: key}
	add("RSA of 16384 bits", long, broken)
	add("RSA of 1024 bits, which Go allows", setting{trusted: true,
		shows: issueWith(must(rsa.GenerateKey(rand.Reader, 1024)), root(), named(usualHost)).shown()}, taken())

	instead := func(name string, m move, w want) {
		all = append(all, usual(row{"TLS: " + name, on465, does{handshake: m}, w})...)
	}
	inClear := fails(goesOn, submit.PhaseHandshake, submit.ErrProtocol, submit.ErrInsecure)
	instead("a greeting in cleartext", then(says("220 "+usualHost+" ESMTP"), isSilent), inClear)
	instead("a greeting for EHLO and AUTH in cleartext", then(says("220 x", "250-x", "250 AUTH PLAIN"), isSilent), inClear)
	instead("one octet of cleartext", then(octets("2"), hangsUp), lost)
	instead("554 in cleartext", then(says("554 5.7.1 go away"), isSilent), inClear) // Postfix says so to who speaks too early
	instead("421 in cleartext", then(says("421 4.7.0 busy"), hangsUp), fails(goesOn, submit.PhaseHandshake, submit.ErrTemporary))
	for name, s := range map[string]string{
		"IMAP": "* PREAUTH ready\r\n", "POP3": "+OK\r\n", "HTTP": "HTTP/1.1 200 OK\r\n\r\n", "SSH": "SSH-2.0-x\r\n",
		"noise": "\x00\xff\x1b[2J\x07\x9b\xf0", "escapes": "\x1b]0;evil\a\x1b[31m\r\n",
	} {
		instead(name+" in cleartext", then(octets(s), isSilent), fails(goesOn, submit.PhaseHandshake, submit.ErrProtocol))
	}
	for name, m := range map[string]move{
		"handshake":           octets(record(ofHandshake, "\x02\x00\x00\x01\x00")),
		"handshake, too long": octets("\x16\x03\x03\xff\xff" + strings.Repeat("x", 1<<16)),
		"handshake, endless":  then(octets(record(ofHandshake, "\x0b\xff\xff\xff")), floods(forever, record(ofHandshake, strings.Repeat("x", 1<<14)))),
		"empty handshakes":    floods(forever, record(ofHandshake, "")),
		"application data":    octets(record(applicationData, "235 2.7.0 ok\r\n")),
		"ChangeCipherSpec":    floods(forever, record(changeCipherSpec, "\x01")),
		"handshake_failure":   octets(record(alert, "\x02\x28")),
		"warnings":            floods(forever, record(alert, "\x01\x5a")),
		"unknown record":      octets(record(99, "x")),
		"our own ClientHello": echoes,
	} {
		w := broken
		switch name {
		case "handshake, too long", "application data", "ChangeCipherSpec", "unknown record":
			w = w.injected()
		}
		all = append(all, usual(row{"TLS: nonsense: " + name, onBoth, does{handshake: then(m, isSilent)}, w})...)
	}
	all = append(all, usual(
		row{"TLS: close_notify at once", onBoth, does{handshake: then(octets(record(alert, "\x01\x00")), isSilent)}, lost},
		row{"TLS: SSL 3.0", onBoth, does{handshake: then(octets("\x16\x03\x00\x00\x01\x00"), isSilent)}, lost.in(30 * time.Second)},
		row{"TLS: half a record", onBoth, does{handshake: then(octets("\x16\x03\x03\x40\x00xxx"), isSilent)}, lost.in(30 * time.Second)},
		row{"TLS: an octet a minute", onBoth, does{handshake: drips(time.Minute, record(ofHandshake, strings.Repeat("x", 1000)))}, lost.in(30 * time.Second)},
		row{"TLS: an octet a second", onBoth, does{handshake: drips(time.Second, record(ofHandshake, strings.Repeat("x", 1000)))}, lost.in(30 * time.Second)},
	)...)
	return all
}

// speaks has a server speak one version of TLS.
func speaks(v uint16) func(*tls.Config) {
	return func(c *tls.Config) { c.MinVersion, c.MaxVersion = v, v }
}

func both(one, other func(*tls.Config)) func(*tls.Config) {
	return func(c *tls.Config) {
		one(c)
		other(c)
	}
}

// signedFor is a certificate by the root for a key that can sign nothing.
func signedFor(key forger) *x509.Certificate {
	template := named(usualHost)
	template.SerialNumber, template.NotBefore, template.NotAfter = root().cert.SerialNumber, newYear(1999), newYear(2100)
	der := must(x509.CreateCertificate(rand.Reader, &template, root().cert, key.public, root().key))
	return must(x509.ParseCertificate(der))
}

// echoes says what the client says.
func echoes(v *villain) {
	p := make([]byte, 64<<10)
	n, _ := v.raw.Read(p)
	v.say(string(p[:n]))
}
