package auth_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"github.com/emersion/go-sasl"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/auth"
)

// certified is a server that has seen a client certificate.
func certified(mechanisms ...string) auth.Server {
	server := offering(mechanisms...)
	server.ClientCertificate = true
	return server
}

// RFC 4422, appendix A.1: the identity, or nothing, which is said and not left out.
func TestExternal(t *testing.T) {
	for _, identity := range []string{"", "tim@example.com", "ti€m"} {
		m, err := auth.External(identity).Exchange(t.Context(), certified("PLAIN", "external"))
		require.NoError(t, err)
		require.False(t, m.Complete())
		name, response, err := m.Start()
		require.NoError(t, err)
		assert.Equal(t, "EXTERNAL", name)
		require.NotNil(t, response)
		assert.Equal(t, identity, string(response))
		assert.True(t, m.Complete())

		response, err = m.Next(nil)
		require.ErrorIs(t, err, sasl.ErrUnexpectedServerChallenge)
		assert.Empty(t, response)
		assert.False(t, m.Complete())
	}
}

func TestExternalRefuses(t *testing.T) {
	for _, test := range []struct {
		name     string
		identity string
		server   auth.Server
		is       error
		want     string
	}{
		{"no certificate", "", offering("EXTERNAL"), auth.ErrNoCertificate, "no client certificate was presented"},
		{"not offered", "", certified("PLAIN"), auth.ErrNoMechanism, "no acceptable authentication mechanism: server offers PLAIN, credentials allow EXTERNAL"},
		{"no TLS", "", auth.Server{Mechanisms: []string{"EXTERNAL"}, ClientCertificate: true}, auth.ErrInsecure, "credentials are sent over TLS alone: there is none"},
		{"NUL", "a\x00b", certified("EXTERNAL"), auth.ErrUnsendable, "credentials cannot be sent by EXTERNAL: the identity contains NUL"},
		{"not UTF-8", "a\xff", certified("EXTERNAL"), auth.ErrUnsendable, "credentials cannot be sent by EXTERNAL: the identity is not UTF-8"},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, c := range []auth.Credentials{auth.External(test.identity), auth.Only(auth.External(test.identity), "external")} {
				m, err := c.Exchange(t.Context(), test.server)
				require.Nil(t, m)
				require.ErrorIs(t, err, test.is)
				require.EqualError(t, err, test.want)
			}
		})
	}
	_, err := auth.Only(auth.External(""), "PLAIN").Exchange(t.Context(), certified("EXTERNAL", "PLAIN"))
	require.ErrorIs(t, err, auth.ErrNoMechanism)
	require.False(t, errors.Is(err, auth.ErrNoCertificate))
}

func TestExternalIsShown(t *testing.T) {
	c := auth.External("t\nim")
	m, err := c.Exchange(t.Context(), certified("EXTERNAL"))
	require.NoError(t, err)
	for want, v := range map[string]any{`auth.External("t\nim")`: c, `EXTERNAL as "t\nim"`: m} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
			assert.Equal(t, want, fmt.Sprintf(verb, v))
		}
		b, err := json.Marshal(v)
		require.NoError(t, err)
		shown, err := json.Marshal(want)
		require.NoError(t, err)
		assert.Equal(t, string(shown), string(b))
	}
}
