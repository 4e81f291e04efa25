package submittest

import (
	"crypto/tls"
	"slices"

	"github.com/mailport/mailport/internal/testcert"
)

// newTLS returns what every connection is served with, but for faults. It is
// made once, so that sessions can be resumed.
func (s *Server) newTLS() *tls.Config {
	c := &tls.Config{}
	if s.TLS != nil {
		c = s.TLS.Clone()
	}
	if len(c.Certificates) == 0 && c.GetCertificate == nil && c.GetConfigForClient == nil {
		c.Certificates = []tls.Certificate{s.ca.Leaf(s.names()...)}
	}
	if c.MinVersion == 0 && c.MaxVersion != 0 && c.MaxVersion < tls.VersionTLS12 {
		c.MinVersion = tls.VersionTLS10 // otherwise there would be no version left
	}
	if c.ClientAuth == tls.NoClientCert && slices.ContainsFunc(s.mechanisms(), isExternal) {
		c.ClientAuth = tls.VerifyClientCertIfGiven
	}
	if c.ClientAuth != tls.NoClientCert && c.ClientCAs == nil {
		c.ClientCAs = s.ca.Pool()
	}
	return c
}

// ClientCertificate returns a new certificate with which the client is user to
// EXTERNAL, for the Certificates of a [tls.Config]. It is of the server's own
// authority, and names the user as the subject's common name, in ASCII. The
// server must have been started.
func (s *Server) ClientCertificate(user string) tls.Certificate { return s.ca.Client(user) }

func (s *Server) names() []string {
	return []string{s.host(), "localhost", "127.0.0.1", "::1"}
}

// tlsWith returns what a connection with fault f, if it is not nil, is served
// with.
func (s *Server) tlsWith(f *Fault) *tls.Config {
	if f == nil {
		return s.tls
	}
	c := s.tls.Clone()
	c.GetCertificate, c.GetConfigForClient = nil, nil
	c.Certificates = []tls.Certificate{s.badCertificate(f.Do)}
	return c
}

func (s *Server) badCertificate(what Action) tls.Certificate {
	switch what {
	case WrongName:
		return s.ca.Leaf("wrong.example.net")
	case Expired:
		return s.ca.Expired(s.names()...)
	default:
		return testcert.UnknownRoot(s.names()...)
	}
}
