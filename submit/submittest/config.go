package submittest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"os"
	"strconv"
	"syscall"

	"github.com/mailport/mailport/submit"
)

// Config returns a configuration that trusts the server and reaches it under any
// host name: port 465 is its implicit TLS port, 587 its STARTTLS port, and the
// numbers that the ports really have work too. At any other port nobody
// listens. There are no credentials in it. The server must have been started.
func (s *Server) Config() submit.Config {
	return submit.Config{
		TLS:         &tls.Config{RootCAs: s.CertPool(), MinVersion: tls.VersionTLS12},
		DialContext: s.dial,
	}
}

// ImplicitPort returns the number of the port that speaks TLS from the first
// byte, or 0 if its listener has no port numbers.
func (s *Server) ImplicitPort() int { return portOf(s.ports[0].listener.Addr()) }

// STARTTLSPort returns the number of the port that takes STARTTLS, or 0 if its
// listener has no port numbers.
func (s *Server) STARTTLSPort() int { return portOf(s.ports[1].listener.Addr()) }

// CertPool returns a new pool with the authority that signed the server's
// certificate, and with the certificates of [Server].TLS if it has some.
func (s *Server) CertPool() *x509.CertPool {
	pool := s.ca.Pool()
	if s.TLS == nil {
		return pool
	}
	for _, c := range s.TLS.Certificates {
		if cert, err := x509.ParseCertificate(c.Certificate[0]); err == nil {
			pool.AddCert(cert)
		}
	}
	return pool
}

// CAPEM returns the authority's certificate as programs want it in a file.
func (s *Server) CAPEM() []byte { return s.ca.PEM() }

func portOf(addr net.Addr) int {
	_, digits, err := net.SplitHostPort(addr.String())
	if err != nil {
		return 0
	}
	n, err := strconv.Atoi(digits)
	if err != nil {
		return 0
	}
	return n
}

// dial connects to the port that is meant, whatever the host is.
func (s *Server) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	host, digits, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Err: err}
	}
	p := s.portFor(digits)
	if p == nil {
		return nil, refused(network, addr, syscall.ECONNREFUSED)
	}
	if f := s.fault(p.service, submit.PhaseResolve, Refuse, RefuseTemporarily, Stall); f != nil {
		return nil, s.misdial(ctx, f, &net.OpError{Op: "dial", Net: network, Err: notResolved(f, host)})
	}
	if f := s.fault(p.service, submit.PhaseConnect, Refuse, RefuseTemporarily, Stall); f != nil {
		return nil, s.misdial(ctx, f, refused(network, addr, notConnected(f)))
	}
	return s.dialer()(ctx, network, p.listener.Addr().String())
}

func (s *Server) portFor(digits string) *port {
	for _, p := range s.ports {
		if digits == strconv.Itoa(p.number) {
			return p
		}
	}
	for _, p := range s.ports {
		if n := portOf(p.listener.Addr()); n != 0 && digits == strconv.Itoa(n) {
			return p
		}
	}
	return nil
}

func (s *Server) dialer() func(ctx context.Context, network, addr string) (net.Conn, error) {
	if s.DialContext != nil {
		return s.DialContext
	}
	return new(net.Dialer).DialContext
}

// misdial returns err, at once or, as in a network that swallows every packet,
// never.
func (s *Server) misdial(ctx context.Context, f *Fault, err *net.OpError) error {
	if f.Do != Stall {
		return err
	}
	select {
	case <-ctx.Done():
		return &net.OpError{Op: "dial", Net: err.Net, Addr: err.Addr, Err: context.Cause(ctx)}
	case <-s.done:
		return &net.OpError{Op: "dial", Net: err.Net, Addr: err.Addr, Err: errClosed}
	}
}

var errClosed = errors.New("submittest: server closed")

func notResolved(f *Fault, host string) error {
	if f.Do == Refuse {
		return &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	return &net.DNSError{Err: "server misbehaving", Name: host, IsTemporary: true}
}

func notConnected(f *Fault) syscall.Errno {
	if f.Do == Refuse {
		return syscall.ECONNREFUSED
	}
	return syscall.ENETUNREACH
}

func refused(network, addr string, reason syscall.Errno) *net.OpError {
	return &net.OpError{Op: "dial", Net: network, Addr: target(addr), Err: os.NewSyscallError("connect", reason)}
}

// A target is an address that was dialled in vain.
type target string

func (target) Network() string  { return "tcp" }
func (t target) String() string { return string(t) }
