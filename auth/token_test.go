package auth_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/auth"
)

// always is a source of one token.
func always(token string) auth.TokenSource {
	return func(context.Context, string) (string, error) { return token, nil }
}

// RFC 7628, section 4.1, but for the port, which bearer tokens do without (section
// 3.1); and the example in Google's description of XOAUTH2.
func TestTokenVectors(t *testing.T) {
	const rfc = "bixhPXVzZXJAZXhhbXBsZS5jb20sAWhvc3Q9c2VydmVyLmV4YW1wbGUuY29tAXBvcnQ9MTQzAWF1dGg9QmVhcmVyI" +
		"HZGOWRmdDRxbVRjMk52YjNSbGNrQmhiSFJoZG1semRHRXVZMjl0Q2c9PQEB"
	const google = "dXNlcj1zb21ldXNlckBleGFtcGxlLmNvbQFhdXRoPUJlYXJlciB5YTI5LnZGOWRmdDRxbVRjMk52YjNSbGNrQmhkSFJoZG1semRHRXVZMjl0Q2cBAQ=="
	for _, test := range []struct{ mechanism, username, token, want string }{
		{"OAUTHBEARER", "user@example.com", "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==", rfc},
		{"XOAUTH2", "someuser@example.com", "ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg", google},
	} {
		want, err := base64.StdEncoding.DecodeString(test.want)
		require.NoError(t, err)
		m, err := auth.Token(test.username, always(test.token)).Exchange(t.Context(),
			auth.Server{Name: "server.example.com", Mechanisms: []string{test.mechanism}, TLS: offering().TLS})
		require.NoError(t, err)
		require.False(t, m.Complete())
		name, response, err := m.Start()
		require.NoError(t, err)
		assert.Equal(t, test.mechanism, name)
		assert.Equal(t, strings.Replace(string(want), "port=143\x01", "", 1), string(response))
		assert.True(t, m.Complete())
	}
}

// OAUTHBEARER before XOAUTH2, and never a password's.
func TestTokenOrder(t *testing.T) {
	c := auth.Token("tim", always("token"))
	for _, test := range []struct {
		offered []string
		want    string
	}{
		{[]string{"PLAIN", "XOAUTH2", "OAUTHBEARER"}, "OAUTHBEARER"},
		{[]string{"SCRAM-SHA-512-PLUS", "xoauth2", "LOGIN"}, "XOAUTH2"},
		{[]string{"oauthbearer"}, "OAUTHBEARER"},
	} {
		_, name, _ := start(t, c, test.offered...)
		assert.Equal(t, test.want, name)
	}
	_, name, _ := start(t, auth.Only(c, "XOAUTH2"), "OAUTHBEARER", "XOAUTH2")
	assert.Equal(t, "XOAUTH2", name)
	require.EqualError(t, failing(t, c, "PLAIN", "OAUTH10A"),
		"no acceptable authentication mechanism: server offers PLAIN, OAUTH10A, credentials allow OAUTHBEARER, XOAUTH2")
	require.EqualError(t, failing(t, auth.Only(c, "PLAIN"), "PLAIN", "XOAUTH2"),
		"no acceptable authentication mechanism: server offers PLAIN, XOAUTH2, credentials allow nothing")
}

// RFC 7628, section 3.1: the username is a saslname in a GS2 header (RFC 5801, section
// 4), and what separates fields is in none of them.
func TestTokenFields(t *testing.T) {
	const separated = "contains the octet 1"
	for _, test := range []struct {
		username, token string
		bearer          string // how the message begins, or what is wrong
		xoauth2         string
	}{
		{"tim", "t0ken", "n,a=tim,\x01host=smtp.example.com\x01auth=Bearer t0ken\x01\x01", "user=tim\x01auth=Bearer t0ken\x01\x01"},
		{"a,b=c=2C", "t0ken", "n,a=a=2Cb=3Dc=3D2C,\x01host=", "user=a,b=c=2C\x01auth="},
		{"ti€m", "-._~+/=", "n,a=ti€m,\x01host=", "user=ti€m\x01auth=Bearer -._~+/=\x01\x01"},
		{"", "t0ken", "n,,\x01host=", "the username is empty"},
		{"tim\x01auth=Bearer other", "t0ken", "the username " + separated, "the username " + separated},
		{"tim\x00", "t0ken", "the username contains NUL", "the username contains NUL"},
		{"t\xffim", "t0ken", "the username is not UTF-8", "the username is not UTF-8"},
		{"tim\r\nQUIT", "t0ken", "the username contains a line end", "the username contains a line end"},
		{"tim\n", "t0ken", "the username contains a line end", "the username contains a line end"},
		{"\rtim", "t0ken", "the username contains a line end", "the username contains a line end"},
	} {
		for mechanism, want := range map[string]string{"OAUTHBEARER": test.bearer, "XOAUTH2": test.xoauth2} {
			m, err := auth.Token(test.username, always(test.token)).Exchange(t.Context(), offering(mechanism))
			if strings.HasPrefix(want, "the ") {
				require.ErrorIs(t, err, auth.ErrUnsendable)
				require.EqualError(t, err, "credentials cannot be sent by "+mechanism+": "+want)
				continue
			}
			require.NoError(t, err)
			_, response, err := m.Start()
			require.NoError(t, err)
			assert.True(t, strings.HasPrefix(string(response), want), "%q", response)
		}
	}
	for _, bad := range []string{"", "a b", "a\x01b", "a\r\nb", "a\x00b", "a,b", "é", "\xff", `"a"`, "t0ken\n"} {
		for _, mechanism := range []string{"OAUTHBEARER", "XOAUTH2"} {
			err := failing(t, auth.Token("tim", always(bad)), mechanism)
			require.ErrorIs(t, err, auth.ErrUnsendable, "%q", bad)
			require.NotContains(t, err.Error(), "\n")
			if bad != "" {
				require.NotContains(t, err.Error(), bad)
			}
		}
	}
}

