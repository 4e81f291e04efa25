package hostile

import (
	"context"
	"encoding/base64"
	"strings"
	"time"

	"github.com/mailport/mailport/auth"
	"github.com/mailport/mailport/submit"
)

// logins are cheats in authentication, RFC 4954. From there on no other port is
// tried: promise 5.
func logins() (all []crime) {
	no := fails(stops, submit.PhaseAuth, submit.ErrCredentials)
	odd := fails(stops, submit.PhaseAuth, submit.ErrProtocol)
	lying := fails(stops, submit.PhaseAuth, submit.ErrInsecure, auth.ErrUnproven)
	later := fails(stops, submit.PhaseAuth, submit.ErrTemporary)
	desynced := fails(stops, submit.PhaseSender, submit.ErrProtocol)
	add := func(s setting, rows ...row) {
		for i := range rows {
			rows[i].name, rows[i].on = "AUTH: "+rows[i].name, onBoth
		}
		all = append(all, under(s, rows...)...)
	}
	plain := base64.StdEncoding.EncodeToString([]byte("\x00" + user + "\x00" + password))
	echoes := "5.7.8 " + password + " " + encoded(password) + " " + plain + " \x00" + user + "\x00" + password

	add(setting{},
		row{name: "refused", does: does{login: says("535 5.7.8 no")}, want: no},
		row{name: "refused, then taken", does: does{login: says("535 5.7.8 no", "235 2.7.0 yes")}, want: no},
		row{name: "refused, then taken a segment later", does: does{login: then(says("535 5.7.8 no"), waits(1), says("235 2.7.0 yes"))}, want: no},
		row{name: "taken, then refused", does: does{login: says("235 2.7.0 yes", "535 5.7.8 no")}, want: desynced},
		row{name: "taken, then refused a segment later", does: does{login: then(says("235 2.7.0 yes"), waits(1), says("535 5.7.8 no"))},
			want: fails(stops, submit.PhaseSender, submit.ErrRejected)},
		row{name: "taken twice", does: does{login: says("235 2.7.0 yes", "235 2.7.0 yes")}, want: desynced},
		row{name: "taken, and half a reply more", does: does{login: octets("235 2.7.0 yes\r\n2")}, want: desynced},
		row{name: "a challenge behind the success", does: does{login: says("235 2.7.0 yes", "334 UGFzc3dvcmQ6")}, want: desynced},
		row{name: "a challenge a segment behind the success", does: does{login: then(says("235 2.7.0 yes"), waits(1), says("334 UGFzc3dvcmQ6"))}, want: desynced},
		row{name: "a challenge in the success", does: does{login: says("235 UGFzc3dvcmQ6")}, want: taken()},
		row{name: "success in two codes", does: does{login: says("235-2.7.0 yes", "250 ok")}, want: odd},
		row{name: "success in many lines", does: does{login: says("235-2.7.0 \x1b[2J", "235-334 UGFzc3dvcmQ6", "235 ")}, want: taken()},
		row{name: "250 in place of 235", does: does{login: says("250 2.7.0 yes")}, want: odd},
		row{name: "a challenge where there is none to make", does: does{login: says("334 "), response: says("235 yes")}, want: odd},
		row{name: "a challenge, and the cancellation taken for success", does: does{login: then(says("334 UGFzc3dvcmQ6"), hears(1), says("235 2.7.0 yes"), wantsSilence)}, want: odd},
		row{name: "challenges without end", does: does{login: times(forever, then(says("334 UGFzc3dvcmQ6"), hears(1)))}, want: odd},
		row{name: "a challenge that is no base64", does: does{login: says("334 \x1b[31mPassword:")}, want: odd},
		row{name: "a challenge of 20000 octets", does: does{login: octets("334 " + strings.Repeat("QUFB", 5000) + "\r\n")}, want: odd},
		row{name: "a challenge without end", does: does{login: then(octets("334 "), floods(forever, "QUFB"))}, want: odd},
		row{name: "a challenge of two lines", does: does{login: says("334-UGFzc3dvcmQ6", "334 UGFzc3dvcmQ6")}, want: odd},
		row{name: "later", does: does{login: says("454 4.7.0 later")}, want: later},
		row{name: "later, and closes", does: does{login: then(says("421 4.7.0 too many"), hangsUp)}, want: later},
		row{name: "a new password is due", does: does{login: says("432 4.7.12 change it")}, want: later},
		row{name: "not over this connection", does: does{login: says("538 5.7.11 encryption needed; use " + plain + " in cleartext")}, want: no},
		row{name: "the password quoted in a refusal", does: does{login: octets("535-" + echoes + "\r\n535 " + echoes + "\r\n")}, want: no},
		row{name: "the password quoted in a refusal for now", does: does{login: says("454 " + echoes)}, want: later},
		row{name: "the password quoted in a farewell", does: does{login: then(says("421 "+echoes), hangsUp)}, want: later},
		row{name: "the password quoted in a challenge", does: does{login: says("334 " + encoded(echoes))}, want: odd},
		row{name: "the password quoted in what is no reply", does: does{login: octets(echoes + "\r\n")}, want: odd},
		row{name: "the password quoted unasked", does: does{login: says("235 yes", "421 "+echoes)}, want: fails(stops, submit.PhaseSender, submit.ErrTemporary)},
		row{name: "the password quoted in two codes", does: does{login: says("235-"+echoes, "535 "+echoes)}, want: odd},
	)
	add(setting{}, row{name: "another password, please", does: does{login: says("534-5.7.9 Application-specific password required.", "534 5.7.9 see the web")}, want: no})
	add(setting{logins: 2},
		row{name: "no mechanism after all", does: does{login: says("504 5.5.4 not that one")}, want: no},
		row{name: "not this, then refused", does: does{login: only(1, says("504 5.5.4 another"))}, want: taken()},
		row{name: "not this, and another password asked for", does: does{
			login: only(1, says("504 5.5.4 another")), response: says("535 5.7.8 no")}, want: no},
	)

	// What is offered over TLS is all that counts.
	for name, list := range map[string][]string{
		"nothing that is known":  {"AUTH \x1b[31mEVIL " + strings.Repeat("MECHANISM ", 300)},
		"what is too weak":       {"AUTH CRAM-MD5 DIGEST-MD5 NTLM ANONYMOUS GSSAPI"},
		"for tokens only":        {"AUTH XOAUTH2 OAUTHBEARER"},
		"what looks like PLAIN":  {"AUTH PLAIN\u200b PLAIN\x00 XPLAIN PLAINX"},
		"for certificates only":  {"AUTH EXTERNAL"},
		"a thousand and no good": {"AUTH X" + strings.Repeat(" EVIL-\u202e", 300), "AUTH=" + strings.Repeat("X ", 1000)},
	} {
		add(setting{offers: list}, row{name: "offered: " + name, want: no})
	}
	for name, list := range map[string][]string{
		"nothing":     {"PIPELINING"},
		"an AUTH":     {"AUTH"},
		"a look-like": {"AUTHPLAIN", "XAUTH PLAIN", "\u200bAUTH PLAIN", "AUTH\x00PLAIN"},
	} {
		add(setting{offers: list}, row{name: "offered: " + name, want: fails(goesOn, submit.PhaseAuth, submit.ErrAuthNotOffered, submit.ErrCredentials)})
	}

	prompted := setting{offers: []string{"AUTH LOGIN"}}
	add(prompted,
		row{name: "LOGIN: success before the user's name", does: does{login: says("235 2.7.0 yes")}, want: lying},
		row{name: "LOGIN: success before the password", does: does{response: says("235 2.7.0 yes")}, want: lying},
		row{name: "LOGIN: a third question", does: does{login: then(asks("VXNlcm5hbWU6"), asks("UGFzc3dvcmQ6"), asks("UGFzc3dvcmQ6"), says("235 yes"))}, want: odd},
		row{name: "LOGIN: questions without end", does: does{login: times(forever, asks("VXNlcm5hbWU6"))}, want: odd},
		row{name: "LOGIN: a question each five minutes", does: does{login: times(forever, then(waits(5*time.Minute-time.Second), asks("VXNlcm5hbWU6")))},
			want: odd.in(20*time.Minute - 4*time.Second)},
		row{name: "LOGIN: the password quoted in a question", does: does{login: then(asks("VXNlcm5hbWU6"), asks("UGFzc3dvcmQ6"), asks(encoded(echoes)), says("501 5.7.0 cancelled"))}, want: odd},
	)
	add(setting{offers: []string{"AUTH X-PATIENT"}, credentials: func() auth.Credentials { return patient{} }},
		row{name: "questions without end, to a mechanism that answers all", does: does{login: times(forever, asks("Pw=="))}, want: odd})
	return append(all, append(scram(), tokens()...)...)
}

