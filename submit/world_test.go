package submit_test

import (
	"bufio"
	"crypto/tls"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/auth"
	"github.com/mailport/mailport/internal/fakenet"
	"github.com/mailport/mailport/internal/testcert"
	"github.com/mailport/mailport/submit"
	"github.com/mailport/mailport/submit/submittest"
)

const (
	rtt      = 100 * time.Millisecond
	host     = "smtp.example.com"
	user     = "me@example.com"
	password = "tanstaaftanstaaf"
	friend   = "you@example.net"
	text     = "Subject: hello\r\n\r\nHello.\r\n"
)

// services are the two transports, for tests that loop over them.
var services = []string{submit.Submissions, submit.Submission}

// A world is a bubble of virtual time with a network in it, and a server: real
// TLS, a round trip of 100 ms, and nothing but the network takes time.
type world struct {
	t      *testing.T
	net    *fakenet.Network
	server *submittest.Server // nil where actors play
	config submit.Config      // of the transports that the world makes
}

// inWorld runs test in a world of its own, with the T of the bubble. Setup, if not
// nil, changes the server before it is started; it wants authentication with
// PLAIN, and offers PIPELINING and no CHUNKING. The key exchange is a cheap one,
// since there are thousands. When test returns, no client's connection may be open
// (promise 6), and what runs on makes the bubble panic.
func inWorld(t *testing.T, setup func(*submittest.Server), test func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n := fakenet.New(rtt)
		t.Cleanup(func() { n.Check(t) })
		server := submittest.NewUnstartedServer(t)
		server.Host = host
		server.Users = map[string]string{user: password}
		server.Mechanisms = []string{"PLAIN"}
		server.Without = []string{"CHUNKING"}
		server.Implicit, server.STARTTLS = n.Listen(host+":465"), n.Listen(host+":587")
		server.DialContext = n.DialContext
		if setup != nil {
			setup(server)
		}
		require.NoError(t, server.Start())
		w := &world{t: t, net: n, server: server, config: server.Config()}
		w.config.TLS.CurvePreferences = []tls.CurveID{tls.CurveP256}
		w.config.Credentials = auth.Password(user, password)
		w.config.LocalName = "client.example.org" // not this machine's
		test(t, w)
	})
}

// lockStep is a setup: no PIPELINING, and woe to those who do it all the same.
func lockStep(s *submittest.Server) { s.Without = append(s.Without, "PIPELINING") }

// faulty is a setup.
func faulty(faults ...submittest.Fault) func(*submittest.Server) {
	return func(s *submittest.Server) { s.Faults = faults }
}

// both is a setup that is several; nil ones do nothing.
func both(setups ...func(*submittest.Server)) func(*submittest.Server) {
	return func(s *submittest.Server) {
		for _, setup := range setups {
			if setup != nil {
				setup(s)
			}
		}
	}
}

// A carrier is what both transports are.
type carrier interface {
	submit.Transport
	submit.Submitter
}

// transport returns the transport of a service, with w.config as it is now.
func (w *world) transport(service string) carrier {
	if service == submit.Submissions {
		return &submit.ImplicitTLS{Host: host, Config: w.config}
	}
	return &submit.STARTTLS{Host: host, Config: w.config}
}

// dial opens a session that ends with the test.
func (w *world) dial(service string) *submit.Session {
	w.t.Helper()
	s, err := w.transport(service).Dial(w.t.Context())
	require.NoError(w.t, err)
	w.t.Cleanup(func() { s.Close() })
	return s
}

// warm opens a session and authenticates.
func (w *world) warm(service string) *submit.Session {
	w.t.Helper()
	s := w.dial(service)
	require.NoError(w.t, s.Auth(w.t.Context()))
	return s
}

// link returns the connection that was made last.
func (w *world) link() *fakenet.Link {
	w.t.Helper()
	links := w.net.Links(fakenet.Anywhere)
	require.NotEmpty(w.t, links)
	return links[len(links)-1]
}

// settled waits until all that is on its way has arrived and the server has done
// with it, and returns the messages that it took.
func (w *world) settled() []submittest.Message {
	time.Sleep(10 * rtt)
	return w.server.Messages()
}

