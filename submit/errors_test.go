package submit_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/internal/fakenet"
	"github.com/mailport/mailport/submit"
)

// commands are where a clerk replies in which phase.
var commands = map[submit.Phase]string{
	submit.PhaseHello: "EHLO", submit.PhaseStartTLS: "STARTTLS", submit.PhaseHelloAgain: "EHLO", submit.PhaseAuth: "AUTH",
	submit.PhaseSender: "MAIL", submit.PhaseRecipient: "RCPT", submit.PhaseData: "DATA", submit.PhaseVerdict: ".",
}

// replying instructs a clerk to say reply in a phase over a service.
func replying(service string, phase submit.Phase, reply string) func(*clerk) {
	return func(c *clerk) {
		if phase == submit.PhaseGreeting {
			c.greeting = reply
			return
		}
		c.answer = func(d *desk, line string) string {
			overTLS := service == submit.Submissions || phase != submit.PhaseHello && phase != submit.PhaseStartTLS
			if d.tls == overTLS && strings.HasPrefix(line, commands[phase]) {
				return reply
			}
			return ""
		}
	}
}

// What a refusal means goes by its phase and its code, and by the enhanced code
// where that says more: RFC 5321, section 4.2.1; RFC 4954, sections 4 and 6.
func TestMeaningOfReplies(t *testing.T) {
	const (
		temporary, rejected, protocol = "Temporary", "Rejected", "Protocol"
		credentials, insecure, none   = "Credentials", "Insecure", "NoSTARTTLS"
	)
	for _, test := range []struct {
		phase submit.Phase
		reply string
		means []string
	}{
		{submit.PhaseGreeting, "421 4.3.2 too busy", []string{temporary}},
		{submit.PhaseGreeting, "450 later", []string{temporary}},
		{submit.PhaseGreeting, "554 no service", []string{rejected}},
		{submit.PhaseGreeting, "530 who are you", []string{rejected}},
		{submit.PhaseGreeting, "250 hello", []string{protocol}},
		{submit.PhaseGreeting, "354 go ahead", []string{protocol}},

		{submit.PhaseHello, "421 bye", []string{temporary}},
		{submit.PhaseHello, "450 not now", []string{temporary}},
		{submit.PhaseHello, "502 never heard of it", []string{rejected}},
		{submit.PhaseHello, "550 bad name", []string{rejected}},
		{submit.PhaseHello, "220 hello", []string{protocol}},

		{submit.PhaseStartTLS, "454 4.7.0 no entropy", []string{insecure, none, temporary}},
		{submit.PhaseStartTLS, "421 bye", []string{insecure, none, temporary}},
		{submit.PhaseStartTLS, "502 5.5.1 what?", []string{insecure, none}},
		{submit.PhaseStartTLS, "530 5.7.0 no", []string{insecure, none}},
		{submit.PhaseStartTLS, "250 ok", []string{insecure, none}},

		{submit.PhaseHelloAgain, "421 bye", []string{temporary}},
		{submit.PhaseHelloAgain, "550 bad name", []string{rejected}},

		{submit.PhaseAuth, "421 bye", []string{temporary}},
		{submit.PhaseAuth, "432 4.7.12 password transition", []string{temporary}},
		{submit.PhaseAuth, "454 4.7.0 directory is down", []string{temporary}},
		{submit.PhaseAuth, "500 5.5.6 too long", []string{credentials}},
		{submit.PhaseAuth, "501 5.5.2 what?", []string{credentials}},
		{submit.PhaseAuth, "504 5.5.4 no such mechanism", []string{credentials}},
		{submit.PhaseAuth, "530 5.7.0 no", []string{credentials}},
		{submit.PhaseAuth, "534 5.7.9 too weak", []string{credentials}},
		{submit.PhaseAuth, "535 5.7.8 no", []string{credentials}},
		{submit.PhaseAuth, "538 5.7.11 no", []string{credentials}},
		{submit.PhaseAuth, "550 5.7.30 switched off", []string{credentials}},
		{submit.PhaseAuth, "250 ok", []string{protocol}},

		{submit.PhaseSender, "421 bye", []string{temporary}},
		{submit.PhaseSender, "450 later", []string{temporary}},
		{submit.PhaseSender, "451 4.3.0 later", []string{temporary}},
		{submit.PhaseSender, "452 4.3.1 full", []string{temporary}},
		{submit.PhaseSender, "455 4.5.0 not now", []string{temporary}},
		{submit.PhaseSender, "500 5.5.2 what?", []string{rejected}},
		{submit.PhaseSender, "530 5.7.0 authentication required", []string{rejected}}, // after 235
		{submit.PhaseSender, "535 5.7.3 not logged in", []string{rejected}},
		{submit.PhaseSender, "550 5.7.1 not you", []string{rejected}},
		{submit.PhaseSender, "552 too large", []string{"TooLarge", rejected}},
		{submit.PhaseSender, "552 5.3.4 too large", []string{"TooLarge", rejected}},
		{submit.PhaseSender, "552 5.2.2 quota", []string{rejected}},
		{submit.PhaseSender, "553 no", []string{rejected}},
		{submit.PhaseSender, "555 what parameter?", []string{rejected}},
		{submit.PhaseSender, "354 go ahead", []string{protocol}},

		{submit.PhaseRecipient, "421 bye", []string{temporary}},
		{submit.PhaseRecipient, "450 4.2.1 greylisted", []string{temporary}},
		{submit.PhaseRecipient, "452 4.5.3 too many", []string{temporary}},
		{submit.PhaseRecipient, "530 5.7.0 authentication required", []string{rejected}},
		{submit.PhaseRecipient, "550 5.1.1 nobody", []string{rejected}},
		{submit.PhaseRecipient, "551 elsewhere", []string{rejected}},
		{submit.PhaseRecipient, "552 too many", []string{temporary}}, // RFC 5321, section 4.5.3.1.10
		{submit.PhaseRecipient, "552 5.2.3 too long for them", []string{temporary}},
		{submit.PhaseRecipient, "554 5.7.1 no", []string{rejected}},
		{submit.PhaseRecipient, "354 go ahead", []string{protocol}},

		{submit.PhaseData, "421 bye", []string{temporary}},
		{submit.PhaseData, "451 4.3.0 later", []string{temporary}},
		{submit.PhaseData, "552 5.3.4 too large", []string{"TooLarge", rejected}},
		{submit.PhaseData, "554 5.5.1 no valid recipients", []string{rejected}},
		{submit.PhaseData, "250 ok", []string{protocol}},

		{submit.PhaseVerdict, "421 bye", []string{temporary}},
		{submit.PhaseVerdict, "451 4.3.0 later", []string{temporary}},
		{submit.PhaseVerdict, "452 4.3.1 full", []string{temporary}},
		{submit.PhaseVerdict, "550 5.7.1 spam", []string{rejected}},
		{submit.PhaseVerdict, "552 too large", []string{"TooLarge", rejected}},
		{submit.PhaseVerdict, "552 5.2.3 too long", []string{"TooLarge", rejected}},
		{submit.PhaseVerdict, "554 5.3.4 too large", []string{"TooLarge", rejected}},
		{submit.PhaseVerdict, "554 5.6.0 what is this?", []string{rejected}},
		{submit.PhaseVerdict, "354 go on", []string{"Uncertain"}}, // is no verdict
	} {
		for _, service := range services {
			again := test.phase == submit.PhaseHelloAgain || test.phase == submit.PhaseStartTLS
			if again && service == submit.Submissions {
				continue
			}
			t.Run(fmt.Sprintf("%s/%v/%s", service, test.phase, test.reply), func(t *testing.T) {
				withClerk(t, replying(service, test.phase, test.reply), func(t *testing.T, c *clerk) {
					_, err := (&world{config: c.withPassword()}).transport(service).Submit(t.Context(), letter())
					e := asError(t, err)
					requireMeans(t, err, test.means...)
					require.Equal(t, test.phase, e.Phase)
					require.Equal(t, submit.Endpoint{Service: service, Host: host, Port: map[string]int{submit.Submissions: 465, submit.Submission: 587}[service]}, e.Endpoint)
					require.True(t, strings.HasPrefix(err.Error(), e.Endpoint.String()+": "+e.Phase.String()), err.Error())
					require.Contains(t, err.Error(), test.reply[4:], "what the server said")
					if test.phase == submit.PhaseRecipient {
						require.Equal(t, friend, e.Recipient)
						require.Contains(t, err.Error(), "recipient <"+friend+">: ")
					} else {
						require.Empty(t, e.Recipient)
					}

					code, _ := strconv.Atoi(test.reply[:3])
					var se *smtp.SMTPError
					require.ErrorAs(t, err, &se)
					require.Equal(t, code, se.Code)
					if test.phase != submit.PhaseVerdict || code >= 400 {
						require.Equal(t, code, e.Reply.Code)
						require.Equal(t, smtp.EnhancedCode(e.Reply.Enhanced), se.EnhancedCode)
						require.Equal(t, []string{test.reply[4:]}, e.Reply.Lines)
					}
				})
			})
		}
	}
}