// patient is a mechanism of the caller's own that has an answer to everything.
type patient struct{}

func (patient) Exchange(context.Context, auth.Server) (auth.Mechanism, error) { return patient{}, nil }
func (patient) Start() (mechanism string, response []byte, err error)         { return "X-PATIENT", nil, nil }
func (patient) Next([]byte) (response []byte, err error)                      { return []byte("!"), nil }
func (patient) Complete() bool                                                { return true }

func encoded(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

// asks makes a challenge, and hears what is said to that.
func asks(challenge string) move { return then(says("334 "+challenge), hears(1)) }

// scram are cheats by who does not know the password. A server that does and cheats
// is one of package submittest.
func scram() (all []crime) {
	s := setting{
		offers:      []string{"PIPELINING", "AUTH SCRAM-SHA-256 PLAIN"},
		credentials: func() auth.Credentials { return auth.Only(auth.Password(user, password), "SCRAM-SHA-256") },
	}
	odd := fails(stops, submit.PhaseAuth, submit.ErrProtocol)
	no := fails(stops, submit.PhaseAuth, submit.ErrCredentials)
	lying := fails(stops, submit.PhaseAuth, submit.ErrInsecure, auth.ErrUnproven)
	cheat := func(name string, m move, w want) {
		all = append(all, under(s, row{"AUTH: SCRAM: " + name, onBoth, does{login: m}, w})...)
	}
	// first is a challenge made of the client's nonce.
	first := func(format string) move {
		return func(v *villain) {
			_, response, _ := strings.Cut(v.arg, " ")
			message, _ := base64.StdEncoding.DecodeString(response)
			_, nonce, _ := strings.Cut(string(message), ",r=")
			asks(encoded(strings.ReplaceAll(format, "NONCE", nonce)))(v)
		}
	}
	good := first("r=NONCExyz,s=QSXCR+Q6sek8bf92,i=4096")
	cheat("success at once", says("235 2.7.0 yes"), lying)
	cheat("success at once, with a signature", says("235 v=rmF9pqV8S7suAoZWja4dJRkFsKQ="), lying)
	cheat("success at once, with a signature in base64", says("235 "+encoded("v=rmF9pqV8S7suAoZWja4dJRkFsKQ=")), lying)
	cheat("success without a signature", then(good, says("235 2.7.0 yes")), lying)
	cheat("success with an empty signature", then(good, says("235 "+encoded("v="))), lying)
	cheat("an empty signature", then(good, asks(encoded("v=")), says("235 yes")), lying)
	cheat("a wrong signature", then(good, asks(encoded("v=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")), says("235 yes")), lying)
	cheat("the client's own proof for a signature", then(good, asks(""), says("235 yes")), lying)
	cheat("an error that is a success", then(good, asks(encoded("e=other-error")), says("235 yes")), no)
	cheat("an error with escapes", then(good, asks(encoded("e=\x1b[2J\r\n"+password)), says("535 no")), no)
	for name, challenge := range map[string]string{
		"another nonce": "r=xyz,s=QSXCR+Q6sek8bf92,i=4096", "the client's nonce alone": "r=NONCE,s=QSXCR+Q6sek8bf92,i=4096",
		"no salt": "r=NONCEx,s=,i=4096", "a salt that is no base64": "r=NONCEx,s=!,i=4096",
		"no iterations": "r=NONCEx,s=QSXCR+Q6sek8bf92,i=", "one iteration": "r=NONCEx,s=QSXCR+Q6sek8bf92,i=1",
		"fewer than no iterations": "r=NONCEx,s=QSXCR+Q6sek8bf92,i=-4096", "iterations for years": "r=NONCEx,s=QSXCR+Q6sek8bf92,i=2147483647",
		"iterations beyond numbers": "r=NONCEx,s=QSXCR+Q6sek8bf92,i=99999999999999999999", "a mandatory extension": "m=x,r=NONCEx,s=QSXCR+Q6sek8bf92,i=4096",
		"nothing": "", "nonsense": "\x00\x1b[2J,,,=", "a salt of 8 KiB, and one iteration": "r=NONCEx,s=" + strings.Repeat("QUFB", 2000) + ",i=1",
	} {
		cheat(name, then(first(challenge), says("501 5.7.0 cancelled")), odd)
		cheat(name+", and success", then(first(challenge), says("235 2.7.0 yes")), odd)
	}
	cheat("the first challenge again and again", times(forever, good), lying)
	return all
}

// tokens are OAuth's: one may be replaced, once.
func tokens() (all []crime) {
	s := setting{
		offers: []string{"AUTH XOAUTH2 OAUTHBEARER PLAIN"},
		credentials: func() auth.Credentials {
			return auth.Token(user, func(_ context.Context, refused string) (string, error) {
				return token + strings.Repeat("~", min(1, len(refused))), nil
			})
		},
		logins: 2,
	}
	no := fails(stops, submit.PhaseAuth, submit.ErrCredentials)
	odd := fails(stops, submit.PhaseAuth, submit.ErrProtocol)
	json := `{"status":"400","scope":"\u001b[2J","schemes":"` + token + "\x1b[1m" + `"}`
	all = append(all, under(s,
		row{"AUTH: a token refused, and refused again", onBoth, does{login: then(asks(encoded(json)), says("535 5.7.8 no"))}, no},
		row{"AUTH: a token refused in escapes", onBoth, does{login: then(asks(encoded("\x1b]0;x\a"+strings.Repeat("x", 5000))), says("535 5.7.8 no \x1b[m"))}, no},
		row{"AUTH: a token's refusal without end", onBoth, does{login: times(forever, asks(encoded(json)))}, odd},
		row{"AUTH: a token refused, and then taken", onBoth, does{login: then(asks(encoded(json)), says("235 2.7.0 yes"))}, fails(stops, submit.PhaseAuth, submit.ErrInsecure)},
		row{"AUTH: the token quoted", onBoth, does{login: says("535 5.7.8 " + token + " " + encoded(token))}, no},
	)...)
	return all
}
