package submit_test

import (
	"crypto/tls"
	"crypto/x509"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/submit"
)

// RFC 8446, section 2.2: a transport resumes the TLS sessions that it had, and no
// others: what another was shown was verified by the roots of that one.
func TestTransportsResumeTheirSessions(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for _, service := range services {
			inWorld(t, nil, func(t *testing.T, w *world) {
				w.config.TLS.MaxVersion = version
				one, other := w.transport(service), w.transport(service)
				for i, transport := range []carrier{one, one, other, one} {
					receipt, err := transport.Submit(t.Context(), letter())
					require.NoError(t, err)
					require.Equal(t, transport == one && i > 0, receipt.TLS.DidResume, i)
					require.NotEmpty(t, receipt.TLS.VerifiedChains, "promise 1")
				}
			})
		}
	}
}

// Promise 1: what verifies a certificate and would not be asked again keeps a
// session from being resumed.
func TestOwnVerificationIsNotGonePast(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		asked := 0
		w.config.TLS.VerifyPeerCertificate = func([][]byte, [][]*x509.Certificate) error { asked++; return nil }
		transport := w.transport(submit.Submissions)
		for i := range 3 {
			receipt, err := transport.Submit(t.Context(), letter())
			require.NoError(t, err)
			require.False(t, receipt.TLS.DidResume)
			require.Equal(t, i+1, asked)
		}
	})
}
