package auth_test

import (
	"strings"
	"testing"

	"github.com/emersion/go-sasl"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/auth"
)

func TestPlain(t *testing.T) {
	long := strings.Repeat("long", 1000)
	for _, test := range []struct {
		name, username, password, want string
	}{
		{"RFC 4616, section 4, first", "tim", "tanstaaftanstaaf", "\x00tim\x00tanstaaftanstaaf"},
		{"RFC 4616, section 4, second, for oneself", "Kurt", "xipj3plmq", "\x00Kurt\x00xipj3plmq"},
		{"RFC 4954, section 4.1, for oneself", "test", "1234", "\x00test\x001234"},
		{"UTF-8, all lengths", "é€𝄞", "𝄞€é", "\x00é€𝄞\x00𝄞€é"},
		{"255 octets", long[:255], long[:255], "\x00" + long[:255] + "\x00" + long[:255]},
		{"longer than servers must take", long, long, "\x00" + long + "\x00" + long},
		{"as given", " tim ", "a\u00adb\u2168 \t", "\x00 tim \x00a\u00adb\u2168 \t"},
	} {
		t.Run(test.name, func(t *testing.T) {
			m, name, response := start(t, auth.Password(test.username, test.password), "PLAIN")
			assert.Equal(t, "PLAIN", name)
			assert.Equal(t, test.want, string(response))
			assert.True(t, m.Complete())
		})
	}
}

func TestPlainIsNotAsked(t *testing.T) {
	for _, challenge := range []string{"", "Password:"} {
		m, _, _ := start(t, auth.Password("tim", "tanstaaftanstaaf"), "PLAIN")
		response, err := m.Next([]byte(challenge))
		assert.Empty(t, response)
		require.ErrorIs(t, err, sasl.ErrUnexpectedServerChallenge)
		assert.False(t, m.Complete(), "who asks more is not believed")
	}
}
