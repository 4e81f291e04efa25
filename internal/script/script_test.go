package script

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/mailport/mailport/internal/testcert"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// dialogue is what most of the clients below get wrong. Its first line is the
// third of the file.
const dialogue = `TLS smtp.example.com
S: 220 hello
C: EHLO me
S: 250-hello
S: 250 PIPELINING
C: MAIL FROM:<a@example.com>
C: RCPT TO:<b@example.net>
S: 250 ok
S: 250 ok
C: QUIT
`

// A client is what the program under test would be.
type client struct {
	conn net.Conn
	br   *bufio.Reader
	t    *testing.T
}

// say writes lines in one flight.
func (c *client) say(lines ...string) {
	io.WriteString(c.conn, strings.Join(lines, "\r\n")+"\r\n")
}

// hear reads n lines; at the end of the connection there are none.
func (c *client) hear(n int) {
	for range n {
		c.br.ReadString('\n')
	}
}

// with dials, speaks TLS, does something and hangs up.
func with(t *testing.T, do func(c *client)) func(context.Context, *Client) string {
	return func(ctx context.Context, s *Client) string {
		nc, err := s.Config.DialContext(ctx, "tcp", "smtp.example.com:465")
		require.NoError(t, err)
		conn := tls.Client(nc, &tls.Config{RootCAs: s.Config.TLS.RootCAs, ServerName: "smtp.example.com"})
		defer nc.Close()
		nc.SetDeadline(time.Now().Add(time.Minute))
		require.NoError(t, conn.HandshakeContext(ctx))
		do(&client{conn: conn, br: bufio.NewReader(conn), t: t})
		return ""
	}
}

// failures plays text, the lines of a scene on the port of implicit TLS, and
// returns what the player has to say.
func failures(t *testing.T, text string, play func(context.Context, *Client) string) string {
	t.Helper()
	return failuresOf(t, "About a test.\n-- submissions://smtp.example.com:465 --\n"+text, play)
}

func failuresOf(t *testing.T, file string, play func(context.Context, *Client) string) string {
	t.Helper()
	var said complaints
	synctest.Test(t, func(t *testing.T) {
		transcript, err := parse("test.txt", []byte(file))
		require.NoError(t, err)
		_, err = Player{Play: play}.play(t.Context(), &said, transcript, testcert.New())
		require.NoError(t, err)
	})
	return said.String()
}

// complaints are what a test would fail with.
type complaints struct{ recorder }

func (c *complaints) Helper() {}
func (c *complaints) Errorf(format string, args ...any) {
	fmt.Fprintf(c, format+"\n", args...)
}

// A client that does as the transcript says is let be.
func TestAgreement(t *testing.T) {
	require.Empty(t, failures(t, dialogue, with(t, func(c *client) {
		c.hear(1)
		c.say("EHLO me")
		c.hear(2)
		c.say("MAIL FROM:<a@example.com>", "RCPT TO:<b@example.net>")
		c.hear(2)
		c.say("QUIT")
	})))
}

