package script

import (
	"bufio"
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/mailport/mailport/internal/fakenet"
)

// A peer is the server's end of one connection.
type peer struct {
	stage *stage
	scene *scene
	conn  *fakenet.Conn
	nc    net.Conn // conn, or TLS over it
	br    *bufio.Reader
	rtt   time.Duration
	began time.Time

	secure  bool
	refused error     // the client did not like the last handshake
	answer  time.Time // nothing that the client says before is an answer to the last that was said
	turn    time.Time // likewise, to the first that was said since the client was heard
	early   time.Time // when what is in br came, if that was not looked at at once
}

func newPeer(s *stage, c *scene, conn *fakenet.Conn) *peer {
	return &peer{stage: s, scene: c, conn: conn, nc: conn, br: bufio.NewReader(conn),
		rtt: cmp.Or(c.rtt, s.rtt), began: s.began, answer: time.Now()}
}

// play does one step after the other. The first that goes wrong is the last.
func (p *peer) play() {
	defer p.conn.Close()
	for i, s := range p.scene.steps {
		if p.refused != nil && s.act != alert {
			p.disagree(p.scene.steps[i-1].line, "TLS handshake", p.refused.Error())
			return
		}
		if !p.do(s) {
			return
		}
	}
	p.end()
}

// do reports whether the play goes on.
func (p *peer) do(s step) bool {
	switch s.act {
	case say:
		return p.say(s)
	case hear:
		return p.hear(s)
	case perhaps:
		if _, err := p.br.Peek(1); err == nil {
			return p.hear(s)
		}
	case handshake:
		return p.handshake(s)
	case alert:
		return p.alert(s)
	case pause:
		p.pause(s.wait)
	case hangup:
		p.conn.CloseWrite()
	case stall:
		// As at the end of the scene: the client must leave without a word.
	case anything, deaf:
		if s.act == deaf {
			<-p.stage.over
		}
		p.unended(s)
		return false
	case reset:
		p.conn.Reset()
		return false
	}
	return true
}

func (p *peer) say(s step) bool {
	if _, err := io.WriteString(p.nc, s.octets); err != nil {
		p.disagree(s.line, strconv.Quote(s.octets), "is gone: "+err.Error())
		return false
	}
	p.answer = time.Now().Add(p.rtt)
	if p.turn.IsZero() {
		p.turn = p.answer
	}
	return true
}

// hear compares a flight, line by line.
func (p *peer) hear(s step) bool {
	var began time.Time
	p.turn = time.Time{}
	for i, want := range s.lines {
		if i > 0 { // the rest is here, or will not come
			p.nc.SetReadDeadline(time.Now().Add(time.Nanosecond))
		}
		got, at, err := p.line()
		p.nc.SetReadDeadline(time.Time{})
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			p.disagree(want.line, want.text, fmt.Sprintf("nothing in this flight, which began on line %d; it waits", s.line))
		case err != nil:
			p.disagree(want.line, want.text, goneAfter(got))
		case got != want.text+"\r\n":
			p.disagree(want.line, want.text, printable(got))
		case at.Before(p.answer):
			p.disagree(want.line, want.text, fmt.Sprintf("the same, but without having waited for what the server says before (it came %v too soon)", p.answer.Sub(at)))
		case i > 0 && at != began:
			p.disagree(want.line, want.text, fmt.Sprintf("the same, but %v after the flight began on line %d", at.Sub(began), s.line))
		default:
			began = at
			continue
		}
		return false
	}
	return true
}

// line reads a line with its end, and tells when it came.
func (p *peer) line() (string, time.Time, error) {
	line, err := p.br.ReadString('\n')
	at := p.early
	if at.IsZero() {
		at = time.Now()
	}
	if p.br.Buffered() == 0 {
		p.early = time.Time{}
	}
	return line, at, err
}

