package auth_test

import (
	"encoding/base64"
	"errors"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/auth"
)

// FuzzSCRAM has a server say what it likes. Nothing it says makes the client panic,
// compute more than it may be asked for, or believe: but for the one signature that
// needs the password.
func FuzzSCRAM(f *testing.F) {
	f.Add(rfcServerFirst, rfcServerFinal, "")
	f.Add(rfcServerFirst, "v=", rfcServerFinal)
	f.Add(rfcServerFirst+",x=y", rfcServerFinal, "v=")
	f.Add(rfcServerFirst+",m=y", "v=", "v=")
	f.Add("r="+rfcNonce+"x,s=!!!,i=4096", "v=", "")
	f.Add("r="+rfcNonce+"x,s=,i=4096", "e=", "v=")
	f.Add("r="+rfcNonce+"x,s=QSXCR+Q6sek8bf92,i=2147483648", rfcServerFinal, "")
	f.Add("e=server-does-support-channel-binding", "e=\x1b[2J", "")
	f.Add("", rfcServerFirst, rfcServerFinal)
	f.Fuzz(func(t *testing.T, first, second, third string) {
		if fields := strings.Split(first, ","); len(fields) > 2 {
			if n, err := strconv.Atoi(strings.TrimPrefix(fields[2], "i=")); err == nil && n > 5000 && n <= 10_000_000 {
				return // allowed, and slow
			}
		}
		m := example(t)
		right := false
		for i, challenge := range []string{first, second, third} {
			response, err := m.Next([]byte(challenge))
			require.True(t, err == nil || len(response) == 0)
			if err != nil {
				onePrintableLine(t, err)
			}
			switch {
			case i == 0 && err == nil: // then it is what it has to be
				require.True(t, strings.HasPrefix(first, "r="+rfcNonce) && !strings.Contains(first, ",m="), "%q", first)
				require.True(t, strings.HasPrefix(string(response), "c=biws,r="+rfcNonce))
				require.Contains(t, string(response), ",p=")
			case i == 1:
				right = first == rfcServerFirst && signed(second)
				require.Equal(t, right, err == nil, "%q then %q: %v", first, second, err)
			case i == 2:
				right = false
				require.Error(t, err)
			}
			require.Equal(t, right, m.Complete(), "%q then %q then %q", first, second, third)
		}
	})
}

// signed is whether a server-final-message has the signature of the RFC's example.
func signed(final string) bool {
	signature, extensions, _ := strings.Cut(final, ",")
	decode := func(s string) string {
		b, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(s, "v="))
		if err != nil {
			return ""
		}
		return string(b)
	}
	return strings.HasPrefix(final, "v=") && decode(signature) == decode(rfcServerFinal) && !strings.Contains(","+extensions, ",m=")
}

// FuzzTokenError has a server say what it likes of a token. What comes of it is one
// line that can be printed, not too long, and without the token.
func FuzzTokenError(f *testing.F) {
	for _, challenge := range []string{
		"", "{}", "null", "[]", `"x"`, "{", `{"status":"invalid_token"}`, `{"status":401}`, `{"status":1e400}`, `{"status":{"a":[]}}`,
		`{"status":"401","schemes":"bearer mac","scope":"https://mail.google.com/"}` + "\n",
		`{"status":"invalid_token","scope":"example_scope","openid-configuration":"https://example.com/.well-known/openid-config"}`,
		`{"STATUS":"\u0000\u001b[2J\ud800","scope":["a","b"]}`, `{"scope":"secret-token"}`, `{"status":"` + strings.Repeat(`\n`, 1000) + `"}`,
		strings.Repeat(`{"status":`, 20_000),
	} {
		f.Add([]byte(challenge))
	}
	f.Fuzz(func(t *testing.T, challenge []byte) {
		for _, mechanism := range []string{"OAUTHBEARER", "XOAUTH2"} {
			m, _, _ := start(t, auth.Token("tim", always("secret-token")), mechanism)
			_, err := m.Next(challenge)
			require.NoError(t, err)
			require.False(t, m.Complete())
			refusal := m.(auth.Refuser).Refusal()
			require.Error(t, refusal)
			onePrintableLine(t, refusal)
			require.NotContains(t, refusal.Error(), "secret-t")
			var typed *auth.TokenError
			require.True(t, errors.As(refusal, &typed))
			require.True(t, utf8.ValidString(typed.Status+typed.Scope+typed.Config))
		}
	})
}

// onePrintableLine holds that a server does not write into a log what it likes.
func onePrintableLine(t testing.TB, err error) {
	t.Helper()
	text := err.Error()
	require.Less(t, len(text), 2500)
	for i := range len(text) {
		require.True(t, text[i] >= ' ' && text[i] <= '~', "%q", text)
	}
}
