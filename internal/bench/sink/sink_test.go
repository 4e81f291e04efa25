package sink

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/mailport/mailport/internal/bench/letter"
	"github.com/mailport/mailport/internal/testcert"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const host = "127.0.0.1"

var all = Setting{Pipelining: true, Chunking: true}

// A visitor talks to a server by hand.
type visitor struct {
	t     *testing.T
	place *Place
	roots *tls.Config
	conn  net.Conn
	in    *bufio.Reader
}

// visit connects to the port for implicit TLS, or to the other.
func visit(t *testing.T, setting Setting, upgrade bool) *visitor {
	authority := testcert.New()
	place, err := Open(t.Context(), authority.Leaf(host), setting)
	require.NoError(t, err)
	t.Cleanup(func() { place.Close() })
	v := &visitor{t: t, place: place, roots: &tls.Config{RootCAs: authority.Pool(), ServerName: host}}
	port := place.Implicit()
	if upgrade {
		port = place.STARTTLS()
	}
	v.conn, err = (&net.Dialer{}).DialContext(t.Context(), "tcp", net.JoinHostPort(host, strconv.Itoa(port)))
	require.NoError(t, err)
	require.NoError(t, v.conn.SetDeadline(time.Now().Add(time.Minute))) // nothing here takes a second
	t.Cleanup(func() { v.conn.Close() })
	v.in = bufio.NewReader(v.conn)
	if !upgrade {
		v.secure()
	}
	v.want("220")
	return v
}

// enter is visit, up to authentication.
func enter(t *testing.T, setting Setting) *visitor {
	v := visit(t, setting, false)
	v.say("EHLO me", "250")
	v.say("AUTH PLAIN "+plain(Password), "235")
	return v
}

func plain(password string) string {
	return base64.StdEncoding.EncodeToString([]byte("\x00" + User + "\x00" + password))
}

func (v *visitor) secure() {
	v.conn = tls.Client(v.conn, v.roots)
	v.in = bufio.NewReader(v.conn)
}

func (v *visitor) write(text string) {
	v.t.Helper()
	_, err := io.WriteString(v.conn, text)
	require.NoError(v.t, err)
}

// say sends a line, and wants such an answer.
func (v *visitor) say(line, code string) string {
	v.t.Helper()
	v.write(line + "\r\n")
	return v.want(code)
}

// want reads one reply.
func (v *visitor) want(code string) (reply string) {
	v.t.Helper()
	for {
		line, err := v.in.ReadString('\n')
		require.NoError(v.t, err)
		require.True(v.t, strings.HasPrefix(line, code), "%q is not %s", line, code)
		reply += line
		if line[3] == ' ' {
			return reply
		}
	}
}

// leave ends the session, and returns what the server has counted.
func (v *visitor) leave() Tally {
	v.t.Helper()
	v.write("QUIT\r\n")
	_, err := io.ReadAll(v.in)
	require.NoError(v.t, err)
	v.place.Close()
	return v.place.Tally()
}

const envelope = "MAIL FROM:<" + letter.From + "> BODY=8BITMIME SIZE=99\r\nRCPT TO:<" + letter.To + ">\r\n"

func doubled(message []byte) string {
	return strings.ReplaceAll(string(message), "\r\n.", "\r\n..") + ".\r\n"
}

func chunk(piece []byte, last string) string {
	return fmt.Sprintf("BDAT %d%s\r\n%s", len(piece), last, piece)
}

// Whatever way a message comes, it is counted once, with the octets that it had.
func TestMessagesAreCounted(t *testing.T) {
	v := enter(t, all)
	l := letter.New(2048)
	v.write(envelope + "DATA\r\n")
	v.want("250")
	v.want("250")
	v.want("354")
	v.write(doubled(l.Append(nil, 0)) + envelope) // the next along with the end of the last
	require.Contains(t, v.want("250"), "taken as 0")
	v.want("250")
	v.want("250")
	v.write(chunk(l.Append(nil, 1), " LAST"))
	require.Contains(t, v.want("250"), "taken as 1")
	for serial := 2; serial < 5; serial++ { // several in one flight, in pieces
		m := l.Append(nil, serial)
		v.write(envelope + chunk(m[:1], "") + chunk(m[1:300], "") + chunk(m[300:], "") + chunk(nil, " LAST"))
	}
	for range 3 * 6 {
		v.want("250")
	}
	require.Equal(t, Tally{Messages: 5, Octets: 5 * 2048, Highest: 4, Connections: 1}, v.leave())
	require.Zero(t, v.place.Tally(), "it begins anew")
}

// A large message takes more than a buffer, wherever that ends.
func TestLargeMessages(t *testing.T) {
	v := enter(t, all)
	for serial, size := range []int{inSize - 3, inSize - 2, inSize - 1, inSize, inSize + 1, inSize + 2, inSize + 3, 1 << 20} {
		v.say("MAIL FROM:<>", "250")
		v.say("RCPT TO:<x@example.org>", "250")
		v.say("DATA", "354")
		v.write(doubled(letter.New(size).Append(nil, serial)))
		v.want("250")
	}
	tally := v.leave()
	require.Empty(t, tally.Wrong)
	require.Equal(t, 8, tally.Messages)
}

