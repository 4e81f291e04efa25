package submit_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/submit"
)

// A tally counts dials, and connects nobody.
type tally struct{ atomic.Int64 }

func (n *tally) dial(context.Context, string, string) (net.Conn, error) {
	n.Add(1)
	return nil, errors.New("dialled all the same")
}

// A door is a way to submit a message.
type door struct {
	name   string
	submit func(ctx context.Context, host string, port int, c submit.Config, m submit.Message) error
}

func doors() []door {
	implicit := func(host string, port int, c submit.Config) *submit.ImplicitTLS {
		return &submit.ImplicitTLS{Host: host, Port: port, Config: c}
	}
	return []door{
		{"ImplicitTLS.Submit", func(ctx context.Context, host string, port int, c submit.Config, m submit.Message) error {
			_, err := implicit(host, port, c).Submit(ctx, m)
			return err
		}},
		{"STARTTLS.Submit", func(ctx context.Context, host string, port int, c submit.Config, m submit.Message) error {
			_, err := (&submit.STARTTLS{Host: host, Port: port, Config: c}).Submit(ctx, m)
			return err
		}},
		{"Over", func(ctx context.Context, host string, port int, c submit.Config, m submit.Message) error {
			_, err := submit.Over(ctx, implicit(host, port, c), m)
			return err
		}},
		{"Pool.Submit", func(ctx context.Context, host string, port int, c submit.Config, m submit.Message) error {
			pool := &submit.Pool{Transport: implicit(host, port, c)}
			defer pool.Close()
			_, err := pool.Submit(ctx, m)
			return err
		}},
	}
}

func with(change func(*submit.Message)) submit.Message {
	m := letter()
	change(&m)
	return m
}

func withMail(o smtp.MailOptions) submit.Message {
	return with(func(m *submit.Message) { m.Options = &o })
}

func withRcpt(o smtp.RcptOptions) submit.Message {
	return with(func(m *submit.Message) { m.RcptOptions = map[string]*smtp.RcptOptions{friend: &o} })
}

func ptr[T any](v T) *T { return &v }

var errDisk = errors.New("disk\non fire")

type badMessage struct {
	name    string
	message func() submit.Message // a body is read once
	field   string
	says    string
}

// badAddresses are no addresses, and what is said of them.
func badAddresses() map[string]string {
	return map[string]string{
		"a@example.com\r\nRCPT TO:<evil@example.net>": "control character",
		"a@example.com\n":              "control character",
		"a@example.com\r":              "control character",
		"a\x00@example.com":            "control character",
		"a\x01@example.com":            "control character",
		"a\t@example.com":              "control character",
		"a\x7f@example.com":            "control character",
		"a\u0080@example.com":          "control character",
		"a\u009f@example.com":          "control character",
		"a\u2028@example.com":          "control character",
		"\"a\r\n\"@example.com":        "control character",
		`"a@example.com`:               "unbalanced quotes",
		`a"@example.com`:               "needs quotes",
		`"a"b@example.com`:             "quotes",
		"example.com":                  "no @",
		"@example.com":                 "before the @",
		"a@":                           "no domain",
		"<a@example.com>":              "display name or angle brackets",
		"Ann <a@example.com>":          "display name or angle brackets",
		"a@example.com> SIZE=1":        "in the domain",
		"a@example.com SMTPUTF8":       "in the domain",
		"a b@example.com":              "needs quotes",
		"a@b@example.com":              "in the domain",
		"a@example..com":               "label",
		"a@.":                          "label",
		"a@[192.0.2.1":                 "bracket",
		"a@[example.com]":              "literal",
		"a@[IPv6:192.0.2.1]":           "literal",
		"a\xff@example.com":            "UTF-8",
		"a@ex\xe4mple.com":             "UTF-8",
		"a@" + strings.Repeat("x", 64): "63",
		strings.Repeat("x", 65000) + "@example.com":        "longer than",
		"a@" + strings.Repeat("abcdefgh.", 30) + "example": "255",
		`"` + strings.Repeat("x ", 123) + `"@example.com`:  "254",
	}
}

