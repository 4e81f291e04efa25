package offsets

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/auth"
	"github.com/mailport/mailport/internal/fakenet"
	"github.com/mailport/mailport/submit"
	"github.com/mailport/mailport/submit/submittest"
)

const (
	rtt      = 100 * time.Millisecond
	host     = "smtp.example.com"
	at465    = host + ":465"
	at587    = host + ":587"
	user     = "me@example.com"
	password = "tanstaaftanstaaf"
	friend   = "you@example.net"
	stranger = "nobody@example.net" // whom the server refuses, where it refuses somebody
)

// A world is a bubble of virtual time with a network in it, a server, and one
// conversation, which is had again and again.
type world struct {
	*conversation
	t       *testing.T
	net     *fakenet.Network
	server  *submittest.Server
	config  submit.Config
	current *trial // the one under way
}

func inWorld(t *testing.T, c *conversation, test func(w *world)) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{conversation: c, t: t, net: fakenet.New(rtt)}
		w.net.SetWindow(fakenet.Anywhere, 1<<20)
		s := submittest.NewUnstartedServer(t)
		w.server = s
		s.Host = host
		s.Users = map[string]string{user: password}
		s.Mechanisms = []string{"PLAIN"}
		s.Without = []string{"CHUNKING"}
		s.Implicit, s.STARTTLS = w.net.Listen(at465), w.net.Listen(at587)
		s.DialContext = w.net.DialContext
		// Signatures of ECDSA vary in length.
		s.TLS = &tls.Config{Certificates: []tls.Certificate{certificate(host)}}
		s.RejectMessage = w.ended
		if c.setup != nil {
			c.setup(s)
		}
		require.NoError(t, s.Start())

		w.config = s.Config()
		w.config.DialContext = w.tapping(w.config.DialContext)
		w.config.TLS.CurvePreferences = []tls.CurveID{tls.CurveP256} // fast
		if !c.cold {
			w.config.TLS.ClientSessionCache = &oneTicket{}
		}
		w.config.Credentials = auth.Password(user, password)
		w.config.LocalName = "client.example.org" // not this machine's
		const limit = time.Second                 // silence must not last until the ticket expires
		w.config.Timeouts = submit.Timeouts{
			Connect: limit, Handshake: limit, Greeting: limit, Command: limit, Data: limit, Verdict: limit,
		}
		if c.config != nil {
			c.config(w)
		}
		test(w)
	})
}

// ended is what the server asks at the end of a message.
func (w *world) ended(m submittest.Message) *smtp.SMTPError {
	w.current.arrived(indexOf(m))
	return w.verdict
}

// indexOf tells messages apart; those that are not of this package are -1.
func indexOf(m submittest.Message) int {
	_, rest, _ := strings.Cut(string(m.Data), "Subject: ")
	number, _, _ := strings.Cut(rest, "\r\n")
	i, err := strconv.Atoi(number)
	if err != nil {
		return -1
	}
	return i
}

// tapping has what clients write kept.
func (w *world) tapping(dial func(context.Context, string, string) (net.Conn, error)) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		c := &tapped{Conn: conn.(*fakenet.Conn)}
		w.current.connected(c)
		return c, nil
	}
}

// A tapped connection keeps what was written, as it is on the wire.
type tapped struct {
	*fakenet.Conn
	mu   sync.Mutex // guards the fields below
	wire []byte
	last point // when the last write began
}

func (c *tapped) Write(p []byte) (int, error) {
	c.mu.Lock()
	c.wire = append(c.wire, p...)
	c.last = octets(c.Link())
	c.mu.Unlock()
	return c.Conn.Write(p)
}

// records are where those of TLS begin and end; what is in cleartext has none.
func (c *tapped) records() (all [][2]int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	const header = 5
	for at := 0; at+header <= len(c.wire); {
		if p := c.wire[at:]; p[0] >= 20 && p[0] <= 23 && p[1] == 3 {
			end := at + header + int(p[3])<<8 + int(p[4])
			all = append(all, [2]int{at, end})
			at = end
		} else {
			at++
		}
	}
	return all
}

// certificate is for a name, and signed by itself.
func certificate(name string) tls.Certificate {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		DNSNames:     []string{name},
		NotBefore:    time.Date(1999, time.January, 1, 0, 0, 0, 0, time.UTC),
		NotAfter:     time.Date(2100, time.January, 1, 0, 0, 0, 0, time.UTC),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: private}
}

// oneTicket resumes one session again and again, which spares handshakes most of
// their time.
type oneTicket struct {
	mu      sync.Mutex // guards session
	session *tls.ClientSessionState
}

func (o *oneTicket) Get(string) (*tls.ClientSessionState, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.session, o.session != nil
}

func (o *oneTicket) Put(_ string, session *tls.ClientSessionState) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.session == nil {
		o.session = session
	}
}
