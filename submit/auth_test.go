package submit_test

import (
	"context"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/auth"
	"github.com/mailport/mailport/submit"
)

// plainLine is what PLAIN sends for a username and a password.
func plainLine(username, password string) string {
	return base64.StdEncoding.EncodeToString([]byte("\x00" + username + "\x00" + password))
}

// dialogue instructs a clerk to answer AUTH, and what the client says then, with
// replies in turn.
func dialogue(replies ...string) func(*clerk) {
	return func(c *clerk) {
		left := map[int][]string{} // by call
		c.answer = func(d *desk, line string) string {
			verb, _, _ := strings.Cut(line, " ")
			if verb == "AUTH" || !slices.Contains([]string{"EHLO", "MAIL", "RCPT", "DATA", ".", "RSET", "QUIT"}, verb) {
				if left[d.n] == nil {
					left[d.n] = slices.Clone(replies)
				}
				if len(left[d.n]) == 0 {
					return "503 5.5.1 enough"
				}
				reply := left[d.n][0]
				left[d.n] = left[d.n][1:]
				return reply
			}
			return ""
		}
	}
}

// both are instructions for one clerk.
func all(instructions ...func(*clerk)) func(*clerk) {
	return func(c *clerk) {
		for _, instruct := range instructions {
			instruct(c)
		}
	}
}

