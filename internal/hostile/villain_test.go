package hostile

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/mailport/mailport/internal/fakenet"
)

// A moment is when a server has its turn.
type moment string

const (
	connect   moment = "connect"   // nobody has said anything
	greeting  moment = "greeting"  //
	ehloClear moment = "EHLO"      // in cleartext, before STARTTLS
	starttls  moment = "STARTTLS"  //
	handshake moment = "handshake" // the client is about to begin TLS
	ehlo      moment = "ehlo"      // over TLS
	login     moment = "AUTH"      //
	response  moment = "response"  // of the client's, to a challenge
	sender    moment = "MAIL"      //
	recipient moment = "RCPT"      //
	data      moment = "DATA"      //
	text      moment = "text"      // 354 was said; the message comes
	end       moment = "."         // it has come
	chunk     moment = "BDAT"      // the command; the chunk comes
	lastChunk moment = "BDAT LAST" // likewise
	reset     moment = "RSET"      //
	quit      moment = "QUIT"      //
	offHook   moment = "off hook"  // a command that is none of these
)

// A move is what a server does in its turn.
type move func(*villain)

// does is what a server does otherwise than good ones.
type does map[moment]move

// A villain is the server's end of one connection. With nothing to do otherwise
// it is a good server.
type villain struct {
	does
	number   int // of the connection to this port, from 1
	host     string
	implicit bool
	offers   []string // in the reply to EHLO, beside STARTTLS
	tls      *tls.Config
	trusted  bool // the certificate is the right one
	back     <-chan struct{}

	raw    *fakenet.Conn
	conn   net.Conn // what is spoken over: raw, or TLS over it
	in     *bufio.Reader
	secure bool
	over   bool // nothing more is said

	mail     bool // was accepted
	rcpts    int  // were accepted
	arg      string
	letter   int // number of the message that came last, if they have numbers
	turns    map[moment]int
	now      moment
	began    int  // how much had been said then
	mute     bool // what would be said is not
	unsaid   string
	usual    move // what a good server does now
	evidence evidence
}

// attend serves the connection to its end.
func (v *villain) attend() {
	defer v.raw.Close()
	v.speakOver(v.raw)
	v.turn(connect, nothing)
	if v.implicit {
		v.turn(handshake, handshakes)
	}
	v.turn(greeting, says("220 "+v.host+" ESMTP"))
	for !v.over {
		v.command()
	}
}

// turn is the villain's at a moment, unless all is over.
func (v *villain) turn(m moment, usual move) {
	if v.over {
		return
	}
	v.turns[m]++
	v.began, v.unsaid = len(v.evidence.said), ""
	v.now, v.usual = m, usual
	if own := v.does[m]; own != nil {
		own(v)
		return
	}
	usual(v)
}

// speakOver makes conn what is spoken over.
func (v *villain) speakOver(conn net.Conn) {
	v.conn, v.in = conn, bufio.NewReaderSize(&ear{v, conn}, 8<<10)
}

// An ear notes what is heard.
type ear struct {
	v *villain
	io.Reader
}

func (e *ear) Read(p []byte) (int, error) {
	n, err := e.Reader.Read(p)
	e.v.evidence.hear(p[:n], e.v.secure)
	return n, err
}

// say says octets as they are.
func (v *villain) say(octets string) {
	v.evidence.watchHeap()
	if v.over {
		return
	}
	if v.mute {
		v.unsaid += octets
		return
	}
	if _, err := io.WriteString(v.conn, octets); err != nil {
		v.over = true
		return
	}
	v.evidence.said = append(v.evidence.said, octets...)
}

// line reads a line; "" if there is none.
func (v *villain) line() string {
	if v.over {
		return ""
	}
	line, err := v.in.ReadString('\n')
	if err != nil {
		v.over = true
		return ""
	}
	return strings.TrimSuffix(line, "\r\n")
}

// listen hears all that comes until the client is gone.
func (v *villain) listen() {
	_, _ = io.Copy(io.Discard, v.in)
	v.over = true
}

