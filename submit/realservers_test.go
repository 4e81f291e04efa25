package submit_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/submit"
)

// What real servers were seen to do, and what it means.

// Exim, at the limit of its connections, turns a TLS port's client away in
// cleartext. It is busy, and neither insecure nor another kind of port.
func TestRefusedBeforeTLS(t *testing.T) {
	for reply, means := range map[string][]string{
		"421 too many connections\r\n": {"Temporary"},
		"550 no service\r\n":           {"Rejected"},
		"220 mx ESMTP\r\n":             {"Insecure", "Protocol"},

		// Postfix from 3.9 on, on a port where STARTTLS is due: what comes before
		// its greeting came too early.
		"554 5.5.0 Error: SMTP protocol synchronization\r\n": {"Insecure", "Protocol"},
	} {
		withClerk(t, func(c *clerk) {
			c.play = func(nc net.Conn) { io.WriteString(nc, reply); io.Copy(io.Discard, nc) }
		}, func(t *testing.T, c *clerk) {
			_, err := c.implicit().Dial(t.Context())
			requireMeans(t, err, means...)
			if reply[:3] != "220" && reply[:3] != "554" {
				require.ErrorContains(t, err, reply[:3]+" (said in cleartext, before TLS)")
			}
		})
	}
}

// OpenSMTPD says 530 to MAIL of a sender who may not use that address, after
// 235. To ask for the password again would not help.
func TestRefusedAfterAuthentication(t *testing.T) {
	for _, reply := range []string{"530 Sender rejected", "535 5.7.8 not you"} {
		withClerk(t, func(c *clerk) { c.answer = on("MAIL", reply) }, func(t *testing.T, c *clerk) {
			_, err := c.session(c.withPassword()).Submit(t.Context(), letter())
			requireMeans(t, err, "Rejected")
			_, err = c.session(c.config()).Submit(t.Context(), letter())
			requireMeans(t, err, "Credentials")
		})
	}
}

// Without credentials Postfix and Exim refuse as their administrators word it;
// the error says what may be behind that.
func TestRefusedAsAStranger(t *testing.T) {
	hint := "(no credentials are given, and the server offers PLAIN, LOGIN)"
	for reply, hinted := range map[string]bool{
		"554 5.7.1 Access denied":                    true,
		"553 5.7.1 Sender address rejected":          true,
		"550 authentication required":                true,
		"550 5.1.1 no such user":                     false,
		"450 4.7.1 greylisted":                       false,
		"552 5.2.2 mailbox full, which is temporary": false,
	} {
		withClerk(t, func(c *clerk) { c.answer = on("RCPT", reply) }, func(t *testing.T, c *clerk) {
			_, err := c.session(c.config()).Submit(t.Context(), letter())
			require.Equal(t, hinted, strings.Contains(err.Error(), hint), err.Error())
			_, err = c.session(c.withPassword()).Submit(t.Context(), letter())
			require.NotContains(t, err.Error(), hint)
		})
	}
}

// Postfix refuses twenty recipients one by one, and then ends the session. The
// error has them all: the same list would end the same way again.
func TestRecipientsRefusedBeforeTheEnd(t *testing.T) {
	for reply, phase := range map[string]submit.Phase{"421 4.7.0 too many errors": submit.PhaseRecipient, hangUp: submit.PhaseRecipient} {
		withClerk(t, func(c *clerk) {
			c.answer = func(_ *desk, line string) string {
				switch {
				case !strings.HasPrefix(line, "RCPT"):
					return ""
				case strings.Contains(line, "<nobody5@"):
					return reply
				}
				return "550 5.1.1 nobody"
			}
		}, func(t *testing.T, c *clerk) {
			var to []string
			for i := range 10 {
				to = append(to, fmt.Sprintf("nobody%d@example.net", i))
			}
			m := letter(to...)
			m.Partial = true
			_, err := c.session(c.config()).Submit(t.Context(), m)
			e := asError(t, err)
			require.Equal(t, phase, e.Phase)
			require.GreaterOrEqual(t, len(e.Refused), 5)
			require.Equal(t, to[0], e.Refused[0].Recipient)
			require.Equal(t, 550, e.Refused[4].Reply.Code)
			requireMeans(t, err, "Temporary")
		})
	}
}

// OpenSMTPD takes a hundred messages a session and answers MAIL with 452 from
// then on, without hanging up. The pool opens another session, unseen.
func TestSessionThatIsFull(t *testing.T) {
	const each = 3
	withClerk(t, func(c *clerk) {
		mails := map[int]int{}
		c.answer = func(d *desk, line string) string {
			if strings.HasPrefix(line, "MAIL") {
				if mails[d.n]++; mails[d.n] > each {
					return "452 4.5.3 Too many recipients: Too many messages sent"
				}
			}
			return ""
		}
	}, func(t *testing.T, c *clerk) {
		pool := &submit.Pool{Transport: c.implicit(), MaxSessions: 1}
		for i := range 10 {
			_, err := pool.Submit(t.Context(), numbered(i))
			require.NoError(t, err)
		}
		require.NoError(t, pool.Close())
		require.Len(t, c.took(), 10)
		require.Equal(t, 4, c.called())
	})
}

// A session that has carried nothing is not full: what the server says stands.
func TestSenderRefusedForNowIsNotAFullSession(t *testing.T) {
	withClerk(t, func(c *clerk) {
		c.offers = []string{"8BITMIME"}
		c.answer = on("MAIL", "452 4.5.3 not from you, not now")
	}, func(t *testing.T, c *clerk) {
		pool := &submit.Pool{Transport: c.implicit()}
		for i := range 3 {
			_, err := pool.Submit(t.Context(), numbered(i))
			requireMeans(t, err, "Temporary")
		}
		require.NoError(t, pool.Close())
		require.Equal(t, 1, c.called())
	})
}

