package testcert

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// clocks runs test by the real clock and by a bubble's.
func clocks(t *testing.T, test func(*testing.T)) {
	t.Run("real", test)
	t.Run("virtual", func(t *testing.T) { synctest.Test(t, test) })
}

func verify(ca *CA, cert tls.Certificate, name string) error {
	_, err := cert.Leaf.Verify(x509.VerifyOptions{DNSName: name, Roots: ca.Pool(), CurrentTime: time.Now()})
	return err
}

func TestLeaf(t *testing.T) {
	clocks(t, func(t *testing.T) {
		ca := New()
		cert := ca.Leaf("mx.example.com", "*.example.net", "192.0.2.7", "2001:db8::7")
		for _, name := range []string{"mx.example.com", "a.example.net", "192.0.2.7", "2001:db8::7"} {
			require.NoError(t, verify(ca, cert, name), name)
		}
		for _, name := range []string{"example.com", "a.b.example.net", "example.net", "192.0.2.8"} {
			var wrong x509.HostnameError
			require.ErrorAs(t, verify(ca, cert, name), &wrong, name)
		}
	})
}

func TestNotValidNow(t *testing.T) {
	clocks(t, func(t *testing.T) {
		ca := New()
		for _, cert := range []tls.Certificate{ca.Expired("a.example"), ca.NotYetValid("a.example")} {
			var invalid x509.CertificateInvalidError
			require.ErrorAs(t, verify(ca, cert, "a.example"), &invalid)
			require.Equal(t, x509.Expired, invalid.Reason)
		}
		require.True(t, ca.Expired("a.example").Leaf.NotAfter.Before(time.Now()))
		require.True(t, ca.NotYetValid("a.example").Leaf.NotBefore.After(time.Now()))
	})
}

func TestNotTrusted(t *testing.T) {
	clocks(t, func(t *testing.T) {
		for _, cert := range []tls.Certificate{SelfSigned("a.example"), UnknownRoot("a.example")} {
			var unknown x509.UnknownAuthorityError
			require.ErrorAs(t, verify(New(), cert, "a.example"), &unknown)
			require.NoError(t, cert.Leaf.VerifyHostname("a.example"))
		}
	})
}

func TestClientCertificate(t *testing.T) {
	ca := New()
	cert := ca.Client("me")
	_, err := cert.Leaf.Verify(x509.VerifyOptions{
		Roots:     ca.Pool(),
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	require.NoError(t, err)
	require.Equal(t, "me", cert.Leaf.Subject.CommonName)
	require.Error(t, verify(ca, cert, "me"), "not for a server")
}

func TestPEM(t *testing.T) {
	ca := New()
	pool := x509.NewCertPool()
	require.True(t, pool.AppendCertsFromPEM(ca.PEM()))
	require.True(t, pool.Equal(ca.Pool()))
}

// Both ends verify each other with the real crypto/tls.
func TestHandshake(t *testing.T) {
	clocks(t, func(t *testing.T) {
		ca := New()
		c, s := net.Pipe()
		defer c.Close()
		done := make(chan error, 1)
		go func() {
			defer s.Close()
			done <- tls.Server(s, &tls.Config{
				Certificates: []tls.Certificate{ca.Leaf("mx.example.com")},
				ClientAuth:   tls.RequireAndVerifyClientCert,
				ClientCAs:    ca.Pool(),
			}).Handshake()
		}()
		client := tls.Client(c, &tls.Config{
			ServerName:   "mx.example.com",
			RootCAs:      ca.Pool(),
			Certificates: []tls.Certificate{ca.Client("me")},
			MaxVersion:   tls.VersionTLS12, // in 1.3 the server speaks last, and net.Pipe has no room for it
		})
		require.NoError(t, client.Handshake())
		require.NoError(t, <-done)
	})
}
