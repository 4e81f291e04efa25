package submit

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/mailport/mailport/internal/wire"
)

// dial opens a session with e; upgrade tells STARTTLS from implicit TLS. What
// fails leaves no connection behind.
func dial(ctx context.Context, e Endpoint, c Config, upgrade bool, m *memory) (*Session, error) {
	s := newSession(e, c)
	s.learnt = c.learntBy(e, &m.learnt)
	s.redial = func(ctx context.Context) (*Session, error) { return dial(ctx, e, c, upgrade, m) }
	tlsConfig, err := s.check()
	if err != nil {
		return nil, err
	}
	m.resume(tlsConfig)
	s.watchCertificate(tlsConfig)
	nc, err := s.connect(ctx, tlsConfig)
	if err != nil {
		return nil, err
	}
	s.conn = wire.NewConn(nc)
	return s.opened(ctx, func() error {
		if upgrade {
			return s.openUpgraded(ctx, tlsConfig)
		}
		return s.openImplicit(ctx, tlsConfig)
	})
}

// opened runs open under the rule of ctx, and cuts the connection if it fails.
func (s *Session) opened(ctx context.Context, open func() error) (*Session, error) {
	s.conn.Guard(ctx)
	err := open()
	if err == nil {
		err = s.offersAuth(ctx)
	}
	s.conn.Release()
	s.heard = time.Now()
	if err == nil && s.conn.Broken() != nil { // ctx ended with the last step
		err = s.failure(PhaseHello, s.conn.Broken())
	}
	if err != nil {
		s.conn.Cut()
		return nil, err
	}
	return s, nil
}

func (s *Session) check() (*tls.Config, error) {
	if err := checkHost(s.endpoint.Host); err != nil {
		return nil, err
	}
	if err := checkPort("Port", s.endpoint.Port); err != nil {
		return nil, err
	}
	if err := checkLocalName(s.config.LocalName); err != nil {
		return nil, err
	}
	return s.config.tlsFor(s.endpoint.Host)
}

func (s *Session) openImplicit(ctx context.Context, tlsConfig *tls.Config) error {
	if err := s.secure(ctx, tlsConfig, false); err != nil {
		return err
	}
	return s.meet(ctx)
}

// openUpgraded is RFC 3207. In cleartext it says EHLO and STARTTLS, and
// believes nothing it hears but that STARTTLS is offered.
func (s *Session) openUpgraded(ctx context.Context, tlsConfig *tls.Config) error {
	if err := s.meet(ctx); err != nil {
		return err
	}
	if err := s.startTLS(ctx); err != nil {
		return err
	}
	if err := s.secure(ctx, tlsConfig, true); err != nil {
		return err
	}
	s.ext = nil // RFC 3207, section 4.2: what was said before is forgotten
	return s.hello(ctx, PhaseHelloAgain)
}

// connect makes the TCP connection.
func (s *Session) connect(ctx context.Context, tlsConfig *tls.Config) (net.Conn, error) {
	limit := s.config.Timeouts.connect()
	began := time.Now()
	dialing, cancel := withLimit(ctx, limit)
	defer cancel()
	tcp := handshakes{began: began}
	dialContext := s.config.DialContext
	if dialContext == nil {
		dialContext = (&net.Dialer{ControlContext: tcp.note}).DialContext
	}
	nc, err := dialContext(dialing, "tcp", s.endpoint.address())
	if err != nil {
		phase := PhaseConnect
		if isDNS(err) {
			phase = PhaseResolve
		}
		err = &Error{Endpoint: s.endpoint, Phase: phase, Err: connectCause(ctx, dialing, err, limit)}
		s.step(ctx, phase, began, err)
		return nil, err
	}
	if unverified(tlsConfig) && !s.config.isLoopback(nc) {
		nc.Close()
		return nil, errUnverified()
	}
	if peer := nc.RemoteAddr(); peer != nil { // who dials in an own way may not know
		s.address = peer.String()
	}
	s.names = localNames(s.config.LocalName, s.config.machine(), nc.LocalAddr())
	if resolved, ok := tcp.with(s.address); ok {
		if _, err := netip.ParseAddr(s.endpoint.Host); err != nil {
			s.report(ctx, Event{Phase: PhaseResolve, Took: resolved}) // and addresses that did not answer
		}
		began = began.Add(resolved)
	}
	s.step(ctx, PhaseConnect, began, nil)
	return nc, nil
}

func withLimit(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	if limit < 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, limit)
}

// secure verifies the server's certificate, or there is no session.
func (s *Session) secure(ctx context.Context, tlsConfig *tls.Config, upgraded bool) error {
	began := time.Now()
	state, err := s.conn.Secure(tlsConfig, s.config.Timeouts.handshake())
	if err != nil {
		err = s.handshakeFailure(err, upgraded, tlsConfig.ServerName)
		s.step(ctx, PhaseHandshake, began, err)
		return err
	}
	s.tls = state
	s.secured(ctx, began, state)
	return nil
}

