package submit_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/auth"
	"github.com/mailport/mailport/internal/testcert"
	"github.com/mailport/mailport/submit"
	"github.com/mailport/mailport/submit/submittest"
)

// asking has a clerk ask for client certificates of issuer, with the highest version
// of TLS, and offer EXTERNAL.
func asking(how tls.ClientAuthType, issuer *testcert.CA, version uint16) func(*clerk) {
	return all(only("AUTH EXTERNAL"), func(c *clerk) {
		c.tls.ClientAuth, c.tls.ClientCAs, c.tls.MaxVersion = how, issuer.Pool(), version
	})
}

// onBothPorts runs test in a bubble for each transport and version of TLS that there is.
func onBothPorts(t *testing.T, instruct func(version uint16) func(*clerk), test func(t *testing.T, c *clerk, dial func(submit.Config) carrier)) {
	t.Helper()
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for _, service := range services {
			t.Run(fmt.Sprint(tls.VersionName(version), " ", service), func(t *testing.T) {
				withClerk(t, instruct(version), func(t *testing.T, c *clerk) {
					test(t, c, func(config submit.Config) carrier { return (&world{config: config}).transport(service) })
				})
			})
		}
	}
}

// external is a configuration with EXTERNAL, and certificates.
func (c *clerk) external(certificates ...tls.Certificate) submit.Config {
	config := c.config()
	config.Credentials = auth.External("")
	config.TLS.Certificates = certificates
	return config
}

// RFC 4422, appendix A: who has presented a certificate says EXTERNAL, with "=" for no
// identity, and is believed for what the certificate says.
func TestClientCertificatePresented(t *testing.T) {
	t.Parallel()
	mine, others := authority().Client("me"), testcert.SelfSigned("me")
	for _, how := range []tls.ClientAuthType{tls.RequestClientCert, tls.VerifyClientCertIfGiven, tls.RequireAndVerifyClientCert} {
		onBothPorts(t, func(version uint16) func(*clerk) { return asking(how, authority(), version) },
			func(t *testing.T, c *clerk, over func(submit.Config) carrier) {
				var seen []string
				c.tls.VerifyConnection = func(state tls.ConnectionState) error {
					for _, certificate := range state.PeerCertificates {
						seen = append(seen, certificate.Subject.CommonName)
					}
					return nil
				}
				// The server names the authorities that it knows: RFC 8446, section 4.2.4.
				_, err := over(c.external(others, mine)).Submit(t.Context(), letter())
				require.NoError(t, err)
				require.Equal(t, []string{"AUTH EXTERNAL ="}, c.heard("AUTH"))
				require.Equal(t, []string{"me"}, seen)
				require.Len(t, c.took(), 1)
			})
	}
}

// The error of a certificate that was not presented says so, before anything is said
// about who is submitting: the server did not ask, there was none, or none that it
// would take. A password is not looked for instead.
func TestClientCertificateNotPresented(t *testing.T) {
	t.Parallel()
	mine := authority().Client("me")
	for name, test := range map[string]struct {
		how          tls.ClientAuthType
		certificates []tls.Certificate
		get          func(*tls.CertificateRequestInfo) (*tls.Certificate, error)
	}{
		"not asked":       {how: tls.NoClientCert, certificates: []tls.Certificate{mine}},
		"none configured": {how: tls.RequestClientCert},
		"another issuer":  {how: tls.VerifyClientCertIfGiven, certificates: []tls.Certificate{testcert.SelfSigned("me")}},
		"given none": {how: tls.RequestClientCert, get: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return new(tls.Certificate), nil
		}},
	} {
		t.Run(name, func(t *testing.T) {
			onBothPorts(t, func(version uint16) func(*clerk) { return asking(test.how, authority(), version) },
				func(t *testing.T, c *clerk, over func(submit.Config) carrier) {
					config := c.external(test.certificates...)
					config.TLS.GetClientCertificate = test.get
					_, err := over(config).Submit(t.Context(), letter())
					requireMeans(t, err, "Credentials")
					require.ErrorIs(t, err, auth.ErrNoCertificate)
					require.Equal(t, submit.PhaseAuth, asError(t, err).Phase)
					require.Contains(t, err.Error(), "auth: no client certificate was presented")
					require.Empty(t, c.heard("AUTH", "MAIL"))
				})
		})
	}
}

