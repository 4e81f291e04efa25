package fuzzsession

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/mailport/mailport/internal/fakenet"
)

// Marks of a script. What is said between two of them leaves in one piece.
const (
	nextConnection = '\x00' // what follows is for the next connection to this port; the last is for all others
	hearOne        = '\x01' // wait for a line, or the end of a message
	hearFlight     = '\x02' // wait for something, and until there is no more
	hearCommands   = '\x03' // wait for three of what hearOne waits for
	beginTLS       = '\x04' // with the right certificate
	beginBadTLS    = '\x05' // with that of somebody else
	hangUp         = '\x06' // in good order
	truncate       = '\x07' // without TLS being told
	reset          = '\x08' // RST
	bareLF         = '\x0b'
	shut           = '\x0c' // has said all, and listens
	below          = '\x0e' // what follows is said below TLS, up to the next such mark
	waitHalf       = '\x0f' // of a round trip
	waitTrip       = '\x10' // a round trip
	waitSecond     = '\x11'
	waitLong       = '\x12' // six minutes
	good           = '\x13' // do what a good server does next, once
	allGood        = '\x14' // and to the end
	flood          = '\x15' // what was said last, up to two mebibytes
	quote          = '\x16' // say what the client said last
	segment        = '\x17' // what follows is another piece
	goodFew        = '\x18' // four times good
)

const (
	rtt        = 10 * time.Millisecond
	maxScript  = 4 << 10
	maxFlood   = 2 << 20
	mostFloods = 3
	maxHeap    = 4 << 20
	longest    = 12 * time.Hour // of a connection
)

// split returns the scripts of the connections to a port; none if nobody listens
// there.
func split(script string) []string {
	if script == "" {
		return nil
	}
	return strings.Split(script[:min(len(script), maxScript)], string(nextConnection))
}

// A server plays a script over one connection.
type server struct {
	setting setting
	port    string // 465 or 587
	raw     *fakenet.Conn
	conn    net.Conn // what is spoken over: raw, or TLS over it
	secure  bool
	trusted bool
	floods  int
	gone    bool // nothing more can be heard
	goneAt  time.Time
	asked   int // a challenge of AUTH is due an answer
	used    int // of what was heard

	clear  ear // what was heard in cleartext
	heard  ear // and over TLS
	clearS said
	said   said // over TLS

	turns map[int]int // where in said is what answers an item, for those that were waited for one by one
	loose bool        // not all were

	upgrading bool // STARTTLS was the last that was waited for, and is not answered
	injected  bool // there was more in cleartext behind the answer

	left   bool // on its own, so that it has not heard all that was said
	late   bool // it was busy while something arrived
	meddle bool // somebody spoke below TLS
	heaped bool // memory was without bound
}

func (s *server) play(script string) {
	defer s.raw.Close()
	s.conn = s.raw
	piece := ""
	for i := 0; i < len(script) && !s.left; i++ {
		c := script[i]
		switch {
		case c == '\n':
			piece += "\r\n"
		case c == bareLF:
			piece += "\n"
		case c == '\r' || c == '\t' || c >= 0x19:
			piece += string([]byte{c})
		case c == below:
			s.say(piece)
			piece = ""
			text, _, _ := strings.Cut(script[i+1:], string(below))
			i += len(text) + 1
			s.sayBelow(text)
		case c == flood:
			s.flood(piece)
			piece = ""
		default:
			s.say(piece)
			piece = ""
			s.do(c)
		}
	}
	s.say(piece)
	for !s.left && s.hear(longest) {
	}
}

func (s *server) do(mark byte) {
	switch mark {
	case hearOne:
		s.next()
	case hearFlight:
		s.loose = true
		if s.await(1) {
			for s.hear(2 * rtt) {
			}
			s.used = len(s.ear().items)
		}
	case hearCommands:
		s.loose = true
		s.await(3)
		s.used = min(s.used+3, len(s.ear().items))
	case beginTLS:
		s.handshake(serverTLS())
	case beginBadTLS:
		s.trusted = s.trusted && s.secure
		s.handshake(othersTLS())
	case hangUp:
		s.leave(s.conn.Close)
	case truncate:
		s.leave(s.raw.Close)
	case reset:
		s.leave(s.raw.Reset)
	case shut:
		s.meddle = true
		s.raw.CloseWrite()
	case waitHalf:
		s.pause(rtt / 2)
	case waitTrip:
		s.pause(rtt)
	case waitSecond:
		s.pause(time.Second)
	case waitLong:
		s.pause(6 * time.Minute)
	case good:
		s.beGood()
	case goodFew:
		for range 4 {
			s.beGood()
		}
	case allGood:
		for !s.left && !s.gone && !s.said.broken {
			s.beGood()
		}
	case quote:
		if all := s.ear().items; len(all) > 0 {
			s.say("550 " + all[len(all)-1].line + "\r\n")
		}
	}
}