// stopwatch returns a function that tells how much time has passed.
func stopwatch() func() time.Duration {
	start := time.Now()
	return func() time.Duration { return time.Since(start) }
}

// letter returns a message with a small body; without recipients it goes to
// friend.
func letter(to ...string) submit.Message { return letterOf(text, to...) }

// letterOf is letter with a body.
func letterOf(body string, to ...string) submit.Message {
	if len(to) == 0 {
		to = []string{friend}
	}
	return submit.Message{From: user, To: to, Body: strings.NewReader(body)}
}

// authority signs the certificates of all actors.
var authority = sync.OnceValue(testcert.New)

// withActor runs test in a world where each connection is played by the test:
// play has one that speaks TLS already, at which nothing was said. The actor
// shares no code with the client, nor with a server of good manners.
func withActor(t *testing.T, play func(a *actor), test func(t *testing.T, w *world)) {
	t.Helper()
	serverTLS := &tls.Config{Certificates: []tls.Certificate{clerksCertificate()}}
	synctest.Test(t, func(t *testing.T) {
		n := fakenet.New(rtt)
		t.Cleanup(func() { n.Check(t) })
		l := n.Listen(host + ":465")
		var actors sync.WaitGroup
		actors.Go(func() {
			for {
				nc, err := l.Accept()
				if err != nil {
					return
				}
				actors.Go(func() {
					defer nc.Close()
					conn := tls.Server(nc, serverTLS)
					if conn.Handshake() == nil {
						play(&actor{conn: conn, raw: nc.(*fakenet.Conn), in: bufio.NewReader(conn)})
					}
				})
			}
		})
		t.Cleanup(actors.Wait)
		t.Cleanup(func() { n.Close() })
		test(t, &world{t: t, net: n, config: submit.Config{
			Credentials: auth.Password(user, password),
			TLS:         &tls.Config{RootCAs: authority().Pool(), CurvePreferences: []tls.CurveID{tls.CurveP256}},
			DialContext: n.DialContext,
			LocalName:   "client.example.org",
		}})
	})
}

// An actor is the server's end of a connection.
type actor struct {
	conn *tls.Conn
	raw  *fakenet.Conn
	in   *bufio.Reader
	log  []string // commands
	body []string // messages, as they came over the wire, with their end
}

// say writes in one piece; lines end in CRLF by themselves.
func (a *actor) say(lines ...string) {
	io.WriteString(a.conn, strings.Join(lines, "\r\n")+"\r\n")
}

// hear reads a command; "" is the end.
func (a *actor) hear() string {
	line, err := a.in.ReadString('\n')
	if err != nil {
		return ""
	}
	line = strings.TrimSuffix(line, "\r\n")
	a.log = append(a.log, line)
	return line
}

// hearBody reads a message up to its end, and reports whether that came.
func (a *actor) hearBody() bool {
	var body strings.Builder
	for {
		line, err := a.in.ReadString('\n')
		body.WriteString(line)
		if err != nil {
			return false
		}
		if line == ".\r\n" {
			a.body = append(a.body, body.String())
			return true
		}
	}
}

// hears reads n commands.
func (a *actor) hears(n int) {
	for range n {
		a.hear()
	}
}

// welcome greets, answers EHLO with the extensions, and takes any PLAIN.
func (a *actor) welcome(extensions ...string) {
	a.say("220 " + host)
	a.hear()
	lines := slices.Concat([]string{host}, extensions, []string{"AUTH PLAIN"})
	for i := range lines[:len(lines)-1] {
		lines[i] = "250-" + lines[i]
	}
	lines[len(lines)-1] = "250 " + lines[len(lines)-1]
	a.say(lines...)
	a.hear()
	a.say("235 2.7.0 welcome")
}

// listen reads until the client is gone.
func (a *actor) listen() { io.Copy(io.Discard, a.in) }

// refusing is a fault.
func refusing(phase submit.Phase, code int) submittest.Fault {
	return submittest.Fault{Phase: phase, Do: submittest.Refuse, Code: code}
}
