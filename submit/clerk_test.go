package submit_test

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"unicode"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/auth"
	"github.com/mailport/mailport/internal/fakenet"
	"github.com/mailport/mailport/submit"
)

// What a clerk can answer beside a reply.
const (
	hangUp  = "\x00" // at the end: and hang up
	silence = "\x01" // nothing, from now on
)

// A clerk is a server that answers command by command, as usual or as the test
// tells it: for what no server of good manners says. It shares no code with the
// client.
type clerk struct {
	t    *testing.T
	net  *fakenet.Network
	tls  *tls.Config
	next sync.WaitGroup

	// To be set before anybody calls.
	greeting  string   // with code; lines are separated by \n, here and below
	offers    []string // in the reply to EHLO
	cleartext []string // in the reply to EHLO before TLS; nil: STARTTLS, and offers

	// answer has the first word on a command and, as ".", on a message; "" is the
	// usual answer.
	answer func(d *desk, line string) string

	// play, if not nil, does everything, from the first octet on.
	play func(nc net.Conn)

	mu     sync.Mutex // guards the fields below
	calls  int
	desks  []*desk
	log    []string // commands, of all calls
	bodies []string // as they came, without the end
	open   int      // calls that have not ended
	most   int      // at the same time
}

// A desk is where a clerk attends to one call.
type desk struct {
	*clerk
	n    int // of the call, from 1
	conn net.Conn
	in   *bufio.Reader
	tls  bool
	mute bool

	mail  bool // was accepted
	rcpts int  // were accepted
}

// clerksCertificate is made once: tests have many clerks, and actors.
var clerksCertificate = sync.OnceValue(func() tls.Certificate {
	return authority().Leaf(host, "localhost", "127.0.0.1")
})

// newClerk returns a clerk at work, at port 465 and 587 of host and of localhost.
func newClerk(t *testing.T, instruct func(c *clerk)) *clerk {
	t.Helper()
	c := &clerk{
		t:        t,
		net:      fakenet.New(0),
		tls:      &tls.Config{Certificates: []tls.Certificate{clerksCertificate()}},
		greeting: "220 " + host,
		offers:   []string{"PIPELINING", "8BITMIME", "AUTH PLAIN LOGIN"},
	}
	if instruct != nil {
		instruct(c)
	}
	for _, name := range []string{host, "localhost"} {
		for port, implicit := range map[string]bool{":465": true, ":587": false} {
			l := c.net.Listen(name + port)
			c.next.Go(func() { c.work(l, implicit) })
		}
	}
	t.Cleanup(func() { c.net.Check(t) })
	t.Cleanup(c.next.Wait)
	t.Cleanup(func() { c.net.Close() })
	return c
}

// withClerk runs test in a bubble with a clerk in it.
func withClerk(t *testing.T, instruct func(c *clerk), test func(t *testing.T, c *clerk)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, newClerk(t, instruct)) })
}

func (c *clerk) work(l net.Listener, implicit bool) {
	for {
		nc, err := l.Accept()
		if err != nil {
			return
		}
		c.next.Go(func() {
			defer nc.Close()
			if c.play != nil {
				c.play(nc)
				return
			}
			c.attend(nc, implicit)
		})
	}
}

func (c *clerk) attend(nc net.Conn, implicit bool) {
	c.mu.Lock()
	c.calls++
	c.open++
	c.most = max(c.most, c.open)
	d := &desk{clerk: c, n: c.calls, conn: nc}
	c.desks = append(c.desks, d)
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		c.open--
		c.mu.Unlock()
	}()
	if implicit && !d.secure() {
		return
	}
	if d.in == nil {
		d.in = bufio.NewReader(nc)
	}
	if !d.say(c.greeting) {
		return
	}
	for d.one() {
	}
}

func (d *desk) secure() bool {
	conn := tls.Server(d.conn, d.clerk.tls)
	if conn.Handshake() != nil {
		return false
	}
	d.conn, d.in, d.tls = conn, bufio.NewReader(conn), true
	return true
}

