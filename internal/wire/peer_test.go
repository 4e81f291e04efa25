package wire

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailport/mailport/internal/fakenet"
	"github.com/mailport/mailport/internal/testcert"
	"github.com/stretchr/testify/require"
)

const (
	rtt   = 100 * time.Millisecond
	limit = time.Minute
	host  = "smtp.example.com"
	addr  = host + ":587"
)

// bubble runs test in virtual time, with a connection to a server that serve
// plays. The clock stands where the server may speak first. After the test the
// network is closed and the server waited for, so that the bubble finds what is
// left over.
func bubble(t *testing.T, serve func(*peer), test func(*testing.T, *Conn)) {
	t.Helper()
	network(t, serve, func(t *testing.T, n *fakenet.Network) { test(t, connect(t, n)) })
}

// network is bubble for tests that dial themselves.
func network(t *testing.T, serve func(*peer), test func(*testing.T, *fakenet.Network)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n := fakenet.New(rtt)
		l := n.Listen(addr)
		var servers sync.WaitGroup
		servers.Go(func() {
			for {
				nc, err := l.Accept()
				if err != nil {
					return
				}
				servers.Go(func() {
					defer nc.Close()
					serve(&peer{Conn: nc, t: t, br: bufio.NewReader(nc)})
				})
			}
		})
		defer servers.Wait()
		defer func() {
			l.Close()
			for _, link := range n.Links(addr) {
				link.Client().Close()
			}
		}()
		test(t, n)
	})
}

// connect dials and waits until the server has the connection.
func connect(t *testing.T, n *fakenet.Network) *Conn {
	t.Helper()
	nc, err := n.DialContext(t.Context(), "tcp", addr)
	require.NoError(t, err)
	time.Sleep(rtt / 2)
	return NewConn(nc)
}

// A peer is a server that does as the test says, and shares no code with Conn.
type peer struct {
	net.Conn
	t  *testing.T
	br *bufio.Reader
}

// say writes what the server says, in one piece.
func (p *peer) say(s string) { io.WriteString(p, s) }

// line reads a line and drops its CRLF; "" at the end.
func (p *peer) line() string {
	s, err := p.br.ReadString('\n')
	if err != nil {
		return ""
	}
	line, ok := strings.CutSuffix(s, "\r\n")
	if !ok {
		p.t.Errorf("server got a line that does not end in CRLF: %q", s)
	}
	return line
}

// want reads one line and compares it.
func (p *peer) want(line string) {
	p.t.Helper()
	if got := p.line(); got != line {
		p.t.Errorf("server wants %q, got %q", line, got)
	}
}

// silence reads until the client is gone and says nothing.
func (p *peer) silence() { io.Copy(io.Discard, p.br) }

// deaf neither reads nor speaks until the client is gone, which is known to
// last no longer than this.
func (p *peer) deaf() { time.Sleep(24 * time.Hour) }

// secure is the server's half of Secure.
func (p *peer) secure(config *tls.Config) bool {
	t := tls.Server(p.Conn, config)
	if t.Handshake() != nil {
		return false
	}
	p.Conn, p.br = t, bufio.NewReader(t)
	return true
}

// authority signs the certificates of all tests.
var authority = sync.OnceValue(testcert.New)

var certificate = sync.OnceValue(func() tls.Certificate { return authority().Leaf(host) })

func serverTLS() *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{certificate()}}
}

// clientTLS has a key exchange that is cheap, as some tests take hundreds.
func clientTLS() *tls.Config {
	return &tls.Config{RootCAs: authority().Pool(), ServerName: host, CurvePreferences: []tls.CurveID{tls.CurveP256}}
}

// clock returns a function that tells how much time has passed.
func clock() func() time.Duration {
	start := time.Now()
	return func() time.Duration { return time.Since(start) }
}

// record collects the replies that Send calls each with.
type record struct {
	t       *testing.T
	replies []Reply
}

func (r *record) each(i int, reply Reply) {
	require.Equal(r.t, len(r.replies), i, "replies are told in order, each once")
	r.replies = append(r.replies, reply)
}

func (r *record) codes() []int {
	var codes []int
	for _, reply := range r.replies {
		codes = append(codes, reply.Code)
	}
	return codes
}

// queue adds commands, given as lines, to the next flight.
func queue(t *testing.T, c *Conn, lines ...string) {
	t.Helper()
	for _, line := range lines {
		words := strings.Split(line, " ")
		require.NoError(t, c.Queue(words[0], words[1:]...))
	}
}

// guarded is a context that is cancelled with a cause after d.
func guarded(t *testing.T, d time.Duration, cause error) context.Context {
	ctx, cancel := context.WithCancelCause(t.Context())
	timer := time.AfterFunc(d, func() { cancel(cause) })
	t.Cleanup(func() { timer.Stop(); cancel(nil) })
	return ctx
}