// TLS may be asked for, and AUTH may wait to be challenged.
func TestSTARTTLS(t *testing.T) {
	v := visit(t, all, true)
	require.NotContains(t, v.say("EHLO me", "250"), "AUTH")
	v.say("STARTTLS", "220")
	v.secure()
	require.NotContains(t, v.say("EHLO me", "250"), "STARTTLS")
	v.say("AUTH PLAIN", "334")
	v.say(plain(Password), "235")
	v.say("NOOP", "250")
	v.say("RSET", "250")
	require.Equal(t, Tally{Connections: 1}, v.leave())
}

func TestOffers(t *testing.T) {
	for _, pipelining := range []bool{false, true} {
		for _, chunking := range []bool{false, true} {
			offer := visit(t, Setting{Pipelining: pipelining, Chunking: chunking}, false).say("EHLO me", "250")
			require.Equal(t, pipelining, strings.Contains(offer, "PIPELINING"))
			require.Equal(t, chunking, strings.Contains(offer, "CHUNKING"))
		}
	}
}

// What is lost, comes twice or is damaged is found out.
func TestWrongMessages(t *testing.T) {
	l := letter.New(600)
	damaged := l.Append(nil, 1)
	damaged[len(damaged)-10] ^= 1
	for name, messages := range map[string][][]byte{
		"came again":       {l.Append(nil, 7), l.Append(nil, 7)},
		"is damaged":       {damaged},
		"too early":        {l.Append(nil, 1)[:590]},
		"none of the benc": {[]byte("Subject: hello\r\n\r\nhello\r\n")},
	} {
		v := enter(t, all)
		for _, m := range messages {
			v.write(envelope + chunk(m, " LAST"))
			v.want("250")
			v.want("250")
			v.want("250")
		}
		tally := v.leave()
		require.Len(t, tally.Wrong, 1)
		require.Contains(t, tally.Wrong[0], name)
		require.Equal(t, len(messages)-1, tally.Messages)
	}
}

// Who does not keep to the rules is told of, and cut off.
func TestRulesAreKept(t *testing.T) {
	l := letter.New(600)
	for name, c := range map[string]struct {
		setting Setting
		write   string
	}{
		"PIPELINING was not offered":     {Setting{Chunking: true}, envelope},
		"the reply to DATA":              {all, envelope + "DATA\r\n" + doubled(l.Append(nil, 0))},
		"the reply to EHLO":              {all, "EHLO me\r\nNOOP\r\n"},
		"the reply to NOOP":              {all, "NOOP\r\nNOOP\r\n"},
		"BDAT that was not offered":      {Setting{Pipelining: true}, envelope + chunk(l.Append(nil, 0), " LAST")},
		"out of order: MAIL":             {all, envelope + envelope},
		"out of order: RCPT":             {all, "RCPT TO:<x@example.com>\r\n"},
		"out of order: DATA":             {all, "MAIL FROM:<>\r\nDATA\r\n"},
		"out of order: BDAT":             {all, "BDAT 0 LAST\r\n"},
		"out of order: STARTTLS":         {all, "STARTTLS\r\n"},
		"a command that the server does": {all, "TURN\r\n"},
		"BDAT without a size":            {all, envelope + "BDAT x LAST\r\n"},
		"BDAT with":                      {all, envelope + "BDAT 0 FIRST\r\n"},
		"LF alone":                       {all, "NOOP\n"},
		"has no end":                     {all, strings.Repeat("x", inSize+1)},
		"wrong credentials":              {all, "AUTH PLAIN " + plain("guess") + "\r\n"},
	} {
		v := enter(t, c.setting)
		v.write(c.write)
		io.Copy(io.Discard, v.conn)
		v.place.Close()
		tally := v.place.Tally()
		require.Len(t, tally.Wrong, 1, name)
		require.Contains(t, tally.Wrong[0], name)
	}
}

func TestNoMailWithoutAuthentication(t *testing.T) {
	v := visit(t, all, false)
	v.say("EHLO me", "250")
	v.say("MAIL FROM:<>", "503")
	v.place.Close()
	require.Len(t, v.place.Tally().Wrong, 1)
}

// A server that makes garbage would disturb those it is there to measure.
func TestNoGarbage(t *testing.T) {
	p, err := Open(t.Context(), testcert.New().Leaf(host), all)
	require.NoError(t, err)
	defer p.Close()
	const messages = 1000
	l := letter.New(2048)
	for i := range 2 { // the first time it grows a list
		script := []byte("AUTH PLAIN " + plain(Password) + "\r\n")
		for serial := range messages {
			script = append(script, envelope+"BDAT 2048 LAST\r\n"...)
			script = l.Append(script, serial)
		}
		conn := &recording{script: script}
		s := newSession(p, conn)
		s.secured = true
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		require.NoError(t, s.run())
		runtime.ReadMemStats(&after)
		tally := p.Tally()
		require.Empty(t, tally.Wrong)
		require.Equal(t, messages, tally.Messages)
		if i > 0 {
			require.Less(t, after.Mallocs-before.Mallocs, uint64(50))
		}
	}
}

// recording says what it was given, the first line by itself.
type recording struct {
	net.Conn
	script []byte
	began  bool
}

func (r *recording) Read(p []byte) (int, error) {
	if len(r.script) == 0 {
		return 0, io.EOF
	}
	upTo := len(r.script)
	if !r.began {
		upTo = strings.Index(string(r.script[:200]), "\n") + 1
		r.began = true
	}
	n := copy(p, r.script[:upTo])
	r.script = r.script[n:]
	return n, nil
}

func (r *recording) Write(p []byte) (int, error) { return len(p), nil }
