package submit_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/internal/testcert"
	"github.com/mailport/mailport/submit"
)

// dialer is a Config.DialContext.
func dialer(dial func() (net.Conn, error)) func(context.Context, string, string) (net.Conn, error) {
	return func(context.Context, string, string) (net.Conn, error) { return dial() }
}

// adopted dials for the caller's own connection: to host, or to localhost.
func (c *clerk) adopted(t *testing.T, name string, config *tls.Config) *tls.Conn {
	t.Helper()
	nc, err := c.net.DialContext(t.Context(), "tcp", name+":465")
	require.NoError(t, err)
	return tls.Client(nc, config)
}

func verified() *tls.Config { return &tls.Config{RootCAs: authority().Pool(), ServerName: host} }

// A connection that crypto/tls has verified is good, whether its handshake has
// been made or not.
func TestNewSession(t *testing.T) {
	for name, made := range map[string]bool{"handshake made": true, "not yet": false} {
		t.Run(name, func(t *testing.T) {
			withClerk(t, nil, func(t *testing.T, c *clerk) {
				conn := c.tlsConn(t, nil)
				if made {
					require.NoError(t, conn.HandshakeContext(t.Context()))
				}
				config := c.withPassword()
				config.DialContext = dialer(func() (net.Conn, error) { panic("dialled") })
				s, err := submit.NewSession(t.Context(), conn, config)
				require.NoError(t, err)
				defer s.Close()
				endpoint := submit.Endpoint{Service: submit.Submissions, Host: host, Port: 465}
				require.Equal(t, endpoint, s.Endpoint())
				require.Equal(t, conn.RemoteAddr().String(), s.Address())
				require.NotEmpty(t, s.TLS().VerifiedChains)
				require.Empty(t, c.heard("AUTH"), "no credentials yet")

				r, err := s.Submit(t.Context(), letter())
				require.NoError(t, err)
				require.Equal(t, endpoint, r.Endpoint)
				require.Len(t, c.heard("AUTH"), 1)
			})
		})
	}
}

// Promise 1: a connection that nobody verified is not taken, unless the caller's
// own check agrees or the server is this machine.
func TestNewSessionUnverified(t *testing.T) {
	skip := func() *tls.Config { return &tls.Config{InsecureSkipVerify: true, ServerName: host} }
	t.Run("refused", func(t *testing.T) {
		withClerk(t, nil, func(t *testing.T, c *clerk) {
			conn := c.adopted(t, host, skip())
			_, err := submit.NewSession(t.Context(), conn, c.withPassword())
			require.Equal(t, submit.PhaseHandshake, asError(t, err).Phase)
			requireMeans(t, err, "Certificate", "Insecure")
			require.Zero(t, c.net.Open())
			require.Empty(t, c.heard())
		})
	})
	t.Run("agreed", func(t *testing.T) {
		withClerk(t, nil, func(t *testing.T, c *clerk) {
			config := c.withPassword()
			seen := 0
			config.TLS = &tls.Config{VerifyConnection: func(state tls.ConnectionState) error {
				seen++
				require.Equal(t, host, state.ServerName)
				require.Len(t, state.PeerCertificates, 1)
				return nil
			}}
			s, err := submit.NewSession(t.Context(), c.adopted(t, host, skip()), config)
			require.NoError(t, err)
			require.NoError(t, s.Close())
			require.Equal(t, 1, seen)
		})
	})
	t.Run("disagreed", func(t *testing.T) {
		withClerk(t, nil, func(t *testing.T, c *clerk) {
			config := c.withPassword()
			config.TLS = &tls.Config{VerifyConnection: func(tls.ConnectionState) error { return errOwn }}
			_, err := submit.NewSession(t.Context(), c.adopted(t, host, skip()), config)
			require.ErrorIs(t, err, errOwn)
			requireMeans(t, err, "Certificate", "Insecure")
			asError(t, err)
			require.Empty(t, c.heard())
		})
	})
	t.Run("loopback", func(t *testing.T) {
		withClerk(t, nil, func(t *testing.T, c *clerk) {
			s, err := submit.NewSession(t.Context(), c.adopted(t, "localhost", skip()), c.withPassword())
			require.NoError(t, err)
			require.NoError(t, s.Close())
		})
	})
	t.Run("no address", func(t *testing.T) {
		client, server := net.Pipe()
		defer server.Close()
		done := make(chan struct{})
		go func() {
			defer close(done)
			tls.Server(server, &tls.Config{Certificates: []tls.Certificate{authority().Leaf(host)}}).Handshake()
		}()
		_, err := submit.NewSession(t.Context(), tls.Client(client, skip()), submit.Config{})
		requireMeans(t, err, "Certificate", "Insecure")
		<-done
	})
}

