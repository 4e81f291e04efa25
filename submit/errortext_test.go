package submit_test

import (
	"bytes"
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/internal/testcert"
	"github.com/mailport/mailport/submit"
)

// What a hostile server says gets into no log as it is: no control character, no
// escape sequence, no line of its own, no text that runs backwards.
func TestHostileText(t *testing.T) {
	const evil = "\x1b[31mred a\rb a\x00b a\x7fb a\u0085b a\u2028b a\u202eb a\xffb a\tb\n%[1]d-y\n%[1]d-z"
	for _, phase := range []submit.Phase{submit.PhaseGreeting, submit.PhaseHello, submit.PhaseAuth, submit.PhaseSender, submit.PhaseRecipient, submit.PhaseVerdict} {
		for _, code := range []int{421, 550, 354} {
			reply := fmt.Sprintf("%[1]d-"+evil+"\n%[1]d end", code)
			withClerk(t, replying(submit.Submissions, phase, reply), func(t *testing.T, c *clerk) {
				_, err := (&submit.ImplicitTLS{Host: host, Config: c.withPassword()}).Submit(t.Context(), letter())
				require.Equal(t, phase, asError(t, err).Phase)
				require.Contains(t, err.Error(), "red")
				require.Contains(t, err.Error(), "end")
			})
		}
	}
	withClerk(t, only("AUTH X-\x1b[31m X-\u202e Y"), func(t *testing.T, c *clerk) {
		_, err := (&submit.ImplicitTLS{Host: host, Config: c.withPassword()}).Submit(t.Context(), letter())
		require.Equal(t, submit.PhaseAuth, asError(t, err).Phase)
	})
}

// A certificate is a text by the server, too.
func TestHostileCertificate(t *testing.T) {
	name := "evil\r\n2000-01-01 all is well\x1b[31m.example.com"
	withClerk(t, func(c *clerk) {
		c.tls.Certificates = []tls.Certificate{authority().Leaf(name)}
	}, func(t *testing.T, c *clerk) {
		_, err := c.implicit().Dial(t.Context())
		requireMeans(t, err, "Certificate", "Insecure")
		require.Contains(t, asError(t, err).Error(), "evil")
	})
	withClerk(t, func(c *clerk) {
		c.tls.Certificates = []tls.Certificate{testcert.SelfSigned(name)}
	}, func(t *testing.T, c *clerk) {
		_, err := c.implicit().Dial(t.Context())
		requireMeans(t, err, "Certificate", "Insecure")
		asError(t, err)
	})
}

// To refuse a certificate is a sign of attack, whatever the caller's own
// verification looks like when it fails: it may ask others over a network. The
// next port must not be tried as if this one were out of order (promise 1).
func TestOwnVerification(t *testing.T) {
	for name, refusal := range map[string]error{
		"of its own":   errOwn,
		"network":      &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED},
		"timeout":      os.ErrDeadlineExceeded,
		"end":          io.EOF,
		"early end":    fmt.Errorf("OCSP: %w", io.ErrUnexpectedEOF),
		"closed":       net.ErrClosed,
		"certificate":  x509.UnknownAuthorityError{},
		"verification": &tls.CertificateVerificationError{Err: errOwn},
		"no TLS":       tls.RecordHeaderError{Msg: "first record does not look like a TLS handshake", RecordHeader: [5]byte{'2', '2', '0', ' ', 'x'}},
	} {
		for kind, set := range map[string]func(*tls.Config){
			"VerifyConnection": func(c *tls.Config) { c.VerifyConnection = func(tls.ConnectionState) error { return refusal } },
			"VerifyConnection alone": func(c *tls.Config) {
				c.InsecureSkipVerify = true
				c.VerifyConnection = func(tls.ConnectionState) error { return refusal }
			},
			"VerifyPeerCertificate": func(c *tls.Config) {
				c.VerifyPeerCertificate = func([][]byte, [][]*x509.Certificate) error { return refusal }
			},
		} {
			for _, service := range services {
				t.Run(service+"/"+kind+"/"+name, func(t *testing.T) {
					withClerk(t, nil, func(t *testing.T, c *clerk) {
						config := c.withPassword()
						config.TLS = &tls.Config{RootCAs: authority().Pool()}
						set(config.TLS)
						_, err := (&world{config: config}).transport(service).Submit(t.Context(), letter())
						require.Equal(t, submit.PhaseHandshake, asError(t, err).Phase)
						requireMeans(t, err, "Certificate", "Insecure")
						require.ErrorIs(t, err, refusal)
						require.Empty(t, c.heard("AUTH", "MAIL"))
					})
				})
			}
		}
	}
}

// A trouble is what an operator may read of at three in the morning.
type trouble struct {
	name    string
	service string // both if empty
	make    func(c *clerk)
	config  func(c *submit.Config)
	host    string
	means   string
}

func certificate(c tls.Certificate) func(*clerk) {
	return func(k *clerk) { k.tls.Certificates = []tls.Certificate{c} }
}

