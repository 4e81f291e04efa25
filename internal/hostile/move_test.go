package hostile

import (
	"crypto/tls"
	"fmt"
	"strings"
	"time"
)

// says says lines, in one piece.
func says(lines ...string) move {
	return octets(strings.Join(lines, "\r\n") + "\r\n")
}

// octets says what is no line, or lines of another kind.
func octets(s string) move {
	return func(v *villain) { v.say(s) }
}

// offers is a reply to EHLO.
func offers(keywords ...string) move {
	return func(v *villain) { v.say(extensions(v.host, keywords...)) }
}

func extensions(host string, keywords ...string) string {
	lines := append([]string{host}, keywords...)
	for i := range lines[:len(lines)-1] {
		lines[i] = "250-" + lines[i]
	}
	lines[len(lines)-1] = "250 " + lines[len(lines)-1]
	return strings.Join(lines, "\r\n") + "\r\n"
}

// then does one thing after the other.
func then(moves ...move) move {
	return func(v *villain) {
		for _, m := range moves {
			m(v)
		}
	}
}

// waits does nothing for a while; what is said next is another segment.
func waits(d time.Duration) move { return func(*villain) { time.Sleep(d) } }

// below says octets in cleartext, as anybody in between can.
func below(s string) move {
	return func(v *villain) {
		v.evidence.watchHeap()
		if _, err := v.raw.Write([]byte(s)); err != nil {
			v.over = true
		}
	}
}

// times does something so many times, or until nobody listens any more.
func times(n int, m move) move {
	return func(v *villain) {
		for i := 0; i < n && !v.over; i++ {
			m(v)
		}
	}
}

// forever is as often as anybody can stand.
const forever = 1 << 30

// floods says something so many times, in large pieces, and watches what memory
// that takes.
func floods(n int, piece string) move {
	return func(v *villain) {
		one := max(1, 32<<10/len(piece))
		large := strings.Repeat(piece, one)
		for said := 0; said < n && !v.over; said += one {
			v.flood(large)
		}
	}
}

// flood says something large of which nobody needs a record.
func (v *villain) flood(s string) {
	if _, err := v.conn.Write([]byte(s)); err != nil {
		v.over = true
	}
	if v.evidence.flooded == 0 {
		v.evidence.flooded = len(v.evidence.said)
	}
	if v.evidence.watchHeap(); v.evidence.heap > 8*maxHeap {
		v.over = true // it has been shown
	}
}

// drips says octets one by one, so long after each other.
func drips(every time.Duration, s string) move {
	return func(v *villain) {
		for i := 0; i < len(s) && !v.over; i++ {
			time.Sleep(every)
			v.say(s[i : i+1])
		}
	}
}

// asUsual does what a good server does.
func asUsual(v *villain) { v.usual(v) }

// unanswered does what a good server does, but for saying so.
func unanswered(v *villain) {
	v.mute = true
	v.usual(v)
	v.mute = false
}

// only does something the n-th time that it is its turn, and what is usual otherwise.
func only(n int, m move) move {
	return func(v *villain) {
		if v.turns[v.now] == n {
			m(v)
			return
		}
		v.usual(v)
	}
}

// once does something on the first connection only, the n-th time that it is its turn.
func once(n int, m move) move {
	return func(v *villain) {
		if v.number == 1 && v.turns[v.now] == n {
			m(v)
			return
		}
		v.usual(v)
	}
}

// hears reads lines, and answers none.
func hears(n int) move { return times(n, func(v *villain) { v.line() }) }

// takes reads a chunk and answers.
func takes(line string) move {
	return func(v *villain) {
		v.read(v.size())
		v.say(line + "\r\n")
	}
}

// isSilent says nothing any more, and listens.
func isSilent(v *villain) { v.listen() }

// wantsSilence listens, and should hear nothing.
func wantsSilence(v *villain) {
	if _, err := v.in.Peek(1); err == nil {
		tooMuch(v)
	}
	v.listen()
}

// isDeaf does not listen either, until the client is back.
func isDeaf(v *villain) {
	<-v.back
	v.over = true
}

// hangsUp leaves in good order.
func hangsUp(v *villain) {
	v.conn.Close()
	v.over = true
}

// truncates leaves without TLS being told.
func truncates(v *villain) {
	v.raw.Close()
	v.over = true
}

// resets leaves with RST.
func resets(v *villain) {
	v.raw.Reset()
	v.over = true
}

// shuts says, by FIN and without a word over TLS, that it has said all, and listens.
func shuts(v *villain) {
	v.raw.CloseWrite()
	v.listen()
}

// notifies says over TLS that it has said all, and goes on listening.
func notifies(v *villain) {
	if t, ok := v.conn.(*tls.Conn); ok {
		t.CloseWrite()
	} else {
		v.raw.CloseWrite()
	}
	v.listen()
}

// code is a reply of a line, with that code.
func code(n int) move { return says(fmt.Sprintf("%03d hello there", n)) }