// What goes wrong in the handshake of a connection means what it does in ours.
func TestNewSessionHandshake(t *testing.T) {
	for _, test := range []struct {
		name   string
		server func(*clerk)
		client *tls.Config
		means  []string
		says   string
	}{
		{"self-signed", certificate(testcert.SelfSigned(host)), verified(), []string{"Certificate", "Insecure"}, "self-signed"},
		{"wrong name", certificate(authority().Leaf("mx.example.net")), verified(), []string{"Certificate", "Insecure"}, "valid for mx.example.net, not for smtp.example.com"},
		{"wrong address", certificate(authority().Leaf(host)), &tls.Config{RootCAs: authority().Pool(), ServerName: "192.0.2.7"},
			[]string{"Certificate", "Insecure"}, "valid for smtp.example.com, not for 192.0.2.7"},
		{"expired", certificate(authority().Expired(host)), verified(), []string{"Certificate", "Insecure"}, "expired"},
		{"verified by the caller", nil, &tls.Config{InsecureSkipVerify: true, ServerName: host, VerifyConnection: func(state tls.ConnectionState) error {
			_, err := state.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: x509.NewCertPool()})
			return err
		}}, []string{"Certificate", "Insecure"}, "certificate not accepted: x509: "},
		{"TLS 1.1", func(c *clerk) { c.tls.MinVersion, c.tls.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 },
			&tls.Config{RootCAs: authority().Pool(), ServerName: host, MinVersion: tls.VersionTLS10}, []string{"Insecure"}, "TLS 1.1"},
		{"no TLS", speaking("220 " + host + " ESMTP\r\n"), verified(), []string{"Insecure", "Protocol"}, "SMTP without TLS"},
		{"hang-up", func(c *clerk) { c.play = func(nc net.Conn) { nc.Close() } }, verified(), []string{"Temporary", "Unreachable"}, "closed"},
		{"hang-up in the middle", func(c *clerk) {
			c.play = func(nc net.Conn) { nc.Read(make([]byte, 100)); io.WriteString(nc, "\x16\x03") }
		}, verified(), []string{"Temporary", "Unreachable"}, ""},
		{"silence", speaking(""), verified(), []string{"Temporary", "Unreachable"}, "no answer within 1m0s"},
	} {
		t.Run(test.name, func(t *testing.T) {
			withClerk(t, test.server, func(t *testing.T, c *clerk) {
				config := c.withPassword()
				config.Timeouts.Handshake = time.Minute
				_, err := submit.NewSession(t.Context(), c.adopted(t, host, test.client), config)
				e := asError(t, err)
				require.Equal(t, submit.PhaseHandshake, e.Phase)
				require.Equal(t, 465, e.Endpoint.Port)
				requireMeans(t, err, test.means...)
				require.Contains(t, err.Error(), test.says)
				require.Zero(t, c.net.Open(), "the connection is closed")
				require.Empty(t, c.heard("EHLO"))
			})
		})
	}
}

// What goes wrong afterwards closes the connection, too.
func TestNewSessionFails(t *testing.T) {
	for name, instruct := range map[string]func(*clerk){
		"greeting": replying(submit.Submissions, submit.PhaseGreeting, "554 no"),
		"hello":    replying(submit.Submissions, submit.PhaseHello, "550 no"),
		"no AUTH":  only("PIPELINING"),
	} {
		t.Run(name, func(t *testing.T) {
			withClerk(t, instruct, func(t *testing.T, c *clerk) {
				_, err := submit.NewSession(t.Context(), c.tlsConn(t, nil), c.withPassword())
				asError(t, err)
				require.Zero(t, c.net.Open())
			})
		})
	}
}

// Promise 7: the context bounds the whole, wherever it is.
func TestNewSessionContext(t *testing.T) {
	for name, instruct := range map[string]func(*clerk){
		"handshake": speaking(""),
		"greeting":  replying(submit.Submissions, submit.PhaseGreeting, silence),
		"hello":     replying(submit.Submissions, submit.PhaseHello, silence),
	} {
		t.Run(name, func(t *testing.T) {
			withClerk(t, instruct, func(t *testing.T, c *clerk) {
				conn := c.tlsConn(t, nil)
				elapsed := stopwatch()
				ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errOwn)
				defer cancel()
				_, err := submit.NewSession(ctx, conn, c.withPassword())
				require.ErrorIs(t, err, context.DeadlineExceeded)
				require.ErrorIs(t, err, errOwn)
				requireMeans(t, err)
				require.Equal(t, name, asError(t, err).Phase.String())
				require.Equal(t, time.Second, elapsed())
				require.Zero(t, c.net.Open())
			})
		})
	}
	withClerk(t, nil, func(t *testing.T, c *clerk) {
		conn := c.tlsConn(t, nil)
		require.NoError(t, conn.Handshake())
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := submit.NewSession(ctx, conn, c.withPassword())
		require.ErrorIs(t, err, context.Canceled)
		requireMeans(t, err)
		require.Zero(t, c.net.Open())
		require.Empty(t, c.heard())
	})
}

// The session lives on when the context of NewSession has ended.
func TestNewSessionContextEndsAfterwards(t *testing.T) {
	withClerk(t, nil, func(t *testing.T, c *clerk) {
		ctx, cancel := context.WithCancel(t.Context())
		s, err := submit.NewSession(ctx, c.tlsConn(t, nil), c.withPassword())
		require.NoError(t, err)
		defer s.Close()
		cancel()
		_, err = s.Submit(t.Context(), letter())
		require.NoError(t, err)
	})
}

// A connection may not know its addresses, such as one through a tunnel: there
// is a literal for EHLO all the same, and no panic.
func TestConnectionWithoutAddresses(t *testing.T) {
	withClerk(t, nil, func(t *testing.T, c *clerk) {
		transport := c.implicit()
		dial := transport.DialContext
		transport.LocalName = ""
		submit.SetHostname(&transport.Config, "localhost")
		transport.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := dial(ctx, network, addr)
			return nowhere{conn}, err
		}
		_, err := transport.Submit(t.Context(), letter())
		require.NoError(t, err)
		require.Equal(t, []string{"EHLO [127.0.0.1]"}, c.heard("EHLO"))
	})
}

type nowhere struct{ net.Conn }

func (nowhere) LocalAddr() net.Addr  { return nil }
func (nowhere) RemoteAddr() net.Addr { return nil }
