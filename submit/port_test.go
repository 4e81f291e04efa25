package submit_test

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/submit"
)

// at returns the transport of a service at a port of host.
func (c *clerk) at(service string, port int, timeouts submit.Timeouts) submit.Transport {
	config := c.config()
	config.Timeouts = timeouts
	if service == submit.Submissions {
		return &submit.ImplicitTLS{Host: host, Port: port, Config: config}
	}
	return &submit.STARTTLS{Host: host, Port: port, Config: config}
}

const (
	implicitAt465 = "port 465 is registered for TLS from the first byte, so use implicit TLS (submissions)"
	starttlsAt587 = "port 587 is registered for STARTTLS, so use that (submission)"
	mayExpectTLS  = "server does not greet; it may expect TLS from the first byte (submissions)"
	noHandshake   = "server does not complete the TLS handshake"
	otherOverTLS  = "server speaks TLS on this port, but does not greet; "
)

// A port that is registered for one way may be used in the other, and works if
// the server does that: what is registered is no more than a hint.
func TestContradictions(t *testing.T) {
	for service, port := range map[string]int{submit.Submissions: 587, submit.Submission: 465} {
		withClerk(t, func(c *clerk) {
			c.play = func(nc net.Conn) { c.attend(nc, service == submit.Submissions) }
		}, func(t *testing.T, c *clerk) {
			s, err := c.at(service, port, submit.Timeouts{}).Dial(t.Context())
			require.NoError(t, err)
			require.NoError(t, s.Close())
			require.NotNil(t, s.TLS())
		})
	}
}

// And if it does not, the error says so in words, whatever ends the wait: the time
// limit, the server, or the caller's deadline. A caller who has given up wants to
// hear no more than that.
func TestWrongModeInWords(t *testing.T) {
	silent := func(c *clerk) { c.play = func(nc net.Conn) { io.Copy(io.Discard, nc) } }
	leaves := func(c *clerk) { c.play = func(net.Conn) {} }
	for name, tt := range map[string]struct {
		service string
		port    int
		server  func(*clerk)
		phase   string
		says    string // before what ended the wait
		limit   string // the default
		gone    string // of a server that hangs up, and says nothing else
	}{
		"STARTTLS at 587":          {submit.Submission, 587, silent, "greeting", mayExpectTLS, "5m0s", ""},
		"STARTTLS at 465":          {submit.Submission, 465, silent, "greeting", "server does not greet; " + implicitAt465, "30s", ""},
		"implicit at 587":          {submit.Submissions, 587, silent, "handshake", noHandshake + "; " + starttlsAt587, "30s", ""},
		"implicit at 465":          {submit.Submissions, 465, silent, "handshake", noHandshake, "30s", ""},
		"implicit, over TLS":       {submit.Submissions, 465, overTLS(""), "greeting", otherOverTLS + "a web server (HTTPS) waits like this", "5m0s", ""},
		"STARTTLS at 587, gone":    {submit.Submission, 587, leaves, "greeting", "", "", mayExpectTLS + ", or refuse this client"},
		"STARTTLS at 465, gone":    {submit.Submission, 465, leaves, "greeting", "", "", "server does not greet; " + implicitAt465},
		"implicit at 587, gone":    {submit.Submissions, 587, leaves, "handshake", "", "", noHandshake + "; " + starttlsAt587},
		"implicit at 465, gone":    {submit.Submissions, 465, leaves, "handshake", "", "", noHandshake},
		"implicit, over TLS, gone": {submit.Submissions, 465, func(c *clerk) { c.greeting = hangUp }, "greeting", "", "", otherOverTLS + "it may be busy, or another service"},
	} {
		t.Run(name, func(t *testing.T) {
			withClerk(t, tt.server, func(t *testing.T, c *clerk) {
				transport := c.at(tt.service, tt.port, submit.Timeouts{})
				begins := transport.Endpoint().String() + ": " + tt.phase + ": "
				_, err := transport.Dial(t.Context())
				asError(t, err)
				requireMeans(t, err, "Unreachable", "Temporary")
				if tt.gone != "" {
					require.EqualError(t, err, begins+tt.gone+": server closed the connection")
					return
				}
				require.EqualError(t, err, begins+tt.says+": no answer within "+tt.limit)

				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				_, err = transport.Dial(ctx)
				require.EqualError(t, err, begins+tt.says+": context deadline exceeded")
				require.ErrorIs(t, err, context.DeadlineExceeded)
				requireMeans(t, err)

				ctx, cancel = context.WithCancel(t.Context())
				time.AfterFunc(time.Second, cancel)
				_, err = transport.Dial(ctx)
				require.EqualError(t, err, begins+"context canceled")
			})
		})
	}
}