// What no reply caused.
func TestMeaningOfCauses(t *testing.T) {
	const unreachable, temporary = "Unreachable", "Temporary"
	lost := func(phase submit.Phase) []string {
		switch {
		case phase < submit.PhaseAuth:
			return []string{unreachable, temporary}
		case phase == submit.PhaseVerdict:
			return []string{"Uncertain"}
		}
		return []string{temporary}
	}
	submitOver := func(t *testing.T, c *clerk, service string) error {
		config := c.withPassword()
		config.Timeouts.Command, config.Timeouts.Verdict, config.Timeouts.Handshake = time.Minute, time.Minute, time.Minute
		_, err := (&world{config: config}).transport(service).Submit(t.Context(), letter())
		return err
	}
	for _, service := range services {
		for _, phase := range phases(service) {
			if phase != submit.PhaseGreeting && commands[phase] == "" {
				continue
			}
			name := service + "/" + phase.String() + "/"
			t.Run(name+"hang-up", func(t *testing.T) {
				withClerk(t, replying(service, phase, hangUp), func(t *testing.T, c *clerk) {
					err := submitOver(t, c, service)
					require.Equal(t, phase, asError(t, err).Phase)
					require.Nil(t, asError(t, err).Reply)
					require.ErrorIs(t, err, io.EOF)
					requireMeans(t, err, lost(phase)...)
				})
			})
			t.Run(name+"silence", func(t *testing.T) {
				withClerk(t, replying(service, phase, silence), func(t *testing.T, c *clerk) {
					err := submitOver(t, c, service)
					require.Equal(t, phase, asError(t, err).Phase)
					var ne net.Error
					require.ErrorAs(t, err, &ne)
					require.True(t, ne.Timeout())
					require.NotErrorIs(t, err, context.DeadlineExceeded, "nobody's context has ended")
					requireMeans(t, err, lost(phase)...)
					require.Contains(t, err.Error(), "1m0s")
				})
			})
			t.Run(name+"nonsense", func(t *testing.T) {
				withClerk(t, replying(service, phase, "\x1b[2Jnonsense\r\n250 forged"), func(t *testing.T, c *clerk) {
					err := submitOver(t, c, service)
					require.Equal(t, phase, asError(t, err).Phase)
					switch phase {
					case submit.PhaseVerdict:
						requireMeans(t, err, "Uncertain")
					case submit.PhaseGreeting:
						if service == submit.Submissions {
							requireMeans(t, err, "Protocol") // over verified TLS
						} else {
							requireMeans(t, err, "Insecure", "Protocol")
						}
						var pe *submit.PortError
						require.ErrorAs(t, err, &pe)
					default:
						requireMeans(t, err, "Protocol")
					}
				})
			})
			t.Run(name+"own deadline", func(t *testing.T) {
				withClerk(t, replying(service, phase, silence), func(t *testing.T, c *clerk) {
					ctx, cancel := context.WithTimeout(t.Context(), time.Second)
					defer cancel()
					_, err := (&world{config: c.withPassword()}).transport(service).Submit(ctx, letter())
					require.Equal(t, phase, asError(t, err).Phase)
					require.ErrorIs(t, err, context.DeadlineExceeded)
					if phase == submit.PhaseVerdict {
						requireMeans(t, err, "Uncertain")
					} else {
						requireMeans(t, err)
					}
				})
			})
		}
	}
}

