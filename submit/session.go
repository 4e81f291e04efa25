package submit

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mailport/mailport/internal/wire"
)

// A Session is an open, secure connection to a server. It carries one message
// at a time; concurrent calls wait for each other.
//
// A session is still good after the server refused something. After a failure
// of the network, a violation of the protocol or a context that ended in the
// middle, every further call fails at once, and nothing more is sent. A [Pool]
// knows the difference.
type Session struct {
	endpoint  Endpoint
	config    Config
	address   string // the peer's
	conn      *wire.Conn
	tls       *tls.ConnectionState
	presented bool     // a client certificate
	unseen    bool     // whether one was
	names     []string // for EHLO; the second in case the first is refused
	ext       wire.Extensions
	limits    limits
	learnt    *learnt // of the server, by this one and others

	turn     chan struct{} // held by whoever uses the fields below, and conn
	authDone bool
	authErr  error                                   // why authentication failed: a password is shown once
	dirty    bool                                    // a transaction was begun and not ended, so RSET is due
	unsure   bool                                    // and may be in the middle of what it says: see resync
	begun    int                                     // transactions
	heard    time.Time                               // the server was, last
	mask     mask                                    // hides what was shown to authenticate
	entered  bool                                    // and authenticated, if there are credentials
	ready    func()                                  // to be called then, or nil
	redial   func(context.Context) (*Session, error) // another with the same server, or nil

	closeOnce sync.Once
	closing   chan struct{} // closed by Close
}

func newSession(e Endpoint, c Config) *Session {
	return &Session{endpoint: e, config: c, learnt: new(learnt), turn: make(chan struct{}, 1), closing: make(chan struct{})}
}

// NewSession exchanges greetings over a connection of the caller's own, whose
// TLS began with the first byte. That it takes a [tls.Conn] is deliberate: no
// session is without TLS. The handshake is made if it has not been, and must
// have verified the server (TLS 1.2 or later); a connection whose configuration
// verifies in its own way is accepted if c.TLS.VerifyConnection agrees. Of c,
// DialContext and the rest of TLS are not used.
//
// If NewSession fails, conn is closed. If not, it belongs to the session. What
// conn handed to the network before a write failed cannot be seen from here, so
// a failure while the end of a message is written is [ErrUncertain] even if
// nothing left.
func NewSession(ctx context.Context, conn *tls.Conn, c Config) (*Session, error) {
	s := newSession(Endpoint{Service: Submissions}, c)
	s.conn = wire.NewTLSConn(conn)
	if err := checkLocalName(c.LocalName); err != nil {
		s.conn.Cut()
		return nil, err
	}
	return s.opened(ctx, func() error {
		if err := s.adopt(ctx, conn); err != nil {
			return err
		}
		return s.meet(ctx)
	})
}

// adopt takes over a connection that somebody else has made.
func (s *Session) adopt(ctx context.Context, conn *tls.Conn) error {
	began := time.Now()
	if peer := conn.RemoteAddr(); peer != nil {
		s.address = peer.String()
	}
	if tcp, ok := conn.RemoteAddr().(*net.TCPAddr); ok {
		s.endpoint.Host, s.endpoint.Port = tcp.IP.String(), tcp.Port
	}
	s.names = localNames(s.config.LocalName, s.config.machine(), conn.LocalAddr())
	handshaking, cancel := withLimit(ctx, s.config.Timeouts.handshake())
	defer cancel()
	err := conn.HandshakeContext(handshaking)
	state := conn.ConnectionState()
	switch {
	case err != nil && (ctx.Err() != nil || handshaking.Err() != nil): // a context's end takes time to reach its children
		err = connectCause(ctx, handshaking, handshaking.Err(), s.config.Timeouts.handshake())
		err = &Error{Endpoint: s.endpoint, Phase: PhaseHandshake, Err: &wire.LostError{Err: err}}
	case err != nil:
		if isNetwork(err) {
			err = &wire.LostError{Err: err}
		}
		err = s.handshakeFailure(err, false, state.ServerName)
	default:
		if err = s.config.checkVerified(conn); err != nil {
			err = &Error{Endpoint: s.endpoint, Phase: PhaseHandshake, Err: err}
		}
	}
	if err != nil {
		s.step(ctx, PhaseHandshake, began, err)
		return err
	}
	if state.ServerName != "" {
		s.endpoint.Host = state.ServerName
	}
	s.tls, s.unseen = &state, true
	s.secured(ctx, began, &state)
	return nil
}

// Submit sends m, and authenticates before the first message if the session's
// configuration has credentials.
func (s *Session) Submit(ctx context.Context, m Message) (*Receipt, error) {
	p, err := prepare(ctx, m)
	if err != nil {
		return nil, err
	}
	return s.submit(ctx, p)
}

// enter authenticates before the first message.
func (s *Session) enter(ctx context.Context) error {
	if s.entered {
		return nil
	}
	if err := s.authenticate(ctx); err != nil {
		return err
	}
	s.entered = true
	if s.ready != nil {
		s.ready()
	}
	return nil
}

func (s *Session) submit(ctx context.Context, p *parcel) (receipt *Receipt, err error) {
	err = s.use(ctx, func() error {
		if err := s.enter(ctx); err != nil {
			return err
		}
		receipt, err = s.transact(ctx, p)
		return err
	})
	return receipt, err
}