// The caller's configuration is read, never written: one configuration may serve many
// transports, and each notes for itself what was presented.
func TestClientCertificateConfig(t *testing.T) {
	t.Parallel()
	onBothPorts(t, func(version uint16) func(*clerk) { return asking(tls.RequestClientCert, authority(), version) },
		func(t *testing.T, c *clerk, over func(submit.Config) carrier) {
			config, mine, asked := c.external(), authority().Client("me"), 0
			config.TLS.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				if asked++; asked == 2 {
					return new(tls.Certificate), nil
				}
				return &mine, nil
			}
			for i, presented := range []bool{true, false, true} {
				_, err := over(config).Submit(t.Context(), letter())
				require.Equal(t, presented, err == nil, i)
			}
			require.Equal(t, 3, asked)

			config.TLS.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return nil, errOwn }
			_, err := over(config).Submit(t.Context(), letter())
			require.ErrorIs(t, err, errOwn)
			requireMeans(t, err, "Insecure")
			require.Equal(t, submit.PhaseHandshake, asError(t, err).Phase)
		})
}

// A resumed connection is of the client that the first one was of: no certificate is
// asked for again (RFC 8446, section 2.2; RFC 5246, section 7.3). Who might be another
// one each time resumes nothing, and who has no certificate is asked for it.
func TestClientCertificateResumed(t *testing.T) {
	t.Parallel()
	onBothPorts(t, func(version uint16) func(*clerk) { return asking(tls.RequestClientCert, authority(), version) },
		func(t *testing.T, c *clerk, over func(submit.Config) carrier) {
			mine := authority().Client("me")
			for _, get := range []func(*tls.CertificateRequestInfo) (*tls.Certificate, error){
				nil, func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &mine, nil },
			} {
				config := c.external()
				config.TLS.ClientSessionCache = tls.NewLRUClientSessionCache(1)
				if config.TLS.GetClientCertificate = get; get == nil {
					config.TLS.Certificates = []tls.Certificate{mine}
				}
				for again := range 2 {
					s, err := over(config).Dial(t.Context())
					require.NoError(t, err)
					_, err = s.Submit(t.Context(), letter())
					require.NoError(t, err)
					require.Equal(t, again == 1 && get == nil, s.TLS().DidResume)
					require.NoError(t, s.Close())
				}

				config.TLS.Certificates, config.TLS.GetClientCertificate = nil, nil
				s, err := over(config).Dial(t.Context())
				require.NoError(t, err)
				require.False(t, s.TLS().DidResume, "it would be the owner of the certificate")
				require.ErrorIs(t, s.Auth(t.Context()), auth.ErrNoCertificate)
				require.NoError(t, s.Close())
			}
			require.Equal(t, slices.Repeat([]string{"AUTH EXTERNAL ="}, 4), c.heard("AUTH"))
		})
}

// Clients that share a cache of sessions, as clones of one configuration do, are not
// taken for one another, be their certificates listed or handed out on demand; each
// resumes its own sessions.
func TestClientCertificatesShareCache(t *testing.T) {
	t.Parallel()
	const alice, bob = "alice@example.com", "bob@example.com"
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for _, onDemand := range []bool{false, true} {
			inWorld(t, func(s *submittest.Server) {
				s.Mechanisms = []string{"EXTERNAL"}
				s.Users = map[string]string{alice: "", bob: ""}
			}, func(t *testing.T, w *world) {
				w.config.TLS.ClientSessionCache, w.config.TLS.MaxVersion = tls.NewLRUClientSessionCache(10), version
				certificates := map[string]tls.Certificate{alice: w.server.ClientCertificate(alice), bob: w.server.ClientCertificate(bob)}
				for i, who := range []string{alice, bob, bob, alice} {
					config, certificate := w.config, certificates[who]
					config.TLS = config.TLS.Clone()
					if config.TLS.Certificates = []tls.Certificate{certificate}; onDemand {
						config.TLS.Certificates = nil
						config.TLS.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &certificate, nil }
					}
					config.Credentials = auth.External("")
					s, err := (&world{config: config}).transport(submit.Submissions).Dial(t.Context())
					require.NoError(t, err)
					_, err = s.Submit(t.Context(), letter())
					require.NoError(t, err)
					require.Equal(t, i >= 2 && !onDemand, s.TLS().DidResume)
					require.NoError(t, s.Close())
					took := w.settled()
					require.Equal(t, who, took[len(took)-1].User, tls.VersionName(version))
				}
			})
		}
	}
}