// Where nobody answers.
func TestMeaningOfDials(t *testing.T) {
	withClerk(t, nil, func(t *testing.T, c *clerk) {
		dial := func(host string, port int) error {
			config := c.config()
			config.Timeouts.Connect = time.Minute
			_, err := (&submit.ImplicitTLS{Host: host, Port: port, Config: config}).Dial(t.Context())
			return err
		}
		err := dial(host, 2465)
		require.Equal(t, submit.PhaseConnect, asError(t, err).Phase)
		requireMeans(t, err, "Temporary", "Unreachable")
		require.ErrorIs(t, err, syscall.ECONNREFUSED)
		var op *net.OpError
		require.ErrorAs(t, err, &op)

		c.net.BlackHole(host + ":465")
		err = dial(host, 465)
		require.Equal(t, submit.PhaseConnect, asError(t, err).Phase)
		requireMeans(t, err, "Temporary", "Unreachable")
		require.Contains(t, err.Error(), "no answer within 1m0s")

		c.net.Unresolvable("nowhere.example.com")
		err = dial("nowhere.example.com", 465)
		require.Equal(t, submit.PhaseResolve, asError(t, err).Phase)
		requireMeans(t, err, "Unreachable")
		var dns *net.DNSError
		require.ErrorAs(t, err, &dns)

		config := c.config()
		config.DialContext = func(context.Context, string, string) (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "server misbehaving", Name: host, IsTemporary: true}}
		}
		_, err = (&submit.ImplicitTLS{Host: host, Config: config}).Dial(t.Context())
		require.Equal(t, submit.PhaseResolve, asError(t, err).Phase)
		requireMeans(t, err, "Temporary", "Unreachable")

		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errOwn)
		_, err = (&submit.ImplicitTLS{Host: host, Config: c.config()}).Dial(ctx)
		asError(t, err)
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorIs(t, err, errOwn)
		requireMeans(t, err)
	})
}

