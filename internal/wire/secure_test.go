package wire

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/mailport/mailport/internal/fakenet"
	"github.com/stretchr/testify/require"
)

// RFC 3207, section 4.2: after the handshake comes no greeting; what was learnt
// before is for the caller to forget.
func TestSecure(t *testing.T) {
	bubble(t, func(s *peer) {
		s.want("STARTTLS")
		s.say("220 go\r\n")
		if s.secure(serverTLS()) {
			s.want("EHLO [192.0.2.1]")
			s.say("250 mx\r\n")
		}
	}, func(t *testing.T, c *Conn) {
		r, err := c.Command(limit, "STARTTLS")
		require.NoError(t, err)
		require.Equal(t, 220, r.Code)
		since := clock()
		state, err := c.Secure(clientTLS(), limit)
		require.NoError(t, err)
		require.Equal(t, rtt, since())
		require.Equal(t, uint16(tls.VersionTLS13), state.Version)
		require.True(t, state.HandshakeComplete)
		require.Equal(t, []string{host}, state.PeerCertificates[0].DNSNames)
		r, err = c.Command(limit, "EHLO", "[192.0.2.1]")
		require.NoError(t, err)
		require.Equal(t, "250 mx", r.String())
		require.Equal(t, 2*rtt, since())

		_, err = c.Secure(clientTLS(), limit)
		require.Error(t, err, "RFC 3207, section 4.2: no TLS within TLS")
		require.Equal(t, "192.0.2.1", c.LocalAddr().String()[:9])
		require.Equal(t, "198.51.100.1:587", c.RemoteAddr().String())
	})
}

// CVE-2021-38371 and its kind: cleartext behind the reply to STARTTLS must not
// be taken for a reply over TLS. One octet is enough to stop, and nothing more is
// said.
func TestSecureInjected(t *testing.T) {
	for _, injected := range []string{"x", "\n", "2", "250-", "250 ok\r\n", "250-mx\r\n250 AUTH LOGIN\r\n", "\x16\x03\x01"} {
		network(t, func(s *peer) {
			s.want("STARTTLS")
			s.say("220 go\r\n" + injected)
			s.want("")
		}, func(t *testing.T, n *fakenet.Network) {
			c := connect(t, n)
			_, err := c.Command(limit, "STARTTLS")
			require.NoError(t, err)
			sent := n.Links(addr)[0].Octets(fakenet.ToServer)
			_, err = c.Secure(clientTLS(), limit)
			require.ErrorIs(t, err, ErrInjected)
			require.ErrorIs(t, c.Broken(), ErrInjected)
			require.Equal(t, sent, n.Links(addr)[0].Octets(fakenet.ToServer))
			require.Zero(t, n.Open())
		})
	}
}

// The same in a segment of its own, which arrives when the handshake has begun:
// to TLS it is no record.
func TestSecureInjectedLate(t *testing.T) {
	bubble(t, func(s *peer) {
		s.want("STARTTLS")
		s.say("220 go\r\n")
		time.Sleep(rtt / 4)
		s.say("250-mx\r\n250 AUTH LOGIN\r\n")
		s.silence()
	}, func(t *testing.T, c *Conn) {
		_, err := c.Command(limit, "STARTTLS")
		require.NoError(t, err)
		_, err = c.Secure(clientTLS(), limit)
		var header tls.RecordHeaderError
		require.ErrorAs(t, err, &header)
		require.Equal(t, "250-m", string(header.RecordHeader[:]))
		require.Equal(t, err, c.Broken())
	})
}