func badMessages() []badMessage {
	var all []badMessage
	add := func(name, field, says string, message func() submit.Message) {
		all = append(all, badMessage{name, message, field, says})
	}
	for address, says := range badAddresses() {
		shown := address[:min(len(address), 40)]
		add("From "+shown, "Message.From", says, func() submit.Message {
			return with(func(m *submit.Message) { m.From = address })
		})
		add("To "+shown, "Message.To[1]", says, func() submit.Message {
			return with(func(m *submit.Message) { m.To = []string{friend, address} })
		})
	}
	message := func(change func(*submit.Message)) func() submit.Message {
		return func() submit.Message { return with(change) }
	}
	add("empty recipient", "Message.To[0]", "empty", message(func(m *submit.Message) { m.To = []string{""} }))
	add("no recipients", "Message.To", "no recipients", message(func(m *submit.Message) { m.To = nil }))
	add("no body", "Message.Body", "nil", message(func(m *submit.Message) { m.Body = nil }))
	add("empty body", "Message.Body", "empty", message(func(m *submit.Message) { m.Body = strings.NewReader("") }))
	add("unreadable body", "Message.Body", "disk", message(func(m *submit.Message) { m.Body = iotest.ErrReader(errDisk) }))
	add("body that breaks off", "Message.Body", "disk", message(func(m *submit.Message) {
		m.Body = io.MultiReader(strings.NewReader(text), iotest.ErrReader(errDisk))
	}))
	add("body that never comes", "Message.Body", "no data", message(func(m *submit.Message) { m.Body = nothing{} }))

	mail := func(field, says string, o smtp.MailOptions) {
		add(field+" "+says, "Message.Options."+field, says, func() submit.Message { return withMail(o) })
	}
	mail("Body", "7BIT", smtp.MailOptions{Body: "9BIT"})
	mail("Return", "HDRS", smtp.MailOptions{Return: "ALL"})
	mail("Size", "negative", smtp.MailOptions{Size: -1})
	mail("EnvelopeID", "printable", smtp.MailOptions{EnvelopeID: "a\r\nRSET"})
	mail("EnvelopeID", "ASCII", smtp.MailOptions{EnvelopeID: "ä"})
	mail("EnvelopeID", "100 octets", smtp.MailOptions{EnvelopeID: strings.Repeat("=", 34)}) // 3 octets each
	mail("Auth", "no @", smtp.MailOptions{Auth: ptr("me")})
	mail("Auth", "control", smtp.MailOptions{Auth: ptr("me@example.com\r\nRSET")})
	mail("Auth", "500 octets", smtp.MailOptions{Auth: ptr(strings.Repeat("=", 170) + "@example.com")})
	add("8-bit body said to be 7BIT", "Message.Options.Body", "above 127", func() submit.Message {
		m := withMail(smtp.MailOptions{Body: smtp.Body7Bit})
		m.Body = strings.NewReader(text + "ä")
		return m
	})

	rcpt := func(field, says string, o smtp.RcptOptions) {
		add(field+" "+says, `Message.RcptOptions["`+friend+`"].`+field, says, func() submit.Message { return withRcpt(o) })
	}
	rcpt("Notify", "neither", smtp.RcptOptions{Notify: []smtp.DSNNotify{"ALWAYS"}})
	rcpt("Notify", "excludes", smtp.RcptOptions{Notify: []smtp.DSNNotify{smtp.DSNNotifyNever, smtp.DSNNotifyDelayed}})
	rcpt("Notify", "twice", smtp.RcptOptions{Notify: []smtp.DSNNotify{smtp.DSNNotifyFailure, smtp.DSNNotifyFailure}})
	rcpt("OriginalRecipientType", "neither", smtp.RcptOptions{OriginalRecipient: friend})
	rcpt("OriginalRecipientType", "neither", smtp.RcptOptions{OriginalRecipient: friend, OriginalRecipientType: "X400"})
	rcpt("OriginalRecipient", "ASCII", smtp.RcptOptions{OriginalRecipient: "ä@example.net", OriginalRecipientType: smtp.DSNAddressTypeRFC822})
	rcpt("OriginalRecipient", "ASCII", smtp.RcptOptions{OriginalRecipient: "a\r\nRSET", OriginalRecipientType: smtp.DSNAddressTypeRFC822})
	rcpt("OriginalRecipient", "500", smtp.RcptOptions{OriginalRecipient: strings.Repeat("ä", 100), OriginalRecipientType: smtp.DSNAddressTypeUTF8})
	// RFC 6533, section 3, cannot write these.
	for _, bad := range []string{"a\r\nX: y@example.org", "\x00@example.org", "a\x0f@example.org", "\u0085@example.org", "\u2028@example.org", "a\xff@example.org", "\xc3"} {
		rcpt("OriginalRecipient", "control character, or not UTF-8", smtp.RcptOptions{OriginalRecipient: bad, OriginalRecipientType: smtp.DSNAddressTypeUTF8})
	}
	for _, bad := range []string{"<ä@example.org>", `"a>b"@example.org`, "<"} {
		rcpt("OriginalRecipient", "angle bracket", smtp.RcptOptions{OriginalRecipient: bad, OriginalRecipientType: smtp.DSNAddressTypeUTF8})
	}
	rcpt("MTPriority", "between", smtp.RcptOptions{MTPriority: ptr(10)})
	rcpt("MTPriority", "between", smtp.RcptOptions{MTPriority: ptr(-10)})
	rcpt("DeliverBy.Mode", "neither", smtp.RcptOptions{DeliverBy: &smtp.DeliverByOptions{Time: time.Hour}})
	rcpt("DeliverBy.Time", "second", smtp.RcptOptions{DeliverBy: &smtp.DeliverByOptions{Mode: smtp.DeliverByReturn}})
	rcpt("DeliverBy.Time", "second", smtp.RcptOptions{DeliverBy: &smtp.DeliverByOptions{Mode: smtp.DeliverByReturn, Time: -time.Hour}})
	// RFC 2852, section 4: nine digits.
	rcpt("DeliverBy.Time", "999999999", smtp.RcptOptions{DeliverBy: &smtp.DeliverByOptions{Mode: smtp.DeliverByReturn, Time: 1e9 * time.Second}})
	rcpt("DeliverBy.Time", "999999999", smtp.RcptOptions{DeliverBy: &smtp.DeliverByOptions{Mode: smtp.DeliverByNotify, Time: -1e9 * time.Second}})
	// RFC 3339 has four digits for the year.
	rcpt("RequireRecipientValidSince", "year", smtp.RcptOptions{RequireRecipientValidSince: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)})
	rcpt("RequireRecipientValidSince", "year", smtp.RcptOptions{RequireRecipientValidSince: time.Date(-1, 1, 1, 0, 0, 0, 0, time.UTC)})

	const other = "other@example.net"
	add("options for nobody", `Message.RcptOptions["`+other+`"]`, "nobody", message(func(m *submit.Message) {
		m.RcptOptions = map[string]*smtp.RcptOptions{other: {}}
	}))
	add("options for nobody, nil", `Message.RcptOptions["`+other+`"]`, "nobody", message(func(m *submit.Message) {
		m.RcptOptions = map[string]*smtp.RcptOptions{friend: nil, other: nil}
	}))
	endless := strings.Repeat("x", 1<<20) + "@example.net"
	add("options for nobody, at length", `Message.RcptOptions["`+strings.Repeat("x", 100)+`…"]`, "nobody", message(func(m *submit.Message) {
		m.RcptOptions = map[string]*smtp.RcptOptions{endless: {}}
	}))
	two := func(a, b smtp.RcptOptions) func() submit.Message {
		return func() submit.Message {
			m := letter(friend, other)
			m.RcptOptions = map[string]*smtp.RcptOptions{friend: &a, other: &b}
			return m
		}
	}
	add("priorities that disagree", `Message.RcptOptions["`+other+`"].MTPriority`, "differs",
		two(smtp.RcptOptions{MTPriority: ptr(1)}, smtp.RcptOptions{MTPriority: ptr(2)}))
	by := func(d time.Duration) smtp.RcptOptions {
		return smtp.RcptOptions{DeliverBy: &smtp.DeliverByOptions{Mode: smtp.DeliverByReturn, Time: d}}
	}
	add("times that disagree", `Message.RcptOptions["`+other+`"].DeliverBy`, "differs", two(by(time.Hour), by(time.Minute)))
	return all
}