// Whoever departs from the transcript is told where, and what each side says.
func TestDisagreements(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(c *client)
		want []string
	}{
		{"stops pipelining", func(c *client) {
			c.hear(1)
			c.say("EHLO me")
			c.hear(2)
			c.say("MAIL FROM:<a@example.com>")
			c.hear(1)
		}, []string{"test.txt:9:", "transcript: RCPT TO:<b@example.net>", "client:     nothing in this flight, which began on line 8; it waits"}},

		{"sends a flight in two parts", func(c *client) {
			c.hear(1)
			c.say("EHLO me")
			c.hear(2)
			c.say("MAIL FROM:<a@example.com>")
			time.Sleep(time.Millisecond)
			c.say("RCPT TO:<b@example.net>")
		}, []string{"test.txt:9:", "transcript: RCPT TO:<b@example.net>", "it waits"}},

		{"says something else", func(c *client) {
			c.hear(1)
			c.say("HELO me")
			c.hear(1)
		}, []string{"test.txt:5: submissions://smtp.example.com:465, 350ms after", "transcript: EHLO me", "client:     HELO me"}},

		{"says too much in a flight", func(c *client) {
			c.hear(1)
			c.say("EHLO me")
			c.hear(2)
			c.say("MAIL FROM:<a@example.com>", "RCPT TO:<b@example.net>", "QUIT")
			c.hear(2)
		}, []string{"test.txt:12:", "transcript: QUIT", "client:     the same, but without having waited", "100ms too soon"}},

		{"says too much in a second write", func(c *client) {
			c.hear(1)
			c.say("EHLO me")
			c.say("MAIL FROM:<a@example.com>", "RCPT TO:<b@example.net>")
			c.hear(2)
		}, []string{"test.txt:8:", "client:     the same, but without having waited", "100ms too soon"}},

		{"does not wait for the greeting", func(c *client) {
			c.say("EHLO me")
			c.hear(1)
		}, []string{"test.txt:5:", "client:     the same, but without having waited", "100ms too soon"}},

		{"says too much at the end", func(c *client) {
			c.hear(1)
			c.say("EHLO me")
			c.hear(2)
			c.say("MAIL FROM:<a@example.com>", "RCPT TO:<b@example.net>")
			c.hear(2)
			c.say("QUIT", "NOOP")
			c.hear(1)
		}, []string{"test.txt:12:", "transcript: nothing after this line", "client:     NOOP"}},

		{"leaves", func(c *client) {
			c.hear(1)
			c.say("EHLO me")
			c.hear(2)
		}, []string{"test.txt:8:", "transcript: MAIL FROM:<a@example.com>", "client:     is gone"}},

		{"leaves amid a line", func(c *client) {
			c.hear(1)
			io.WriteString(c.conn, "EHLO")
		}, []string{"test.txt:5:", `client:     is gone after "EHLO"`}},

		{"ends a line with LF alone", func(c *client) {
			c.hear(1)
			io.WriteString(c.conn, "EHLO me\n")
			c.hear(1)
		}, []string{"test.txt:5:", `client:     "EHLO me\n"`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := failures(t, dialogue, with(t, c.do))
			for _, want := range c.want {
				require.Contains(t, got, want)
			}
			require.Equal(t, 1, strings.Count(got, "transcript:"), "one disagreement, and nothing that follows from it:\n%s", got)
		})
	}
}

// Time that passes while the server does nothing is looked at as well.
func TestImpatience(t *testing.T) {
	got := failures(t, "TLS smtp.example.com\nwait 2s\nS: 220 hello\nC: QUIT\n", with(t, func(c *client) {
		time.Sleep(time.Second)
		c.say("QUIT")
		c.hear(1)
	}))
	require.Contains(t, got, "transcript: QUIT")
	require.Contains(t, got, "1.1s too soon")
}

// Two segments are two, and lines in a row are one.
func TestSegments(t *testing.T) {
	require.Empty(t, failures(t, "TLS smtp.example.com\nS: 220-a\nraw \"220 b\\r\"\nwait 10ms\nraw \"\\n\"\nC: QUIT\n", with(t, func(c *client) {
		b := make([]byte, 100)
		n, _ := c.conn.Read(b)
		require.Equal(t, "220-a\r\n220 b\r", string(b[:n]))
		began := time.Now()
		n, _ = c.conn.Read(b)
		require.Equal(t, "\n", string(b[:n]))
		require.Equal(t, 10*time.Millisecond, time.Since(began))
		c.say("QUIT")
	})))
}

// What is in the balance may be said or not, but nothing else may.
func TestPerhaps(t *testing.T) {
	const dialogue = "TLS smtp.example.com\nS: 220 hello\nC? QUIT\n"
	require.Empty(t, failures(t, dialogue, with(t, func(c *client) { c.hear(1) })))
	require.Empty(t, failures(t, dialogue, with(t, func(c *client) { c.hear(1); c.say("QUIT") })))
	require.Contains(t, failures(t, dialogue, with(t, func(c *client) { c.hear(1); c.say("NOOP") })), "client:     NOOP")
	require.Contains(t, failures(t, dialogue, with(t, func(c *client) { c.hear(1); c.say("QUIT", "NOOP") })), "client:     NOOP")
}

