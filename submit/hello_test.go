package submit_test

import (
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/submit"
)

// RFC 5321, section 4.1.1.1: a fully qualified name or, lacking that, an address
// literal. Never "localhost", which gets mail refused.
func TestLocalName(t *testing.T) {
	for machine, want := range map[string]string{
		"":                              "[192.0.2.1]",
		"vm":                            "[192.0.2.1]",
		"localhost":                     "[192.0.2.1]",
		"localhost.localdomain":         "[192.0.2.1]",
		"vm.localdomain":                "[192.0.2.1]",
		"my_vm.example.org":             "[192.0.2.1]", // RFC 952 has no underscore
		"vm.example.org.":               "[192.0.2.1]",
		"vm..example.org":               "[192.0.2.1]",
		"vm.bücher.example":             "[192.0.2.1]",
		"vm example.org":                "[192.0.2.1]",
		"vm.example.org\r\nRSET":        "[192.0.2.1]",
		"[192.0.2.7].example.org":       "[192.0.2.1]",
		"vm.example.org":                "vm.example.org",
		"VM.xn--bcher-kva.example":      "VM.xn--bcher-kva.example",
		strings.Repeat("vm.", 99) + "x": "[192.0.2.1]",
	} {
		for _, service := range services {
			withClerk(t, nil, func(t *testing.T, c *clerk) {
				config := c.config()
				config.LocalName = ""
				submit.SetHostname(&config, machine)
				s, err := (&world{config: config}).transport(service).Dial(t.Context())
				require.NoError(t, err)
				defer s.Close()
				for _, line := range c.heard("EHLO") {
					require.Equal(t, "EHLO "+want, line, "%q", machine)
				}
			})
		}
	}
}

// What is configured is said, and nothing else: not this machine's name, and no
// literal.
func TestConfiguredLocalName(t *testing.T) {
	for _, name := range []string{"client.example.org", "[192.0.2.99]", "[IPv6:2001:db8::1]", "single", "localhost", "my_vm.example.org"} {
		withClerk(t, nil, func(t *testing.T, c *clerk) {
			config := c.config()
			config.LocalName = name
			submit.SetHostname(&config, "vm.example.org")
			c.session(config)
			require.Equal(t, []string{"EHLO " + name}, c.heard())
		})
	}
}

// A name that this machine has, and that the server does not like, is tried no
// second time: the literal is. What is configured is what was wanted.
func TestNameNotLiked(t *testing.T) {
	for _, code := range []string{"501", "504", "550", "500", "502", "503", "554", "421", "450"} {
		for _, service := range services {
			for _, phase := range []submit.Phase{submit.PhaseHello, submit.PhaseHelloAgain} {
				if phase == submit.PhaseHelloAgain && service == submit.Submissions {
					continue
				}
				again := slices.Contains([]string{"501", "504", "550"}, code)
				refuse := func(c *clerk) {
					c.answer = func(d *desk, line string) string {
						if line == "EHLO vm.example.org" && (phase == submit.PhaseHello || d.tls) {
							return code + " what a name"
						}
						return ""
					}
				}
				withClerk(t, refuse, func(t *testing.T, c *clerk) {
					config := c.config()
					config.LocalName = ""
					submit.SetHostname(&config, "vm.example.org")
					s, err := (&world{config: config}).transport(service).Dial(t.Context())
					want := []string{"EHLO vm.example.org"}
					switch {
					case phase == submit.PhaseHelloAgain:
						// It was liked before; after that there is only this one.
						require.Equal(t, phase, asError(t, err).Phase)
						want = []string{"EHLO vm.example.org", "STARTTLS", "EHLO vm.example.org"}
					case !again:
						require.Equal(t, phase, asError(t, err).Phase)
					default:
						require.NoError(t, err)
						defer s.Close()
						want = append(want, "EHLO [192.0.2.1]")
						if service == submit.Submission { // where the literal goes on to be said
							want = append(want, "STARTTLS", "EHLO [192.0.2.1]")
						}
					}
					require.Equal(t, want, c.heard())
				})
				withClerk(t, refuse, func(t *testing.T, c *clerk) {
					config := c.config()
					config.LocalName = "vm.example.org"
					_, err := (&world{config: config}).transport(service).Dial(t.Context())
					require.Equal(t, phase, asError(t, err).Phase)
					require.Empty(t, c.heard("HELO"))
					require.NotContains(t, c.heard(), "EHLO [192.0.2.1]")
				})
			}
		}
	}
}

// Both names are refused: no third is made up, and HELO is none (it would give
// away STARTTLS and AUTH).
func TestNoHELO(t *testing.T) {
	withClerk(t, on2("EHLO", "502 5.5.1 not implemented"), func(t *testing.T, c *clerk) {
		_, err := c.implicit().Dial(t.Context())
		requireMeans(t, err, "Rejected")
		require.Len(t, c.heard(), 1)
	})
	withClerk(t, on2("EHLO", "550 go away"), func(t *testing.T, c *clerk) {
		config := c.config()
		config.LocalName = ""
		submit.SetHostname(&config, "vm.example.org")
		_, err := (&submit.ImplicitTLS{Host: host, Config: config}).Dial(t.Context())
		requireMeans(t, err, "Rejected")
		require.Equal(t, []string{"EHLO vm.example.org", "EHLO [192.0.2.1]"}, c.heard())
	})
}