// A server that agreed to STARTTLS is at the right port, whatever ends it then.
func TestLostAfterSTARTTLS(t *testing.T) {
	withClerk(t, on2("STARTTLS", "220 go ahead"+hangUp), func(t *testing.T, c *clerk) {
		_, err := c.starttls().Dial(t.Context())
		require.EqualError(t, err, at587+"handshake: server closed the connection")
		requireMeans(t, err, "Unreachable", "Temporary")
	})
}

// At a port that is registered for neither way, nothing is taken for granted.
func TestWrongModeAtAnotherPort(t *testing.T) {
	for service, says := range map[string]string{
		submit.Submissions: "handshake: " + noHandshake + "; it may want STARTTLS (submission), or be another service: server closed the connection",
		submit.Submission:  "greeting: " + mayExpectTLS + ", or refuse this client: server closed the connection",
	} {
		withClerk(t, nil, func(t *testing.T, c *clerk) {
			l := c.net.Listen(host + ":2525")
			c.next.Go(func() {
				if nc, err := l.Accept(); err == nil {
					nc.Close()
				}
			})
			transport := c.at(service, 2525, submit.Timeouts{})
			_, err := transport.Dial(t.Context())
			require.EqualError(t, err, transport.Endpoint().String()+": "+says)
		})
	}
}

// A server that says over TLS what it does not like, as TLS 1.3 has it only after
// the client's handshake, has spoken, and there is nothing to guess.
func TestAlertInsteadOfAGreeting(t *testing.T) {
	withClerk(t, func(c *clerk) { c.tls.ClientAuth = tls.RequireAnyClientCert }, func(t *testing.T, c *clerk) {
		_, err := c.implicit().Dial(t.Context())
		require.Equal(t, submit.PhaseGreeting, asError(t, err).Phase)
		require.ErrorContains(t, err, "certificate required")
		require.NotContains(t, err.Error(), "does not greet")
	})
}

// RFC 5321, section 4.5.3.2.1: five minutes for the greeting, and less only where
// silence is the answer. What the caller says always rules.
func TestGreetingLimit(t *testing.T) {
	const minute, hour = time.Minute, time.Hour
	for _, tt := range []struct {
		service  string
		port     int
		timeouts submit.Timeouts
		want     time.Duration
	}{
		{submit.Submission, 587, submit.Timeouts{}, 5 * minute},
		{submit.Submission, 465, submit.Timeouts{}, minute / 2},
		{submit.Submissions, 465, submit.Timeouts{}, 5 * minute},
		{submit.Submissions, 587, submit.Timeouts{}, minute / 2},
		{submit.Submission, 465, submit.Timeouts{Command: hour}, hour},
		{submit.Submission, 587, submit.Timeouts{Command: hour}, hour},
		{submit.Submission, 465, submit.Timeouts{Greeting: minute}, minute},
		{submit.Submission, 587, submit.Timeouts{Greeting: minute, Command: hour}, minute},
		{submit.Submissions, 465, submit.Timeouts{Greeting: minute, Command: hour}, minute},
		{submit.Submission, 465, submit.Timeouts{Greeting: -1, Command: hour}, 1000 * hour},
		{submit.Submission, 465, submit.Timeouts{Command: -1}, 1000 * hour},
	} {
		withClerk(t, func(c *clerk) {
			c.play = func(nc net.Conn) { io.Copy(io.Discard, nc) }
			if tt.service == submit.Submissions {
				overTLS("")(c)
			}
		}, func(t *testing.T, c *clerk) {
			ctx, cancel := context.WithTimeout(t.Context(), 1000*hour)
			defer cancel()
			elapsed := stopwatch()
			_, err := c.at(tt.service, tt.port, tt.timeouts).Dial(ctx)
			require.Equal(t, submit.PhaseGreeting, asError(t, err).Phase)
			require.Equal(t, tt.want, elapsed(), "%+v", tt)
		})
	}
}