func TestBase64(t *testing.T) {
	require.Empty(t, failures(t, "TLS smtp.example.com\nS: 334 {Username:}\nC: {a\\x00b}\n", with(t, func(c *client) {
		line, _ := c.br.ReadString('\n')
		require.Equal(t, "334 VXNlcm5hbWU6\r\n", line)
		c.say("YQBi")
	})))
}

// An end of the message is found however the message came.
func TestNoEndOfMessage(t *testing.T) {
	play := func(message string) string {
		return failures(t, "TLS smtp.example.com\nS: 354 go\nC: ...\n", with(t, func(c *client) {
			c.hear(1)
			io.WriteString(c.conn, message)
		}))
	}
	require.Empty(t, play("Subject: hi\r\n..\r\nhalf a li"))
	require.Contains(t, play("Subject: hi\r\n.\r\n"), "ends it")
	require.Contains(t, play(".\r\n"), "ends it")
}

// A refused certificate is one that the transcript says is refused.
func TestHandshakes(t *testing.T) {
	refuse := func(verify bool) func(context.Context, *Client) string {
		return func(ctx context.Context, s *Client) string {
			nc, err := s.Config.DialContext(ctx, "tcp", "smtp.example.com:465")
			require.NoError(t, err)
			defer nc.Close()
			tls.Client(nc, &tls.Config{RootCAs: s.Config.TLS.RootCAs, ServerName: "smtp.example.com", InsecureSkipVerify: !verify}).HandshakeContext(ctx)
			return ""
		}
	}
	require.Empty(t, failures(t, "TLS expired\nC: alert bad certificate\n", refuse(true)))
	require.Contains(t, failures(t, "TLS expired\nC: alert unknown certificate authority\n", refuse(true)), "client:     remote error: tls: bad certificate")
	require.Contains(t, failures(t, "TLS expired\nC: alert bad certificate\n", refuse(false)), "is content with the handshake")
	require.Contains(t, failures(t, "TLS expired\n", refuse(true)), "test.txt:3:")
	require.Contains(t, failures(t, "TLS expired\nS: 220 hello\n", refuse(true)), "client:     remote error: tls: bad certificate")
}

// Who dials is counted.
func TestDials(t *testing.T) {
	dial := func(addrs ...string) func(context.Context, *Client) string {
		return func(ctx context.Context, s *Client) string {
			for _, addr := range addrs {
				if nc, err := s.Config.DialContext(ctx, "tcp", addr); err == nil {
					nc.Close()
				}
			}
			return ""
		}
	}
	const file = `Two ports.
-- submissions://smtp.example.com:465 --
refused
-- submission://smtp.example.com:587 --
not dialled
`
	require.Empty(t, failuresOf(t, file, dial("smtp.example.com:465")))
	require.Contains(t, failuresOf(t, file, dial()), "test.txt:2: smtp.example.com:465 was dialled never, not once")
	require.Contains(t, failuresOf(t, file, dial("smtp.example.com:465", "smtp.example.com:465")), "dialled 2 times, not once")
	require.Contains(t, failuresOf(t, file, dial("smtp.example.com:465", "smtp.example.com:587")), "test.txt:4: smtp.example.com:587 was dialled once, not never")
	require.Contains(t, failuresOf(t, file, dial("smtp.example.com:465", "smtp.example.com:25")), "an address was dialled that the transcript does not have")
	require.Contains(t, failures(t, "stall\n", dial("smtp.example.com:465", "smtp.example.com:465")), "dialled 2 times, not once")
}

// What a client leaves open is found, and nobody waits for it.
func TestLeftOpen(t *testing.T) {
	require.Contains(t, failures(t, "stall\n", func(ctx context.Context, s *Client) string {
		s.Config.DialContext(ctx, "tcp", "smtp.example.com:465")
		return ""
	}), "left open")
}

// A password is found wherever it is printed.
func TestLeaks(t *testing.T) {
	const file = "A secret.\n-- client --\npassword me sesame\n-- submissions://smtp.example.com:465 --\nnot dialled\n"
	for _, say := range []func(c *Client) string{
		func(*Client) string { return "535 sesame is wrong" },
		func(*Client) string { return "535 " + encode("\x00me\x00sesame") },
		func(c *Client) string { c.Config.Logger.Debug("AUTH PLAIN " + encode("\x00me\x00sesame")); return "" },
		func(c *Client) string { c.Config.Logger.Info("sesame"); return "" },
	} {
		require.Contains(t, failuresOf(t, file, func(_ context.Context, c *Client) string { return say(c) }), "is in an error, a log or a trace")
	}
}

