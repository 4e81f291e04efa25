package submit_test

import (
	"encoding/base64"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/xdg-go/scram"

	"github.com/mailport/mailport/auth"
	"github.com/mailport/mailport/submit"
)

// scramKeys are what a server keeps of user's password; deriving it is slow on
// purpose.
var scramKeys = sync.OnceValue(func() scram.StoredCredentials {
	client, err := scram.SHA1.NewClient(user, password, "")
	if err != nil {
		panic(err)
	}
	keys, err := client.GetStoredCredentialsWithError(scram.KeyFactors{Salt: "salt and pepper", Iters: 4096})
	if err != nil {
		panic(err)
	}
	return keys
})

// proving has a clerk speak SCRAM-SHA-1 (RFC 5802) up to the client's proof, and say
// then what last returns, in turn. It has the signature that belongs there, in
// base64.
func proving(last func(signature string) []string) func(*clerk) {
	return all(only("AUTH SCRAM-SHA-1"), func(c *clerk) {
		server, err := scram.SHA1.NewServer(func(string) (scram.StoredCredentials, error) { return scramKeys(), nil })
		if err != nil {
			panic(err)
		}
		conversation := server.NewConversation()
		var left []string
		c.answer = func(_ *desk, line string) string {
			initial, begins := strings.CutPrefix(line, "AUTH SCRAM-SHA-1 ")
			switch {
			case begins:
				line = initial
			case len(left) > 0:
				reply := left[0]
				left = left[1:]
				return reply
			case conversation.Done():
				return "" // as usual
			case !strings.HasPrefix(line, "Yz1"): // "c="
				return ""
			}
			message, _ := base64.StdEncoding.DecodeString(line)
			challenge, err := conversation.Step(string(message))
			switch {
			case err != nil:
				return "535 5.7.8 " + err.Error()
			case begins:
				return "334 " + base64Of(challenge)
			}
			left = last(base64Of(challenge))
			reply := left[0]
			left = left[1:]
			return reply
		}
	})
}

// The signature of the server comes as a challenge (RFC 4954, section 4) or, from some
// servers, with the success. Both are read, wherever in the reply it is.
func TestServerProvesItself(t *testing.T) {
	t.Parallel()
	credentials := auth.Password(user, password)
	for _, replies := range [][]string{
		{"334 %s", "235 2.7.0 ok"},
		{"334 %s", "235 2.7.0 %s"},
		{"334 %s ", "235"},
		{"235 %s"},
		{"235 2.7.0 %s"},
		{"235 2.7.0 %s Authentication successful"},
		{"235 2.7.0 Authentication successful %s"},
		{"235 2.7.0 accepted: %s"},
		{"235 2.7.0 done, Auth accepted %s okay"},                        // most of it is base64, too
		{"235 2.7.0 session " + base64Of("4711") + " %s"},                // of text
		{"235 2.7.0 session " + base64Of("4=\xff\x00=") + " welcome %s"}, // of octets
		{"235-2.7.0 %s\n235 2.7.0 welcome"},
		{"235-2.7.0 welcome\n235-2.7.0 %s\n235 2.7.0 have fun"},
		{"235-welcome\n235 %s"},
	} {
		withClerk(t, proving(func(signature string) []string {
			said := make([]string, len(replies))
			for i, r := range replies {
				said[i] = strings.ReplaceAll(r, "%s", signature)
			}
			return said
		}), func(t *testing.T, c *clerk) {
			config := c.config()
			config.Credentials = credentials
			_, err := c.session(config).Submit(t.Context(), letter())
			require.NoError(t, err, replies)
			require.Len(t, c.took(), 1)
			require.Equal(t, len(replies) == 2, c.heard()[3] == "", "the challenge is answered with nothing")
		})
	}
}