// Reading the body is the caller's part: what it says goes wrong is no fault of
// the server's, and the server gets no message (promise 4).
func TestMeaningOfUnreadableBody(t *testing.T) {
	withClerk(t, nil, func(t *testing.T, c *clerk) {
		m := letter()
		m.Body = io.MultiReader(strings.NewReader(large), iotest.ErrReader(errDisk))
		_, err := c.session(c.config()).Submit(t.Context(), m)
		require.Equal(t, submit.PhaseBody, asError(t, err).Phase)
		require.ErrorIs(t, err, errDisk)
		for _, meaning := range meanings(err) {
			require.Equal(t, "Invalid", meaning)
		}
		require.Contains(t, err.Error(), "disk / on fire")
		require.Empty(t, c.took())
	})
}

// RFC 5321, section 4.2: a server that says no unasked, and stays, says nothing
// about the message that it has not seen.
func TestUnaskedRefusalIsNoVerdict(t *testing.T) {
	withClerk(t, func(c *clerk) {
		c.answer = on("EHLO", ehloReply("PIPELINING")+"\n554 5.7.1 go away")
	}, func(t *testing.T, c *clerk) {
		_, err := c.session(c.config()).Submit(t.Context(), letter())
		requireMeans(t, err, "Protocol")
		require.Contains(t, asError(t, err).Error(), "554 5.7.1 go away")
		require.Empty(t, c.heard("MAIL"))
	})
	// That it goes away is believed: RFC 5321, section 3.8.
	withClerk(t, func(c *clerk) {
		c.answer = on("EHLO", ehloReply("PIPELINING")+"\n421 4.3.2 shutting down"+hangUp)
	}, func(t *testing.T, c *clerk) {
		_, err := c.session(c.config()).Submit(t.Context(), letter())
		requireMeans(t, err, "Temporary")
		require.Equal(t, 421, asError(t, err).Reply.Code)
	})
}

