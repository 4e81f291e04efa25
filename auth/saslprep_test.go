package auth_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/auth"
)

// The examples of RFC 4013, section 3, and RFC 5802, section 5.1: a username as it
// is given and as SCRAM sends it.
func TestSCRAMUsername(t *testing.T) {
	for _, test := range []struct{ name, given, sent string }{
		{"SOFT HYPHEN mapped to nothing", "I\u00adX", "IX"},
		{"no transformation", "user", "user"},
		{"case preserved", "USER", "USER"},
		{"output is NFKC", "\u00aa", "a"},
		{"output is NFKC, like the first", "\u2168", "IX"},
		{"a space that is none in ASCII", "a\u00a0b", "a b"},
		{"right to left", "\u0627\u0628", "\u0627\u0628"},
		{"a comma", "a,b", "a=2Cb"},
		{"an equals sign", "a=b", "a=3Db"},
		{"both, and what looks escaped", "=2C,=3D,", "=3D2C=2C=3D3D=2C"},
		{"a comma after preparation", "a\uff0cr=x", "a=2Cr=3Dx"}, // FULLWIDTH COMMA
		{"an attribute", "tim,r=0123", "tim=2Cr=3D0123"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := auth.WithNonce(auth.Password(test.given, "pencil"), rfcNonce)
			_, _, first := start(t, c, "SCRAM-SHA-256")
			assert.Equal(t, "n,,n="+test.sent+",r="+rfcNonce, string(first))
		})
	}
}

// RFC 4013, section 3: passwords that are written in two ways are one.
func TestSCRAMPassword(t *testing.T) {
	prove := func(password string) string {
		m, _, _ := start(t, auth.WithNonce(auth.Password("user", password), rfcNonce), "SCRAM-SHA-256")
		final, err := m.Next([]byte(rfcServerFirst))
		require.NoError(t, err)
		return string(final)
	}
	for given, prepared := range map[string]string{
		"I\u00adX": "IX", "\u2168": "IX", "\u00aa": "a", "pen\u00a0cil": "pen cil", "pe\u0301ncil": "p\u00e9ncil", "USER": "USER",
	} {
		assert.Equal(t, prove(prepared), prove(given), "%+q", given)
	}
	assert.NotEqual(t, prove("user"), prove("USER"))
}

// forbidden is what SASLprep alone forbids: RFC 4013, sections 2.3 to 2.5, and the
// last examples of section 3.
var forbidden = map[string]string{
	"prohibited, U+0007":           "\u0007",
	"bidirectional check":          "\u0627\u0031",
	"left to right within":         "\u0627a\u0628",
	"a private use":                "a\ue000",
	"not a character":              "a\ufffe",
	"a control":                    "a\u0085",
	"unassigned in Unicode 3.2":    "\U0001F511", // a key
	"one letter among many emojis": "\U0001F511\U0001F510a\U0001F512",
}

// What only SASLprep forbids PLAIN sends as it is: SCRAM is passed over.
func TestSCRAMPassedOver(t *testing.T) {
	const refused = "the username or the password has characters that SASLprep (RFC 4013) forbids"
	for name, odd := range forbidden {
		for _, c := range []auth.Credentials{auth.Password("tim", odd), auth.Password(odd, "tanstaaf")} {
			t.Run(name, func(t *testing.T) {
				all := []string{"SCRAM-SHA-512", "SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN", "LOGIN"}
				_, mechanism, response := start(t, c, all...)
				assert.Equal(t, "PLAIN", mechanism)
				assert.Contains(t, string(response), odd)

				_, mechanism, _ = start(t, c, "SCRAM-SHA-256", "LOGIN")
				assert.Equal(t, "LOGIN", mechanism)

				for _, only := range [][]string{all[:1], all[1:2], all[:3]} {
					for _, err := range []error{
						failing(t, auth.Only(c, only...), all...), // by name
						failing(t, c, only...),                    // by the server
					} {
						require.ErrorIs(t, err, auth.ErrUnsendable)
						require.NotErrorIs(t, err, auth.ErrNoMechanism)
						require.EqualError(t, err, "credentials cannot be sent by "+only[0]+": "+refused)
						require.NotContains(t, fmt.Sprintf("%+v", err), odd)
					}
				}
			})
		}
	}
}

func failing(t *testing.T, c auth.Credentials, offered ...string) error {
	t.Helper()
	m, err := c.Exchange(t.Context(), offering(offered...))
	require.Nil(t, m)
	return err
}

// What no mechanism for UTF-8 can send is no reason to show a password to LOGIN that
// would not have seen it otherwise.
func TestSCRAMUnsendable(t *testing.T) {
	const latin1 = "na\xefve"
	for _, test := range []struct{ username, password, want string }{
		{"", "tanstaaf", "the username is empty"},
		{"tim", "", "the password is empty"},
		{"tim", latin1, "the password is not UTF-8"},
		{latin1, "tanstaaf", "the username is not UTF-8"},
		{"tim", "a\x00b", "the password contains NUL"},
		{"a\x00b", "tanstaaf", "the username contains NUL"},
	} {
		for _, offered := range [][]string{{"SCRAM-SHA-256"}, {"SCRAM-SHA-256", "PLAIN", "LOGIN"}, {"LOGIN", "SCRAM-SHA-256"}} {
			err := failing(t, auth.Password(test.username, test.password), offered...)
			require.ErrorIs(t, err, auth.ErrUnsendable, "%q", offered)
			require.EqualError(t, err, "credentials cannot be sent by SCRAM-SHA-256: "+test.want)
		}
	}
}

// RFC 5802, section 5.1, attribute n: a username of which preparation leaves nothing
// is not sent.
func TestSCRAMNothingLeft(t *testing.T) {
	nothing := strings.Repeat("\u00ad\ufe00", 3) // SOFT HYPHEN and a variation selector: mapped to nothing
	for _, c := range []auth.Credentials{auth.Password(nothing, "tanstaaf"), auth.Password("tim", nothing)} {
		err := failing(t, c, "SCRAM-SHA-256")
		require.ErrorIs(t, err, auth.ErrUnsendable)
		require.EqualError(t, err, "credentials cannot be sent by SCRAM-SHA-256: SASLprep (RFC 4013) leaves nothing of the username or the password")
		_, mechanism, _ := start(t, c, "SCRAM-SHA-256", "PLAIN")
		require.Equal(t, "PLAIN", mechanism)
	}
}