// A success before the server has proved that it knows the password is a lie: it is
// neither what it says it is, nor a refusal. Nothing is submitted, and nothing more
// is said, not even "*": no exchange is open after a 235 (RFC 4954, section 4).
func TestServerProvesNothing(t *testing.T) {
	t.Parallel()
	credentials := auth.Password(user, password)
	var before string // a signature, of an exchange that is over
	withClerk(t, proving(func(signature string) []string { before = signature; return []string{"235 " + signature} }), func(t *testing.T, c *clerk) {
		config := c.config()
		config.Credentials = credentials
		require.NoError(t, c.session(config).Auth(t.Context()))
	})
	require.NotEmpty(t, before)
	signed := func(code string) string { return base64Of("v=" + code) }
	for _, test := range []struct {
		reply, says string
	}{
		{"235", ""}, {"235 2.7.0 ok", ""}, {"235 2.7.0 accepted", ""}, {"235-2.7.0 ok\n235 2.7.0 welcome", ""},
		{"235 2.7.0 " + before, "its signature is wrong"},
		{"235 " + before, "its signature is wrong"},
		{"235 " + before + " Authentication successful", "its signature is wrong"},
		{"235-" + before + "\n235 %s", "its signature is wrong"}, // one guess is all there is
		{"235 " + signed(""), ""}, {"235 " + signed("AAAA"), ""}, {"235 " + base64Of("e=invalid-proof"), ""},
		{"235 " + base64Of("m=x,v=AAAA"), ""}, {"235 v=AAAA", ""},
	} {
		withClerk(t, proving(func(signature string) []string {
			return []string{strings.ReplaceAll(test.reply, "%s", signature)}
		}), func(t *testing.T, c *clerk) {
			config := c.config()
			config.Credentials = credentials
			requireUnproven(t, c, config, test.says)
			require.Len(t, c.heard(), 3, test.reply) // EHLO, AUTH, the proof
		})
	}
	for _, mechanism := range []string{"SCRAM-SHA-1", "SCRAM-SHA-256"} { // known and new
		for _, reply := range []string{"235 2.7.0 ok", "235", "235 " + before, "235 2.7.0 " + before + " ok", "235 " + base64Of("r=x,s=eA==,i=4096")} {
			withClerk(t, all(only("AUTH "+mechanism), dialogue(reply)), func(t *testing.T, c *clerk) {
				config := c.config()
				config.Credentials = credentials
				requireUnproven(t, c, config, "")
				require.Len(t, c.heard(), 2, "%s: %s", mechanism, reply)
			})
		}
	}
}

// What comes with a success is no question that a response could answer: there is
// nobody to send it to.
func TestSuccessAsksNothing(t *testing.T) {
	t.Parallel()
	for mechanism, replies := range map[string][]string{
		"LOGIN":    {"334 ", "235 2.7.0 " + base64Of("Password=")},
		"CRAM-MD5": {"235 2.7.0 " + base64Of("<nonce=4711@example.com>")},
	} {
		withClerk(t, all(only("AUTH "+mechanism), dialogue(replies...)), func(t *testing.T, c *clerk) {
			config := c.config()
			config.Credentials = auth.Only(auth.Password(user, password), mechanism)
			requireUnproven(t, c, config, "")
		})
	}
	// Nor is it enough if more is to be asked.
	withClerk(t, all(only("AUTH PRUDENT"), dialogue("235 2.7.0 "+base64Of("a=b"))), func(t *testing.T, c *clerk) {
		config := c.config()
		config.Credentials = prudent{}
		requireUnproven(t, c, config, "")
	})
}

func requireUnproven(t *testing.T, c *clerk, config submit.Config, says string) {
	t.Helper()
	s := c.session(config)
	_, err := s.Submit(t.Context(), letter())
	requireMeans(t, err, "Insecure")
	require.ErrorIs(t, err, auth.ErrUnproven)
	require.Equal(t, submit.PhaseAuth, asError(t, err).Phase)
	require.Contains(t, err.Error(), says)
	require.Zero(t, c.net.Open(), "the connection is cut")
	_, err = s.Submit(t.Context(), letter())
	require.Error(t, err)
}

// A wrong signature where it belongs is found in an exchange that is open, and so is
// cancelled. It is another error than a refusal, and than having no mechanism.
func TestServerProvesWrongly(t *testing.T) {
	t.Parallel()
	credentials := auth.Password(user, password)
	for challenge, means := range map[string]string{
		base64Of("v=AAAA"):           "Insecure",
		base64Of("v="):               "Insecure",
		"":                           "Insecure",
		base64Of("r=x"):              "Insecure",
		base64Of("e=invalid-proof"):  "Credentials",
		base64Of("e=other-error,x="): "Credentials",
	} {
		withClerk(t, proving(func(string) []string { return []string{"334 " + challenge, "501 5.7.0 cancelled"} }), func(t *testing.T, c *clerk) {
			config := c.config()
			config.Credentials = credentials
			s := c.session(config)
			_, err := s.Submit(t.Context(), letter())
			requireMeans(t, err, means)
			require.Equal(t, means == "Insecure", errors.Is(err, auth.ErrUnproven), err)
			require.NotErrorIs(t, err, auth.ErrNoMechanism)
			require.Equal(t, []string{"*"}, c.heard()[3:])
			_, again := s.Submit(t.Context(), letter())
			require.Equal(t, err, again)
		})
	}
}