func speaking(first string) func(*clerk) {
	return func(c *clerk) {
		c.play = func(nc net.Conn) {
			io.WriteString(nc, first)
			io.Copy(io.Discard, nc)
		}
	}
}

// openTLS is a server that waits for TLS, whatever the port.
func openTLS(c *clerk) {
	c.play = func(nc net.Conn) {
		tls.Server(nc, c.tls).Handshake() // answers what is none with an alert, or waits
		io.Copy(io.Discard, nc)
	}
}

func troubles() []trouble {
	var (
		ca       = authority()
		nameless = ca.Leaf()
		insecure = "Certificate Insecure"
	)
	nameless.Leaf = nil
	return []trouble{
		{name: "self-signed", make: certificate(testcert.SelfSigned(host)), means: insecure},
		{name: "unknown root", make: certificate(testcert.UnknownRoot(host)), means: insecure},
		{name: "wrong name", make: certificate(ca.Leaf("mx.example.net", "*.example.net")), means: insecure},
		{name: "wrong name of many", make: certificate(ca.Leaf("a.example.net", "b.example.net", "c.example.net", "d.example.net", "e.example.net", "f.example.net", "192.0.2.1")), means: insecure},
		{name: "common name only", make: certificate(nameless), means: insecure},
		{name: "expired", make: certificate(ca.Expired(host)), means: insecure},
		{name: "not yet valid", make: certificate(ca.NotYetValid(host)), means: insecure},
		{name: "a client's certificate", make: certificate(ca.Client(host)), means: insecure},
		{name: "address not in certificate", make: certificate(ca.Leaf(host)), host: "127.0.0.1", means: insecure},
		{name: "name of the configuration", make: certificate(ca.Leaf(host)), config: func(c *submit.Config) { c.TLS.ServerName = "mail.example.org" }, means: insecure},
		{name: "refused by VerifyConnection", config: func(c *submit.Config) {
			c.TLS.VerifyConnection = func(tls.ConnectionState) error { return errors.New("not the pinned key") }
		}, means: insecure},

		{name: "TLS 1.1", make: func(c *clerk) { c.tls.MinVersion, c.tls.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 }, means: "Insecure"},
		{name: "client certificate wanted", make: func(c *clerk) {
			c.tls.ClientAuth, c.tls.MaxVersion = tls.RequireAnyClientCert, tls.VersionTLS12
		}, means: "Insecure"},
		{name: "no common ALPN", make: func(c *clerk) { c.tls.NextProtos = []string{"h2"} },
			config: func(c *submit.Config) { c.TLS.NextProtos = []string{"smtp"} }, means: "Insecure"},
		{name: "no common version", config: func(c *submit.Config) { c.TLS.MinVersion = tls.VersionTLS13 },
			make: func(c *clerk) { c.tls.MaxVersion = tls.VersionTLS12 }, means: "Insecure"},

		{name: "SMTP without TLS", service: submit.Submissions, make: speaking("220 " + host + " ESMTP\r\n"), means: "Insecure Protocol"},
		{name: "SMTP without TLS, busy", service: submit.Submissions, make: speaking("421 too busy\r\n"), means: "Temporary"},
		{name: "TLS from the first byte, silent", service: submit.Submission, make: openTLS, config: func(c *submit.Config) { c.Timeouts.Command = time.Minute }, means: "Temporary Unreachable"},
		{name: "TLS from the first byte, alert", service: submit.Submission, make: speaking("\x15\x03\x01\x00\x02\x02\x28"), means: "Protocol"},
		{name: "IMAP", make: speaking("* OK [CAPABILITY IMAP4rev1] ready\r\n"), means: "Insecure Protocol"},
		{name: "POP3", make: speaking("+OK ready\r\n"), means: "Insecure Protocol"},
		{name: "HTTP", make: speaking("HTTP/1.1 400 Bad Request\r\n\r\n"), means: "Insecure Protocol"},
		{name: "SSH", make: speaking("SSH-2.0-OpenSSH_9.9\r\n"), means: "Insecure Protocol"},
		{name: "something else", make: speaking("\x00\x01\x02\x03\x04\x05"), means: "Insecure Protocol"},

		{name: "STARTTLS stripped", service: submit.Submission, make: func(c *clerk) { c.cleartext = []string{"AUTH PLAIN"} }, means: "Insecure NoSTARTTLS"},
		{name: "STARTTLS masked", service: submit.Submission, config: func(c *submit.Config) { c.Without = []string{"starttls"} }, means: "Insecure NoSTARTTLS"},
		{name: "STARTTLS refused", service: submit.Submission, make: replying(submit.Submission, submit.PhaseStartTLS, "502 5.5.1 not implemented"), means: "Insecure NoSTARTTLS"},
		{name: "STARTTLS refused for now", service: submit.Submission, make: replying(submit.Submission, submit.PhaseStartTLS, "454 4.7.0 TLS not available"), means: "Insecure NoSTARTTLS Temporary"},
		{name: "injected reply", service: submit.Submission, make: replying(submit.Submission, submit.PhaseStartTLS, "220 go ahead\n250 AUTH PLAIN"), means: "Injection Insecure"},
		{name: "goes on in cleartext", service: submit.Submission, make: func(c *clerk) {
			c.play = func(nc net.Conn) {
				io.WriteString(nc, "220 a\r\n")
				buf := make([]byte, 1024)
				nc.Read(buf)
				io.WriteString(nc, "250-a\r\n250 STARTTLS\r\n")
				nc.Read(buf)
				io.WriteString(nc, "220 go\r\n")
				nc.Read(buf) // the ClientHello
				io.WriteString(nc, "250-a\r\n250 AUTH PLAIN\r\n")
				io.Copy(io.Discard, nc)
			}
		}, means: "Injection Insecure"},

		{name: "no service", make: func(c *clerk) { c.greeting = "554-5.3.2 no service\n554 5.3.2 ask the postmaster" }, means: "Rejected"},
		{name: "bad name", make: on2("EHLO", "550 5.7.1 HELO name is not a FQDN"), means: "Rejected"},
		{name: "hangs up", make: on2("EHLO", hangUp), means: "Temporary Unreachable"},
		{name: "long line", make: on2("EHLO", "250 "+strings.Repeat("x", 5000)), means: "Protocol"},
		{name: "mixed codes", make: on2("EHLO", "250-a\n550 b"), means: "Protocol"},
		{name: "no authentication", make: only("PIPELINING"), means: "AuthNotOffered Credentials"},
		{name: "no common mechanism", make: only("AUTH GSSAPI NTLM"), means: "Credentials"},
		{name: "wrong password", make: on2("AUTH", "535 5.7.8 authentication failed"), means: "Credentials"},
		{name: "directory is down", make: on2("AUTH", "454 4.7.0 temporary authentication failure"), means: "Temporary"},
		{name: "not allowed", make: on2("MAIL", "550 5.7.1 not your address"), means: "Rejected"},
		{name: "nobody", make: on2("RCPT", "550 5.1.1 no such user"), means: "Rejected"},
		{name: "spam", make: on2(".", "554-5.7.1 spam\n554 5.7.1 see https://example.com/spam"), means: "Rejected"},
		{name: "no verdict", make: on2(".", hangUp), means: "Uncertain"},
		{name: "no verdict for long", make: on2(".", silence), means: "Uncertain"},
		{name: "verdict out of step", make: on2(".", "354-go on\n354 and on"), means: "Uncertain"},
	}
}

