package fuzzsession

import (
	"bytes"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/submit"
)

const (
	maxError  = 1500 // octets, for a port that was tried
	mostSteps = 12   // of a session before its first message, and after its last
	slowest   = 11 * time.Minute
)

// check is what holds for every input.
func (x *trial) check() {
	x.checkTime()
	x.checkSecrecy()
	x.checkLogins()
	for n := range x.setting.messages() {
		r, ok := x.results[n+1]
		require.True(x.t, ok, "nothing is known of message %d", n+1)
		require.NotEqual(x.t, r.Receipt == nil, r.Err == nil, "a receipt or an error, never both")
		x.checkOutcome(n+1, r)
		x.checkWords(r)
	}
}

// checkTime: a context that ended ends the call, and without one the time limits do.
func (x *trial) checkTime() {
	if d := x.setting.deadline(); d > 0 {
		pauses := time.Duration(0)
		if x.setting.job() == queue {
			pauses = 30 * time.Second
		}
		require.LessOrEqual(x.t, x.took, d+pauses+2*time.Second, "after the deadline") // to say goodbye takes a second at most
		return
	}
	steps := x.setting.messages() * 4
	for _, s := range x.servers {
		steps += len(s.clear.items) + len(s.heard.items) + mostSteps
	}
	require.Less(x.t, x.took, time.Duration(steps)*slowest)
}

// checkSecrecy holds promise 1.
func (x *trial) checkSecrecy() {
	for _, w := range x.wires {
		for _, secret := range secrets() {
			require.False(x.t, bytes.Contains(w.said, []byte(secret)), "on the wire: %s", secret)
		}
		clear, _, _ := bytes.Cut(w.said, []byte{0x16, 3}) // where a handshake begins
		for line := range bytes.Lines(clear) {
			verb, _, _ := strings.Cut(strings.TrimSpace(string(line)), " ")
			require.Contains(x.t, []string{"EHLO", "STARTTLS", "QUIT"}, verb, "said in cleartext")
		}
	}
	for _, s := range x.servers {
		if !s.trusted {
			require.Empty(x.t, string(s.heard.all), "said to a server whose certificate is not the right one")
		}
		require.False(x.t, s.injected && len(s.heard.all) > 0, "said after an injection: %q", s.heard.all)
		require.False(x.t, s.heaped, "memory without bound")
	}
}

// checkLogins holds promise 2: a message by itself shows credentials to one port,
// and to one connection but for servers that turn out not to know BDAT.
func (x *trial) checkLogins() {
	shown, ports := 0, map[string]bool{}
	for _, s := range x.servers {
		tries, others := 0, 0
		replies, _ := s.said.replies()
		for i, item := range s.heard.items {
			if !strings.HasPrefix(item.line, "AUTH ") {
				continue
			}
			tries++
			for k := s.base() + i; k < len(replies); k++ { // perhaps behind challenges
				if c := replies[k].code; c/100 != 3 {
					if c == 504 || x.setting.login() == byToken {
						others++
					}
					break
				}
			}
		}
		require.LessOrEqual(x.t, tries, 1+others, "authentication was tried again after it was refused")
		if tries > 0 || showsSecret(s.heard.all) {
			shown++
			ports[s.port] = true
		}
	}
	if x.setting.messages() == 1 {
		require.LessOrEqual(x.t, len(ports), 1, "ports that saw a login")
		require.LessOrEqual(x.t, shown, 2, "connections that saw a login")
	}
}

func showsSecret(heard []byte) bool {
	return slices.ContainsFunc(secrets(), func(secret string) bool {
		return secret != marker && bytes.Contains(heard, []byte(secret))
	})
}

// base is how many replies over TLS answer nothing that was heard over TLS.
func (s *server) base() int {
	if s.port == "465" {
		return 1
	}
	return 0
}

// A handing is a message that came to its end at a server, and what was said to it:
// reply by reply, in the order of what demanded them.
type handing struct {
	*transaction
	s       *server
	at      time.Time // its end was heard
	mail    *reply    // nil: none
	taken   []string  // recipients that were, or may have been
	refused int       // recipients
	verdict *reply    // nil: none
	bye     bool      // it said 421 before, and so took nothing that came behind: RFC 5321, section 3.8
}

