package hostile

import (
	"crypto/tls"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/mailport/mailport/submit"
)

// injections are octets in cleartext that are to be taken for what is said over TLS:
// CVE-2011-0411 and its relatives, Poddebniak et al., section 4.2.
func injections() (all []crime) {
	injected := fails(stops, submit.PhaseHandshake, submit.ErrInjection, submit.ErrInsecure)
	inject := func(name string, d does, w want) {
		all = append(all, under(setting{kind: oneOfAKind}, row{"injection: " + name, on587, d, w})...)
	}
	const go220 = "220 2.0.0 go ahead\r\n"
	words := []string{
		"250-" + usualHost + "\r\n250 AUTH PLAIN LOGIN\r\n", "250 ok\r\n", "235 2.7.0 ok\r\n", "250", "2", " ", "\r", "\n", "\r\n", "\x00", "\xff",
		"220 again\r\n", "EHLO x\r\n", strings.Repeat("250-x\r\n", 2000),
	}
	records := map[string]string{
		"a TLS alert": record(alert, "\x01\x00"), "a TLS handshake": record(ofHandshake, "\x02\x00\x00\x00"), "TLS data": record(applicationData, "250 ok\r\n"),
		"half a TLS header": "\x16\x03", "ChangeCipherSpec": record(changeCipherSpec, "\x01"),
	}
	for _, s := range words {
		inject(short(s)+" behind the 220", does{starttls: octets(go220 + s)}, injected)
		inject(short(s)+" in the next segment", does{starttls: then(octets(go220), waits(time.Nanosecond), octets(s))}, injected)
		inject(short(s)+" while the client speaks TLS", does{handshake: then(waits(rtt/2), octets(s), handshakes)}, injected)
	}
	for name, s := range records {
		inject(name+" behind the 220", does{starttls: octets(go220 + s)}, injected)
	}
	inject("the 220 in pieces, the last with more", does{starttls: then(octets("22"), waits(1), octets("0 g"), waits(1), octets("o\r\n2"))}, injected)
	inject("lines that end in LF alone", does{starttls: octets("220 go\n250 ok\n")}, injected)
	inject("behind a reply of two lines", does{starttls: octets("220-go\r\n220 ahead\r\n250 ok\r\n")}, injected)
	inject("behind the reply to EHLO", does{ehloClear: octets(extensions(usualHost, "STARTTLS") + go220)},
		fails(goesOn, submit.PhaseStartTLS, submit.ErrProtocol))
	inject("behind the greeting", does{greeting: octets("220 x\r\n" + extensions(usualHost, "STARTTLS") + go220)},
		fails(goesOn, submit.PhaseHello, submit.ErrProtocol))
	inject("SMTP goes on in cleartext", does{handshake: func(v *villain) { v.listen() }, starttls: then(octets(go220), waits(rtt), offers("AUTH PLAIN"))}, injected)
	inject("good: within the 220", does{starttls: says("220-250 AUTH PLAIN", "220-\r250 ok", "220 235 ok")}, taken())

	// Records of TLS that anybody can write: what they break off is as good as reset.
	late := func(name, s string, w want) {
		inject("while the client speaks TLS, "+name, does{handshake: then(octets(s), handshakes)}, w)
	}
	broken := fails(goesOn, submit.PhaseHandshake, submit.ErrInsecure)
	late("TLS data", records["TLS data"], injected)
	late("a TLS handshake", records["a TLS handshake"], broken)
	late("a fatal alert", record(alert, "\x02\x28"), broken)
	late("close_notify", record(alert, "\x01\x00"), fails(goesOn, submit.PhaseHandshake, submit.ErrTemporary))

	// The same around what the server says in the handshake. With TLS 1.3 the client is
	// done with that when it reads what stands behind.
	for _, v := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for name, s := range map[string]string{
			"cleartext": "250-x\r\n250 AUTH PLAIN\r\n", "TLS data": record(applicationData, "250-x\r\n250 AUTH PLAIN\r\n"),
			"a TLS handshake": record(ofHandshake, "\x00\x00\x00\x00"),
		} {
			amid := fails(goesOn, submit.PhaseHandshake)
			if name != "a TLS handshake" {
				amid = amid.injected()
			}
			around := func(where string, m move, w want) {
				all = append(all, under(setting{kind: oneOfAKind, tls: speaks(v)}, row{"injection: " + tls.VersionName(v) + ", " + name + " " + where, onBoth, does{handshake: m}, w})...)
			}
			around("before what the server says", handshakesWith(s, ""), amid)
			switch {
			case v == tls.VersionTLS13:
				around("behind what the server says", handshakesWith("", s), fails(goesOn, firstOverTLS, submit.ErrTemporary))
			case name != "cleartext":
				around("behind what the server says", handshakesWith("", s), fails(goesOn, submit.PhaseHandshake))
			default:
				around("behind what the server says", handshakesWith("", s), amid)
			}
		}
	}

	// Over TLS: replies to what was not said yet.
	after := func(name string, d does, phase submit.Phase) {
		all = append(all, usual(row{"injection: over TLS, " + name, onBoth, d, fails(stops, phase, submit.ErrProtocol)})...)
	}
	after("235 behind the reply to EHLO", does{ehlo: octets(extensions(usualHost, "AUTH PLAIN") + "235 2.7.0 ok\r\n")}, submit.PhaseAuth)
	after("half a reply behind the reply to EHLO", does{ehlo: octets(extensions(usualHost, "AUTH PLAIN") + "2")}, submit.PhaseAuth)
	after("all of a session behind the reply to EHLO", does{ehlo: octets(extensions(usualHost, "AUTH PLAIN") + "235 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n250 queued\r\n")}, submit.PhaseAuth)
	after("235 a segment later", does{ehlo: then(octets(extensions(usualHost, "AUTH PLAIN")), waits(1), says("235 2.7.0 ok"))}, submit.PhaseData)
	after("the verdict with the 354", does{data: says("354 go", queued)}, submit.PhaseBody)
	after("the verdict with the 235", does{login: says("235 2.7.0 ok", queued)}, submit.PhaseSender)
	return all
}

// short is s for a name.
func short(s string) string {
	if len(s) > 20 {
		s = s[:20] + "..."
	}
	return strconv.Quote(s)
}

// handshakesWith begins TLS, with octets in cleartext before and behind what the
// server writes first.
func handshakesWith(before, behind string) move {
	return func(v *villain) {
		raw := v.raw
		between := &interposed{Conn: raw, before: before, behind: behind}
		handshakesOver(v, between)
	}
}

type interposed struct {
	net.Conn
	before, behind string
}

func (i *interposed) Write(p []byte) (int, error) {
	all := i.before + string(p) + i.behind
	i.before, i.behind = "", ""
	if _, err := i.Conn.Write([]byte(all)); err != nil {
		return 0, err
	}
	return len(p), nil
}