type nothing struct{}

func (nothing) Read([]byte) (int, error) { return 0, nil }

// A message that cannot be sent is refused before anybody is asked to take it:
// by every door, and without a connection (promise 1 needs none to be made).
func TestBadMessages(t *testing.T) {
	withClerk(t, nil, func(t *testing.T, c *clerk) {
		session := c.session(c.withPassword())
		said := c.heard()
		for _, bad := range badMessages() {
			check := func(name string, err error) {
				e := asInvalid(t, err)
				require.ErrorIs(t, err, submit.ErrInvalid, "%s: %s", name, bad.name)
				require.Equal(t, bad.field, e.Field, "%s: %s: %v", name, bad.name, err)
				require.Contains(t, err.Error(), bad.field, bad.name)
				require.Contains(t, err.Error(), bad.says, "%s: %s", name, bad.name)
				require.Less(t, len(err.Error()), 500, bad.name)
				for sentinel, is := range sentinels() {
					require.Equal(t, sentinel == "Invalid", errors.Is(err, is), "%s: %s: %s", name, bad.name, sentinel)
				}
			}
			for _, door := range doors() {
				var dials tally
				err := door.submit(t.Context(), host, 0, submit.Config{DialContext: dials.dial}, bad.message())
				check(door.name, err)
				require.Zero(t, dials.Load(), "%s: %s", door.name, bad.name)
			}
			_, err := session.Submit(t.Context(), bad.message())
			check("Session.Submit", err)
		}
		require.Equal(t, said, c.heard(), "the server heard of it")
		_, err := session.Submit(t.Context(), letter())
		require.NoError(t, err, "the session is as good as before")
	})
}

