package submit

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"net"
)

// watchCertificate notes whether the server asks for a client certificate and gets
// one: crypto/tls does not tell.
func (s *Session) watchCertificate(t *tls.Config) {
	certificates, get := t.Certificates, t.GetClientCertificate
	if get == nil && len(certificates) == 0 {
		return
	}
	t.ClientSessionCache = ownSessions(t.ClientSessionCache, get == nil, certificates)
	if get == nil {
		get = func(asked *tls.CertificateRequestInfo) (*tls.Certificate, error) {
			for i := range certificates {
				if asked.SupportsCertificate(&certificates[i]) == nil {
					return &certificates[i], nil
				}
			}
			return new(tls.Certificate), nil // none
		}
	}
	t.GetClientCertificate = func(asked *tls.CertificateRequestInfo) (*tls.Certificate, error) {
		c, err := get(asked)
		s.presented = err == nil && c != nil && len(c.Certificate) > 0
		return c, err
	}
}

// certified reports whether the server has, or may have, seen a client certificate. A
// resumed connection is not asked for one again (RFC 8446, section 2.2; RFC 5246,
// section 7.3): whether the first one was cannot be seen, and who has certificates
// means it.
func (s *Session) certified() bool {
	return s.presented || s.unseen || s.tls.DidResume && s.config.TLS != nil && len(s.config.TLS.Certificates) > 0
}

// brokenOff says in words that one end has broken off TLS after the handshake.
func (s *Session) brokenOff(phase Phase, err error) error {
	if s.tls != nil && isTampered(err) {
		return tampered(err)
	}
	return s.refusedLate(phase, err)
}

// tampered is the cause of what TLS refused to take for what the server said. It
// remains what it was beside that: a connection that was lost.
func tampered(err error) error {
	why := err
	var op *net.OpError
	if errors.As(err, &op) {
		why = op.Err
	}
	return &cause{meaning: ErrInsecure, err: err, whole: true,
		text: "connection cut: TLS refuses what came, which somebody may have changed on its way: " + why.Error()}
}

// refusedLate gives an alert the meaning that it has amid a handshake if it comes where
// the first words after it are due: with TLS 1.3 the client is done before the server
// has seen its certificate (RFC 8446, section 4.4.2.4). Another try would end likewise.
func (s *Session) refusedLate(phase Phase, err error) error {
	var op *net.OpError
	if s.tls == nil || phase >= PhaseAuth || !errors.As(err, &op) || op.Op != "remote error" {
		return err
	}
	text := "server broke off TLS after the handshake: " + op.Err.Error()
	if s.presented {
		text += "; it may not accept the client certificate"
	}
	return &cause{meaning: ErrInsecure, text: text, err: op, whole: true}
}

// ownSessions keeps the sessions of one client's certificates apart from those of
// others, and of nobody, in a cache that they share: to resume one is to be whom it
// was made for (RFC 8446, section 2.2), and crypto/tls finds them by the server alone.
// Who is asked for a certificate each time could be anybody, and resumes nothing.
func ownSessions(shared tls.ClientSessionCache, known bool, certificates []tls.Certificate) tls.ClientSessionCache {
	if shared == nil || !known {
		return nil
	}
	of := sha256.New()
	for _, c := range certificates {
		for _, der := range c.Certificate {
			one := sha256.Sum256(der)
			of.Write(one[:])
		}
		of.Write([]byte{0}) // a chain of two is not two certificates
	}
	return &sessions{shared, hex.EncodeToString(of.Sum(nil)) + " "}
}

// sessions are those of one client in a cache that may have others' as well.
type sessions struct {
	shared tls.ClientSessionCache
	of     string // in front of each key
}

func (s *sessions) Get(key string) (*tls.ClientSessionState, bool) { return s.shared.Get(s.of + key) }
func (s *sessions) Put(key string, state *tls.ClientSessionState)  { s.shared.Put(s.of+key, state) }
