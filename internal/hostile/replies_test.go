package hostile

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/mailport/mailport/submit"
)

// A place is a reply, and what comes of one that does not follow the protocol, or
// says no.
type place struct {
	moment
	on    ports
	phase submit.Phase
	other other
	good  string // a reply in order, without its end
}

// places are all the replies that there are.
var places = [...]place{
	{greeting, onBoth, submit.PhaseGreeting, goesOn, "220 hello"},
	{ehloClear, on587, submit.PhaseHello, goesOn, "250-" + usualHost + "\r\n250 STARTTLS"},
	{starttls, on587, submit.PhaseStartTLS, goesOn, "220 go"},
	{ehlo, onBoth, helloOverTLS, goesOn, "250-" + usualHost + "\r\n250 AUTH PLAIN"},
	{login, onBoth, submit.PhaseAuth, stops, "235 welcome"},
	{sender, onBoth, submit.PhaseSender, stops, "250 ok"},
	{recipient, onBoth, submit.PhaseRecipient, stops, "250 ok"},
	{data, onBoth, submit.PhaseData, stops, "354 go"},
	{end, onBoth, submit.PhaseVerdict, stops, "250 queued"},
}

// garbled is what comes of a reply that is none.
func (p place) garbled() want {
	if p.moment == end {
		return doubtful()
	}
	return fails(p.other, p.phase, submit.ErrProtocol)
}

// refused is what comes of a no, and there is no other doubt.
func (p place) refused(means ...error) want {
	w := fails(p.other, p.phase, means...)
	if p.moment == starttls {
		w.other, w.means = implicitOnly, []error{submit.ErrNoSTARTTLS}
	}
	return w
}

// silent is what comes of no reply.
func (p place) silent() want {
	switch {
	case p.moment == end:
		return doubtful().in(10 * time.Minute)
	}
	return fails(p.other, p.phase, submit.ErrTemporary).in(5 * time.Minute)
}

// verb is the word that the client is waiting for an answer to.
func (p place) no() error {
	if p.moment == login {
		return submit.ErrCredentials
	}
	return submit.ErrRejected
}

// escapes are words that would do something to a terminal, or to a log.
const escapes = "5.1.1 \x1b[2J\x1b]0;pwned\x07 \x9b31m \u009b31m \u202egnihton\u202c \u2028 level=INFO msg=\"all is well\" \r \x7f\x08\x0b \xff\xfe\u200b\u0000 end"