// say reports whether there is more to be said.
func (d *desk) say(reply string) bool {
	d.mute = d.mute || reply == silence
	if d.mute {
		return true
	}
	reply, over := strings.CutSuffix(reply, hangUp)
	if reply != "" {
		if _, err := io.WriteString(d.conn, strings.ReplaceAll(reply, "\n", "\r\n")+"\r\n"); err != nil {
			return false
		}
	}
	return !over
}

// one attends to one command.
func (d *desk) one() bool {
	line, err := d.in.ReadString('\n')
	if err != nil {
		return false
	}
	line = strings.TrimSuffix(line, "\r\n")
	d.note(line)
	verb, _, _ := strings.Cut(line, " ")
	reply := d.reply(line)
	if !d.say(reply) {
		return false
	}
	accepted := strings.HasPrefix(reply, "250")
	switch {
	case verb == "MAIL" && accepted:
		d.mail = true
	case verb == "RCPT" && accepted:
		d.rcpts++
	case verb == "RSET", verb == "EHLO":
		d.mail, d.rcpts = false, 0
	case verb == "STARTTLS" && strings.HasPrefix(reply, "220"):
		return d.secure()
	case verb == "DATA" && strings.HasPrefix(reply, "354"):
		d.mail, d.rcpts = false, 0
		return d.body() && d.say(d.reply("."))
	}
	return true
}

func (d *desk) note(line string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.log = append(d.log, line)
}

func (d *desk) body() bool {
	var body strings.Builder
	for {
		line, err := d.in.ReadString('\n')
		if err != nil {
			return false
		}
		if line == ".\r\n" {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.bodies = append(d.bodies, body.String())
			return true
		}
		body.WriteString(line)
	}
}

func (d *desk) reply(line string) string {
	if d.answer != nil {
		if reply := d.answer(d, line); reply != "" {
			return reply
		}
	}
	return d.usual(line)
}

func (d *desk) usual(line string) string {
	switch verb, _, _ := strings.Cut(line, " "); verb {
	case "EHLO":
		offers := d.offers
		if !d.tls {
			offers = d.cleartext
			if offers == nil {
				offers = slices.Concat([]string{"STARTTLS"}, d.offers)
			}
		}
		return ehloReply(offers...)
	case "STARTTLS":
		return "220 2.0.0 go ahead"
	case "AUTH":
		return "235 2.7.0 welcome"
	case "MAIL":
		if d.mail {
			return "503 5.5.1 one at a time"
		}
		return "250 2.1.0 ok"
	case "RCPT":
		if !d.mail {
			return "503 5.5.1 MAIL first"
		}
		return "250 2.1.5 ok"
	case "DATA":
		if d.rcpts == 0 {
			return "503 5.5.1 RCPT first"
		}
		return "354 go ahead"
	case "RSET":
		return "250 2.0.0 ok"
	case ".":
		return "250 2.0.0 queued as 4711"
	case "QUIT":
		return "221 2.0.0 bye" + hangUp
	}
	return "500 5.5.2 what?"
}

func ehloReply(offers ...string) string {
	lines := append([]string{host}, offers...)
	for i := range lines {
		lines[i] = "250-" + lines[i]
	}
	lines[len(lines)-1] = strings.Replace(lines[len(lines)-1], "-", " ", 1)
	return strings.Join(lines, "\n")
}

// heard returns the commands that begin with one of the verbs, of all calls.
func (c *clerk) heard(verbs ...string) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var lines []string
	for _, line := range c.log {
		verb, _, _ := strings.Cut(line, " ")
		if len(verbs) == 0 || slices.Contains(verbs, verb) {
			lines = append(lines, line)
		}
	}
	return lines
}

func (c *clerk) took() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.bodies)
}