// What a server says of a token is answered as the mechanism has it, once, and nothing
// that follows is a success: RFC 7628, sections 3.2.2, 3.2.3, and 4.3.
func TestTokenRefused(t *testing.T) {
	for _, test := range []struct {
		mechanism, challenge, dummy, want string
		typed                             auth.TokenError
	}{
		{
			"OAUTHBEARER", `{"status":"invalid_token","scope":"example_scope","openid-configuration":"https://example.com/.well-known/openid-config"}`, "\x01",
			"server refuses the token: invalid_token (it wants the scope example_scope)",
			auth.TokenError{Status: "invalid_token", Scope: "example_scope", Config: "https://example.com/.well-known/openid-config"},
		},
		{
			"XOAUTH2", `{"status":"401","schemes":"bearer mac","scope":"https://mail.google.com/"}` + "\n", "",
			"server refuses the token: 401 (it wants the scope https://mail.google.com/)",
			auth.TokenError{Status: "401", Scope: "https://mail.google.com/"},
		},
		{"XOAUTH2", `{"status":400}`, "", "server refuses the token: 400", auth.TokenError{Status: "400"}},
		{"XOAUTH2", "", "", "server refuses the token", auth.TokenError{}},
		{"OAUTHBEARER", "not JSON", "\x01", "server refuses the token", auth.TokenError{}},
	} {
		m, _, _ := start(t, auth.Token("tim", always("t0ken")), test.mechanism)
		refuser := m.(auth.Refuser)
		require.NoError(t, refuser.Refusal())
		response, err := m.Next([]byte(test.challenge))
		require.NoError(t, err)
		require.NotNil(t, response, "it is sent")
		require.Equal(t, test.dummy, string(response))
		require.False(t, m.Complete(), "a success is a lie now")
		require.EqualError(t, refuser.Refusal(), test.want)
		var typed *auth.TokenError
		require.ErrorAs(t, refuser.Refusal(), &typed)
		require.Equal(t, test.typed, *typed)

		_, err = m.Next([]byte(test.challenge))
		require.ErrorIs(t, err, auth.ErrChallenge)
		require.False(t, m.Complete())
		require.EqualError(t, refuser.Refusal(), test.want)
	}
}

// A server that quotes the token puts it into no error: whole, or the beginning of it,
// plain, or as it was sent.
func TestTokenIsNotQuoted(t *testing.T) {
	const token = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ0aW0ifQ/abcdef=="
	for _, mechanism := range []string{"OAUTHBEARER", "XOAUTH2"} {
		_, _, sent := start(t, auth.Token("tim", always(token)), mechanism)
		for _, quoted := range []string{
			token, token[:20], "Bearer " + token, strings.ReplaceAll(token, "/", `\/`),
			base64.StdEncoding.EncodeToString(sent), base64.StdEncoding.EncodeToString(sent)[:88],
			strings.Repeat("x", 190) + token,
		} {
			for _, field := range []string{"status", "scope", "openid-configuration"} {
				m, _, _ := start(t, auth.Token("tim", always(token)), mechanism)
				_, err := m.Next(fmt.Appendf(nil, `{%q:"what is %s?"}`, field, quoted))
				require.NoError(t, err)
				for how, text := range printed(m.(auth.Refuser).Refusal()) {
					for _, part := range []string{token[:8], base64.StdEncoding.EncodeToString(sent)[:16]} {
						require.NotContains(t, text, part, "%s of %s by %s", quoted, field, how)
					}
				}
			}
		}
	}
}

// A source that was forgotten is an error, whatever the server offers, and no panic.
func TestTokenWithoutSource(t *testing.T) {
	for _, offered := range []string{"OAUTHBEARER", "XOAUTH2", "PLAIN"} {
		for _, c := range []auth.Credentials{auth.Token("tim", nil), auth.Only(auth.Token("tim", nil), offered)} {
			require.EqualError(t, failing(t, c, offered), "auth.Token was given no source of tokens")
		}
	}
}
