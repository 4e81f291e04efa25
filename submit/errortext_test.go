package submit_test

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

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

// Nor does it fill a log: of a reply the text has the first 500 octets, of whole
// characters, and Reply has them all. A reply that is in the cause is bounded too.
func TestLongReplyIsClipped(t *testing.T) {
	line := "554-" + strings.Repeat("gö away ", 9)
	greeting := strings.Repeat(line+"\n", 700) + "554 bye"
	withClerk(t, func(c *clerk) { c.greeting = greeting }, func(t *testing.T, c *clerk) {
		_, err := (&submit.ImplicitTLS{Host: host, Config: c.withPassword()}).Submit(t.Context(), letter())
		before, said, ok := strings.Cut(err.Error(), "greeting: ")
		require.True(t, ok, "%s", before)
		require.InDelta(t, 500+len("…"), len(said), 1)
		require.LessOrEqual(t, len(said), 500+len("…"))
		require.True(t, strings.HasPrefix(said, "554 gö away gö away "), said)
		require.True(t, strings.HasSuffix(said, "…") && utf8.ValidString(said), said)
		require.NotContains(t, said, "bye")
		require.Len(t, asError(t, err).Reply.Lines, 701)
		require.Equal(t, "bye", asError(t, err).Reply.Lines[700])
	})
	cause := &submit.Error{Phase: submit.PhaseAuth, Err: errors.New(strings.Repeat("ö", 501))}
	require.EqualError(t, cause, "auth: "+strings.Repeat("ö", 500)+"…")
	whole := &submit.Error{Phase: submit.PhaseAuth, Err: errors.New(strings.Repeat("ö", 500))}
	require.EqualError(t, whole, "auth: "+strings.Repeat("ö", 500))
	invalid := &submit.InvalidError{Field: "To", Value: strings.Repeat("ö", 51), Reason: "is none"}
	require.EqualError(t, invalid, `invalid To "`+strings.Repeat("ö", 50)+`…": is none`)
}

