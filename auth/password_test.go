package auth_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/auth"
)

// offering is a server over TLS 1.3 with these mechanisms.
func offering(mechanisms ...string) auth.Server {
	return auth.Server{
		Name:       "smtp.example.com",
		Mechanisms: mechanisms,
		TLS:        &tls.ConnectionState{Version: tls.VersionTLS13, HandshakeComplete: true},
	}
}

// start begins an exchange and returns what opens it.
func start(t *testing.T, c auth.Credentials, offered ...string) (m auth.Mechanism, name string, response []byte) {
	t.Helper()
	m, err := c.Exchange(t.Context(), offering(offered...))
	require.NoError(t, err)
	require.False(t, m.Complete(), "nothing was sent yet")
	name, response, err = m.Start()
	require.NoError(t, err)
	return m, name, response
}

func TestStrongestFirst(t *testing.T) {
	for _, test := range []struct {
		offered []string
		want    string
	}{
		{[]string{"PLAIN"}, "PLAIN"},
		{[]string{"LOGIN"}, "LOGIN"},
		{[]string{"PLAIN", "LOGIN"}, "PLAIN"},
		{[]string{"LOGIN", "PLAIN"}, "PLAIN"}, // the server's order says nothing
		{[]string{"XOAUTH2", "LOGIN"}, "LOGIN"},
		{[]string{"login", "plain"}, "PLAIN"},
	} {
		t.Run(fmt.Sprint(test.offered), func(t *testing.T) {
			_, name, _ := start(t, auth.Password("tim", "tanstaaftanstaaf"), test.offered...)
			assert.Equal(t, test.want, name)
		})
	}
}

func TestNoMechanism(t *testing.T) {
	all := []string{"SCRAM-SHA-512", "SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN", "LOGIN"} // nothing to bind to
	const allowAll = "credentials allow SCRAM-SHA-512, SCRAM-SHA-256, SCRAM-SHA-1, PLAIN, LOGIN"
	const none = "no acceptable authentication mechanism: "
	password := auth.Password("tim", "tanstaaftanstaaf")
	for _, test := range []struct {
		credentials auth.Credentials
		offered     []string
		allowed     []string
		want        string
	}{
		{password, []string{"XOAUTH2"}, all,
			none + "server offers XOAUTH2, " + allowAll},
		{password, []string{"XOAUTH2", "GSSAPI"}, all,
			none + "server offers XOAUTH2, GSSAPI, " + allowAll},
		{password, nil, all,
			none + "server offers nothing, " + allowAll},
		{password, []string{"PLAINER", "\x1b[2J\nok"}, all,
			none + `server offers PLAINER, \x1b[2J\nok, ` + allowAll},
		{auth.Only(password, "plain"), []string{"LOGIN", "XOAUTH2"}, []string{"PLAIN"},
			none + "server offers LOGIN, XOAUTH2, credentials allow PLAIN"},
		{auth.Only(password, "login", "Plain"), []string{"XOAUTH2"}, []string{"PLAIN", "LOGIN"},
			none + "server offers XOAUTH2, credentials allow PLAIN, LOGIN"},
		{auth.Only(password, "XOAUTH2"), []string{"XOAUTH2", "PLAIN"}, nil,
			none + "server offers XOAUTH2, PLAIN, credentials allow nothing"},
		{auth.Only(password), []string{"PLAIN"}, nil,
			none + "server offers PLAIN, credentials allow nothing"},
		{auth.Only(auth.Only(password, "PLAIN", "LOGIN"), "LOGIN"), []string{"PLAIN"}, []string{"LOGIN"},
			none + "server offers PLAIN, credentials allow LOGIN"},
	} {
		t.Run(test.want[len(none):], func(t *testing.T) {
			m, err := test.credentials.Exchange(t.Context(), offering(test.offered...))
			assert.Nil(t, m)
			require.ErrorIs(t, err, auth.ErrNoMechanism)
			require.EqualError(t, err, test.want)
			var typed *auth.MechanismError
			require.ErrorAs(t, err, &typed)
			assert.Equal(t, test.offered, typed.Offered)
			assert.Equal(t, test.allowed, typed.Allowed)
		})
	}
}

func TestMechanismErrorOwnsItsLists(t *testing.T) {
	password := auth.Password("tim", "tanstaaftanstaaf")
	for _, c := range []auth.Credentials{password, auth.Only(password, "PLAIN")} {
		server := offering("XOAUTH2")
		_, err := c.Exchange(t.Context(), server)
		server.Mechanisms[0] = "overwritten"
		require.ErrorContains(t, err, "server offers XOAUTH2")
	}
}

func TestNothingWithoutTLS(t *testing.T) {
	const refused = "credentials are sent over TLS alone: "
	password := auth.Password("tim", "tanstaaftanstaaf")
	for _, test := range []struct {
		state *tls.ConnectionState
		want  string
	}{
		{nil, refused + "there is none"},
		{&tls.ConnectionState{}, refused + "the handshake is not complete"},
		{&tls.ConnectionState{Version: tls.VersionTLS13}, refused + "the handshake is not complete"},
		{&tls.ConnectionState{HandshakeComplete: true, Version: tls.VersionTLS11}, refused + "TLS 1.1 is too old"},
		{&tls.ConnectionState{HandshakeComplete: true}, refused + "0x0000 is too old"},
		{&tls.ConnectionState{HandshakeComplete: true, Version: tls.VersionTLS12}, ""},
		{&tls.ConnectionState{HandshakeComplete: true, Version: tls.VersionTLS13}, ""},
	} {
		for _, c := range []auth.Credentials{password, auth.Only(password, "PLAIN")} {
			server := offering("PLAIN", "LOGIN")
			server.TLS = test.state
			m, err := c.Exchange(t.Context(), server)
			if test.want == "" {
				require.NoError(t, err)
				continue
			}
			assert.Nil(t, m)
			require.ErrorIs(t, err, auth.ErrInsecure)
			require.EqualError(t, err, test.want)
		}
	}
}