// handings are those of a message.
func (x *trial) handings(n int) (all []handing) {
	for _, s := range x.servers {
		replies, _ := s.said.replies()
		to := func(i int) *reply {
			if k := s.base() + i; i >= 0 && k < len(replies) {
				return &replies[k]
			}
			return nil
		}
		for _, item := range s.heard.items {
			if !item.ends || item.of.number() != n {
				continue
			}
			h := handing{transaction: item.of, s: s, at: item.at, mail: to(item.of.mail), verdict: to(item.of.end)}
			h.bye = slices.ContainsFunc(replies[:min(len(replies), s.base()+item.of.end)], func(r reply) bool { return r.code == 421 })
			for address, i := range item.of.rcpts {
				switch r := to(i); {
				case r == nil || r.class() == 2:
					h.taken = append(h.taken, address)
				default:
					h.refused++
				}
			}
			all = append(all, h)
		}
	}
	return all
}

// mayBeTaken reports whether the server may think that it has the message.
func (h handing) mayBeTaken() bool {
	return (h.mail == nil || h.mail.class() == 2) && len(h.taken) > 0 && !h.bye && (h.verdict == nil || h.verdict.class() < 4)
}

// isTaken reports whether it has said so.
func (h handing) isTaken() bool {
	return h.mail != nil && h.mail.class() == 2 && len(h.taken) > 0 && h.verdict != nil && h.verdict.class() == 2
}

// checkOutcome holds promises 3, 4 and 8.
func (x *trial) checkOutcome(n int, r submit.Result) {
	all := x.handings(n)
	times := map[string]int{}
	for _, h := range all {
		require.Equal(x.t, x.setting.text(n), string(h.text), "not the message that was given")
		if m := x.setting.message(n); !m.Partial {
			require.Len(x.t, h.rcpts, len(m.To))
			require.True(x.t, len(m.To) == 1 || h.refused == 0, "all or none, and %d were refused", h.refused)
		}
		if h.mayBeTaken() {
			for _, address := range h.taken {
				times[address]++
				require.LessOrEqual(x.t, times[address], 1, "message %d was sent twice to %s", n, address)
			}
		}
	}
	unheard := slices.ContainsFunc(x.servers, func(s *server) bool { return s.left || s.late })
	switch {
	case r.Receipt != nil:
		x.checkReceipt(n, r.Receipt, all, unheard)
	case errors.Is(r.Err, submit.ErrUncertain):
		require.True(x.t, unheard || len(all) > 0, "message %d is in doubt, and its end was not sent: %v", n, r.Err)
		for _, h := range all {
			require.False(x.t, len(all) == 1 && h.isPlain(x), "message %d is in doubt, though the server said %v: %v", n, h.verdict, r.Err)
		}
	default:
		for _, h := range all {
			require.False(x.t, h.mayBeTaken(), "message %d may have been taken (%v): %v", n, h.verdict, r.Err)
		}
	}
}

func (x *trial) checkReceipt(n int, receipt *submit.Receipt, all []handing, unheard bool) {
	require.Equal(x.t, 2, receipt.Reply.Code/100)
	if unheard && len(all) == 0 {
		return // the server was not there any more when it came
	}
	is := func(h handing) bool {
		return h.isTaken() && h.verdict.code == receipt.Reply.Code && len(h.verdict.lines) == len(receipt.Reply.Lines)
	}
	i := slices.IndexFunc(all, is)
	require.GreaterOrEqual(x.t, i, 0, "a receipt for message %d, and the server has not said so: %v", n, receipt.Reply)
	h := all[i]
	if h.s.late {
		return
	}
	// What was said before the client had sent the end, and had arrived, is no verdict.
	require.False(x.t, h.verdict.at.Add(rtt).Before(h.at), "message %d ended %v after its receipt was given", n, h.at.Sub(h.verdict.at))
	require.False(x.t, h.s.isUnasked(h.end), "a receipt for message %d over a session in which the server spoke unasked", n)
	if own, ok := h.s.turn(h.end); ok && x.setting.messages() == 1 && own.at.Equal(h.verdict.at) && h.s.isAnswer(h.verdict.from, h.end) {
		require.Less(x.t, own.class(), 4, "a receipt for message %d, and to its end the server said %v", n, own)
	}
}

