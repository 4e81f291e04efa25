package fuzzsession

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/mailport/mailport/auth"
	"github.com/mailport/mailport/submit"
)

// A setting is what the client has to do, and what good servers offer.
//
// Bits 0-1 are a way, 2-4 a job, 5-8 offers, 9-10 a login, 11 asks for a deadline, 12
// for TLS 1.2.
type setting uint16

type way int

const (
	implicitOnly way = iota
	upgradeOnly
	implicitFirst // a Negotiator
	upgradeFirst  // likewise
)

type job int

const (
	one     job = iota // message, for one
	three              // recipients, all or none
	partial            // likewise, but some will do
	large              // does not fit a flight
	batch              // of six, by SubmitAll, over one session at a time
	wide               // likewise, for several, over two sessions
	queue              // of three, by a Pool, with pauses
	exotic             // with everything that needs an extension
)

const (
	pipelining = 1 << iota
	chunking
	extras
	limits
)

type login int

const (
	nobody login = iota
	byPassword
	byToken
	byLOGIN
)

func set(w way, j job, offers int, l login) setting {
	return setting(int(w) | int(j)<<2 | offers<<5 | int(l)<<9)
}

const (
	withDeadline setting = 1 << 11
	withTLS12    setting = 1 << 12
)

func (s setting) way() way     { return way(s & 3) }
func (s setting) job() job     { return job(s >> 2 & 7) }
func (s setting) offers() int  { return int(s >> 5 & 15) }
func (s setting) login() login { return login(s >> 9 & 3) }

// deadline is of the context of the whole job; 0 if it has none.
func (s setting) deadline() time.Duration {
	if s&withDeadline == 0 {
		return 0
	}
	return 45 * time.Second
}

// extensions is a good server's reply to EHLO.
func (s setting) extensions(secure bool) string {
	lines := []string{host}
	add := func(condition bool, keywords ...string) {
		if condition {
			lines = append(lines, keywords...)
		}
	}
	o := s.offers()
	add(!secure, "STARTTLS")
	add(o&pipelining != 0, "PIPELINING")
	add(o&chunking != 0, "CHUNKING", "BINARYMIME")
	add(o&extras != 0, "8BITMIME", "SMTPUTF8", "DSN", "SIZE 1000000", "ENHANCEDSTATUSCODES", "DELIVERBY", "MT-PRIORITY", "REQUIRETLS", "RRVS")
	add(o&limits != 0, "LIMITS RCPTMAX=2 MAILMAX=3")
	add(s.login() != nobody, "AUTH PLAIN LOGIN XOAUTH2 OAUTHBEARER")
	return "250-" + strings.Join(lines[:len(lines)-1], "\r\n250-") + "\r\n250 " + lines[len(lines)-1] + "\r\n"
}

const (
	host     = "smtp.example.com"
	user     = "me@example.com"
	friend   = "you@example.net"
	password = "tanstaaf, tanstaafl"
	token    = "tanstaaft.a-token.4711"
	marker   = "nobody else's business"
)

func (s setting) credentials() auth.Credentials {
	switch s.login() {
	case byPassword:
		return auth.Password(user, password)
	case byToken:
		return auth.Token(user, func(context.Context, string) (string, error) { return token, nil })
	case byLOGIN:
		return auth.Only(auth.Password(user, password), "LOGIN", "PLAIN")
	case nobody:
	}
	return nil
}

// messages is how many there are, numbered from 1.
func (s setting) messages() int {
	switch s.job() {
	case batch, wide:
		return 6
	case queue:
		return 3
	case one, three, partial, large, exotic:
	}
	return 1
}

// message is the n-th.
func (s setting) message(n int) submit.Message {
	m := submit.Message{From: user, To: []string{friend}, Body: strings.NewReader(s.text(n))}
	switch {
	case s.job() == three, s.job() == partial, s.job() == wide && n%2 == 0:
		m.To = append(m.To, "b@example.net", "c@example.net")
	case s.job() == exotic:
		m.From, m.To = "m\u00e9@example.com", []string{`"a b"@example.net`, "\u00fc@b\u00fccher.example"}
		m.Options = &smtp.MailOptions{RequireTLS: true, EnvelopeID: "4711", Return: smtp.DSNReturnHeaders}
		m.RcptOptions = map[string]*smtp.RcptOptions{m.To[0]: {
			Notify:                []smtp.DSNNotify{smtp.DSNNotifySuccess},
			OriginalRecipientType: smtp.DSNAddressTypeUTF8, OriginalRecipient: "\u00fc@example.net",
		}}
	}
	m.Partial = s.job() == partial || s.job() == wide && n%3 == 0
	return m
}

// text is the n-th message as it must arrive.
func (s setting) text(n int) string {
	text := fmt.Sprintf("%s%d\r\nSubject: a matter of trust\r\n\r\nThis is %s.\r\n", numbered, n, marker)
	switch s.job() {
	case large:
		text += strings.Repeat(strings.Repeat("x", 70)+"\r\n", 1500)
	case exotic:
		text += ".\u00e9\r\n..\r\n"
	case one, three, partial, batch, wide, queue:
	}
	return text
}

const numbered = "X-Number: " // begins a message, and nothing else that a client says