// Send is one more door.
func TestBadSend(t *testing.T) {
	var dials tally
	s := &submit.ImplicitTLS{Host: host, Config: submit.Config{DialContext: dials.dial}}
	_, err := submit.Send(t.Context(), s, user, nil, []byte(text))
	require.Equal(t, "Message.To", asInvalid(t, err).Field)
	_, err = submit.Send(t.Context(), s, "me", []string{friend}, []byte(text))
	require.Equal(t, "Message.From", asInvalid(t, err).Field)
	_, err = submit.Send(t.Context(), s, user, []string{friend}, nil)
	require.Equal(t, "Message.Body", asInvalid(t, err).Field)
	require.Zero(t, dials.Load())
}

// What a reader says is wrong reaches the caller, and its text stays on one
// line.
func TestUnreadableBodyCause(t *testing.T) {
	var dials tally
	s := &submit.ImplicitTLS{Host: host, Config: submit.Config{DialContext: dials.dial}}
	m := letter()
	m.Body = iotest.ErrReader(errDisk)
	_, err := s.Submit(t.Context(), m)
	require.ErrorIs(t, err, errDisk)
	require.Equal(t, "invalid Message.Body: cannot be read: disk / on fire", err.Error())
}

// A reader whose error wraps io.EOF has not come to its end: the contract of
// io.Reader is io.EOF itself. What came until then is not the message (promise
// 4).
func TestWrappedEOFIsNoEnd(t *testing.T) {
	var dials tally
	s := &submit.ImplicitTLS{Host: host, Config: submit.Config{DialContext: dials.dial}}
	m := letter()
	m.Body = io.MultiReader(strings.NewReader(text), iotest.ErrReader(&net.OpError{Op: "read", Net: "tcp", Err: io.EOF}))
	_, err := s.Submit(t.Context(), m)
	require.Equal(t, "Message.Body", asInvalid(t, err).Field)
	require.Zero(t, dials.Load())
}

// A reader that breaks the contract of io.Reader is an error, not a panic.
func TestImpossibleCount(t *testing.T) {
	for _, n := range []int{-1, 1 << 20} {
		var dials tally
		s := &submit.ImplicitTLS{Host: host, Config: submit.Config{DialContext: dials.dial}}
		m := letter()
		m.Body = liar(n)
		_, err := s.Submit(t.Context(), m)
		require.Equal(t, "Message.Body", asInvalid(t, err).Field)
		require.Zero(t, dials.Load())
	}
}

type liar int

func (n liar) Read([]byte) (int, error) { return int(n), nil }