// An internationalised domain has a form in ASCII, which every server takes; an
// internationalised local part has none.
func TestDomainThatCouldBeASCII(t *testing.T) {
	withClerk(t, nil, func(t *testing.T, c *clerk) {
		s := c.session(c.config())
		_, err := s.Submit(t.Context(), letter("ann@exämple.net"))
		require.ErrorContains(t, err, "a domain is not ASCII; written as xn--... it is")
		_, err = s.Submit(t.Context(), letter("änn@exämple.net"))
		require.ErrorContains(t, err, "an address is not ASCII")
		require.ErrorIs(t, err, errors.ErrUnsupported)
	})
}

// A verdict is a verdict: a message that was answered 421 at its end is not
// offered again, and no password shown again, behind the caller's back.
func TestBusyVerdictIsNotAStaleSession(t *testing.T) {
	withClerk(t, func(c *clerk) {
		c.answer = func(d *desk, line string) string {
			if line == "." && len(d.heard("MAIL")) > 1 {
				return "421 4.7.0 too many messages" + hangUp
			}
			return ""
		}
	}, func(t *testing.T, c *clerk) {
		transport := c.implicit()
		transport.Config = c.withPassword()
		pool := &submit.Pool{Transport: transport}
		_, err := pool.Submit(t.Context(), numbered(1))
		require.NoError(t, err)
		_, err = pool.Submit(t.Context(), numbered(2))
		requireMeans(t, err, "Temporary")
		require.NoError(t, pool.Close())
		require.Equal(t, 1, c.called())
		require.Len(t, c.heard("AUTH"), 1)
	})
}

// Promise 10: however many recipients a server refuses, and however much it has
// to say to each.
func TestVerboseRefusals(t *testing.T) {
	essay := strings.Repeat("550-"+strings.Repeat("x", 500)+"\n", 20) + "550 5.1.1 that was it"
	withClerk(t, func(c *clerk) { c.answer = on("RCPT", essay) }, func(t *testing.T, c *clerk) {
		var to []string
		for i := range 400 {
			to = append(to, fmt.Sprintf("nobody%d@example.net", i))
		}
		m := letter(to...)
		m.Partial = true
		_, err := c.session(c.config()).Submit(t.Context(), m)
		e := asError(t, err)
		require.Len(t, e.Refused, len(to))
		kept := 0
		for _, r := range e.Refused {
			require.Equal(t, 550, r.Reply.Code)
			kept += len(r.Reply.Text())
		}
		require.Less(t, kept, 1<<20+1<<14)
		require.Contains(t, e.Refused[0].Reply.Text(), "xxx")
	})
}

// Who gives a URL for a host does not see its password again.
func TestURLInThePlaceOfAHost(t *testing.T) {
	transport := &submit.ImplicitTLS{Host: "smtps://me:hunter2@smtp.example.com"}
	_, err := transport.Dial(t.Context())
	require.ErrorIs(t, err, submit.ErrInvalid)
	require.ErrorIs(t, transport.Check(), submit.ErrInvalid)
	require.NotContains(t, fmt.Sprint(err, transport.Endpoint(), transport.Check()), "hunter2")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = (&submit.Pool{Transport: transport}).Submit(ended, letter())
	require.NotContains(t, err.Error(), "hunter2")
}

// Port 25 is for relays, which mailport is not.
func TestPort25(t *testing.T) {
	_, err := (&submit.STARTTLS{Host: host, Port: 25}).Dial(t.Context())
	require.ErrorContains(t, err, "relays")
	require.ErrorIs(t, err, submit.ErrInvalid)
}

// A timeout of the system, or of the caller's dialer, is not ours.
func TestTimeoutOfTheSystem(t *testing.T) {
	system := &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ETIMEDOUT}
	transport := &submit.ImplicitTLS{Host: host, Config: submit.Config{
		DialContext: func(context.Context, string, string) (net.Conn, error) { return nil, system },
	}}
	_, err := transport.Dial(t.Context())
	require.ErrorIs(t, err, syscall.ETIMEDOUT)
	var op *net.OpError
	require.ErrorAs(t, err, &op)
	require.NotContains(t, err.Error(), "no answer within")
	requireMeans(t, err, "Unreachable", "Temporary")
}

// A service is known by its greeting even if that comes octet by octet.
func TestGreetingInPieces(t *testing.T) {
	withClerk(t, func(c *clerk) {
		c.net.SetSegment(host+":587", 1)
		c.play = func(nc net.Conn) { io.WriteString(nc, "* OK IMAP4rev1 ready\r\n"); io.Copy(io.Discard, nc) }
	}, func(t *testing.T, c *clerk) {
		_, err := c.starttls().Dial(t.Context())
		var port *submit.PortError
		require.ErrorAs(t, err, &port)
		require.Equal(t, "IMAP", port.Speaks)
	})
}

// What the server cannot do is a step that failed, too.
func TestTraceOfALackingServer(t *testing.T) {
	withClerk(t, nil, func(t *testing.T, c *clerk) {
		s := c.session(c.config())
		var last submit.Event
		ctx := submit.WithTrace(t.Context(), func(_ context.Context, e submit.Event) { last = e })
		_, err := s.Submit(ctx, letter("änn@example.net"))
		require.Error(t, err)
		require.Equal(t, err, last.Err)
		require.Equal(t, submit.PhaseSender, last.Phase)
	})
}