func TestUnsendable(t *testing.T) {
	const latin1 = "na\xefve" // not UTF-8
	for _, test := range []struct {
		username, password string
		plain, login       string // what is wrong, or nothing
	}{
		{"tim", "tanstaaf", "", ""},
		{"", "tanstaaf", "the username is empty", "the username is empty"},
		{"tim", "", "the password is empty", "the password is empty"},
		{"tim\x00", "tanstaaf", "the username contains NUL", "the username contains NUL"},
		{"tim", "tanstaaf\x00tanstaaf", "the password contains NUL", "the password contains NUL"},
		{latin1, "tanstaaf", "the username is not UTF-8", "the username is not UTF-8"},
		{"tim", latin1, "the password is not UTF-8", ""}, // LOGIN: any octets
		{"tim", "tanstaaf\n", "", "the password contains a line end"},
		{"tim", "tanstaaf\rtanstaaf", "", "the password contains a line end"},
		{"tim\r\n", "tanstaaf", "", "the username contains a line end"},
		{"naïve", "pässwörd €𝄞", "", ""},
	} {
		for mechanism, want := range map[string]string{"PLAIN": test.plain, "LOGIN": test.login} {
			t.Run(fmt.Sprintf("%s/%q/%q", mechanism, test.username, test.password), func(t *testing.T) {
				m, err := auth.Password(test.username, test.password).Exchange(t.Context(), offering(mechanism))
				if want == "" {
					require.NoError(t, err)
					return
				}
				assert.Nil(t, m)
				require.ErrorIs(t, err, auth.ErrUnsendable)
				require.NotErrorIs(t, err, auth.ErrNoMechanism)
				require.EqualError(t, err, "credentials cannot be sent by "+mechanism+": "+want)
			})
		}
	}
}

// What PLAIN cannot carry does not go to LOGIN unasked.
func TestUnsendableIsNoReasonForAnother(t *testing.T) {
	_, err := auth.Password("tim", "na\xefve").Exchange(t.Context(), offering("PLAIN", "LOGIN"))
	require.ErrorIs(t, err, auth.ErrUnsendable)
}

func TestSessionsShareCredentials(t *testing.T) {
	password := auth.Password("tim", "tanstaaftanstaaf")
	either := auth.Only(password, "PLAIN", "LOGIN")
	var sessions sync.WaitGroup
	for range 50 {
		sessions.Go(func() { assert.NoError(t, play(t.Context(), either, "PLAIN")) })
		sessions.Go(func() { assert.NoError(t, play(t.Context(), password, "LOGIN", "", "")) })
		sessions.Go(func() { _ = fmt.Sprintf("%+v %#v %s", password, either, either) })
	}
	sessions.Wait()
}

// play has a server ask and be content.
func play(ctx context.Context, c auth.Credentials, mechanism string, challenges ...string) error {
	m, err := c.Exchange(ctx, offering(mechanism))
	if err != nil {
		return err
	}
	if _, _, err := m.Start(); err != nil {
		return err
	}
	for _, challenge := range challenges {
		if _, err := m.Next([]byte(challenge)); err != nil {
			return err
		}
	}
	if !m.Complete() {
		return errors.New("not complete")
	}
	return nil
}

// A configuration that holds credentials can be compared.
func TestComparable(t *testing.T) {
	a, b := auth.Password("tim", "tanstaaf"), auth.Password("tim", "tanstaaf")
	same := a
	assert.True(t, a == same)
	assert.False(t, a == b)
	assert.False(t, auth.Only(a, "PLAIN") == auth.Only(a, "PLAIN"))
}

// A hostile list of mechanisms is cut short before it hides what the credentials allow.
// A name has 20 characters at most: RFC 4422, section 3.1.
func TestNoMechanismIsBrief(t *testing.T) {
	const allowed = ", credentials allow SCRAM-SHA-512, SCRAM-SHA-256, SCRAM-SHA-1, PLAIN, LOGIN"
	const none = "no acceptable authentication mechanism: server offers "
	for _, test := range []struct {
		offered []string
		want    string
	}{
		{slices.Repeat([]string{"X"}, 10), strings.Repeat("X, ", 9) + "X"},
		{slices.Repeat([]string{"X"}, 11), strings.Repeat("X, ", 10) + "and 1 more"},
		{slices.Repeat([]string{"X"}, 4000), strings.Repeat("X, ", 10) + "and 3990 more"},
		{[]string{"A2345678901234567890", "B23456789012345678901"}, "A2345678901234567890, B2345678901234567890..."},
		{[]string{strings.Repeat("\x1b", 6)}, `\x1b\x1b\x1b\x1b\x1b...`},
	} {
		err := failing(t, auth.Password("tim", "tanstaaftanstaaf"), test.offered...)
		require.EqualError(t, err, none+test.want+allowed)
	}
	for _, name := range []string{strings.Repeat("X", 12000), strings.Repeat("\xff", 12000), strings.Repeat("€", 3000)} {
		offered := append(slices.Repeat([]string{name}, 100), "SCRAM-SHA-256-PLUS")
		err := failing(t, auth.Password("tim", "tanstaaftanstaaf"), offered...)
		require.Less(t, strings.Index(err.Error(), "LOGIN"), 500)
		require.Less(t, len(err.Error()), 600)
		var typed *auth.MechanismError
		require.ErrorAs(t, err, &typed)
		require.Equal(t, offered, typed.Offered, "all of it is there for who looks")
	}
}
