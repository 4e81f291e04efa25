package submit_test

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/auth"
	"github.com/mailport/mailport/submit"
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

// Base64 of a secret within something longer, wherever it stands there, has its form,
// and no more of that is the secret's own.
func TestFormsOfSecrets(t *testing.T) {
	t.Parallel()
	for secret := range strings.FieldsSeq("abc hunt hunte hunter hunter2 tanstaaf, tanstaafl! \u00fcber\xff\x00\x01") {
		for before := range 7 {
			for after := range 4 {
				encoded := base64Of(strings.Repeat("\xaa", before) + secret + strings.Repeat("\x55", after))
				require.True(t, slices.ContainsFunc(submit.Forms(secret)[1:], func(form string) bool {
					return strings.Contains(encoded, form) && len(form) >= len(secret)*8/6-1
				}), "%q in %s", secret, encoded)
			}
		}
	}
	for _, short := range []string{"", "a", "ab"} {
		require.Empty(t, submit.Forms(short))
	}
}

// That a look at all replies is quick misses nothing: what has any secret in it, or
// eight octets of one, is masked as if each had been looked for.
func TestMaskMissesNothing(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	text := func(n int, letters string) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = letters[random.IntN(len(letters))]
		}
		return string(b)
	}
	rounds, found := 3000, 0
	if raced {
		rounds = 300
	}
	for round := range rounds {
		letters := []string{"ab", "abcdefgh", "0123456789abcdefghijklmnopqrstuvwxyz", "\x00\xff\x80 a"}[round%4]
		var secrets, lines []string
		for range 1 + random.IntN(3) {
			secrets = append(secrets, text(3+random.IntN(20), letters))
		}
		if round%100 == 0 {
			secrets = append(secrets, text(10_000, letters)) // such as a token
		}
		for range 1 + random.IntN(3) {
			secret := secrets[random.IntN(len(secrets))]
			from := random.IntN(len(secret))
			piece := secret[from:min(len(secret), from+random.IntN(20))]
			lines = append(lines, text(random.IntN(12), letters)+piece+text(random.IntN(12), "xyz "))
		}
		before := slices.Clone(lines)
		want := submit.Masked(lines, secrets...)
		require.Equal(t, want, submit.NewMask(secrets...)(lines), "%q in %q", secrets, lines)
		require.Equal(t, before, lines, "they are somebody else's")
		if !slices.Equal(want, lines) {
			found++
		}
	}
	require.Greater(t, found, rounds/3)
}

// A secret may begin with the end of what nearly was one, wherever that is looked at.
func TestMaskOfOverlaps(t *testing.T) {
	t.Parallel()
	for before := range 20 {
		for _, line := range []string{"xyabcdefgh", "3xyabcdefgh", "xya abcdefgh", "2345xyabcdefgh"} {
			dots := strings.Repeat(".", before)
			want := strings.ReplaceAll(line, "abcdefgh", "***")
			require.Equal(t, []string{dots + want}, submit.NewMask("12345xya", "abcdefgh")([]string{dots + line}))
		}
	}
}

// The reply to each message is looked at. It takes no memory, nor is it copied.
func TestMaskAllocatesNothing(t *testing.T) {
	for name, m := range masks() {
		require.Zero(t, testing.AllocsPerRun(100, func() {
			for _, lines := range verdicts() {
				if m(lines); &m(lines)[0] != &lines[0] {
					t.Error(name)
				}
			}
		}), name)
	}
	require.Nil(t, submit.NewMask(), "where nothing was shown there is nothing to look for")
}

func masks() map[string]func([]string) []string {
	token := strings.Repeat("eyJhbGciOiJSUzI1NiJ9.c2lnbmF0dXJlX29mX2l0-", 40)
	return map[string]func([]string) []string{
		"a password": submit.NewMask(append(submit.Forms(password), base64Of("\x00"+user+"\x00"+password))...),
		"a token":    submit.NewMask(append(submit.Forms(token), base64Of(token))...),
	}
}

var verdicts = sync.OnceValue(func() [][]string {
	return [][]string{{"2.0.0 Ok: queued as 4F2A"}, {"2.0.0 OK  1712345678 a640c23a62f3a-a4e81c2a5d1sm1234567.89 - gsmtp"}}
})

func BenchmarkMask(b *testing.B) {
	for name, m := range masks() {
		for _, lines := range verdicts() {
			b.Run(fmt.Sprint(name, ", ", len(lines[0]), " octets"), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					m(lines)
				}
			})
		}
	}
}
