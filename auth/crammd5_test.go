package auth_test

import (
	"strings"
	"testing"

	"github.com/emersion/go-sasl"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/auth"
)

// RFC 2195, section 2 with its digest, and RFC 2202, section 2: HMAC-MD5 with keys
// that are longer than a block.
func TestCRAMMD5(t *testing.T) {
	for _, test := range []struct{ name, username, password, challenge, want string }{
		{
			"RFC 2195, section 2", "tim", "tanstaaftanstaaf", "<1896.697170952@postoffice.reston.mci.net>",
			"tim b913a602c7eda7a495b4e6e7334d3890",
		},
		{"RFC 2202, section 2, case 2", "me", "Jefe", "what do ya want for nothing?", "me 750c783e6ab0b503eaa86e310a5db738"},
		{
			"RFC 2202, section 2, case 6", "me", strings.Repeat("\xaa", 80), "Test Using Larger Than Block-Size Key - Hash Key First",
			"me 6b1ab7fe4bd7bf8f0b62e6ce61b9d0cd",
		},
		{"a space in the username", "me too", "Jefe", "what do ya want for nothing?", "me too 750c783e6ab0b503eaa86e310a5db738"},
	} {
		t.Run(test.name, func(t *testing.T) {
			m, name, initial := start(t, auth.Only(auth.Password(test.username, test.password), "CRAM-MD5"), "CRAM-MD5")
			assert.Equal(t, "CRAM-MD5", name)
			assert.Nil(t, initial, "the server speaks first")
			assert.False(t, m.Complete())
			response, err := m.Next([]byte(test.challenge))
			require.NoError(t, err)
			assert.Equal(t, test.want, string(response))
			assert.True(t, m.Complete())

			for range 2 {
				response, err = m.Next([]byte(test.challenge))
				require.ErrorIs(t, err, sasl.ErrUnexpectedServerChallenge)
				assert.Empty(t, response)
				assert.False(t, m.Complete())
			}
		})
	}
}

// A digest of nothing is good for ever; who asks for one gets none, and no other.
func TestCRAMMD5EmptyChallenge(t *testing.T) {
	m, _, _ := start(t, auth.Only(auth.Password("tim", "tanstaaftanstaaf"), "CRAM-MD5"), "CRAM-MD5")
	for _, challenge := range []string{"", "<1896.697170952@postoffice.reston.mci.net>"} {
		response, err := m.Next([]byte(challenge))
		require.Error(t, err)
		require.Empty(t, response)
		require.False(t, m.Complete())
	}
}

// It is used by name only: by that of the one who asks, not the server's.
func TestCRAMMD5ByName(t *testing.T) {
	password := auth.Password("tim", "tanstaaftanstaaf")
	err := failing(t, password, "CRAM-MD5")
	require.ErrorIs(t, err, auth.ErrNoMechanism)
	require.NotContains(t, err.Error(), "LOGIN, CRAM-MD5")

	_, name, _ := start(t, password, "CRAM-MD5", "LOGIN")
	require.Equal(t, "LOGIN", name)
	_, name, _ = start(t, auth.Only(password, "cram-md5", "plain"), "CRAM-MD5", "LOGIN", "PLAIN")
	require.Equal(t, "PLAIN", name, "last of all")
	_, name, _ = start(t, auth.Only(password, "cram-md5"), "CRAM-MD5", "PLAIN")
	require.Equal(t, "CRAM-MD5", name)
	_, name, _ = start(t, auth.Only(auth.Only(password, "CRAM-MD5"), "CRAM-MD5", "PLAIN"), "CRAM-MD5", "PLAIN")
	require.Equal(t, "CRAM-MD5", name)
	err = failing(t, auth.Only(auth.Only(password, "PLAIN"), "CRAM-MD5"), "CRAM-MD5", "PLAIN")
	require.ErrorIs(t, err, auth.ErrNoMechanism, "both have to name it")

	for _, test := range []struct{ username, password, want string }{
		{"", "p", "the username is empty"},
		{"tim", "", "the password is empty"},
		{"t\nim", "p", "the username contains a line end"},
		{"t\x00im", "p", "the username contains NUL"},
		{"t\xffim", "p", "the username is not UTF-8"},
	} {
		err := failing(t, auth.Only(auth.Password(test.username, test.password), "CRAM-MD5"), "CRAM-MD5")
		require.ErrorIs(t, err, auth.ErrUnsendable)
		require.EqualError(t, err, "credentials cannot be sent by CRAM-MD5: "+test.want)
	}
}