// The rest of a greeting has the limit of its beginning, and EHLO that of commands.
func TestGreetingLimitEndsWithTheGreeting(t *testing.T) {
	timeouts := submit.Timeouts{Greeting: time.Minute, Command: time.Hour}
	withClerk(t, speaking("220-smtp.example.com\r\n"), func(t *testing.T, c *clerk) {
		_, err := c.at(submit.Submission, 587, timeouts).Dial(t.Context())
		require.EqualError(t, err, at587+"greeting: no answer within 1m0s")
	})
	withClerk(t, on2("EHLO", silence), func(t *testing.T, c *clerk) {
		_, err := c.at(submit.Submission, 587, timeouts).Dial(t.Context())
		require.EqualError(t, err, at587+"hello: no answer within 1h0m0s")
	})
}

// A service is known by its first octets, in cleartext and over TLS, and comes
// with the ports where mail submission is to be found if it was sought elsewhere.
func TestServicesInWords(t *testing.T) {
	for first, tt := range map[string]struct{ speaks, clear, overTLS string }{
		"* OK IMAP4rev1 ready\r\n":    {"IMAP", "server speaks IMAP on this port", "server speaks IMAP over TLS on this port"},
		"* BYE too busy\r\n":          {"IMAP", "server speaks IMAP on this port", "server speaks IMAP over TLS on this port"},
		"+OK ready <1@example.com>":   {"POP3", "server speaks POP3 on this port", "server speaks POP3 over TLS on this port"},
		"HTTP/1.1 400 Bad Request":    {"HTTP", "server speaks HTTP on this port", "server speaks HTTP over TLS on this port"},
		"SSH-2.0-OpenSSH_9.9\r\n":     {"SSH", "server speaks SSH on this port", "server speaks SSH over TLS on this port"},
		"200 news.example.com\r\n":    {"NNTP", "server speaks NNTP on this port", "server speaks NNTP over TLS on this port"},
		"201 no posting for you\r\n":  {"NNTP", "server speaks NNTP on this port", "server speaks NNTP over TLS on this port"},
		"\x4a\x00\x00\x00\x0a5.7.44x": {"", "server speaks neither TLS nor SMTP on this port: it began with ", "server speaks TLS on this port, but not SMTP: it began with "},
		"\x1b[31m\u202e\xff\xffxxxxx": {"", "server speaks neither TLS nor SMTP on this port: it began with ", "server speaks TLS on this port, but not SMTP: it began with "},
		"\x16\x03\x01\x00\x05xxxxxxx": {submit.SpeaksTLS, "", "server speaks TLS on this port, but not SMTP: it began with "},
	} {
		for service, server := range map[string]func(string) func(*clerk){submit.Submissions: overTLS, submit.Submission: speaking} {
			says := tt.clear
			if service == submit.Submissions {
				says = tt.overTLS
			}
			if says == "" {
				continue
			}
			t.Run(first[:5]+"/"+service, func(t *testing.T) {
				for _, segment := range []int{0, 1} { // whole, and octet by octet
					withClerk(t, func(c *clerk) {
						server(first)(c)
						if segment > 0 {
							c.net.SetSegment(host+":465", segment)
							c.net.SetSegment(host+":587", segment)
						}
					}, func(t *testing.T, c *clerk) {
						_, err := (&world{config: c.config()}).transport(service).Dial(t.Context())
						var port *submit.PortError
						require.ErrorAs(t, err, &port)
						require.Equal(t, tt.speaks, port.Speaks)
						require.True(t, strings.HasPrefix(first, port.Got), "%q", port.Got)
						asError(t, err)
						require.Contains(t, err.Error(), ": greeting: "+says)
						require.NotContains(t, err.Error(), "465 or 587")
					})
				}
			})
		}
	}
	withClerk(t, nil, func(t *testing.T, c *clerk) {
		l := c.net.Listen(host + ":993")
		c.next.Go(func() {
			if nc, err := l.Accept(); err == nil {
				overTLS("* OK ready\r\n")(c)
				c.play(nc)
				nc.Close()
			}
		})
		_, err := c.at(submit.Submissions, 993, submit.Timeouts{}).Dial(t.Context())
		require.ErrorContains(t, err, "server speaks IMAP over TLS on this port, not mail submission, which usually is on 465 or 587")
	})
}