// A transcript that allows what must never be is not accepted, and one that is
// not understood is not either.
func TestNotAccepted(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"\n-- submission://a.example:587 --\nrefused\n", "1: the first line must say"},
		{"About nothing.\n", "nothing happens at any endpoint"},
		{"X.\n-- submission://a.example:587 --\nS: 220 a\nC: AUTH PLAIN\n", "4: must not be said in cleartext: AUTH PLAIN"},
		{"X.\n-- submission://a.example:587 --\nS: 220 a\nC? AUTH PLAIN\n", "4: must not be said in cleartext: AUTH PLAIN"},
		{"X.\n-- submission://a.example:587 --\nS: 220 a\nC: MAIL FROM:<>\n", "4: must not be said in cleartext"},
		{"X.\n-- submission://a.example:587 --\nTLS a.example\nC: EHLO me\nS: 250 a\nC: MAIL\nC: DATA\n", "6: flight of 2 commands, and PIPELINING was not offered"},
		{"X.\n-- submission://a.example:587 --\nC: EHLO me\nS: 250-a\nS: 250 PIPELINING\nTLS a.example\nC: EHLO me\nS: 250 a\nC: MAIL\nC: DATA\n", "9: flight of 2"},
		{"X.\n-- submissions://a.example:465 --\nTLS a.example\nC: AUTH PLAIN x\n-- submission://a.example:587 --\nTLS a.example\nC: AUTH PLAIN x\n", "5: submission://a.example:587 sees credentials"},
		{"X.\n-- submission://a.example:587 --\n\n", "2: nothing happens here"},
		{"X.\n-- submission://a.example:587 --\nstall\nS: 220 a\n", "4: nothing can follow here"},
		{"X.\n-- submission://a.example:587 --\nSilence\n", `3: "Silence" is not understood`},
		{"X.\n-- submission://a.example:587 --\nS: {x\n", "3: brace is not closed"},
		{"X.\n-- submission://a.example:587 --\nraw 220\n", "3: 220 is not quoted"},
		{"X.\n-- submission://a.example:587 --\nraw \"x\" twice\n", `3: " twice" is not understood`},
		{"X.\n-- smtp://a.example:587 --\nstall\n", "2: \"smtp://a.example:587\" is no endpoint"},
		{"X.\n-- message --\nTo: you\n", `3: "To: you" is nothing that a message has`},
		{"X.\n-- submission://a.example:587 --\nstall\n-- want --\n-- more --\n", "4: what is wanted must come last"},
	} {
		_, err := parse("test.txt", []byte(c.text))
		require.ErrorContains(t, err, c.want, "%s", c.text)
	}
}

func TestUnknownSetting(t *testing.T) {
	transcript, err := parse("test.txt", []byte("X.\n-- client --\npasswords me x\n-- submission://a.example:587 --\nstall\n"))
	require.NoError(t, err)
	_, err = transcript.understand(ours[:])
	require.EqualError(t, err, `test.txt:3: there is no setting "passwords me x"`)
}

// Only what is wanted is written anew.
func TestSave(t *testing.T) {
	name := filepath.Join(t.TempDir(), "a.txt")
	for _, text := range []string{
		"About.\n\n-- submission://a.example:587 --\n# odd\n\nstall\n",
		"About.\n\n-- submission://a.example:587 --\n# odd\n\nstall\n-- want --\nold\nlines\n",
	} {
		require.NoError(t, os.WriteFile(name, []byte(text), 0o644))
		transcript, err := readTranscript(name)
		require.NoError(t, err)
		require.NoError(t, transcript.save("new\n"))
		got, err := os.ReadFile(name)
		require.NoError(t, err)
		require.Equal(t, "About.\n\n-- submission://a.example:587 --\n# odd\n\nstall\n-- want --\nnew\n", string(got))
	}
}