func on2(command, reply string) func(*clerk) {
	return func(c *clerk) { c.answer = on(command, reply) }
}

// What an operator reads. Each line is reviewed as a text: it says where, when,
// what, and what to do where that is known.
func TestErrorTexts(t *testing.T) {
	const golden = "testdata/errors.txt"
	var got bytes.Buffer
	got.WriteString("# What errors say; written by the test with -update.\n")
	for _, tr := range troubles() {
		for _, service := range services {
			if tr.service != "" && tr.service != service {
				continue
			}
			text := textOf(t, tr, service)
			fmt.Fprintf(&got, "\n%s (%s)\n    %s\n", tr.name, cmp.Or(tr.means, "nothing"), text)
			if tr.service == "" && tr.name != "self-signed" {
				break // the same but for the port
			}
		}
	}
	if update := flag.Lookup("update"); update != nil && update.Value.String() == "true" {
		require.NoError(t, os.WriteFile(golden, got.Bytes(), 0o666))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	require.Equal(t, string(want), got.String(), "run the test with -update, and read the difference")
}

func textOf(t *testing.T, tr trouble, service string) (text string) {
	t.Run(tr.name+"/"+service, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := newClerk(t, tr.make)
			config := c.withPassword()
			if tr.config != nil {
				tr.config(&config)
			}
			name := cmp.Or(tr.host, host)
			var transport carrier = &submit.ImplicitTLS{Host: name, Config: config}
			if service == submit.Submission {
				transport = &submit.STARTTLS{Host: name, Config: config}
			}
			_, err := transport.Submit(t.Context(), letter())
			asError(t, err)
			require.Equal(t, tr.means, strings.Join(meanings(err), " "), "%v", err)
			require.Zero(t, c.net.Open(), "promise 6")
			text = err.Error()
			require.NotContains(t, text, password)
		})
	})
	return text
}

// A clock that is wrong makes every certificate look so: the text gives both.
func TestNotYetValidBecauseOfTheClock(t *testing.T) {
	withClerk(t, certificate(authority().NotYetValid(host)), func(t *testing.T, c *clerk) {
		_, err := c.implicit().Dial(t.Context())
		require.Contains(t, err.Error(), "2090-01-01")
		require.Contains(t, err.Error(), "2000-01-01")
		var verify *tls.CertificateVerificationError
		require.ErrorAs(t, err, &verify)
		var invalid x509.CertificateInvalidError
		require.ErrorAs(t, err, &invalid)
	})
}