// What a service that nobody knows said first is quoted, but not all of it, and
// not as it is.
func TestUnknownServiceIsQuoted(t *testing.T) {
	err := &submit.PortError{Got: strings.Repeat("\x1b", 100)}
	require.EqualError(t, err, "server speaks neither TLS nor SMTP on this port: it began with \""+strings.Repeat(`\x1b`, 32)+"\"")
	require.EqualError(t, &submit.PortError{}, "server speaks neither TLS nor SMTP on this port")
}

// FTP greets with 220 as SMTP does. It is called so if it calls itself so and
// does not know EHLO; a mail server that knows none, or is somehow called FTP, is
// not.
func TestFTPInWords(t *testing.T) {
	for _, tt := range []struct {
		greeting, ehlo string
		is             bool
	}{
		{"220 (vsFTPd 3.0.5)", "530 Please login with USER and PASS.", true},
		{"220 ProFTPD Server (Debian) [::ffff:192.0.2.1]", "500 EHLO not understood", true},
		{"220---------- Welcome to Pure-FTPd [privsep] [TLS] ----------\n220 You will be disconnected after 15 minutes of inactivity.", "530 You aren't logged in", true},
		{"220 ftp.example.com FTP server ready.", "502 Command not implemented.", true},
		{"220 Welcome to our FTP.", "500 what?", true},
		{"220 ftp.example.com ESMTP", "500 no", false},
		{"220 ftp.example.com ready", "502 no", false},
		{"220 mx.example.com SMTP, no FTP here", "500 no", false},
		{"220 mx.example.com", "530 5.7.0 no", false},
		{"220 (vsFTPd 3.0.5)", "421 too busy", false},
		{"220 (vsFTPd 3.0.5)", "554 no", false},
	} {
		for _, service := range services {
			t.Run(tt.greeting+"/"+service, func(t *testing.T) {
				withClerk(t, func(c *clerk) {
					c.greeting, c.answer = tt.greeting, on("EHLO", tt.ehlo)
				}, func(t *testing.T, c *clerk) {
					var step error
					ctx := submit.WithTrace(t.Context(), func(_ context.Context, e submit.Event) { step = e.Err })
					_, err := (&world{config: c.withPassword()}).transport(service).Dial(ctx)
					require.Equal(t, submit.PhaseHello, asError(t, err).Phase)
					require.Equal(t, err, step)
					if !tt.is {
						require.NotNil(t, asError(t, err).Reply)
						return
					}
					var port *submit.PortError
					require.ErrorAs(t, err, &port)
					require.Equal(t, "FTP", port.Speaks)
					require.LessOrEqual(t, len(port.Got), 32)
					require.Nil(t, asError(t, err).Reply)
					require.NotErrorIs(t, err, submit.ErrRejected)
					require.NotErrorIs(t, err, submit.ErrCredentials)
					require.ErrorIs(t, err, submit.ErrProtocol)
				})
			})
		}
	}
	withClerk(t, ftp, func(t *testing.T, c *clerk) { // a server that is all well else
		c.answer = nil
		s, err := c.implicit().Dial(t.Context())
		require.NoError(t, err)
		require.NoError(t, s.Close())
	})
}

// A record of TLS that cannot be used is a handshake that went wrong, at the right
// port.
func TestBadRecordIsNoOtherPort(t *testing.T) {
	for _, header := range []string{"\x16\x03\x03\xff\xff", "\x16\x03\x01\xff\xff", "\x17\x03\x03\x00\x05"} {
		withClerk(t, speaking(header+"xxxxx"), func(t *testing.T, c *clerk) {
			_, err := c.implicit().Dial(t.Context())
			require.Equal(t, submit.PhaseHandshake, asError(t, err).Phase)
			requireMeans(t, err, "Insecure")
			var port *submit.PortError
			require.NotErrorAs(t, err, &port)
		})
	}
}
