package submittest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"github.com/mailport/mailport/internal/testcert"
	"github.com/mailport/mailport/submit"
)

// A Server is a submission server on the loopback interface, on one port for
// each transport. Its zero value takes any message from anyone, once started.
//
// The exported fields are read, never written, and must not change after Start.
type Server struct {
	// Host is the name of the server, for which its certificate is valid
	// (as well as for localhost, 127.0.0.1 and ::1). Empty means
	// mail.example.com.
	Host string

	// Users are passwords by user name; for OAUTHBEARER and XOAUTH2 the
	// password is the token, and for EXTERNAL there is none. If Users is nil no
	// authentication is offered and none is needed; otherwise MAIL is refused
	// before it. See also [Server.SetUsers].
	Users map[string]string

	// Mechanisms are what AUTH offers, in this order. Nil means PLAIN and
	// LOGIN, which nearly every server has; the package documentation lists
	// those that are known, and SASL adds others. A name that ends in -PLUS is
	// left out where there is no TLS to bind to.
	Mechanisms []string

	// SASL, if not nil, is asked first for the server's side of a mechanism; it
	// returns nil for those that it leaves to Server. The exchange calls
	// authenticated when it knows who the user is, before it succeeds. Over
	// cleartext state is nil.
	SASL func(mechanism string, state *tls.ConnectionState, authenticated func(user string)) sasl.Server

	// Without are EHLO keywords not to offer, such as "PIPELINING", in any case
	// of letters. What they announce is then refused too, as by a server that
	// has never heard of it. Without "STARTTLS" the STARTTLS port is a server
	// that knows no TLS: it offers AUTH in cleartext.
	Without []string

	// With are further lines for the reply to EHLO, such as "LIMITS MAILMAX=2".
	With []string

	MaxMessageBytes int64 // announced as SIZE; 0: no limit
	MaxRecipients   int   // for one message, announced as LIMITS RCPTMAX; 0: no limit

	// Reject, if not nil, is asked for each sender, with to empty, and for each
	// recipient. What it returns is the reply to MAIL or RCPT, unless it is nil.
	Reject func(from, to string) *smtp.SMTPError

	// RejectMessage, if not nil, is asked at the end of each message. What it
	// returns is the verdict, unless it is nil.
	RejectMessage func(Message) *smtp.SMTPError

	// Discard keeps of each message's data only Size and Sum, for tests with
	// large ones.
	Discard bool

	// Faults are what to do wrong; see also [Server.SetFaults].
	Faults []Fault

	// TLS is copied, never modified; nil means Go's defaults. Without
	// certificates in it the server uses its own. With a MaxVersion below TLS
	// 1.2 the server speaks old versions. Where EXTERNAL is offered and
	// ClientAuth is zero, client certificates are asked for and verified; ClientCAs
	// that are nil mean the authority of [Server.ClientCertificate].
	TLS *tls.Config

	// Implicit and STARTTLS are what to listen on, for instance in an in-memory
	// network; nil means a free port of the loopback interface. The server
	// closes them.
	Implicit, STARTTLS net.Listener

	// DialContext is how [Server.Config] reaches the addresses of the
	// listeners. Nil means a [net.Dialer].
	DialContext func(ctx context.Context, network, addr string) (net.Conn, error)

	t      testing.TB // nil in programs
	ca     *testcert.CA
	tls    *tls.Config
	ports  []*port // implicit TLS, STARTTLS
	smtp   *smtp.Server
	inside *backlog
	scram  *scramKeys
	users  atomic.Pointer[map[string]string] // never written to, only replaced
	wg     sync.WaitGroup                    // accepting, dialogues, and go-smtp's Serve
	done   chan struct{}                     // closed by Close

	mu          sync.Mutex // guards the fields below; never held across I/O
	open        map[*dialogue]struct{}
	closed      bool
	messages    []Message
	transcripts []*transcript
	faults      []*counted
}

// A port is one of the two that the server listens on.
type port struct {
	service  string // as it should be; a fault can change what is spoken
	number   int    // as registered, whatever the listener's is
	listener net.Listener

	connections, attempts int // guarded by Server.mu
}