func (s *Session) handshakeFailure(err error, upgraded bool, name string) error {
	if code := refusedInClear(err); code != 0 && !upgraded {
		return &Error{Endpoint: s.endpoint, Phase: PhaseHandshake, Reply: &Reply{Code: code},
			Err: &cause{text: "said in cleartext, before TLS", err: errors.Join(smtpError(Reply{Code: code}), err)}}
	}
	return &Error{Endpoint: s.endpoint, Phase: PhaseHandshake, Err: handshakeCause(err, upgraded, name, s.endpoint.Port)}
}

// meet exchanges greetings with a server that nothing is known of yet.
func (s *Session) meet(ctx context.Context) error {
	greeting, err := s.greeting(ctx)
	if err != nil {
		return err
	}
	return s.introduce(ctx, PhaseHello, greeting)
}

// greeting waits for the server to speak first (RFC 5321, section 4.3.1), and
// recognises one that is no SMTP server, or waits for TLS.
func (s *Session) greeting(ctx context.Context) (r wire.Reply, err error) {
	began := time.Now()
	defer func() { s.step(ctx, PhaseGreeting, began, err) }()
	limit := s.config.Timeouts.greeting(s.tls == nil, s.endpoint.Port)
	first, err := s.conn.First(limit)
	if err != nil { // it was silent for too long, or hung up
		return r, s.failure(PhaseGreeting, noGreeting(err, s.endpoint.Port, s.tls != nil))
	}
	if what := speaks(first); what != SpeaksSMTP {
		return r, s.otherService(PhaseGreeting, what, string(first))
	}
	r, err = s.conn.ReadReply(limit)
	switch {
	case err != nil:
		return r, s.failure(PhaseGreeting, err)
	case isNNTP(r):
		return r, s.otherService(PhaseGreeting, "NNTP", r.String())
	}
	return r, s.want(PhaseGreeting, r, 220)
}

func (s *Session) otherService(phase Phase, what, got string) error {
	return &Error{Endpoint: s.endpoint, Phase: phase,
		Err: &PortError{Speaks: what, Got: got[:min(32, len(got))], overTLS: s.tls != nil, port: s.endpoint.Port}}
}

// hello is what is said to a server that is known to speak SMTP.
func (s *Session) hello(ctx context.Context, phase Phase) error {
	return s.introduce(ctx, phase, wire.Reply{})
}

// introduce says EHLO, never HELO: without extensions there is neither TLS nor
// authentication, and a refused EHLO is a way to take them away. Greeting is how
// the server began, by which it may turn out to be none of SMTP.
func (s *Session) introduce(ctx context.Context, phase Phase, greeting wire.Reply) (err error) {
	began := time.Now()
	defer func() { s.greeted(ctx, phase, began, err) }()
	for i, name := range s.names {
		r, err := s.conn.Command(s.config.Timeouts.command(), "EHLO", name)
		if err != nil {
			return s.failure(phase, err)
		}
		if isFTP(greeting, r) {
			return s.otherService(phase, "FTP", greeting.String())
		}
		if disliked := r.Code == 501 || r.Code == 504 || r.Code == 550; disliked && i+1 < len(s.names) {
			continue
		}
		if err := s.want(phase, r, 250); err != nil {
			return err
		}
		s.names = s.names[i : i+1] // the one to say again after STARTTLS
		s.ext = wire.ParseEHLO(r, s.config.Without...)
		s.limits = parseLimits(s.ext["LIMITS"])
		break
	}
	return nil
}

// offersAuth fails if there are credentials and no way to use them.
func (s *Session) offersAuth(ctx context.Context) error {
	if s.config.Credentials == nil || len(s.ext.Mechanisms()) > 0 {
		return nil
	}
	why := &cause{meaning: ErrCredentials, err: ErrAuthNotOffered}
	if s.presented { // Exim's tls authenticator needs nothing else
		why.whole, why.text = true, ErrAuthNotOffered.Error()+"; if the client certificate is enough for it, leave Config.Credentials nil"
	}
	err := &Error{Endpoint: s.endpoint, Phase: PhaseAuth, Err: why}
	s.step(ctx, PhaseAuth, time.Now(), err)
	return err
}

func (s *Session) startTLS(ctx context.Context) (err error) {
	began := time.Now()
	defer func() { s.step(ctx, PhaseStartTLS, began, err) }()
	if !s.ext.Has("STARTTLS") {
		return &Error{Endpoint: s.endpoint, Phase: PhaseStartTLS, Err: noSTARTTLS(nil)}
	}
	r, err := s.conn.Command(s.config.Timeouts.command(), "STARTTLS")
	if err != nil {
		return s.failure(PhaseStartTLS, err)
	}
	if r.Code != 220 {
		reply := Reply(r)
		return &Error{Endpoint: s.endpoint, Phase: PhaseStartTLS, Reply: &reply,
			Err: noSTARTTLS(smtpError(reply))}
	}
	return nil
}

// machine is what this machine calls itself; what it calls itself wrongly,
// localNames sorts out.
func (c *Config) machine() string {
	if c.hostname != nil {
		return c.hostname()
	}
	name, _ := os.Hostname()
	return name
}