// Each configuration that cannot be meant is refused, and nobody is dialled.
func TestBadConfig(t *testing.T) {
	skip := func() *tls.Config { return &tls.Config{InsecureSkipVerify: true} }
	for _, bad := range []struct {
		name, host string
		port       int
		change     func(*submit.Config)
		field      string
		says       string
	}{
		{"no host", "", 0, nil, "Host", "no host given"},
		{"port", "smtp.example.com:465", 0, nil, "Host", "port"},
		{"scheme", "smtps://smtp.example.com", 0, nil, "Host", "scheme"},
		{"user", "me@smtp.example.com", 0, nil, "Host", "alone"},
		{"brackets", "[2001:db8::1]", 0, nil, "Host", "brackets"},
		{"literal and port", "[2001:db8::1]:465", 0, nil, "Host", "brackets"},
		{"space", "smtp example.com", 0, nil, "Host", "' '"},
		{"space before", " smtp.example.com", 0, nil, "Host", "' '"},
		{"line end", "smtp.example.com\r\n", 0, nil, "Host", `'\r'`},
		{"NUL", "smtp\x00.example.com", 0, nil, "Host", `'\x00'`},
		{"IDN", "bücher.example", 0, nil, "Host", "xn--"},
		{"not UTF-8", "smtp\xff.example.com", 0, nil, "Host", "ASCII"},
		{"empty label", "smtp..example.com", 0, nil, "Host", "label"},
		{"dot", ".", 0, nil, "Host", "no domain"},
		{"too long", strings.Repeat("abcdefgh.", 30), 0, nil, "Host", "255"},
		{"negative port", host, -1, nil, "Port", "between"},
		{"large port", host, 65536, nil, "Port", "between"},
		{"space in name", host, 0, func(c *submit.Config) { c.LocalName = "a b" }, "Config.LocalName", "' '"},
		{"line end in name", host, 0, func(c *submit.Config) { c.LocalName = "a\r\nMAIL FROM:<a@b>" }, "Config.LocalName", `'\r'`},
		{"IDN name", host, 0, func(c *submit.Config) { c.LocalName = "bücher.example" }, "Config.LocalName", "ASCII"},
		{"no literal", host, 0, func(c *submit.Config) { c.LocalName = "[192.0.2.300]" }, "Config.LocalName", "literal"},
		{"address as name", host, 0, func(c *submit.Config) { c.LocalName = "2001:db8::1" }, "Config.LocalName", "':'"},
		{"TLS of no version", host, 0, func(c *submit.Config) {
			c.TLS = &tls.Config{MinVersion: tls.VersionTLS13, MaxVersion: tls.VersionTLS12}
		}, "Config.TLS.MaxVersion", "below MinVersion"},
		{"TLS 1.1", host, 0, func(c *submit.Config) { c.TLS = &tls.Config{MaxVersion: tls.VersionTLS11} }, "Config.TLS.MaxVersion", "TLS 1.2"},
		{"no verification", host, 0, func(c *submit.Config) { c.TLS = skip() }, "Config.TLS.InsecureSkipVerify", "RootCAs"},
		{"no verification, by address", "192.0.2.1", 0, func(c *submit.Config) { c.TLS = skip() }, "Config.TLS.InsecureSkipVerify", "RootCAs"},
		{"no verification of an address that begins like loopback", "127.0.0.1.example.com", 0,
			func(c *submit.Config) { c.TLS = skip() }, "Config.TLS.InsecureSkipVerify", "RootCAs"},
		// VerifyPeerCertificate does not see resumed sessions.
		{"verified by halves", host, 0, func(c *submit.Config) {
			c.TLS = skip()
			c.TLS.VerifyPeerCertificate = func([][]byte, [][]*x509.Certificate) error { return nil }
		}, "Config.TLS.InsecureSkipVerify", "RootCAs"},
	} {
		t.Run(bad.name, func(t *testing.T) {
			for _, door := range doors() {
				var dials tally
				config := submit.Config{DialContext: dials.dial}
				if bad.change != nil {
					bad.change(&config)
				}
				err := door.submit(t.Context(), bad.host, bad.port, config, letter())
				e := asInvalid(t, err)
				require.ErrorIs(t, err, submit.ErrInvalid)
				require.Equal(t, bad.field, e.Field, door.name)
				require.Contains(t, err.Error(), bad.says, door.name)
				require.NotErrorIs(t, err, submit.ErrInsecure)
				require.Zero(t, dials.Load(), door.name)
			}
		})
	}
}