// replies are those that no server should give, in every place.
func replies() (all []crime) {
	noise := rand.NewChaCha8([32]byte{})
	for _, p := range places {
		give := func(name string, m move, w want) {
			all = append(all, usual(row{fmt.Sprintf("reply to %s: %s", p.moment, name), p.on, does{p.moment: m}, w})...)
		}
		garbled := func(name, s string) { give(name, octets(s), p.garbled()) }
		binary := make([]byte, 512)
		noise.Read(binary)
		c := p.good[:3]

		give("a line without end", then(octets(c+" "), floods(forever, "x")), p.garbled())
		give("a line of 10 MB", then(octets(c+" "), floods(10<<20, "x"), octets("\r\n")), p.garbled())
		give("a million lines", then(floods(1e6, c+"-x\r\n"), octets(c+" x\r\n")), p.garbled())
		give("lines without end", floods(forever, c+"-\r\n"), p.garbled())
		give("noise without end", floods(forever, string(binary)), p.garbled())
		garbled("noise", "\x80"+string(binary)+"\r\n")
		garbled("NULs", "\x00\x00\x00\r\n")
		garbled("an empty line", "\r\n"+p.good+"\r\n")
		garbled("a space in front", " "+p.good+"\r\n")
		garbled("no code", "ok\r\n")
		garbled("two digits", c[:2]+" ok\r\n")
		garbled("four digits", c+"0 ok\r\n")
		garbled("other digits", "\u0662\u0665\u0660 ok\r\n")
		garbled("a sign", "+"+c+" ok\r\n")
		garbled("an underscore", c+"_ok\r\n")
		garbled("a tab", c+"\tok\r\n")
		garbled("a NUL behind the code", c+"\x00 ok\r\n")
		garbled("HTML", "<html>"+c+" ok</html>\r\n")
		garbled("codes that differ", c+"-ok\r\n550 no\r\n")
		garbled("codes that differ, the other way round", "550-no\r\n"+c+" ok\r\n")
		garbled("a line without code amid", c+"-ok\r\nok\r\n"+c+" ok\r\n")
		garbled("terminal escapes", "\x1b[2J\x1b]0;x\a"+escapes+"\r\n")
		garbled("our own words", "EHLO client.example.org\r\n")

		give("CR alone at the end", then(octets(strings.ReplaceAll(p.good, "\r\n", "\r")+"\r"), isSilent), p.silent())
		give("no end", then(octets(c+" "), isSilent), p.silent())
		give("no last line", then(octets(c+"-more\r\n"), isSilent), p.silent())

		give("good: LF alone", octets(strings.ReplaceAll(p.good, "\r\n", "\n")+"\n"), taken())
		give("good: octet by octet", drips(time.Millisecond, p.good+"\r\n"), taken())
		give("good: every octet in a record of its own", drips(0, p.good+"\r\n"), taken())
		give("good: in words that act on a terminal", octets(c+"-"+escapes+"\r\n"+strings.ReplaceAll(p.good, usualHost, escapes)+"\r\n"), taken())
		if p.moment != ehlo && p.moment != ehloClear {
			give("good: no text", octets(c+"\r\n"), taken())
			give("good: no text, a space", octets(c+" \r\n"), taken())
			give("good: a thousand lines", octets(strings.Repeat(c+"-x\r\n", 1000)+c+" x\r\n"), taken())
		}
		for name, text := range map[string]string{
			"with terminal escapes": escapes, "long": strings.Repeat("x", 4000), "long, in emoji": strings.Repeat("\U0001f4a9", 1000),
			"long, in escapes": strings.Repeat("\x1b[1m", 1000), "empty": "", "with a NUL": "a\x00b", "with 4yz": "450 4.7.1 later",
		} {
			give("no, "+name, octets("554 "+text+"\r\n"), p.refused(p.no()))
		}
		give("no, in 60 KiB", octets(strings.Repeat("554-5.7.1 "+strings.Repeat("no ", 300)+"\r\n", 64)+"554 \x1b[m\r\n"), p.refused(p.no()))
		give("later, in lines", octets("450-4.7.1 come\r\n450-4.7.1 \x1b[7mback\r\n450 4.7.1 \u202elater\r\n"), p.refused(submit.ErrTemporary))
	}
	return append(all, codes()...)
}

// codes are all that there are, each in one place, and those that mean something in
// every place; on one port or the other.
func codes() (all []crime) {
	telling := []int{
		0, 99, 100, 101, 150, 199, 200, 201, 211, 214, 220, 221, 235, 250, 251, 252, 299, 300, 334, 354, 399, 400, 421, 432, 450, 451, 452,
		454, 455, 499, 500, 501, 502, 503, 504, 521, 530, 534, 535, 538, 550, 551, 552, 553, 554, 555, 556, 571, 599, 600, 999,
	}
	for n := range 1000 {
		for i, p := range places {
			if i == n%len(places) || slices.Contains(telling, n) {
				all = append(all, p.says(n))
			}
		}
	}
	return all
}

// says is a code in a place.
func (p place) says(n int) crime {
	on := p.on
	if on == onBoth {
		on = ports(1 + (n+len(p.moment))%2)
	}
	m := code(n)
	if p.good[:3] == fmt.Sprint(n) {
		m = octets(p.good + "\r\n")
	}
	c := crime{row{fmt.Sprintf("code %03d to %s", n, p.moment), on, does{p.moment: m}, p.judges(n)}, setting{kind: oneOfMany}}
	if p.moment == login && n == 504 {
		c.logins = 2 // PLAIN, and then LOGIN
	}
	return c
}

// judges is what comes of a code.
func (p place) judges(n int) want {
	yes := n == int(p.good[0]-'0')*100+int(p.good[1]-'0')*10+int(p.good[2]-'0')
	switch p.moment {
	case sender, recipient, end:
		yes = n/100 == 2 // RFC 5321, section 4.2: the first digit decides
	}
	switch {
	case yes:
		return taken()
	case n < 200 || n > 599:
		return p.garbled()
	case p.moment == starttls:
		return p.refused()
	case p.moment == greeting && (n == 200 || n == 201): // NNTP
		return fails(goesOn, submit.PhaseGreeting, submit.ErrProtocol)
	case n < 400:
		return p.garbled()
	case n < 500, p.moment == recipient && n == 552:
		return p.refused(submit.ErrTemporary)
	}
	return p.refused(p.no())
}