// command serves one command.
func (v *villain) command() {
	line := v.line()
	if v.over {
		return
	}
	verb, arg, _ := strings.Cut(line, " ")
	v.arg = arg
	switch m := moment(verb); m {
	case ehloClear:
		v.mail, v.rcpts = false, 0
		if v.secure {
			v.turn(ehlo, offers(v.offers...))
		} else {
			v.turn(ehloClear, offers(append([]string{"STARTTLS"}, v.offers...)...))
		}
	case starttls:
		v.turn(m, says("220 2.0.0 go ahead"))
		if v.code() == "220" && !v.secure {
			if v.does[handshake] != nil {
				time.Sleep(rtt) // until the client has begun: what is said before is another crime
			}
			v.turn(handshake, handshakes)
		}
	case login:
		v.turn(m, logsIn)
	case sender:
		v.turn(m, accepts(!v.mail))
		v.mail = v.mail || strings.HasPrefix(v.code(), "2")
	case recipient:
		v.turn(m, accepts(v.mail))
		if strings.HasPrefix(v.code(), "2") {
			v.rcpts++
		}
	case data:
		v.data()
	case chunk:
		v.chunk()
	case reset:
		v.mail, v.rcpts = false, 0
		v.turn(m, says("250 2.0.0 ok"))
	case quit:
		v.turn(m, then(says("221 2.0.0 bye"), hangsUp))
	default:
		v.turn(offHook, says("500 5.5.2 what?"))
	}
}

// data serves DATA.
func (v *villain) data() {
	if v.rcpts > 0 {
		v.turn(data, says("354 go ahead"))
	} else {
		v.turn(data, says("503 5.5.1 RCPT first"))
	}
	if v.code() != "354" {
		return
	}
	v.turn(text, nothing)
	for line := ""; line != "." && !v.over; {
		line = v.line()
		v.note(line)
	}
	v.judge(end, says(queued))
}

// judge ends a transaction: what is said next is the verdict, if there is one to give.
func (v *villain) judge(m moment, usual move) {
	e := &v.evidence
	good := v.rcpts > 0 && !v.over
	if good {
		e.judged, e.numbers = append(e.judged, len(e.said)), append(e.numbers, 0)
	}
	v.mail, v.rcpts = false, 0
	v.turn(m, usual)
	if good {
		e.numbers[len(e.numbers)-1] = v.letter
	}
	v.letter = 0
}

// queued is what a good server says to a message.
const queued = "250 2.0.0 queued as 4711"

// chunk serves BDAT, RFC 3030.
func (v *villain) chunk() {
	good := v.rcpts > 0
	if _, last, _ := strings.Cut(v.arg, " "); last == "LAST" {
		v.judge(lastChunk, takes(map[bool]string{true: queued, false: "503 5.5.1 RCPT first"}[good]))
		return
	}
	v.turn(chunk, takes(map[bool]string{true: "250 2.0.0 more", false: "503 5.5.1 RCPT first"}[good]))
}

// size is that of the chunk whose command was read last.
func (v *villain) size() (n int) {
	fmt.Sscan(v.arg, &n)
	return n
}

// read reads n octets of a message.
func (v *villain) read(n int) {
	var head bytes.Buffer
	if _, err := io.CopyN(&head, v.in, int64(n)); err != nil {
		v.over = true
	}
	line, _, _ := strings.Cut(head.String(), "\r\n")
	v.note(line)
}

// note keeps the number of a message, if that is in a line.
func (v *villain) note(line string) {
	if number, ok := strings.CutPrefix(line, "X-Number: "); ok {
		fmt.Sscan(number, &v.letter)
	}
}

// code is that of the first reply that was said in this turn, or would have been.
func (v *villain) code() string {
	said := string(v.evidence.said[v.began:]) + v.unsaid
	return said[:min(3, len(said))]
}

// handshakes begins TLS.
func handshakes(v *villain) { handshakesOver(v, v.raw) }

func handshakesOver(v *villain, raw net.Conn) {
	t := tls.Server(raw, v.tls)
	if t.Handshake() != nil {
		v.over = true
		return
	}
	v.secure = true
	v.speakOver(t)
}

// logsIn takes any password, by PLAIN or LOGIN.
func logsIn(v *villain) {
	words := strings.Fields(v.arg)
	ask := 0
	switch {
	case slices.Equal(words, []string{"PLAIN"}):
		ask = 1
	case slices.Equal(words, []string{"LOGIN"}):
		ask = 2
	}
	for range ask {
		v.say("334 \r\n")
		v.line()
		if v.does[response] != nil {
			v.turn(response, nil)
			return
		}
	}
	v.say("235 2.7.0 welcome\r\n")
}

// accepts says yes, or that a command is out of order.
func accepts(inOrder bool) move {
	if inOrder {
		return says("250 2.1.0 ok")
	}
	return says("503 5.5.1 bad sequence")
}