// Of the pool itself.
func TestPoolWithoutTransport(t *testing.T) {
	pool := new(submit.Pool)
	_, err := pool.Submit(t.Context(), letter())
	require.Equal(t, "Pool.Transport", asInvalid(t, err).Field)
	require.NoError(t, pool.Close())
}

// What looks odd and is right is not refused.
func TestOddHosts(t *testing.T) {
	for _, name := range []string{"192.0.2.1", "2001:db8::1", "fe80::1%eth0", "smtp.example.com.", "localhost", "xn--bcher-kva.example", "mail_out.example.com"} {
		var dials tally
		_, err := (&submit.ImplicitTLS{Host: name, Config: submit.Config{DialContext: dials.dial}}).Dial(t.Context())
		require.NotErrorIs(t, err, submit.ErrInvalid, name)
		require.EqualValues(t, 1, dials.Load(), name)
	}
}

// Without verification only this machine can be talked to (promise 1). With a
// dialler of the caller's own the host must say so itself: its connection may
// come out anywhere.
func TestSkipVerifyOnLoopback(t *testing.T) {
	withClerk(t, nil, func(t *testing.T, c *clerk) {
		config := c.config()
		config.TLS = &tls.Config{InsecureSkipVerify: true}
		for _, name := range []string{"localhost", "127.0.0.1"} {
			r, err := (&submit.ImplicitTLS{Host: name, Config: config}).Submit(t.Context(), letter())
			require.NoError(t, err, name)
			require.Empty(t, r.TLS.VerifiedChains)
			_, err = (&submit.STARTTLS{Host: name, Config: config}).Submit(t.Context(), letter())
			require.NoError(t, err, name)
		}
		require.True(t, config.TLS.InsecureSkipVerify && config.TLS.MinVersion == 0, "the caller's struct was written")
	})
}

// Without a dialler of the caller's own the address decides that was dialled,
// not the name: localhost is what the resolver makes of it.
func TestSkipVerifyOnLoopbackSockets(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	c := newClerk(t, nil)
	c.next.Go(func() { c.work(l, true) })
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	config := submit.Config{TLS: &tls.Config{InsecureSkipVerify: true}, LocalName: "client.example.org"}
	for _, name := range []string{"localhost", "127.0.0.1"} {
		_, err := (&submit.ImplicitTLS{Host: name, Port: port, Config: config}).Submit(t.Context(), letter())
		require.NoError(t, err, name)
	}
}

// A configuration that verifies in its own way may switch off Go's.
func TestSkipVerifyWithVerifyConnection(t *testing.T) {
	withClerk(t, nil, func(t *testing.T, c *clerk) {
		config := c.config()
		seen := 0
		config.TLS = &tls.Config{InsecureSkipVerify: true, VerifyConnection: func(state tls.ConnectionState) error {
			seen++
			require.Equal(t, host, state.ServerName)
			return nil
		}}
		for _, service := range services {
			_, err := (&world{config: config}).transport(service).Submit(t.Context(), letter())
			require.NoError(t, err)
		}
		require.Equal(t, 2, seen)
	})
}

// NewSession has a connection already: it does not stay open.
func TestNewSessionBadLocalName(t *testing.T) {
	withClerk(t, nil, func(t *testing.T, c *clerk) {
		conn := c.tlsConn(t, nil)
		_, err := submit.NewSession(t.Context(), conn, submit.Config{LocalName: "a b"})
		require.Equal(t, "Config.LocalName", asInvalid(t, err).Field)
		_, err = conn.Write([]byte("EHLO client.example.org\r\n"))
		require.ErrorIs(t, err, net.ErrClosed)
		require.Empty(t, c.heard())
	})
}

// tlsConn is a connection of the caller's own making, the handshake not yet made.
func (c *clerk) tlsConn(t *testing.T, config *tls.Config) *tls.Conn {
	t.Helper()
	nc, err := c.net.DialContext(t.Context(), "tcp", host+":465")
	require.NoError(t, err)
	if config == nil {
		config = &tls.Config{RootCAs: authority().Pool(), ServerName: host}
	}
	return tls.Client(nc, config)
}
