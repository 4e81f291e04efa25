package submit_test

import (
	"context"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/auth"
	"github.com/mailport/mailport/submit"
)

// RFC 4954, section 4 and section 6: what each code means in reply to AUTH and to a
// response, whether it is worth another mechanism, and whether the server is told QUIT.
// A 4yz says nothing about the password: nobody is to be asked for it.
func TestMeaningOfAuthReplies(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		reply string
		means string
		next  bool // another mechanism
	}{
		{"421 4.3.2 shutting down", "Temporary", false},
		{"432 4.7.12 password transition needed", "Temporary", false},
		{"450 4.7.0 try later", "Temporary", false},
		{"451 4.7.0 out of memory", "Temporary", false},
		{"454 4.7.0 too many attempts", "Temporary", false},
		{"454 5.7.8 odd", "Temporary", false}, // the code counts
		{"499", "Temporary", false},
		{"500 5.5.6 line too long", "Credentials", false},
		{"501 5.5.2 cannot decode", "Credentials", false},
		{"502 5.5.1 not here", "Credentials", false},
		{"503 5.5.1 no", "Credentials", false},
		{"504 5.5.4 unknown mechanism", "Credentials", true},
		{"504", "Credentials", true},
		{"530 5.7.0 authentication required", "Credentials", false},
		{"534 5.7.9 too weak", "Credentials", true},
		{"535 5.7.8 no", "Credentials", false},
		{"535 4.7.8 odd", "Credentials", false},
		{"535 5.7.139 basic authentication is disabled", "Credentials", false},
		{"538 5.7.11 encryption required", "Credentials", false},
		{"550 5.7.30 basic authentication is not supported", "Credentials", false},
		{"554 5.7.0 no", "Credentials", false},
		{"220 odd", "Protocol", false},
		{"250 2.0.0 ok", "Protocol", false},
		{"334-a\n334 b", "Protocol", false},
		{"354 go on", "Protocol", false},
		{"399 odd", "Protocol", false},
		{"535-5.7.8 a\n550 5.7.8 b", "Protocol", false},
	} {
		for _, before := range []int{0, 2} { // challenges
			if before > 0 && strings.HasPrefix(test.reply, "534") {
				test.next = false // the password was shown
			}
			replies := append([]string{"334 ", "334 "}[:before:before], test.reply, "501 5.7.0 cancelled", "334 ", "334 ", "501 5.7.0 cancelled")
			if test.next {
				replies = append(replies[:before+1], "535 5.7.8 and no by PLAIN")
			}
			offered, tries := "AUTH LOGIN", []string{"AUTH LOGIN"}
			if test.next {
				offered, tries = "AUTH LOGIN X-OTHER", []string{"AUTH LOGIN", "AUTH X-OTHER Kg=="}
			}
			withClerk(t, all(only(offered), dialogue(replies...)), func(t *testing.T, c *clerk) {
				config := c.withPassword()
				config.Credentials = orElse{config.Credentials}
				s := c.session(config)
				_, err := s.Submit(t.Context(), letter())
				e := asError(t, err)
				require.Equal(t, submit.PhaseAuth, e.Phase)
				requireMeans(t, err, strings.Fields(test.means)...)
				require.Equal(t, tries, c.heard("AUTH"), test.reply)
				if e.Reply != nil && !test.next {
					require.Equal(t, test.reply[:3], itoa(e.Reply.Code))
				}
				require.Empty(t, c.heard("MAIL"), "never unauthenticated instead")
			})
		}
	}
}

// orElse has another mechanism for when the password's are not supported.
type orElse struct{ auth.Credentials }

func (c orElse) Exchange(ctx context.Context, server auth.Server) (auth.Mechanism, error) {
	m, err := c.Credentials.Exchange(ctx, server)
	if err != nil && len(server.Mechanisms) > 0 {
		return other{}, nil
	}
	return m, err
}

type other struct{}

func (other) Start() (string, []byte, error) { return "X-OTHER", []byte("*"), nil }
func (other) Next([]byte) ([]byte, error)    { return nil, auth.ErrChallenge }
func (other) Complete() bool                 { return true }