// The literal is that of the connection's own end, RFC 5321, section 4.1.3.
func TestAddressLiterals(t *testing.T) {
	for local, want := range map[net.Addr]string{
		&net.TCPAddr{IP: net.IPv4(192, 0, 2, 7)}:               "[192.0.2.7]",
		&net.TCPAddr{IP: net.ParseIP("::ffff:192.0.2.7")}:      "[192.0.2.7]",
		&net.TCPAddr{IP: net.ParseIP("2001:db8::7")}:           "[IPv6:2001:db8::7]",
		&net.TCPAddr{IP: net.ParseIP("fe80::7"), Zone: "eth0"}: "[IPv6:fe80::7]",
		&net.TCPAddr{}: "[127.0.0.1]",
		&net.UnixAddr{Name: "/run/proxy", Net: "unix"}: "[127.0.0.1]",
	} {
		withClerk(t, nil, func(t *testing.T, c *clerk) {
			nc, err := c.net.DialContext(t.Context(), "tcp", host+":465")
			require.NoError(t, err)
			config := c.config()
			config.LocalName = ""
			submit.SetHostname(&config, "")
			config.DialContext = dialer(func() (net.Conn, error) { return elsewhere{nc, local}, nil })
			c.session(config)
			require.Equal(t, []string{"EHLO " + want}, c.heard())
		})
	}
}

type elsewhere struct {
	net.Conn
	local net.Addr
}

func (c elsewhere) LocalAddr() net.Addr { return c.local }

// RFC 3207, section 4.2: what was said in cleartext is forgotten, be it too much
// or too little.
func TestCleartextIsForgotten(t *testing.T) {
	withClerk(t, func(c *clerk) {
		c.cleartext = []string{"STARTTLS", "PIPELINING", "SIZE 10", "AUTH X-EVIL", "SMTPUTF8", "X-EVIL yes"}
		c.offers = []string{"8BITMIME", "AUTH PLAIN"}
	}, func(t *testing.T, c *clerk) {
		s, err := (&submit.STARTTLS{Host: host, Config: c.withPassword()}).Dial(t.Context())
		require.NoError(t, err)
		defer s.Close()
		for _, name := range []string{"STARTTLS", "PIPELINING", "SIZE", "SMTPUTF8", "X-EVIL"} {
			_, ok := s.Extension(name)
			require.False(t, ok, name)
		}
		mechanisms, ok := s.Extension("AUTH")
		require.True(t, ok)
		require.Equal(t, "PLAIN", mechanisms)
		_, err = s.Submit(t.Context(), letter())
		require.NoError(t, err)
		require.Equal(t, []string{"EHLO client.example.org", "STARTTLS", "EHLO client.example.org", "AUTH PLAIN " + plainLine(user, password),
			"MAIL FROM:<me@example.com>", "RCPT TO:<you@example.net>", "DATA"}, c.heard())
	})
}

// The form of old drafts is read, and several lines are one list: QQ and SendGrid
// send both.
func TestOfferedMechanisms(t *testing.T) {
	for name, offers := range map[string][]string{
		"AUTH=":        {"AUTH=LOGIN"},
		"both":         {"AUTH=GSSAPI", "AUTH LOGIN"},
		"several":      {"AUTH GSSAPI", "AUTH LOGIN", "AUTH NTLM"},
		"lower case":   {"auth login"},
		"spaces":       {"AUTH   GSSAPI \t LOGIN  "},
		"among others": {"Ok", "-", "coremail 1Uxr2xKj7kG0xkI17xGrU7I0s8FY2U3Uj8Cz28x1UUUUU7Ic2I0Y2UrHUzz", "AUTH=LOGIN", ""},
	} {
		t.Run(name, func(t *testing.T) {
			withClerk(t, all(dialogue("334 ", "334 ", "235 ok"), only(offers...)), func(t *testing.T, c *clerk) {
				require.NoError(t, c.session(c.withPassword()).Auth(t.Context()))
				require.Equal(t, []string{"AUTH LOGIN"}, c.heard("AUTH"))
			})
		})
	}
}

// Seen at 163: STARTTLS offered inside of TLS means nothing.
func TestSTARTTLSInsideTLS(t *testing.T) {
	for _, service := range services {
		withClerk(t, only("STARTTLS", "PIPELINING"), func(t *testing.T, c *clerk) {
			_, err := (&world{config: c.config()}).transport(service).Submit(t.Context(), letter())
			require.NoError(t, err)
			require.Len(t, c.heard("STARTTLS"), map[string]int{submit.Submissions: 0, submit.Submission: 1}[service])
		})
	}
}

// Config.Without makes the session deaf to a keyword, and not to others.
func TestWithout(t *testing.T) {
	withClerk(t, only("PIPELINING", "SIZE 1000", "8BITMIME"), func(t *testing.T, c *clerk) {
		config := c.config()
		config.Without = []string{"pipelining", "Size", "", "8BIT"}
		s := c.session(config)
		for name, want := range map[string]bool{"PIPELINING": false, "SIZE": false, "8BITMIME": true} {
			_, ok := s.Extension(name)
			require.Equal(t, want, ok, name)
		}
		_, err := s.Submit(t.Context(), letter())
		require.NoError(t, err)
		require.Equal(t, "MAIL FROM:<me@example.com>", c.heard("MAIL")[0])
	})
}
