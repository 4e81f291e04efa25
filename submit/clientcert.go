package submit

import "crypto/tls"

// watchCertificate notes whether the server asks for a client certificate and gets
// one: crypto/tls does not tell.
func (s *Session) watchCertificate(t *tls.Config) {
	certificates, get := t.Certificates, t.GetClientCertificate
	if get == nil && len(certificates) == 0 {
		return
	}
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

// certified reports whether the server has seen a client certificate. A resumed
// connection is not asked for one again (RFC 8446, section 2.2; RFC 5246, section
// 7.3): whether the first one was cannot be seen, and who has a certificate means it.
func (s *Session) certified() bool {
	t := s.config.TLS
	hasOne := t != nil && (len(t.Certificates) > 0 || t.GetClientCertificate != nil)
	return s.presented || s.tls.DidResume && hasOne
}