// pause waits, and notes when the client speaks meanwhile.
func (p *peer) pause(d time.Duration) {
	until := time.Now().Add(d)
	p.nc.SetReadDeadline(until)
	_, err := p.br.Peek(1)
	p.nc.SetReadDeadline(time.Time{})
	if err == nil && p.early.IsZero() {
		p.early = time.Now()
	}
	<-time.After(time.Until(until))
}

// handshake is TLS. Should the client not like it, the next line must say so. It
// answers the first thing that was said; what else was said is an injection.
func (p *peer) handshake(s step) bool {
	certificate, err := parseCertificate(s.words)
	if err != nil {
		panic(err) // has been parsed before
	}
	if p.secure {
		p.disagree(s.line, "TLS handshake", "speaks TLS already")
		return false
	}
	if at, err := p.first(); err == nil && at.Before(p.turn) {
		p.disagree(s.line, "TLS handshake", "does not wait for what the server says before")
		return false
	}
	t := tls.Server(rest{p.conn, p.br}, certificate.config(p.stage.ca, p.scene.host))
	err = t.Handshake()
	p.secure, p.answer = true, time.Now()
	if err != nil {
		if p.refused = err; certificate.highest < tls.VersionTLS12 {
			p.refused = nil // it is the server that refuses
		}
		return true
	}
	p.nc, p.br = t, bufio.NewReader(t)
	return true
}

// first waits for the client to speak.
func (p *peer) first() (time.Time, error) {
	_, err := p.br.Peek(1)
	if !p.early.IsZero() {
		return p.early, err
	}
	return time.Now(), err
}

// rest is a connection whose beginning has been read.
type rest struct {
	net.Conn
	r io.Reader
}

func (r rest) Read(b []byte) (int, error) { return r.r.Read(b) }

// alert makes sure that the client refused the handshake, and why.
func (p *peer) alert(s step) bool {
	refused := p.refused
	p.refused = nil
	want := "remote error: tls: " + s.alert
	if s.alert == "" {
		want = io.EOF.Error()
	}
	switch {
	case refused == nil:
		p.disagree(s.line, "does not like the handshake", "is content with the handshake")
	case refused.Error() != want:
		p.disagree(s.line, want, refused.Error())
	}
	return refused != nil && refused.Error() == want
}

// end makes sure that the client says no more and hangs up.
func (p *peer) end() {
	last := p.scene.steps[len(p.scene.steps)-1].line
	if p.refused != nil {
		p.disagree(last, "TLS handshake", p.refused.Error())
		return
	}
	more, err := p.br.Peek(1)
	if err == nil && !p.secure && more[0] == 0x16 && p.scene.service == "submissions" {
		io.Copy(io.Discard, p.br) // its part of a handshake, which does not wait for the server
		return
	}
	if err == nil {
		line, _, _ := p.line()
		p.disagree(last, "nothing after this line", printable(line))
	}
}

// unended makes sure that what the client says has no end of a message in it.
func (p *peer) unended(s step) {
	said, _ := io.ReadAll(p.br)
	if strings.Contains("\r\n"+string(said), "\r\n.\r\n") {
		p.disagree(s.line, "a message without an end", "ends it: "+printable(tail(said)))
	}
}

// disagree says where client and transcript part, and leaves the client alone.
func (p *peer) disagree(line int, want, got string) {
	p.stage.tb.Errorf("%s:%d: %s, %v after the beginning\n\ttranscript: %s\n\tclient:     %s",
		p.stage.name, line, p.scene.endpoint, time.Since(p.began), want, got)
	p.conn.Reset()
}

func goneAfter(got string) string {
	if got == "" {
		return "is gone"
	}
	return "is gone after " + printable(got)
}

// printable drops the end of a line and quotes what is not text.
func printable(line string) string {
	text, ended := strings.CutSuffix(line, "\r\n")
	quoted := strconv.Quote(text)
	switch {
	case !ended:
		return strconv.Quote(line)
	case quoted == `"`+text+`"`:
		return text
	}
	return quoted
}

func tail(b []byte) string { return string(b[max(0, len(b)-60):]) }