// ear is for what is spoken now.
func (s *server) ear() *ear {
	if s.secure {
		return &s.heard
	}
	return &s.clear
}

// hear listens for so long, and reports whether it heard anything.
func (s *server) hear(limit time.Duration) bool {
	var b [4 << 10]byte
	if s.gone {
		return false
	}
	s.conn.SetReadDeadline(time.Now().Add(limit))
	n, err := s.conn.Read(b[:])
	s.ear().hear(b[:n])
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		s.gone, s.goneAt = true, time.Now()
	}
	return n > 0
}

func (s *server) pause(d time.Duration) {
	until, had := time.Now().Add(d), len(s.ear().items)
	for s.hear(time.Until(until)) {
	}
	s.loose = s.loose || len(s.ear().items) > had
	if s.gone {
		time.Sleep(time.Until(until))
	}
}

// await waits for n more of what demands an answer.
func (s *server) await(n int) bool {
	for len(s.ear().items) < s.used+n && s.hear(longest) {
	}
	return len(s.ear().items) >= s.used+n
}

// next is what demands an answer next.
func (s *server) next() (item, bool) {
	if !s.await(1) {
		return item{}, false
	}
	if s.secure {
		s.turns[s.used] = len(s.said.text)
	}
	s.used++
	s.upgrading = !s.secure && s.ear().items[s.used-1].line == "STARTTLS"
	return s.ear().items[s.used-1], true
}

func (s *server) say(octets string) {
	if octets == "" {
		return
	}
	if s.upgrading {
		answer, behind, _ := strings.Cut(octets, "\n")
		s.upgrading, s.injected = false, strings.HasPrefix(answer, "220 ") && behind != ""
	}
	began := time.Now()
	n, err := io.WriteString(s.conn, octets)
	s.late = s.late || time.Since(began) > 0
	to := &s.clearS
	if s.secure {
		to = &s.said
	}
	to.note(octets[:n])
	if err != nil {
		s.said.broken = true
	}
}

func (s *server) sayBelow(octets string) {
	if octets == "" {
		return
	}
	s.meddle = s.meddle || s.secure
	if !s.secure {
		s.clearS.note(octets)
	}
	io.WriteString(s.raw, octets)
}

func (s *server) flood(piece string) {
	if s.floods++; piece == "" || s.floods > mostFloods {
		return
	}
	large := strings.Repeat(piece, 1+(16<<10)/len(piece))
	runtime.GC()
	limit := heap() + maxHeap
	for said := 0; said < maxFlood && !s.said.broken; said += len(large) {
		s.say(large)
		s.heaped = s.heaped || !heapLess(limit)
		if s.secure && s.late {
			s.said.broken = true
			return // nobody reads it
		}
	}
}

func (s *server) handshake(config *tls.Config) {
	if s.secure || s.gone {
		return
	}
	t := tls.Server(s.raw, config)
	s.raw.SetDeadline(time.Now().Add(longest))
	if t.Handshake() != nil {
		s.gone, s.goneAt = true, time.Now()
		s.raw.Close()
		return
	}
	s.raw.SetDeadline(time.Time{})
	s.secure, s.conn, s.used = true, t, 0
}

func (s *server) leave(by func() error) {
	s.left = true
	by()
}

// beGood does what a good server does next.
func (s *server) beGood() {
	switch {
	case s.gone || s.left:
	case !s.secure && s.port == "465":
		s.handshake(serverTLS())
	case s.secure && s.port == "465" && s.said.total == 0, !s.secure && s.clearS.total == 0:
		s.say("220 " + host + " ESMTP\r\n")
	default:
		if i, ok := s.next(); ok {
			s.answer(i)
		}
	}
}

func (s *server) answer(i item) {
	verb, arg, _ := strings.Cut(i.line, " ")
	switch {
	case i.ends:
		s.say("250 2.0.0 queued\r\n")
	case verb == "EHLO":
		s.say(s.setting.extensions(s.secure))
	case verb == "STARTTLS" && !s.secure:
		s.say("220 2.0.0 go ahead\r\n")
		s.handshake(serverTLS())
	case verb == "AUTH" && (arg == "LOGIN" || !strings.Contains(arg, " ")):
		s.asked = map[bool]int{true: 1, false: 0}[arg == "LOGIN"]
		s.say("334 \r\n")
	case verb == "AUTH":
		s.say("235 2.7.0 welcome\r\n")
	case verb == "DATA":
		s.say("354 go ahead\r\n")
	case verb == "MAIL", verb == "RCPT", verb == "RSET", verb == "BDAT", verb == "NOOP":
		s.say("250 2.1.0 ok\r\n")
	case verb == "QUIT":
		s.say("221 2.0.0 bye\r\n")
		s.leave(s.conn.Close)
	case s.asked > 0:
		s.asked--
		s.say("334 \r\n")
	default:
		s.say("235 2.7.0 welcome\r\n")
	}
}