// What TLS has to say is told apart from a network that fails: the one must stop
// a negotiation, the other must not.
func TestSecureFails(t *testing.T) {
	for _, test := range []struct {
		name   string
		serve  func(*peer)
		config func(*tls.Config)
		lost   bool
		check  func(*testing.T, error)
	}{
		{"unknown authority", func(s *peer) { s.secure(serverTLS()) }, func(c *tls.Config) { c.RootCAs = x509.NewCertPool() }, false,
			func(t *testing.T, err error) {
				var cert *tls.CertificateVerificationError
				require.ErrorAs(t, err, &cert)
				var unknown x509.UnknownAuthorityError
				require.ErrorAs(t, err, &unknown)
			}},
		{"another name", func(s *peer) { s.secure(serverTLS()) }, func(c *tls.Config) { c.ServerName = "other.example.com" }, false,
			func(t *testing.T, err error) {
				var name x509.HostnameError
				require.ErrorAs(t, err, &name)
			}},
		{"the caller's own check", func(s *peer) { s.secure(serverTLS()) }, func(c *tls.Config) {
			c.VerifyConnection = func(tls.ConnectionState) error { return errors.ErrUnsupported }
		}, false,
			func(t *testing.T, err error) { require.ErrorIs(t, err, errors.ErrUnsupported) }},
		{"no common version", func(s *peer) {
			config := serverTLS()
			config.MaxVersion = tls.VersionTLS12
			s.secure(config)
		}, func(c *tls.Config) { c.MinVersion = tls.VersionTLS13 }, false,
			func(t *testing.T, err error) { require.ErrorContains(t, err, "remote error") }},
		{"no name to verify", (*peer).silence, func(c *tls.Config) { c.ServerName = "" }, false, nil},
		{"cleartext", func(s *peer) { s.say("220 mx ESMTP\r\n"); s.silence() }, nil, false,
			func(t *testing.T, err error) {
				var header tls.RecordHeaderError
				require.ErrorAs(t, err, &header)
			}},
		{"hangs up", func(s *peer) { s.br.ReadByte() }, nil, true,
			func(t *testing.T, err error) { require.ErrorIs(t, err, io.EOF) }},
		{"resets", func(s *peer) { s.br.ReadByte(); s.Conn.(*fakenet.Conn).Reset() }, nil, true, nil},
		{"hangs up amid a record", func(s *peer) { s.br.ReadByte(); s.say("\x16\x03\x03\x01\x00half") }, nil, true, nil},
		{"silence", (*peer).silence, nil, true,
			func(t *testing.T, err error) { require.Equal(t, &LostError{&TimeLimitError{limit}}, err) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			network(t, test.serve, func(t *testing.T, n *fakenet.Network) {
				c := connect(t, n)
				config := clientTLS()
				if test.config != nil {
					test.config(config)
				}
				_, err := c.Secure(config, limit)
				require.Error(t, err)
				var lost *LostError
				require.Equal(t, test.lost, errors.As(err, &lost), err)
				if test.check != nil {
					test.check(t, err)
				}
				require.Equal(t, err, c.Broken())
				require.Zero(t, n.Open())
			})
		})
	}
}

// TLS of the caller's making.
func TestNewTLSConn(t *testing.T) {
	network(t, func(s *peer) {
		if s.secure(serverTLS()) {
			s.say("220 mx\r\n")
			s.want("NOOP")
			s.say("250 ok\r\n")
			s.want("QUIT")
		}
	}, func(t *testing.T, n *fakenet.Network) {
		nc, err := n.DialContext(t.Context(), "tcp", addr)
		require.NoError(t, err)
		c := NewTLSConn(tls.Client(nc, clientTLS()))
		r, err := c.ReadReply(limit)
		require.NoError(t, err)
		require.Equal(t, 220, r.Code)
		_, err = c.Command(limit, "NOOP")
		require.NoError(t, err)
		_, err = c.Secure(clientTLS(), limit)
		require.Error(t, err)
		c.Quit()
		require.Zero(t, n.Open())
	})
}

// A server that closes TCP without closing TLS is a server that closed.
func TestTruncatedTLS(t *testing.T) {
	bubble(t, func(s *peer) {
		nc := s.Conn
		s.secure(serverTLS())
		nc.Close()
	}, func(t *testing.T, c *Conn) {
		_, err := c.Secure(clientTLS(), limit)
		require.NoError(t, err)
		_, err = c.ReadReply(limit)
		require.EqualError(t, err, "server closed the connection")
	})
}
