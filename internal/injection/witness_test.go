package injection

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/auth"
	"github.com/mailport/mailport/internal/fakenet"
	"github.com/mailport/mailport/internal/testcert"
	"github.com/mailport/mailport/submit"
)

const (
	host   = "smtp.example.com"
	me     = "me@example.com"
	friend = "you@example.net"
	text   = "Subject: hello\r\n\r\nHello.\r\n"
)

// authority signs the certificates of all witnesses.
var authority = sync.OnceValue(testcert.New)

var certificate = sync.OnceValue(func() tls.Certificate { return authority().Leaf(host) })

// A witness is a server that agrees to everything and takes down what it reads. A
// line ends in CRLF and in nothing else; all that is between is in the record.
type witness struct {
	net    *fakenet.Network
	offers []string

	// To be set before anybody calls.
	answer func(line string) string              // in place of the usual; "" is the usual
	line   func(in *bufio.Reader) (string, bool) // reads one, in place of the usual; or nil
	behind string                                // cleartext, in one segment with the 220 to STARTTLS

	mu    sync.Mutex // guards the fields below
	calls int
	open  int
	ended sync.Cond
	heard []string // lines, without CRLF
	took  []parcel // messages
}

// A parcel is a message as it came over the wire: with DATA before dots are taken
// away, and without the line that ends it.
type parcel struct {
	octets string
	chunks []int // sizes, with BDAT; nil with DATA
}

// everything is what a witness can offer.
var everything = []string{"PIPELINING", "8BITMIME", "SMTPUTF8", "DSN", "SIZE", "CHUNKING", "BINARYMIME", "REQUIRETLS", "RRVS", "DELIVERBY", "MT-PRIORITY"}

func newWitness(t *testing.T, offers ...string) *witness {
	t.Helper()
	w := &witness{net: fakenet.New(0), offers: offers}
	w.ended.L = &w.mu
	var working sync.WaitGroup
	for port, implicit := range map[string]bool{":465": true, ":587": false} {
		l := w.net.Listen(host + port)
		working.Go(func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				working.Go(func() { w.attend(conn, implicit) })
			}
		})
	}
	t.Cleanup(func() { w.net.Check(t) })
	t.Cleanup(working.Wait)
	t.Cleanup(func() { w.net.Close() })
	return w
}

// A desk is one connection.
type desk struct {
	*witness
	conn   net.Conn
	in     *bufio.Reader
	secure bool
	chunks *parcel // under way
}

func (w *witness) attend(conn net.Conn, implicit bool) {
	defer conn.Close()
	w.mu.Lock()
	w.calls++
	w.open++
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.open--
		w.ended.Broadcast()
	}()
	d := &desk{witness: w, conn: conn, in: bufio.NewReader(conn)}
	if implicit && !d.handshake() {
		return
	}
	d.say("220 " + host)
	for d.one() {
	}
}

func (d *desk) handshake() bool {
	conn := tls.Server(d.conn, &tls.Config{Certificates: []tls.Certificate{certificate()}})
	d.conn, d.in, d.secure = conn, bufio.NewReader(conn), true
	return conn.Handshake() == nil
}

func (d *desk) say(reply string) bool {
	_, err := io.WriteString(d.conn, strings.ReplaceAll(reply, "\n", "\r\n")+"\r\n")
	return err == nil
}

// one attends to one line.
func (d *desk) one() bool {
	read := d.line
	if read == nil {
		read = func(in *bufio.Reader) (string, bool) { return upTo(in, "\r\n") }
	}
	line, ok := read(d.in)
	if !ok {
		return false
	}
	d.mu.Lock()
	d.heard = append(d.heard, line)
	d.mu.Unlock()
	if d.answer != nil {
		if reply := d.answer(line); reply != "" {
			return d.say(reply)
		}
	}
	return d.usual(line)
}

