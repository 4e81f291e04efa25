package differential

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/mailport/mailport/submit"
)

// A letter is a message, and can be sent many times.
type letter struct {
	n       int // its number, which stands in each recipient's domain
	from    string
	to      []string
	partial bool
	options smtp.MailOptions
	rcpt    map[string]*smtp.RcptOptions
	body    string
}

func (l letter) message() submit.Message {
	options := l.options
	return submit.Message{From: l.from, To: l.to, Partial: l.partial, Options: &options, RcptOptions: l.rcpt, Body: strings.NewReader(l.body)}
}

// What servers refuse, by how a local part or a message begins.
const (
	never  = "no"    // 550
	later  = "later" // 451
	refuse = "X-Refuse: yes\r\n"
)

// An author writes letters at random, the same for the same seed.
type author struct{ *rand.Rand }

func write(seed uint64, n int) letter {
	a := author{rand.New(rand.NewPCG(seed, uint64(n)))}
	l := letter{n: n, partial: a.now(30), body: a.body()}
	domain := fmt.Sprintf("n%d.example.net", n)
	if !a.now(5) { // or it is the null reverse-path
		l.from = a.local("") + "@example.com"
		if a.now(4) {
			l.from = a.local(a.of(never, later)) + "@example.com"
		}
	}
	no := a.of(never, later)
	for i := range 1 + a.IntN(4) {
		word := ""
		if a.now(8) {
			if word = no; l.partial { // else it is a matter of taste which of two kinds decides
				word = a.of(never, later)
			}
		}
		l.to = append(l.to, a.local(fmt.Sprint(word, i))+"@"+domain)
	}
	a.ask(&l)
	return l
}

// now is true so often in a hundred times.
func (a author) now(percent int) bool { return a.IntN(100) < percent }

func (a author) of(words ...string) string { return words[a.IntN(len(words))] }

// local is the part before the @, quoted if need be.
func (a author) local(prefix string) string {
	switch a.IntN(12) {
	case 0:
		return `"` + prefix + a.of(" doe", `\"x\"`, `\\`, "@", ">", "> SIZE=1 <", ",", "..") + `"`
	case 1:
		return prefix + a.of("jürgen", "用户", "élan")
	case 2:
		return prefix + a.of("a.b", "a+b", "a=b", "a{b}", "a_b-c", "a..b")
	}
	return prefix + "someone"
}

// ask sets options, each now and then. DELIVERBY and MT-PRIORITY are not among them:
// go-smtp has them in RCPT, and RFC 2852 and RFC 6710 in MAIL.
func (a author) ask(l *letter) {
	o := &l.options
	if a.now(10) {
		o.EnvelopeID = a.of("id", "a+b=c d", `<x>\y`, "~!")
	}
	if a.now(10) {
		o.Return = smtp.DSNReturn(a.of("FULL", "HDRS"))
	}
	if a.now(10) {
		identity := a.of("me@example.com", "a+b=c@example.com")
		o.Auth = &identity
	}
	o.RequireTLS = a.now(10)
	o.UTF8 = a.now(10)
	l.rcpt = make(map[string]*smtp.RcptOptions)
	for _, to := range l.to {
		if !a.now(20) {
			continue
		}
		r := new(smtp.RcptOptions)
		switch a.IntN(4) {
		case 0:
			r.Notify = []smtp.DSNNotify{smtp.DSNNotifyNever}
		case 1:
			r.Notify = []smtp.DSNNotify{smtp.DSNNotifyDelayed, smtp.DSNNotifyFailure}
		}
		switch a.IntN(3) {
		case 0:
			r.OriginalRecipientType, r.OriginalRecipient = smtp.DSNAddressTypeRFC822, a.of("a@example.org", "a+b=c@example.org", `"a b"@example.org`)
		case 1:
			r.OriginalRecipientType, r.OriginalRecipient = smtp.DSNAddressTypeUTF8, a.of("jürgen+x@example.org", "用户@example.org", "a=b@example.org")
		}
		if a.now(30) {
			r.RequireRecipientValidSince = time.Unix(int64(a.IntN(1<<30)), 0)
		}
		l.rcpt[to] = r
	}
}

// body is a header and whatever can stand in a text, and some of what should not.
func (a author) body() string {
	var b strings.Builder
	if a.now(5) {
		b.WriteString(refuse)
	}
	b.WriteString("Subject: " + a.of("a", "ä", "\xe4", "=?utf-8?q?=C3=A4?=") + a.of("\r\n", "\n", "\r", "\r\n\r\n", "\n\n"))
	size := a.IntN(1 << 10)
	switch a.IntN(50) {
	case 0:
		size = 64<<10 - 50 + a.IntN(100) // the largest in one flight
	case 1:
		size = 400 << 10
	case 2:
		size = 16<<10 - 50 + a.IntN(100) // a TLS record
	}
	for b.Len() < size {
		b.WriteString(a.of("\r\n", "\r\n", "\n", "\r", ".", "..", "\r\n.\r\n", "\n.\n", "\r.\r", "\r\n.", "ä", "\xff", "\x00", "a", "word ", "RSET\r\n", "BDAT 0 LAST\r\n"))
		if size > 4<<10 {
			b.WriteString(strings.Repeat("x", a.IntN(2000)))
		}
	}
	return b.String()
}