// Of several refused recipients one that is refused for good decides, and all are
// there to be seen.
func TestSeveralRefused(t *testing.T) {
	replies := map[string]string{"a@": "450 4.2.1 greylisted", "b@": "550 5.1.1 nobody", "c@": "250 ok", "d@": "552 5.2.2 full"}
	for _, pipelining := range []string{"PIPELINING", "X-NONE"} {
		for _, partial := range []bool{false, true} {
			withClerk(t, func(c *clerk) {
				c.offers = []string{pipelining}
				c.answer = func(_ *desk, line string) string {
					if to, ok := strings.CutPrefix(line, "RCPT TO:<"); ok {
						return replies[to[:2]]
					}
					return ""
				}
			}, func(t *testing.T, c *clerk) {
				s := c.session(c.config())
				m := letter("a@example.net", "b@example.net", "d@example.net")
				m.Partial = partial
				_, err := s.Submit(t.Context(), m)
				e := asError(t, err)
				if pipelining == "PIPELINING" || partial {
					requireMeans(t, err, "Rejected")
					require.Equal(t, "b@example.net", e.Recipient)
					require.Len(t, e.Refused, 3)
					requireMeans(t, e.Refused[0], "Temporary")
					requireMeans(t, e.Refused[1], "Rejected")
					requireMeans(t, e.Refused[2], "Temporary")
					require.Contains(t, err.Error(), "and 2 more refused")
				} else { // the others were not asked for
					requireMeans(t, err, "Temporary")
					require.Empty(t, e.Refused)
				}

				m = letter("a@example.net", "c@example.net")
				m.Partial = partial
				r, err := c.session(c.config()).Submit(t.Context(), m)
				if !partial {
					requireMeans(t, err, "Temporary")
					return
				}
				require.NoError(t, err)
				require.Len(t, r.Refused, 1)
				require.Equal(t, "a@example.net", r.Refused[0].Recipient)
				requireMeans(t, r.Refused[0], "Temporary")
			})
		}
	}
}

// Every way to break a connection, seen through errors.As.
func TestBrokenConnectionCauses(t *testing.T) {
	withClerk(t, nil, func(t *testing.T, c *clerk) {
		s := c.session(c.config())
		links := c.net.Links(fakenet.Anywhere)
		links[len(links)-1].Cut(fakenet.RST)
		_, err := s.Submit(t.Context(), letter())
		var op *net.OpError
		require.ErrorAs(t, err, &op)
		require.ErrorIs(t, err, syscall.ECONNRESET)
		requireMeans(t, err, "Temporary")

		_, err = s.Submit(t.Context(), letter())
		require.Contains(t, asError(t, err).Error(), "session has ended: ")
		require.Contains(t, err.Error(), "reset", "why it has")
		requireMeans(t, err, "Temporary")
	})
}

// What ended one call says nothing about the next.
func TestAfterACancelledCall(t *testing.T) {
	withClerk(t, on2("MAIL", silence), func(t *testing.T, c *clerk) {
		s := c.session(c.config())
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := s.Submit(ctx, letter())
		require.ErrorIs(t, err, context.DeadlineExceeded)
		_, err = s.Submit(t.Context(), letter())
		require.NotErrorIs(t, err, context.DeadlineExceeded)
		requireMeans(t, err, "Temporary")
		require.Contains(t, asError(t, err).Error(), "session has ended: ")
	})
}

// Phases, endpoints and errors print themselves.
func TestPrinting(t *testing.T) {
	require.Equal(t, "before connecting", submit.Phase(0).String())
	require.Equal(t, "before connecting", submit.Phase(-1).String())
	require.Equal(t, "before connecting", (submit.PhaseVerdict + 1).String())
	seen := map[string]bool{}
	for p := submit.PhaseResolve; p <= submit.PhaseVerdict; p++ {
		text, err := p.MarshalText()
		require.NoError(t, err)
		require.Equal(t, p.String(), string(text))
		require.False(t, seen[p.String()])
		seen[p.String()] = true
	}
	require.Equal(t, "submissions://[2001:db8::1]:465", (&submit.ImplicitTLS{Host: "2001:db8::1"}).Endpoint().String())
	require.Equal(t, "submission://smtp.example.com:587", (&submit.STARTTLS{Host: host}).Endpoint().String())
	require.Equal(t, "submission://smtp.example.com:2525", (&submit.STARTTLS{Host: host, Port: 2525}).Endpoint().String())
	require.Equal(t, "auth: failed", (&submit.Error{Phase: submit.PhaseAuth}).Error())
	require.Equal(t, `invalid X "`+strings.Repeat("x", 100)+`…": y`, (&submit.InvalidError{Field: "X", Value: strings.Repeat("x", 101), Reason: "y"}).Error())
	require.True(t, slices.IsSorted([]submit.Phase{submit.PhaseResolve, submit.PhaseHandshake, submit.PhaseAuth, submit.PhaseVerdict}))
}