func base64Of(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

// RFC 5321, section 4.5.3.1.4, and RFC 4954, section 4: the initial response goes
// with the command if the line has no more than 512 octets with its end; else it
// waits for an empty challenge.
func TestInitialResponse(t *testing.T) {
	const room = 512 - len("AUTH PLAIN \r\n") // 499: 496 octets of base64, 372 of what is encoded
	for _, test := range []struct {
		octets int // of the message of PLAIN
		held   bool
	}{{20, false}, {room / 4 * 3, false}, {room/4*3 + 1, true}, {9000, true}} {
		for _, challenge := range []string{"334", "334 ", "334  "} {
			withClerk(t, dialogue(challenge, "235 2.7.0 ok"), func(t *testing.T, c *clerk) {
				if !test.held {
					c.answer = nil
				}
				secret := strings.Repeat("x", test.octets-len("\x00me\x00"))
				config := c.config()
				config.Credentials = auth.Password("me", secret)
				_, err := c.session(config).Submit(t.Context(), letter())
				require.NoError(t, err)
				said := c.heard()[1:3]
				if test.held {
					require.Equal(t, []string{"AUTH PLAIN", plainLine("me", secret)}, said)
				} else {
					require.Equal(t, "AUTH PLAIN "+plainLine("me", secret), said[0])
					require.LessOrEqual(t, len(said[0])+2, 512)
				}
			})
		}
	}
}

// A response that no line can hold is not cut off: the exchange is cancelled
// (RFC 4954, section 4), and the session has no open exchange.
func TestResponseTooLong(t *testing.T) {
	withClerk(t, dialogue("334 ", "501 5.7.0 cancelled"), func(t *testing.T, c *clerk) {
		config := c.config()
		config.Credentials = auth.Password("me", strings.Repeat("x", 12288))
		_, err := c.session(config).Submit(t.Context(), letter())
		requireMeans(t, err, "Credentials")
		require.Equal(t, submit.PhaseAuth, asError(t, err).Phase)
		require.Contains(t, err.Error(), "12288")
		require.Equal(t, []string{"AUTH PLAIN", "*"}, c.heard()[1:])
	})
}

// The draft of LOGIN has prompts; servers have many, and none at all.
func TestLoginPrompts(t *testing.T) {
	for _, prompts := range [][2]string{
		{base64Of("Username:"), base64Of("Password:")},
		{base64Of("User Name\x00"), base64Of("Password\x00")},
		{base64Of("username:"), base64Of("password:")},
		{base64Of("Password:"), base64Of("Username:")},
		{"", ""}, {" ", "  "},
	} {
		first, second := "334 "+prompts[0], "334 "+prompts[1]
		if prompts[0] == "" {
			first, second = "334", "334"
		}
		withClerk(t, all(dialogue(first, second, "235 ok"), only("AUTH LOGIN")), func(t *testing.T, c *clerk) {
			_, err := c.session(c.withPassword()).Submit(t.Context(), letter())
			require.NoError(t, err)
			require.Equal(t, []string{"AUTH LOGIN", base64Of(user), base64Of(password)}, c.heard()[1:4])
		})
	}
	withClerk(t, all(dialogue("334 ", "334 ", "334 ", "501 cancelled"), only("AUTH LOGIN")), func(t *testing.T, c *clerk) {
		_, err := c.session(c.withPassword()).Submit(t.Context(), letter())
		requireMeans(t, err, "Protocol") // the server's fault, not the password's
		require.Equal(t, []string{"AUTH LOGIN", base64Of(user), base64Of(password), "*"}, c.heard()[1:])
	})
}

// RFC 4954, section 4: what is not base64 is answered with "*", once.
func TestChallengeNotBase64(t *testing.T) {
	for _, challenge := range []string{"334 not base64!", "334 YQ", "334 YQ=", "334 YR==", "334 YQ== YQ==", "334-YQ==\n334 YQ=="} {
		withClerk(t, all(dialogue(challenge, "501 5.5.2 cancelled"), only("AUTH LOGIN")), func(t *testing.T, c *clerk) {
			s := c.session(c.withPassword())
			_, err := s.Submit(t.Context(), letter())
			requireMeans(t, err, "Protocol")
			require.Equal(t, submit.PhaseAuth, asError(t, err).Phase)
			require.Equal(t, []string{"AUTH LOGIN", "*"}, c.heard()[1:], "LOGIN has an answer to anything")

			_, again := s.Submit(t.Context(), letter())
			require.Equal(t, err, again)
			require.Len(t, c.heard(), 3)
		})
	}
}

// RFC 4954, section 6: 504 lets the next mechanism try, in the client's order; nothing
// else does, since PLAIN has shown the password already (promise 2).
func TestNextMechanism(t *testing.T) {
	plain, login := "AUTH PLAIN "+plainLine(user, password), "AUTH LOGIN"
	for reply, tries := range map[string][]string{
		"504 5.5.4 unknown":   {plain, login},
		"534 5.7.9 too weak":  {plain},
		"500 5.5.6 too long":  {plain},
		"501 5.5.2 what?":     {plain},
		"535 5.7.8 no":        {plain},
		"530 5.7.0 no":        {plain},
		"538 5.7.11 no":       {plain},
		"550 5.7.30 off":      {plain},
		"454 4.7.0 later":     {plain},
		"432 4.7.12 change":   {plain},
		"421 4.3.0 bye":       {plain},
		"503 5.5.1 were here": {plain},
	} {
		withClerk(t, all(dialogue(reply, reply, reply), only("AUTH LOGIN PLAIN")), func(t *testing.T, c *clerk) {
			s := c.session(c.withPassword())
			_, err := s.Submit(t.Context(), letter())
			if strings.HasPrefix(reply, "4") {
				requireMeans(t, err, "Temporary")
			} else {
				requireMeans(t, err, "Credentials")
			}
			require.Contains(t, asError(t, err).Error(), reply)
			require.Equal(t, tries, c.heard("AUTH"))

			// A password is shown once to a session (promise 2).
			_, again := s.Submit(t.Context(), letter())
			if reply[:3] != "421" {
				require.Equal(t, err, again)
				require.Equal(t, err, s.Auth(t.Context()))
			}
			require.Equal(t, tries, c.heard("AUTH"))
			require.Empty(t, c.heard("MAIL"), "never unauthenticated instead")
		})
	}
	withClerk(t, all(dialogue("504 unknown", "334 ", "334 ", "235 ok"), only("AUTH PLAIN LOGIN")), func(t *testing.T, c *clerk) {
		s := c.session(c.withPassword())
		require.NoError(t, s.Auth(t.Context()))
		require.NoError(t, s.Auth(t.Context()))
		_, err := s.Submit(t.Context(), letter())
		require.NoError(t, err)
		require.Equal(t, []string{plain, login}, c.heard("AUTH"))
	})
}

// stubborn credentials know one mechanism, whatever is offered.
type stubborn struct{ auth.Credentials }

func (c stubborn) Exchange(ctx context.Context, server auth.Server) (auth.Mechanism, error) {
	server.Mechanisms = []string{"PLAIN"}
	return c.Credentials.Exchange(ctx, server)
}

// A server that says of every mechanism that it knows it not must not be told the
// password for ever, whatever the credentials do (promise 2).
func TestStubbornCredentials(t *testing.T) {
	withClerk(t, func(c *clerk) {
		c.answer = func(d *desk, line string) string {
			switch {
			case !strings.HasPrefix(line, "AUTH"):
				return ""
			case len(d.heard("AUTH")) > 20:
				return "535 5.7.8 enough"
			}
			return "504 5.5.4 unknown"
		}
	}, func(t *testing.T, c *clerk) {
		config := c.withPassword()
		config.Credentials = stubborn{config.Credentials}
		_, err := c.session(config).Submit(t.Context(), letter())
		requireMeans(t, err, "Credentials")
		require.Contains(t, err.Error(), "504")
		require.Len(t, c.heard("AUTH"), 1)
	})
}

// Credentials and no way to show them: nothing is submitted unauthenticated, and
// Dial says so already, so that another port can be tried.
func TestAuthNotOffered(t *testing.T) {
	for _, service := range services {
		for name, offers := range map[string][]string{"no AUTH": {"PIPELINING"}, "empty AUTH": {"AUTH"}, "empty AUTH=": {"AUTH="}} {
			t.Run(service+" "+name, func(t *testing.T) {
				withClerk(t, only(offers...), func(t *testing.T, c *clerk) {
					c.cleartext = []string{"STARTTLS", "AUTH PLAIN"}
					transport := (&world{config: c.withPassword()}).transport(service)
					_, err := transport.Dial(t.Context())
					requireMeans(t, err, "AuthNotOffered", "Credentials")
					require.Equal(t, submit.PhaseAuth, asError(t, err).Phase)
					_, err = transport.Submit(t.Context(), letter())
					requireMeans(t, err, "AuthNotOffered", "Credentials")
					require.Empty(t, c.heard("AUTH", "MAIL"))
				})
			})
		}
	}
	withClerk(t, nil, func(t *testing.T, c *clerk) {
		config := c.withPassword()
		config.Without = []string{"auth"}
		_, err := (&submit.ImplicitTLS{Host: host, Config: config}).Dial(t.Context())
		requireMeans(t, err, "AuthNotOffered", "Credentials")
	})
}

// Who has to change what is only clear from both lists.
func TestNoCommonMechanism(t *testing.T) {
	withClerk(t, only("AUTH GSSAPI", "AUTH=NTLM GSSAPI"), func(t *testing.T, c *clerk) {
		s := c.session(c.withPassword())
		_, err := s.Submit(t.Context(), letter())
		requireMeans(t, err, "Credentials")
		require.ErrorIs(t, err, auth.ErrNoMechanism)
		var e *auth.MechanismError
		require.ErrorAs(t, err, &e)
		require.Equal(t, []string{"GSSAPI", "NTLM"}, e.Offered)
		require.Contains(t, asError(t, err).Error(), "server offers GSSAPI, NTLM, credentials allow ")
		require.Contains(t, err.Error(), "PLAIN, LOGIN")
		require.Empty(t, c.heard("AUTH", "MAIL"))
	})
	withClerk(t, only("AUTH PLAIN"), func(t *testing.T, c *clerk) {
		config := c.withPassword()
		config.Credentials = auth.Only(config.Credentials, "LOGIN")
		_, err := c.session(config).Submit(t.Context(), letter())
		require.ErrorIs(t, err, auth.ErrNoMechanism)
	})
}

// A success before the client has shown what it knows, or before the server has,
// is a lie: the connection is cut, and nothing is submitted.
func TestUnprovenSuccess(t *testing.T) {
	long := auth.Password("me", strings.Repeat("x", 500))
	for name, test := range map[string]struct {
		credentials auth.Credentials
		replies     []string
	}{
		"PLAIN, held back":    {auth.Only(long, "PLAIN"), []string{"235 2.7.0 ok"}},
		"LOGIN, nothing":      {auth.Only(long, "LOGIN"), []string{"235 2.7.0 ok"}},
		"LOGIN, the username": {auth.Only(long, "LOGIN"), []string{"334 ", "235 2.7.0 ok"}},
	} {
		t.Run(name, func(t *testing.T) {
			withClerk(t, dialogue(test.replies...), func(t *testing.T, c *clerk) {
				config := c.config()
				config.Credentials = test.credentials
				s := c.session(config)
				_, err := s.Submit(t.Context(), letter())
				requireMeans(t, err, "Insecure")
				require.ErrorIs(t, err, auth.ErrUnproven)
				require.Equal(t, submit.PhaseAuth, asError(t, err).Phase)
				require.Zero(t, c.net.Open(), "the connection is cut")
				_, err = s.Submit(t.Context(), letter())
				require.Error(t, err)
				require.Empty(t, c.heard("MAIL", "*"))
			})
		})
	}
}

// A server that never stops asking does not keep the client.
func TestEndlessChallenges(t *testing.T) {
	withClerk(t, all(only("AUTH LOGIN"), func(c *clerk) {
		c.answer = func(_ *desk, line string) string {
			if strings.HasPrefix(line, "EHLO") {
				return ""
			}
			return "334 "
		}
	}), func(t *testing.T, c *clerk) {
		config := c.withPassword()
		config.Credentials = insatiable{}
		_, err := c.session(config).Submit(t.Context(), letter())
		requireMeans(t, err, "Protocol")
		require.Contains(t, asError(t, err).Error(), "never stops asking")
		require.LessOrEqual(t, len(c.heard()), 36)
		require.Equal(t, []string{"*"}, c.heard("*"))
	})
}

// insatiable has an answer to everything.
type insatiable struct{}

func (insatiable) Exchange(context.Context, auth.Server) (auth.Mechanism, error) {
	return insatiable{}, nil
}
func (insatiable) Start() (string, []byte, error) { return "login", nil, nil }
func (insatiable) Next([]byte) ([]byte, error)    { return []byte("x"), nil }
func (insatiable) Complete() bool                 { return false }

// RFC 4954, section 6: who has no credentials learns that they are wanted.
func TestAuthenticationRequired(t *testing.T) {
	withClerk(t, on2("MAIL", "530 5.7.0 authentication required"), func(t *testing.T, c *clerk) {
		s := c.session(c.config())
		require.NoError(t, s.Auth(t.Context()), "without credentials it does nothing")
		_, err := s.Submit(t.Context(), letter())
		requireMeans(t, err, "Credentials")
		require.Equal(t, submit.PhaseSender, asError(t, err).Phase)
		require.Empty(t, c.heard("AUTH"))
	})
}

// What credentials themselves have to say, and what they were told.
func TestCredentialsSay(t *testing.T) {
	for _, test := range []struct {
		err   error
		means []string
	}{
		{errOwn, []string{"Credentials"}},
		{auth.ErrUnsendable, []string{"Credentials"}},
		{auth.ErrInsecure, []string{"Insecure"}},
	} {
		withClerk(t, nil, func(t *testing.T, c *clerk) {
			config := c.config()
			var got auth.Server
			config.Credentials = credentials(func(_ context.Context, server auth.Server) (auth.Mechanism, error) {
				got = server
				return nil, test.err
			})
			s := c.session(config)
			err := s.Auth(t.Context())
			require.ErrorIs(t, err, test.err)
			requireMeans(t, err, test.means...)
			require.Equal(t, host, got.Name)
			require.Equal(t, []string{"PLAIN", "LOGIN"}, got.Mechanisms)
			require.True(t, got.TLS.HandshakeComplete)
			_, again := s.Submit(t.Context(), letter())
			require.Equal(t, err, again)
			require.Empty(t, c.heard("AUTH", "MAIL"))
		})
	}
	// The time that credentials take is the call's.
	withClerk(t, nil, func(t *testing.T, c *clerk) {
		config := c.config()
		config.Credentials = credentials(func(ctx context.Context, _ auth.Server) (auth.Mechanism, error) {
			<-ctx.Done()
			return nil, errors.New("token endpoint: gave up")
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := c.session(config).Auth(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		requireMeans(t, err)
	})
	// An address is verified, too, and has no SNI.
	withClerk(t, nil, func(t *testing.T, c *clerk) {
		config := c.config()
		config.Credentials = credentials(func(_ context.Context, server auth.Server) (auth.Mechanism, error) {
			require.Equal(t, "127.0.0.1", server.Name)
			return nil, errOwn
		})
		_, err := (&submit.ImplicitTLS{Host: "127.0.0.1", Config: config}).Submit(t.Context(), letter())
		require.ErrorIs(t, err, errOwn)
	})
}

type credentials func(context.Context, auth.Server) (auth.Mechanism, error)

func (f credentials) Exchange(ctx context.Context, server auth.Server) (auth.Mechanism, error) {
	return f(ctx, server)
}

// Credentials that panic have not been shown: the session must not take them for
// accepted.
func TestCredentialsPanic(t *testing.T) {
	withClerk(t, nil, func(t *testing.T, c *clerk) {
		config := c.config()
		config.Credentials = credentials(func(context.Context, auth.Server) (auth.Mechanism, error) { panic(errOwn) })
		s := c.session(config)
		require.PanicsWithValue(t, errOwn, func() { s.Submit(t.Context(), letter()) })
		_, err := s.Submit(t.Context(), letter())
		require.Error(t, err)
		require.Empty(t, c.heard("MAIL"))
	})
}

// Some servers quote the line that they did not like, all of it or its beginning;
// errors end up in logs (promise 9).
func TestQuotedCredentials(t *testing.T) {
	line := plainLine(user, password)
	for _, reply := range []string{
		"500 5.5.2 unrecognized: AUTH PLAIN " + line,
		"535-5.7.8 " + line + "\n535 5.7.8 " + user + "/" + password,
		"500 5.5.6 line too long: AUTH PLAIN " + line[:len(line)-6] + "...",
		"500 5.5.6 " + line[:20] + " and " + line[:12],
		"AUTH PLAIN " + line,
		"334 " + base64Of(password) + "\n",
	} {
		withClerk(t, dialogue(reply, "501 "+line), func(t *testing.T, c *clerk) {
			var events []string
			config := c.withPassword()
			config.Trace = func(_ context.Context, e submit.Event) {
				if e.Err != nil {
					events = append(events, e.Err.Error())
				}
			}
			_, err := c.session(config).Submit(t.Context(), letter())
			e := asError(t, err)
			said := err.Error() + strings.Join(events, "")
			for e := error(e); e != nil; e = errors.Unwrap(e) {
				said += e.Error()
			}
			if e.Reply != nil {
				said += e.Reply.String() + e.Reply.Text()
				require.Contains(t, said, "***", "that something is missing can be seen")
			}
			require.NotContains(t, said, password)
			require.NotContains(t, said, line[:12])
			require.NotContains(t, said, base64Of(password)[:12])
		})
	}
}
