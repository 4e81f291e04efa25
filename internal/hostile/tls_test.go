package hostile

import (
	"crypto/tls"
	"slices"
	"strings"

	"github.com/mailport/mailport/submit"
)

// overTLS are games with TLS once it is spoken: what only the server's end of it can
// do, and what anybody can who is in between.
func overTLS() (all []crime) {
	lost := map[moment]want{
		ehlo:      fails(goesOn, helloOverTLS, submit.ErrTemporary),
		login:     fails(stops, submit.PhaseAuth, submit.ErrTemporary),
		recipient: fails(stops, submit.PhaseRecipient, submit.ErrTemporary),
		end:       doubtful(),
	}
	broken := map[moment]want{
		ehlo: fails(goesOn, helloOverTLS, submit.ErrInsecure), login: lost[login], recipient: lost[recipient], end: lost[end],
	}
	// TLS has refused what came. A message whose end was sent is in doubt all the same.
	refused := map[moment]want{end: lost[end]}
	for m, w := range lost {
		if m != end {
			w.means = append(slices.Clone(w.means), submit.ErrInsecure)
			refused[m] = w
		}
	}
	fine := map[moment]want{ehlo: taken(), login: taken(), recipient: taken(), end: taken()}
	const (
		helloRequest = "\x00\x00\x00\x00"
		keyUpdate    = "\x18\x00\x00\x01\x00"
		askedUpdate  = "\x18\x00\x00\x01\x01"
		ticket       = "\x04\x00\x00\x11\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x04xxxx\x00\x00"
	)
	games := []struct {
		name string
		move move
		on12 map[moment]want // nil: not with this version
		on13 map[moment]want
	}{
		{"nothing, to see that the others can be trusted", asUsual, fine, fine},
		{"a fatal alert", then(seals(alert, "\x02\x50"), isSilent), broken, broken},
		{"an unknown alert", then(seals(alert, "\x02\xff"), isSilent), broken, broken},
		{"half an alert", then(seals(alert, "\x02"), isSilent), refused, refused},
		{"close_notify, then the reply", then(seals(alert, "\x01\x00"), sealsUsual, isSilent), lost, lost},
		{"close_notify, then FIN", then(seals(alert, "\x01\x00"), truncates), lost, lost},
		{"a warning, then the reply", then(seals(alert, "\x01\x5a"), asUsual), fine, fine},
		{"warnings without end", times(forever, seals(alert, "\x01\x5a")), lost, lost},
		{"renegotiation", then(seals(ofHandshake, helloRequest), sealsUsual, isSilent), refused, lost},
		{"renegotiation in pieces", then(seals(ofHandshake, helloRequest[:1]), seals(ofHandshake, helloRequest[1:]), isSilent), refused, lost},
		{"another ServerHello", then(seals(ofHandshake, "\x02\x00\x00\x04xxxx"), isSilent), refused, refused},
		{"a message without end", then(seals(ofHandshake, "\x04\xff\xff\xff"), times(forever, seals(ofHandshake, strings.Repeat("x", 1<<14)))), lost, lost},
		{"new keys without end", times(forever, seals(ofHandshake, keyUpdate)), lost, refused},
		{"new keys for both without end", times(forever, seals(ofHandshake, askedUpdate)), lost, refused},
		{"tickets without end", times(forever, seals(ofHandshake, ticket)), nil, lost},
		{"empty records, a few", then(times(10, seals(applicationData, "")), asUsual), fine, fine},
		{"empty records without end", times(forever, seals(applicationData, "")), lost, lost},
		{"ChangeCipherSpec without end", times(forever, seals(changeCipherSpec, "\x01")), refused, lost},
		{"a type that there is not", then(seals(99, "250 ok\r\n"), isSilent), refused, refused},
		{"a record too long", then(seals(applicationData, strings.Repeat("x", 1<<14+1)), isSilent), refused, refused},
		{"the reply, corrupt", then(corrupts, isSilent), refused, refused},
		{"a record, played again", then(replays, isSilent), refused, refused},
		{"the reply in cleartext", then(below("250 ok\r\n"), isSilent), refused, refused},
		{"the reply in a record in cleartext", then(below(record(applicationData, "250 ok\r\n")), isSilent), refused, refused},
		{"an alert in cleartext", then(below(record(alert, "\x01\x00")), isSilent), refused, refused},
		{"the reply an octet a record", octetwise, fine, fine},
	}
	for _, v := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for _, g := range games {
			wants := g.on12
			if v == tls.VersionTLS13 {
				wants = g.on13
			}
			for m, w := range wants {
				all = append(all, under(setting{tls: speaks(v)}, row{
					"over " + tls.VersionName(v) + ", at " + string(m) + ": " + g.name, onBoth, does{handshake: handshakesItself, m: g.move}, w})...)
			}
		}
	}
	return append(all, usual(row{"over TLS: a greeting in cleartext, behind the handshake", on465, does{greeting: then(below("220 hello\r\n"), isSilent)},
		fails(goesOn, submit.PhaseGreeting, submit.ErrInsecure, submit.ErrTemporary)})...)
}

// sealsUsual says what is usual where nobody hears it any more.
func sealsUsual(v *villain) {
	said := len(v.evidence.said)
	v.usual(v)
	v.evidence.said = v.evidence.said[:said]
}

// corrupts says a reply of which a bit has changed on its way.
func corrupts(v *villain) {
	r := v.conn.(*sealer).seal(applicationData, "250 ok\r\n")
	r[7] ^= 1
	_, _ = v.raw.Write(r)
}

// replays says again what was said before; where that is nothing, it is corrupt.
func replays(v *villain) {
	if s := v.conn.(*sealer); s.last != nil {
		_, _ = v.raw.Write(s.last)
		return
	}
	corrupts(v)
}

// octetwise does what is usual, an octet a record.
func octetwise(v *villain) {
	s := v.conn.(*sealer)
	s.most = 1
	v.usual(v)
	s.most = 0
}