// RFC 9266, section 4.1: a connection is bound to one authentication. If the server
// does not support a -PLUS after all, no other is tried on it. It did offer one, so it
// is not told that it did not (RFC 5802, section 6: "y" would be a lie).
func TestPlusNotSupported(t *testing.T) {
	t.Parallel()
	for _, code := range []string{"504 5.5.4 unknown", "534 5.7.9 too weak"} {
		var first []string
		withClerk(t, only("AUTH PLAIN SCRAM-SHA-1 SCRAM-SHA-256 SCRAM-SHA-512-PLUS SCRAM-SHA-256-PLUS SCRAM-SHA-1-PLUS"), func(t *testing.T, c *clerk) {
			c.answer = func(_ *desk, line string) string {
				initial, ok := strings.CutPrefix(line, "AUTH SCRAM-")
				if !ok {
					return ""
				}
				name, initial, _ := strings.Cut(initial, " ")
				message, _ := base64.StdEncoding.DecodeString(initial)
				flag, _, _ := strings.Cut(string(message), ",")
				first = append(first, name+" "+flag)
				return code
			}
			_, err := c.session(c.withPassword()).Submit(t.Context(), letter())
			require.NoError(t, err)
			require.Equal(t, []string{"SHA-512-PLUS p=tls-exporter", "SHA-256 n", "SHA-1 n"}, first)
			require.Equal(t, "AUTH PLAIN "+plainLine(user, password), c.heard("AUTH")[3])
		})
	}
	// Who was offered none, and could have, says so.
	withClerk(t, only("AUTH SCRAM-SHA-1"), func(t *testing.T, c *clerk) {
		_, err := c.session(c.withPassword()).Submit(t.Context(), letter())
		require.ErrorIs(t, err, auth.ErrUnproven)
		message, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(c.heard("AUTH")[0], "AUTH SCRAM-SHA-1 "))
		require.True(t, strings.HasPrefix(string(message), "y,,"), "%s", message)
	})
}

// The three errors of an authentication that comes to nothing are different: the
// password, what both sides can do, and the server itself.
func TestThreeErrors(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		offered, reply string
		means          string
		none, unproven bool
	}{
		"refused":      {"PLAIN", "535 5.7.8 no", "Credentials", false, false},
		"no mechanism": {"GSSAPI", "", "Credentials", true, false},
		"unproven":     {"SCRAM-SHA-1", "235 2.7.0 ok", "Insecure", false, true},
	} {
		t.Run(name, func(t *testing.T) {
			withClerk(t, all(only("AUTH "+test.offered), dialogue(test.reply)), func(t *testing.T, c *clerk) {
				_, err := c.session(c.withPassword()).Submit(t.Context(), letter())
				requireMeans(t, err, test.means)
				asError(t, err)
				if test.none {
					require.ErrorIs(t, err, auth.ErrNoMechanism)
				} else {
					require.NotErrorIs(t, err, auth.ErrNoMechanism)
				}
				if test.unproven {
					require.ErrorIs(t, err, auth.ErrUnproven)
				} else {
					require.NotErrorIs(t, err, auth.ErrUnproven)
				}
			})
		})
	}
}

// A challenge after the exchange is over is the server's fault, not the password's,
// whatever the mechanism; it is answered with "*" (RFC 4954, section 4).
func TestChallengeAfterTheEnd(t *testing.T) {
	t.Parallel()
	more := "334 " + base64Of("and now?")
	cancelled := "501 5.7.0 cancelled"
	for _, test := range []struct {
		mechanism string
		replies   []string
	}{
		{"PLAIN", []string{more, cancelled}},
		{"LOGIN", []string{"334 ", "334 ", more, cancelled}},
		{"CRAM-MD5", []string{"334 " + base64Of("<1@example.com>"), more, cancelled}},
		{"EXTERNAL", []string{more, cancelled}},
		{"OAUTHBEARER", []string{"334 " + base64Of("{}"), more, cancelled}},
		{"XOAUTH2", []string{"334 " + base64Of("{}"), more, cancelled}},
	} {
		withClerk(t, all(only("AUTH "+test.mechanism), dialogue(test.replies...)), func(t *testing.T, c *clerk) {
			requireBlamed(t, c, test.mechanism)
			require.Len(t, c.heard("AUTH"), 1)
		})
	}
	withClerk(t, proving(func(signature string) []string { return []string{"334 " + signature, more, cancelled} }), func(t *testing.T, c *clerk) {
		requireBlamed(t, c, "SCRAM-SHA-1")
	})
}

func requireBlamed(t *testing.T, c *clerk, mechanism string) {
	t.Helper()
	config := c.config()
	config.Credentials = credentialsFor(mechanism, password)
	if mechanism == "EXTERNAL" {
		config.Credentials = certified{config.Credentials}
	}
	_, err := c.session(config).Submit(t.Context(), letter())
	requireMeans(t, err, "Protocol")
	require.ErrorIs(t, err, auth.ErrChallenge)
	require.Contains(t, asError(t, err).Error(), mechanism)
	heard := c.heard()
	require.Equal(t, "*", heard[len(heard)-1])
}
