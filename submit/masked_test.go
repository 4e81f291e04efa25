package submit_test

import (
	"encoding/base64"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/auth"
)

// refusedWith is what is left of a reply to AUTH in an error.
func refusedWith(t *testing.T, mechanism string, credentials auth.Credentials, replies ...string) (lines []string) {
	t.Helper()
	withClerk(t, all(only("AUTH "+mechanism), dialogue(replies...)), func(t *testing.T, c *clerk) {
		config := c.config()
		config.Credentials = auth.Only(credentials, mechanism)
		_, err := c.session(config).Submit(t.Context(), letter())
		e := asError(t, err)
		require.NotNil(t, e.Reply, "%v", err)
		for _, line := range e.Reply.Lines {
			lines = append(lines, strings.TrimPrefix(line, "5.7.8 "))
		}
	})
	return lines
}

// Promise 9: of a token or a password that a server quotes from its middle, or in
// pieces, no eight octets are left, in clear or in base64; nor are three of the whole.
func TestQuotedPieces(t *testing.T) {
	t.Parallel()
	const long = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJtZSJ9.c2lnbmF0dXJlX29mX2l0"
	encoded := base64.StdEncoding.EncodeToString([]byte("user=" + user + "\x01auth=Bearer " + long + "\x01\x01"))
	for quoted, want := range map[string]string{
		long[30:]:                        "***",
		"..." + long[10:19] + "...":      "...***...",
		long[3:11]:                       "***",
		long[:7] + " " + long[7:]:        long[:7] + " ***",
		"'" + long[5:25] + long[:9]:      "'***",
		encoded[8:] + ", " + encoded[1:]: "***, ***",
		encoded[20:29] + "?":             "***?",
	} {
		require.Equal(t, []string{"bad " + want}, refusedWith(t, "XOAUTH2", auth.Token(user, always(long)), "535 5.7.8 bad "+quoted), quoted)
	}
	require.Equal(t, []string{"***", "*** no"}, refusedWith(t, "OAUTHBEARER", auth.Token(user, always(long)),
		"535-5.7.8 "+long[:20]+"\n535 5.7.8 "+long[20:]+" no"))
	for _, mechanism := range []string{"PLAIN", "LOGIN"} {
		for password, want := range map[string]string{
			"hunter2":            "no *** here, nor unter2",
			"the-hunter2-is-out": "no hunter2 here, nor unter2",
			"no hunter2, ever":   "*** here, nor unter2",
			"no":                 "no hunter2 here, nor unter2",
		} {
			replies := []string{"334 ", "334 ", "535 5.7.8 no hunter2 here, nor unter2"}
			if mechanism == "PLAIN" {
				replies = replies[2:]
			}
			require.Equal(t, []string{want}, refusedWith(t, mechanism, auth.Password(user, password), replies...), password)
		}
	}
}

// A username and the host are no secrets, and are left alone where a server names them
// or has a word like them, unless they are the password.
func TestQuotedUsername(t *testing.T) {
	t.Parallel()
	const says = "authentication failed: customer tom authentication failure at " + host + ", tls-exporter"
	challenges := map[string][]string{"LOGIN": {"334 ", "334 "}, "CRAM-MD5": {"334 " + base64Of("<4711@example.com>")}}
	left := func(mechanism string, credentials auth.Credentials) string {
		lines := refusedWith(t, mechanism, credentials, slices.Concat(challenges[mechanism], []string{"535 5.7.8 " + says})...)
		require.Len(t, lines, 1)
		return lines[0]
	}
	for _, name := range []string{"tom", "customer tom"} {
		for _, mechanism := range []string{"PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1"} {
			require.Equal(t, says, left(mechanism, auth.Password(name, "hunter22")), mechanism)
		}
		for _, mechanism := range bearers {
			require.Equal(t, says, left(mechanism, auth.Token(name, always(token))), mechanism)
		}
		for _, mechanism := range []string{"PLAIN", "LOGIN"} {
			require.Equal(t, strings.ReplaceAll(says, name, "***"), left(mechanism, auth.Password(name, name)))
		}
	}
}

// The digest of CRAM-MD5 is for whoever tries passwords at leisure, and is masked
// without the username in front of it.
func TestQuotedDigest(t *testing.T) {
	t.Parallel()
	withClerk(t, only("AUTH CRAM-MD5"), func(t *testing.T, c *clerk) {
		c.answer = func(_ *desk, line string) string {
			if line == "AUTH CRAM-MD5" {
				return "334 " + base64Of("<4711@example.com>")
			}
			octets, _ := base64.StdEncoding.DecodeString(line)
			if !strings.HasPrefix(string(octets), user) {
				return ""
			}
			return "535 no " + lastWord(string(octets))[4:20] + " of " + string(octets)
		}
		config := c.config()
		config.Credentials = auth.Only(auth.Password(user, password), "CRAM-MD5")
		_, err := c.session(config).Submit(t.Context(), letter())
		require.Equal(t, []string{"no *** of " + user + " ***"}, asError(t, err).Reply.Lines)
	})
}