// NewServer returns a running server that ends with the test. When the test has
// failed it logs the conversation.
func NewServer(t testing.TB) *Server {
	t.Helper()
	s := NewUnstartedServer(t)
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	return s
}

// NewUnstartedServer returns a server that ends with the test, for which there
// are fields to set before [Server.Start].
func NewUnstartedServer(t testing.TB) *Server {
	s := &Server{t: t}
	t.Cleanup(func() {
		s.Close()
		if t.Failed() {
			t.Log(s.Conversation())
		}
	})
	return s
}

// Start makes the server listen on both ports. It returns an error if a fault
// makes no sense or if there is no port to be had.
func (s *Server) Start() error {
	if s.done != nil {
		return errors.New("submittest: server was started before")
	}
	faults, err := s.count(s.Faults)
	if err != nil {
		return err
	}
	s.ports, err = s.listen()
	if err != nil {
		return err
	}
	s.faults = faults
	s.SetUsers(s.Users)
	s.scram = newScramKeys()
	s.done = make(chan struct{})
	s.open = make(map[*dialogue]struct{})
	s.ca = testcert.New()
	s.tls = s.newTLS()
	s.smtp = s.newSMTP()
	s.inside = newBacklog()
	s.wg.Go(func() { s.smtp.Serve(s.inside) }) //nolint:errcheck // it ends with inside
	for _, p := range s.ports {
		s.wg.Go(func() { s.accept(p) })
	}
	return nil
}

func (s *Server) listen() ([]*port, error) {
	ports := []*port{
		{service: submit.Submissions, number: 465, listener: s.Implicit},
		{service: submit.Submission, number: 587, listener: s.STARTTLS},
	}
	for _, p := range ports {
		if p.listener != nil {
			continue
		}
		l, err := listenLoopback()
		if err != nil {
			closeAll(ports)
			return nil, fmt.Errorf("submittest: %w", err)
		}
		p.listener = l
	}
	return ports, nil
}

func listenLoopback() (net.Listener, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return net.Listen("tcp6", "[::1]:0") // a host without IPv4
	}
	return l, nil
}

func closeAll(ports []*port) {
	for _, p := range ports {
		if p.listener != nil {
			_ = p.listener.Close() // nobody waits for it any more
		}
	}
}

func (s *Server) accept(p *port) {
	for {
		conn, err := p.listener.Accept()
		if err != nil {
			return
		}
		d := s.enter(p, conn)
		if d == nil {
			_ = conn.Close() // too late, the server is closing
			return
		}
		s.wg.Go(func() {
			d.run()
			s.leave(d)
		})
	}
}

// enter starts the books of a connection; it returns nil if the server has
// closed. The goroutine of accept is in wg, so wg.Go cannot come after Wait.
func (s *Server) enter(p *port, conn net.Conn) *dialogue {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	p.connections++
	log := newTranscript(len(s.transcripts)+1, s.endpoint(p.service, p.number))
	s.transcripts = append(s.transcripts, log)
	d := newDialogue(s, p, conn, log)
	s.open[d] = struct{}{}
	return d
}

func (s *Server) leave(d *dialogue) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, d)
}

// Close closes the ports and all connections, and returns when everything that
// the server started has ended. What was recorded stays.
func (s *Server) Close() {
	if s.done == nil {
		closeAll([]*port{{listener: s.Implicit}, {listener: s.STARTTLS}})
		return
	}
	if s.shut() {
		closeAll(s.ports)
		_ = s.inside.Close() // cannot fail
	}
	s.wg.Wait()
	_ = s.smtp.Shutdown(context.Background()) // waits for its connections; an error means that another Close did
}

// shut cuts every connection. It reports whether this call was the first.
func (s *Server) shut() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.closed = true
	close(s.done)
	for d := range s.open {
		_ = d.raw.Close() // its dialogue notices
	}
	return true
}

func (s *Server) host() string {
	if s.Host == "" {
		return "mail.example.com"
	}
	return s.Host
}

func (s *Server) endpoint(service string, number int) submit.Endpoint {
	return submit.Endpoint{Service: service, Host: s.host(), Port: number}
}