// Of a connection of the caller's own it cannot be seen whether a certificate was
// presented: EXTERNAL is tried, and the server knows.
func TestClientCertificateOfOwnConnection(t *testing.T) {
	t.Parallel()
	for reply, means := range map[string][]string{"235 2.7.0 welcome": nil, "535 5.7.8 who are you?": {"Credentials"}} {
		withClerk(t, asking(tls.RequestClientCert, authority(), tls.VersionTLS13), func(t *testing.T, c *clerk) {
			c.answer = on("AUTH", reply)
			config := c.external()
			conn := c.adopted(t, host, &tls.Config{RootCAs: authority().Pool(), ServerName: host, Certificates: []tls.Certificate{authority().Client("me")}})
			s, err := submit.NewSession(t.Context(), conn, config)
			require.NoError(t, err)
			defer s.Close()
			err = s.Auth(t.Context())
			requireMeans(t, err, means...)
			require.Equal(t, []string{"AUTH EXTERNAL ="}, c.heard("AUTH"))
		})
	}
}

// Nobody who has a password only is told about a client certificate that they may not
// have, whoever made the connection.
func TestNoClientCertificateOfOwnConnection(t *testing.T) {
	t.Parallel()
	withClerk(t, func(c *clerk) { c.offers = nil }, func(t *testing.T, c *clerk) {
		_, err := submit.NewSession(t.Context(), c.adopted(t, host, verified()), c.withPassword())
		requireMeans(t, err, "AuthNotOffered", "Credentials")
		require.NotContains(t, asError(t, err).Error(), "client certificate")
	})
}

// A server that does not accept the certificate ends TLS: amid the handshake with TLS
// 1.2, with TLS 1.3 after it (RFC 8446, section 4.4.2.4), where its first words are due.
// The error has the alert in words, the cause can be reached, and nothing was said.
func TestClientCertificateNotAccepted(t *testing.T) {
	t.Parallel()
	onBothPorts(t, func(version uint16) func(*clerk) { return asking(tls.RequireAndVerifyClientCert, authority(), version) },
		func(t *testing.T, c *clerk, over func(submit.Config) carrier) {
			others := testcert.New().Client("me")
			for says, certificate := range map[string]*tls.Certificate{"unknown certificate authority": &others, "": new(tls.Certificate)} {
				config := c.external()
				config.TLS.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return certificate, nil }
				_, err := over(config).Submit(t.Context(), letter())
				require.Contains(t, asError(t, err).Error(), says)
				var op *net.OpError
				require.ErrorAs(t, err, &op)
				require.Equal(t, "remote error", op.Op)
				requireMeans(t, err, "Insecure")
				require.Contains(t, err.Error(), "server broke off ")
				require.Zero(t, c.net.Open())
				require.Empty(t, c.heard("AUTH", "MAIL"))
			}
		})
}

// Only the certificate's owner has its key: what was presented can be printed, the key
// cannot (promise 9).
func TestClientCertificateIsNoSecret(t *testing.T) {
	t.Parallel()
	mine := authority().Client("me")
	key, err := x509.MarshalPKCS8PrivateKey(mine.PrivateKey)
	require.NoError(t, err)
	withClerk(t, asking(tls.RequireAnyClientCert, authority(), tls.VersionTLS13), func(t *testing.T, c *clerk) {
		var said string
		config := c.external(mine)
		var d diary
		d.keep(&config)
		s := c.session(config)
		require.NoError(t, s.Auth(t.Context()))
		for _, shown := range prints(s) {
			said += shown
		}
		said += d.logs.String() + fmt.Sprintf("%+v", d.events)
		require.NotContains(t, said, fmt.Sprintf("%x", key[len(key)-32:]))
		require.NotContains(t, said, fmt.Sprint(mine.PrivateKey))
	})
}
