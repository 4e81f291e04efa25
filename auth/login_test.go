package auth_test

import (
	"testing"

	"github.com/emersion/go-sasl"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/auth"
)

func TestLoginAnswersWhateverIsAsked(t *testing.T) {
	for _, test := range []struct {
		name          string
		first, second []byte
	}{
		{"the draft's", []byte("User Name\x00"), []byte("Password\x00")},
		{"as most say it", []byte("Username:"), []byte("Password:")},
		{"lower case", []byte("username:"), []byte("password:")},
		{"empty first", []byte{}, []byte("Password:")},
		{"empty both", []byte{}, []byte{}},
		{"nil", nil, nil},
		{"the other way round", []byte("Password:"), []byte("Username:")},
		{"twice the same", []byte("Username:"), []byte("Username:")},
		{"garbage", []byte("\xff\xfe\x00\x1b[2J"), []byte("\r\n250 ok\r\n")},
	} {
		t.Run(test.name, func(t *testing.T) {
			m, name, initial := start(t, auth.Password("tim", "tanstaaftanstaaf"), "LOGIN")
			assert.Equal(t, "LOGIN", name)
			assert.Nil(t, initial, "the server speaks first")
			assert.False(t, m.Complete())

			response, err := m.Next(test.first)
			require.NoError(t, err)
			assert.Equal(t, "tim", string(response))
			assert.False(t, m.Complete(), "the password was not asked for")

			response, err = m.Next(test.second)
			require.NoError(t, err)
			assert.Equal(t, "tanstaaftanstaaf", string(response))
			assert.True(t, m.Complete())
		})
	}
}

func TestLoginIsAskedTwice(t *testing.T) {
	m, _, _ := start(t, auth.Password("tim", "tanstaaftanstaaf"), "LOGIN")
	for range 2 {
		_, err := m.Next(nil)
		require.NoError(t, err)
	}
	for range 2 {
		response, err := m.Next([]byte("Password:"))
		assert.Empty(t, response)
		require.ErrorIs(t, err, sasl.ErrUnexpectedServerChallenge)
		assert.False(t, m.Complete())
	}
}

// Octets that are not UTF-8 are allowed in a password, section 2 of the draft.
func TestLoginSendsOctets(t *testing.T) {
	m, _, _ := start(t, auth.Password("tim", "na\xefve"), "LOGIN")
	_, err := m.Next(nil)
	require.NoError(t, err)
	response, err := m.Next(nil)
	require.NoError(t, err)
	assert.Equal(t, "na\xefve", string(response))
}

// RFC 4954, section 4: no initial response where the server begins, as it does in the
// draft; not even an empty one, which is sent as "=".
func TestLoginHasNoInitialResponse(t *testing.T) {
	for _, offered := range [][]string{{"LOGIN"}, {"login"}, {"XOAUTH2", "LOGIN"}} {
		m, name, initial := start(t, auth.Password("tim", "tanstaaftanstaaf"), offered...)
		require.Equal(t, "LOGIN", name)
		require.Nil(t, initial)
		require.False(t, m.Complete())
	}
}
