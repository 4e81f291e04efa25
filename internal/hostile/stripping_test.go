package hostile

import (
	"fmt"
	"strconv"
	"time"

	"github.com/mailport/mailport/submit"
)

// stripping are attempts to keep the client in cleartext, or to have it believe what
// was said there: Poddebniak et al., "Why TLS Is Better Without STARTTLS", USENIX
// Security 2021, sections 4 and 5.
func stripping() (all []crime) {
	stripped := fails(implicitOnly, submit.PhaseStartTLS, submit.ErrNoSTARTTLS, submit.ErrInsecure)
	strip := func(name string, d does, w want) {
		all = append(all, under(setting{kind: oneOfAKind}, row{"stripping: " + name, on587, d, w})...)
	}
	strip("nothing offered", does{ehloClear: offers()}, stripped)
	strip("AUTH offered in its place", does{ehloClear: offers("AUTH PLAIN LOGIN", "PIPELINING")}, stripped)
	for _, keyword := range []string{
		"XTARTTLS", "STARTTLSX", "START TLS", "STARTTLS=yes", "XXXXXXXA", "STARTTL", "TARTTLS", "ST4RTTLS", "START-TLS",
		"STARTTL\u0405", "\u017ftarttls", "STARTTL\uff33", "STARTTLS\x00", "\x00STARTTLS", "STARTTLS;", "-STARTTLS", "TLS", "AUTH STARTTLS",
		"X STARTTLS", "\x1b[8mSTARTTLS", "STARTTLS\x08",
	} {
		strip("offered as "+strconv.Quote(keyword), does{ehloClear: offers(keyword, "AUTH PLAIN LOGIN")}, stripped)
	}
	strip("offered where the host's name stands", does{ehloClear: says("250-STARTTLS", "250 AUTH PLAIN")}, stripped)
	strip("offered in the greeting", does{greeting: says("220-STARTTLS", "220 250 STARTTLS"), ehloClear: offers()}, stripped)
	strip("offered in a second reply", does{ehloClear: says("250 "+usualHost, "250-"+usualHost, "250 STARTTLS")}, stripped)
	strip("offered with another code", does{ehloClear: says("250-"+usualHost, "251 STARTTLS")},
		fails(goesOn, submit.PhaseHello, submit.ErrProtocol))
	strip("offered by HELO only", does{ehloClear: says("502 5.5.1 HELO, please")}, fails(goesOn, submit.PhaseHello, submit.ErrRejected))
	for _, refusal := range []int{421, 454, 450, 500, 501, 502, 503, 504, 530, 534, 538, 550, 554, 200, 221, 235, 250, 251, 334, 354} {
		strip(fmt.Sprintf("answered %d", refusal), does{starttls: code(refusal)}, stripped)
	}
	strip("answered with what is no code", does{starttls: octets("TLS is on\r\n")}, fails(goesOn, submit.PhaseStartTLS, submit.ErrProtocol))
	strip("answered 235: you are in", does{starttls: says("235 2.7.0 authentication successful, TLS not needed")}, stripped)
	strip("refused, and the words are to be believed", does{starttls: says("454 4.7.0 use AUTH PLAIN now, \x1b[1mit is safe\x1b[0m")}, stripped)
	strip("never answered", does{starttls: isSilent}, fails(goesOn, submit.PhaseStartTLS, submit.ErrTemporary, submit.ErrUnreachable).in(5*time.Minute))

	// Offered, in a form that is to be understood.
	for _, keyword := range []string{"starttls", "StartTLS", "STARTTLS now", " STARTTLS", "STARTTLS ", "STARTTLS\t", "STARTTLS\r"} {
		strip("good: offered as "+strconv.Quote(keyword), does{ehloClear: offers(keyword)}, taken())
	}
	strip("good: answered with two lines", does{starttls: says("220-go", "220 ahead")}, taken())
	strip("good: answered without a word", does{starttls: says("220")}, taken())
	strip("good: answered 220 with words of another reply", does{starttls: says("220 250 235 AUTH PLAIN")}, taken())
	strip("good: a line that ends in LF alone", does{starttls: octets("220 go\n")}, taken())
	strip("good: offered again over TLS", does{ehlo: offers("STARTTLS", "AUTH PLAIN")}, taken())
	return append(all, forgotten()...)
}

// forgotten is what was said in cleartext, once there is TLS: RFC 3207, section 4.2.
func forgotten() []crime {
	rows := []row{
		{"tampering: a size limit", on587, does{ehloClear: offers("STARTTLS", "SIZE 1")}, taken()},
		{"tampering: no recipients", on587, does{ehloClear: offers("STARTTLS", "LIMITS MAILMAX=0 RCPTMAX=0")}, taken()},
		{"tampering: PIPELINING", on587, does{ehloClear: offers("STARTTLS", "PIPELINING"), ehlo: offers("AUTH PLAIN"),
			sender: strictly, recipient: strictly, data: strictly}, taken()},
		{"tampering: AUTH before TLS, and not over it", on587, does{ehloClear: offers("STARTTLS", "AUTH PLAIN"), ehlo: offers("PIPELINING")},
			fails(goesOn, submit.PhaseAuth, submit.ErrAuthNotOffered, submit.ErrCredentials)},
		{"tampering: other mechanisms before TLS", on587, does{ehloClear: offers("STARTTLS", "AUTH PLAIN LOGIN"), ehlo: offers("AUTH CRAM-MD5 GSSAPI")},
			fails(stops, submit.PhaseAuth, submit.ErrCredentials)},
		{"tampering: stronger mechanisms before TLS", on587, does{ehloClear: offers("STARTTLS", "AUTH SCRAM-SHA-256 CRAM-MD5"), ehlo: offers("AUTH PLAIN")}, taken()},
		{"tampering: EHLO over TLS refused", on587, does{ehlo: says("502 5.5.1 you have said that")},
			fails(goesOn, submit.PhaseHelloAgain, submit.ErrRejected)},
		{"tampering: EHLO over TLS not answered", on587, does{ehlo: isSilent},
			fails(goesOn, submit.PhaseHelloAgain, submit.ErrTemporary).in(5 * time.Minute)},
		{"tampering: another greeting over TLS", on587, does{handshake: then(handshakes, says("220 "+usualHost+" ESMTP"))},
			fails(goesOn, submit.PhaseHelloAgain, submit.ErrProtocol)},
		{"tampering: EHLO over TLS answered before it is asked", on587, does{handshake: then(handshakes, offers("AUTH PLAIN"))},
			fails(stops, submit.PhaseAuth, submit.ErrProtocol)},
	}
	return under(setting{kind: oneOfAKind}, rows...)
}

// strictly does as usual where nothing came with the command, as it may not where
// PIPELINING was not offered.
func strictly(v *villain) {
	if v.in.Buffered() > 0 {
		says("554 5.5.0 improper use of pipelining")(v)
		return
	}
	v.usual(v)
}