// Auth authenticates with the credentials of the session's configuration, if
// that has not been done. Submit does so by itself. Without credentials it does
// nothing.
func (s *Session) Auth(ctx context.Context) error {
	return s.use(ctx, func() error { return s.authenticate(ctx) })
}

// use has the session to itself while it does something under the rule of ctx.
func (s *Session) use(ctx context.Context, do func() error) error {
	if err := s.take(ctx); err != nil {
		return err
	}
	finished := false
	defer func() {
		if !finished {
			s.conn.Abandon() // a panic, amid whatever it was
		}
		<-s.turn
	}()
	if err := s.conn.Broken(); err != nil {
		// Only said: what the context of an earlier call means is not for this one.
		return s.failure(PhaseSender, &wire.LostError{Err: fmt.Errorf("session has ended: %v", s.mask.unquoted(err))}) //nolint:errorlint // what ended it is over: its context is not this call's
	}
	s.conn.Guard(ctx)
	defer s.conn.Release()
	err := do()
	finished = true
	s.heard = time.Now()
	return err
}

// take waits for the session's turn.
func (s *Session) take(ctx context.Context) error {
	select {
	case <-s.closing:
		return s.closed()
	default:
	}
	if err := ctx.Err(); err != nil {
		return &Error{Endpoint: s.endpoint, Phase: PhaseSender, Err: wire.ContextError(ctx)}
	}
	select {
	case s.turn <- struct{}{}:
		return nil
	case <-s.closing:
		return s.closed()
	case <-ctx.Done():
		return &Error{Endpoint: s.endpoint, Phase: PhaseSender, Err: wire.ContextError(ctx)}
	}
}

func (s *Session) closed() error {
	return &Error{Endpoint: s.endpoint, Phase: PhaseSender, Err: &cause{meaning: ErrClosed, text: "session is closed"}}
}

// Close ends the session. If no message is under way it says goodbye, without
// waiting for an answer. If one is, the connection is cut, and Submit returns
// what became of the message. Close returns nil; a second call does nothing.
func (s *Session) Close() error {
	s.closeOnce.Do(func() {
		close(s.closing)
		select {
		case s.turn <- struct{}{}: // and kept: nobody comes after
			s.conn.Unpark()
			s.conn.Quit()
		default:
			s.conn.Cut()
		}
	})
	return nil
}

// abandon ends the session without a word.
func (s *Session) abandon() {
	s.closeOnce.Do(func() {
		close(s.closing)
		s.conn.Cut()
	})
}

// Endpoint says what the session is connected to.
func (s *Session) Endpoint() Endpoint { return s.endpoint }

// Address returns the server's network address, host:port.
func (s *Session) Address() string { return s.address }

// TLS returns the state of the connection's TLS. It is to be read only.
func (s *Session) TLS() *tls.ConnectionState { return s.tls }

// Extension reports whether the server offers an extension over TLS, and with
// which parameters, separated by spaces. Name is its EHLO keyword, such as
// "SIZE", in any case of letters. Those in Config.Without are not offered.
func (s *Session) Extension(name string) (params string, ok bool) {
	params, ok = s.ext[strings.ToUpper(name)]
	return params, ok
}

// Extensions returns what the server offers over TLS: EHLO keywords in upper
// case, each with its parameters behind it, sorted and fit to be printed;
// without those in Config.Without.
func (s *Session) Extensions() []string { return s.ext.Lines() }

// want returns nil for the one code that means success, and else the error.
func (s *Session) want(phase Phase, r wire.Reply, code int) error {
	if r.Code == code {
		return nil
	}
	return s.refusal(phase, Reply(r))
}

// refusal is the error of a reply that says no. If it says something else
// altogether, replies are out of step, and the session is at its end.
func (s *Session) refusal(phase Phase, r Reply) *Error {
	r.Lines = slices.Clone(s.mask.hide(r.Lines)) // the caller's
	e := &Error{Endpoint: s.endpoint, Phase: phase, Reply: &r, Err: smtpError(r)}
	switch {
	case r.Code < 400:
		e.Err = &cause{meaning: ErrProtocol, text: "not a reply to this", err: e.Err}
		s.conn.Abandon()
	case phase > PhaseAuth && s.authDone:
		e.authenticated = true
	case phase > PhaseAuth && phase < PhaseBody && s.isForStrangers(r):
		e.Err = &cause{text: "no credentials are given, and the server offers " +
			wire.Printable(strings.Join(s.ext.Mechanisms(), ", ")), err: e.Err}
	}
	return e
}

// isForStrangers reports whether r may mean that one has to authenticate. Few
// servers say 530, as RFC 4954, section 6, has it; "554 Access denied" is known.
func (s *Session) isForStrangers(r Reply) bool {
	policy := r.Enhanced[1] == 7 || r.Enhanced == [3]int{}
	return s.config.Credentials == nil && len(s.ext.Mechanisms()) > 0 && r.Code >= 500 && policy
}

// failure is the error of a connection that failed, for whatever reason.
func (s *Session) failure(phase Phase, err error) *Error {
	err = s.mask.unquoted(err)
	select {
	case <-s.closing:
		err = &cause{meaning: ErrClosed, text: "session was closed", err: err}
	default:
	}
	e := &Error{Endpoint: s.endpoint, Phase: phase, Err: s.brokenOff(phase, wireCause(err))}
	if r, ok := replyOf(phase, err); ok {
		e.Reply = &r
		e.Err = errors.Join(smtpError(r), err)
	}
	return e
}