// turn is what the server said when it had waited for this very item, as for all others.
func (s *server) turn(item int) (reply, bool) {
	from, ok := s.turns[item]
	if !ok || s.loose {
		return reply{}, false
	}
	to := len(s.said.text)
	if next, ok := s.turns[item+1]; ok {
		to = next
	}
	replies, _ := s.said.replies()
	for _, r := range replies {
		if r.from >= from && r.from < to {
			return r, true
		}
	}
	return reply{}, false
}

// isAnswer reports whether what it said there is its answer to what came before an item.
func (s *server) isAnswer(from, item int) bool {
	for i := range item {
		if r, ok := s.turn(i); ok && r.from == from {
			return true
		}
	}
	return false
}

// isUnasked reports whether, up to an item, there came together with an answer what
// was none, and arrived before the client went on.
func (s *server) isUnasked(item int) bool {
	const together = 400 // octets, of which the client sees all at once
	replies, _ := s.said.replies()
	for k := 1; k < len(replies) && k-s.base() <= item; k++ {
		r, before := replies[k], replies[k-1]
		if i := k - s.base(); i > 0 && r.at.Equal(before.at) && r.at.Add(rtt).Before(s.heard.items[i].at) && r.from-before.from < together {
			return true
		}
	}
	return false
}

// isPlain reports whether a server did all in order, up to a verdict that says yes or
// no, and the client was there to hear it.
func (h handing) isPlain(x *trial) bool {
	s := h.s
	replies, garbled := s.said.replies()
	if h.verdict == nil || h.verdict.class() == 3 || h.mail == nil || h.mail.class() != 2 || h.refused > 0 || garbled ||
		s.left || s.late || s.meddle || x.setting.deadline() > 0 || len(replies) > s.base()+len(s.heard.items) {
		return false
	}
	for k, r := range replies {
		i := k - s.base()
		switch {
		case i < 0:
			continue
		case r.at.Before(s.heard.items[i].at), r.code == 421, r.at.Sub(s.heard.items[i].at) > time.Second:
			return false
		case r.class() == 3 && s.heard.items[i].line != "DATA" && h.mail.at.Before(r.at):
			return false
		case s.heard.items[i].line == "RSET" && r.code != 250:
			return false
		}
	}
	return s.goneAt.IsZero() || h.verdict.at.Add(rtt).Before(s.goneAt)
}

// checkWords holds promise 9, and that what is said to people can be read by them.
func (x *trial) checkWords(r submit.Result) {
	if r.Err == nil {
		return
	}
	text := r.Err.Error()
	require.NotEmpty(x.t, text)
	require.LessOrEqual(x.t, len(text), maxError*2, "%s", text)
	var e *submit.Error
	if errors.As(r.Err, &e) {
		require.LessOrEqual(x.t, len(e.Error()), maxError, "%s", e)
	}
	for i, c := range text {
		if unicode.IsControl(c) || c == '\u2028' || c == '\u2029' || unicode.Is(unicode.Cf, c) {
			x.t.Fatalf("%q at %d in %q", c, i, text)
		}
	}
	for _, secret := range secrets() {
		require.False(x.t, strings.Contains(text, secret), "%s, in an error: %s", secret, text)
	}
}

// secrets are the forms of what nobody may see in cleartext: what authenticates and a
// part of the message, as they are and as they look amid base64.
var secrets = sync.OnceValue(func() (all []string) {
	for _, s := range []string{password, token, marker} {
		all = append(all, s)
		for shift := range 3 { // where the first octet stands in a group of three
			text := base64.RawStdEncoding.EncodeToString([]byte(strings.Repeat("x", shift) + s))
			// What comes before and behind has a part in the characters at the ends.
			all = append(all, text[4:len(text)-2])
		}
	}
	return all
})