// A trouble is what an operator may read of at three in the morning.
type trouble struct {
	name    string
	service string // both if empty
	port    int    // 0: that of the service
	each    bool   // the services have texts of their own
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

// overTLS is speaking, over TLS from the first byte.
func overTLS(first string) func(*clerk) {
	return func(c *clerk) {
		c.play = func(nc net.Conn) {
			conn := tls.Server(nc, c.tls)
			if conn.Handshake() == nil && first != "" {
				io.WriteString(conn, first)
			}
			io.Copy(io.Discard, conn)
		}
	}
}

// ftp is what vsftpd says to who does not log in.
func ftp(c *clerk) {
	c.greeting = "220 (vsFTPd 3.0.5)"
	c.answer = on("", "530 Please login with USER and PASS.")
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
		{name: "self-signed", each: true, make: certificate(testcert.SelfSigned(host)), means: insecure},
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
		{name: "SMTP without TLS, on 587", service: submit.Submissions, port: 587, make: speaking("220 " + host + " ESMTP\r\n"), means: "Insecure Protocol"},
		{name: "TLS from the first byte on 465, silent", service: submit.Submission, port: 465, make: openTLS, means: "Temporary Unreachable"},
		{name: "TLS from the first byte on 465, alert", service: submit.Submission, port: 465, make: speaking("\x15\x03\x01\x00\x02\x02\x28"), means: "Protocol"},
		{name: "silent, where TLS was wanted on 587", service: submit.Submissions, port: 587, make: speaking(""), means: "Temporary Unreachable"},
		{name: "silent, where TLS was wanted on 465", service: submit.Submissions, make: speaking(""), means: "Temporary Unreachable"},
		{name: "hangs up at once", make: func(c *clerk) { c.play = func(net.Conn) {} }, each: true, means: "Temporary Unreachable"},
		{name: "silent over TLS", service: submit.Submissions, make: overTLS(""), means: "Temporary Unreachable"},
		{name: "hangs up over TLS", service: submit.Submissions, make: func(c *clerk) { c.greeting = hangUp }, means: "Temporary Unreachable"},
		{name: "IMAP over TLS", service: submit.Submissions, make: overTLS("* OK [CAPABILITY IMAP4rev1] ready\r\n"), means: "Protocol"},
		{name: "POP3 over TLS", service: submit.Submissions, make: overTLS("+OK ready\r\n"), means: "Protocol"},
		{name: "HTTP over TLS", service: submit.Submissions, make: overTLS("HTTP/1.1 408 Request Timeout\r\n\r\n"), means: "Protocol"},
		{name: "something else over TLS", service: submit.Submissions, make: overTLS("\x00\x01\x02\x03\x04\x05"), means: "Protocol"},
		{name: "NNTP", each: true, make: speaking("200 news.example.com ready\r\n"), means: "Insecure Protocol"},
		{name: "FTP", service: submit.Submission, make: ftp, means: "Insecure Protocol"},
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
			if tr.service == "" && !tr.each {
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
			var transport carrier = &submit.ImplicitTLS{Host: name, Port: tr.port, Config: config}
			if service == submit.Submission {
				transport = &submit.STARTTLS{Host: name, Port: tr.port, Config: config}
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

// A failed row is one of the table of failures in the documentation of package
// negotiate, as it comes about over either transport, and the whole sentence
// that a user reads then. Where the sentence is empty it cannot happen.
type failedRow struct {
	happened           string
	make               func(c *clerk)
	implicit, starttls string
	limit              time.Duration // of the context, or none
	from               string
}

const (
	at465 = "submissions://smtp.example.com:465: "
	at587 = "submission://smtp.example.com:587: "
)

func failureTable() []failedRow {
	const otherName = `handshake: certificate is valid for mail.example.net, not for smtp.example.com ` +
		`(issued by "CN=mailport test authority"; valid 1999-01-01 to 2100-01-01)`
	return []failedRow{
		{
			happened: "unreachable: refused, no route, timed out, lost",
			make:     func(c *clerk) { c.net.Refuse(host + ":465"); c.net.Refuse(host + ":587") },
			implicit: at465 + "connect: connection refused (198.51.100.1:465)",
			starttls: at587 + "connect: connection refused (198.51.100.1:587)",
		}, {
			happened: "no such name: the host does not resolve",
			make:     func(c *clerk) { c.net.Unresolvable(host) },
			implicit: at465 + "resolve: lookup smtp.example.com: no such host",
			starttls: at587 + "resolve: lookup smtp.example.com: no such host",
		}, {
			happened: "speaks SMTP without TLS, where TLS was wanted",
			make:     speaking("220 smtp.example.com ESMTP\r\n"),
			implicit: at465 + "handshake: server speaks SMTP without TLS on this port; it may take STARTTLS (submission)",
		}, {
			happened: "another service: IMAP, POP3, HTTP, SSH, FTP, NNTP, ...",
			make:     speaking("* OK [CAPABILITY IMAP4rev1] ready\r\n"),
			implicit: at465 + "handshake: server speaks IMAP on this port, not mail submission",
			starttls: at587 + "greeting: server speaks IMAP on this port, not mail submission",
		}, {
			happened: "expects TLS, where a greeting was wanted",
			make:     openTLS,
			starttls: at587 + "greeting: server does not greet; it may expect TLS from the first byte (submissions): no answer within 5m0s",
		}, {
			happened: "TLS handshake: version, alert",
			make:     func(c *clerk) { c.tls.MinVersion, c.tls.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 },
			implicit: at465 + "handshake: server broke off the TLS handshake: tls: protocol version not supported",
			starttls: at587 + "handshake: server broke off the TLS handshake: tls: protocol version not supported",
		}, {
			happened: "certificate, or its name, not valid",
			make:     certificate(authority().Leaf("mail.example.net")),
			implicit: at465 + otherName,
			starttls: at587 + otherName,
		}, {
			happened: "greeting or EHLO refused, or not understood",
			make:     func(c *clerk) { c.greeting = "554 5.3.2 no service here" },
			implicit: at465 + "greeting: 554 5.3.2 no service here",
			starttls: at587 + "greeting: 554 5.3.2 no service here",
		}, {
			happened: "no STARTTLS: not offered, or refused",
			make:     func(c *clerk) { c.cleartext = []string{"AUTH PLAIN"} },
			starttls: at587 + "starttls: server offers no STARTTLS: stripped, or a cleartext-only server",
		}, {
			happened: "injection: cleartext after the reply to STARTTLS",
			make:     on2("STARTTLS", "220 go ahead\n250 AUTH PLAIN"),
			starttls: at587 + "handshake: cleartext followed the reply to STARTTLS: possible response injection",
		}, {
			happened: "AUTH not offered, though there are credentials",
			make:     only("PIPELINING"),
			implicit: at465 + "auth: credentials are given, but the server offers no authentication",
			starttls: at587 + "auth: credentials are given, but the server offers no authentication",
		}, {
			happened: "AUTH refused, or no common mechanism",
			make:     on2("AUTH", "535 5.7.8 authentication failed"),
			implicit: at465 + "auth: 535 5.7.8 authentication failed",
			starttls: at587 + "auth: 535 5.7.8 authentication failed",
		}, {
			happened: "transaction: MAIL, RCPT, DATA, message, verdict",
			make:     on2("RCPT", "550 5.1.1 no such user"),
			implicit: at465 + "recipient <you@example.net>: 550 5.1.1 no such user",
			starttls: at587 + "recipient <you@example.net>: 550 5.1.1 no such user",
		}, {
			happened: "context ended",
			make:     on2("MAIL", silence),
			limit:    time.Second,
			implicit: at465 + "sender: context deadline exceeded",
			starttls: at587 + "sender: context deadline exceeded",
		}, {
			happened: "invalid input",
			from:     "me@example.com>",
			implicit: `invalid Message.From "me@example.com>": display name or angle brackets: the address alone is wanted`,
			starttls: `invalid Message.From "me@example.com>": display name or angle brackets: the address alone is wanted`,
		},
	}
}

// Each row of the table of failures has its sentence, over both transports.
func TestFailureTable(t *testing.T) {
	doc, err := os.ReadFile("../negotiate/doc.go")
	require.NoError(t, err)
	var documented, tried []string
	for _, row := range regexp.MustCompile(`(?m)^//\t(\S.*?)  +(next|next, implicit TLS only|stop)$`).FindAllStringSubmatch(string(doc), -1) {
		documented = append(documented, row[1])
	}
	for _, row := range failureTable() {
		tried = append(tried, row.happened)
		for _, service := range services {
			says := map[string]string{submit.Submissions: row.implicit, submit.Submission: row.starttls}[service]
			if says == "" {
				continue
			}
			t.Run(row.happened+"/"+service, func(t *testing.T) {
				withClerk(t, row.make, func(t *testing.T, c *clerk) {
					ctx := t.Context()
					if row.limit > 0 {
						limited, cancel := context.WithTimeout(ctx, row.limit)
						defer cancel()
						ctx = limited
					}
					m := letter()
					m.From = cmp.Or(row.from, m.From)
					_, err := (&world{config: c.withPassword()}).transport(service).Submit(ctx, m)
					require.EqualError(t, err, says)
				})
			})
		}
	}
	require.Equal(t, documented, tried)
}