func (d *desk) usual(line string) bool {
	switch verb, _, _ := strings.Cut(line, " "); verb {
	case "EHLO":
		lines := append([]string{host, "AUTH PLAIN LOGIN CRAM-MD5 XOAUTH2 OAUTHBEARER EXTERNAL"}, d.offers...)
		if !d.secure {
			lines = append(lines, "STARTTLS")
		}
		last := len(lines) - 1
		return d.say("250-" + strings.Join(lines[:last], "\n250-") + "\n250 " + lines[last])
	case "STARTTLS":
		_, err := io.WriteString(d.conn, "220 go ahead\r\n"+d.behind)
		return err == nil && d.handshake()
	case "AUTH":
		return d.say("235 welcome")
	case "DATA":
		if !d.say("354 go ahead") {
			return false
		}
		octets, ok := body(d.in)
		return ok && d.take(parcel{octets: octets})
	case "BDAT":
		return d.chunk(line)
	case "QUIT":
		d.say("221 bye")
		return false
	}
	return d.say("250 ok")
}

// chunk reads what is behind BDAT (RFC 3030, section 2).
func (d *desk) chunk(line string) bool {
	var size int
	if _, err := fmt.Sscanf(line, "BDAT %d", &size); err != nil {
		return false
	}
	octets := make([]byte, size)
	if _, err := io.ReadFull(d.in, octets); err != nil {
		return false
	}
	if d.chunks == nil {
		d.chunks = new(parcel)
	}
	d.chunks.octets += string(octets)
	d.chunks.chunks = append(d.chunks.chunks, size)
	if !strings.HasSuffix(line, " LAST") {
		return d.say("250 ok")
	}
	all := *d.chunks
	d.chunks = nil
	return d.take(all)
}

func (d *desk) take(p parcel) bool {
	d.mu.Lock()
	d.took = append(d.took, p)
	d.mu.Unlock()
	return d.say("250 queued")
}

// upTo reads to the first end, and returns what is before it.
func upTo(in *bufio.Reader, end string) (string, bool) {
	var b strings.Builder
	for {
		piece, err := in.ReadSlice(end[len(end)-1])
		b.Write(piece)
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return b.String(), false
		}
		if before, ended := strings.CutSuffix(b.String(), end); ended {
			return before, true
		}
	}
}

// body reads to the line of one dot. Only CRLF ends lines.
func body(in *bufio.Reader) (string, bool) {
	var b strings.Builder
	for {
		line, ok := upTo(in, "\r\n")
		if !ok {
			return "", false
		}
		if line == "." {
			return b.String(), true
		}
		b.WriteString(line + "\r\n")
	}
}

// read returns what has been read since the last time, but for what opens and ends a
// session.
func (w *witness) read() (lines []string, messages []parcel) {
	w.mu.Lock()
	defer w.mu.Unlock()
	lines, messages, w.heard, w.took = w.heard, w.took, nil, nil
	return slices.DeleteFunc(lines, func(line string) bool { return strings.HasPrefix(line, "EHLO ") || line == "QUIT" }), messages
}

func (w *witness) called() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.calls
}

// config trusts the witness and has no credentials.
func (w *witness) config(without ...string) submit.Config {
	return submit.Config{
		TLS:         &tls.Config{RootCAs: authority().Pool()},
		DialContext: w.net.DialContext,
		LocalName:   "client.example.org",
		Without:     without,
	}
}

func (w *witness) transport(c submit.Config) *submit.ImplicitTLS {
	return &submit.ImplicitTLS{Host: host, Config: c}
}

// session returns a session that ends with the test, and has carried a message: so the
// server is known to know BDAT, if it offers that, and further ones go by it.
func (w *witness) session(t *testing.T, without ...string) *submit.Session {
	t.Helper()
	s := w.newSession(t, without...)
	_, err := s.Submit(t.Context(), letter())
	require.NoError(t, err)
	w.read()
	return s
}

// newSession returns a session with nothing known of the server.
func (w *witness) newSession(t *testing.T, without ...string) *submit.Session {
	t.Helper()
	s, err := w.transport(w.config(without...)).Dial(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

// withCredentials is config with somebody to be.
func (w *witness) withCredentials(c auth.Credentials) submit.Config {
	config := w.config()
	config.Credentials = c
	return config
}

// letter returns a small message; without recipients it goes to friend.
func letter(to ...string) submit.Message { return letterOf(text, to...) }

func letterOf(body string, to ...string) submit.Message {
	if len(to) == 0 {
		to = []string{friend}
	}
	return submit.Message{From: me, To: to, Body: strings.NewReader(body)}
}

func ptr[T any](v T) *T { return &v }

// settle waits until every connection has ended, so that no more is read.
func (w *witness) settle() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.open > 0 {
		w.ended.Wait()
	}
}