// desk returns where the n-th call is attended to, from 1.
func (c *clerk) desk(n int) *desk {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.desks[n-1]
}

func (c *clerk) called() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.calls
}

// config trusts the clerk and has no credentials.
func (c *clerk) config() submit.Config {
	return submit.Config{
		TLS:         &tls.Config{RootCAs: authority().Pool(), CurvePreferences: []tls.CurveID{tls.CurveP256}},
		DialContext: c.net.DialContext,
		LocalName:   "client.example.org",
	}
}

// withPassword is config with credentials.
func (c *clerk) withPassword() submit.Config {
	config := c.config()
	config.Credentials = auth.Password(user, password)
	return config
}

func (c *clerk) implicit() *submit.ImplicitTLS {
	return &submit.ImplicitTLS{Host: host, Config: c.config()}
}

func (c *clerk) starttls() *submit.STARTTLS {
	return &submit.STARTTLS{Host: host, Config: c.config()}
}

// session returns a session that ends with the test.
func (c *clerk) session(config submit.Config) *submit.Session {
	c.t.Helper()
	s, err := (&submit.ImplicitTLS{Host: host, Config: config}).Dial(c.t.Context())
	require.NoError(c.t, err)
	c.t.Cleanup(func() { s.Close() })
	return s
}

// on answers one command, by its beginning, and leaves the others to usage.
func on(command, reply string) func(*desk, string) string {
	return func(_ *desk, line string) string {
		if strings.HasPrefix(line, command) {
			return reply
		}
		return ""
	}
}

// sentinels are all that a caller can ask about an error.
func sentinels() map[string]error {
	return map[string]error{
		"Invalid": submit.ErrInvalid, "Unreachable": submit.ErrUnreachable, "Insecure": submit.ErrInsecure,
		"Credentials": submit.ErrCredentials, "Rejected": submit.ErrRejected, "Temporary": submit.ErrTemporary,
		"TooLarge": submit.ErrTooLarge, "Uncertain": submit.ErrUncertain, "Protocol": submit.ErrProtocol,
		"Closed": submit.ErrClosed, "Certificate": submit.ErrCertificate, "Injection": submit.ErrInjection,
		"NoSTARTTLS": submit.ErrNoSTARTTLS, "AuthNotOffered": submit.ErrAuthNotOffered,
	}
}

// requireOneLine holds that a text can go into a log as it is.
func requireOneLine(t *testing.T, text string) {
	t.Helper()
	require.NotEmpty(t, text)
	for _, r := range text {
		require.False(t, unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || unicode.Is(unicode.Cf, r),
			"%q in %q", r, text)
	}
	require.False(t, strings.HasSuffix(text, ": "), "%q ends before it has said why", text)
}

// asError returns err as the error that it must be.
func asError(t *testing.T, err error) *submit.Error {
	t.Helper()
	var e *submit.Error
	require.ErrorAs(t, err, &e, "%v", err)
	requireOneLine(t, err.Error())
	return e
}

func asInvalid(t *testing.T, err error) *submit.InvalidError {
	t.Helper()
	var e *submit.InvalidError
	require.ErrorAs(t, err, &e, "%v", err)
	requireOneLine(t, err.Error())
	return e
}

// numbered are n messages that can be told apart.
func numbered(n int) submit.Message { return letterOf(fmt.Sprintf("Subject: %d\r\n\r\nHello.\r\n", n)) }

func itoa(n int) string { return strconv.Itoa(n) }

// requireMeans holds what errors.Is says about err: the sentinels that are named
// here without their Err, and none besides.
func requireMeans(t *testing.T, err error, names ...string) {
	t.Helper()
	require.Equal(t, slices.Sorted(slices.Values(names)), meanings(err), "%v", err)
}

// meanings are the sentinels that err matches, without their Err, sorted.
func meanings(err error) []string {
	var names []string
	for name, sentinel := range sentinels() {
		if errors.Is(err, sentinel) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
