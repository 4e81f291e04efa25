package auth_test

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/xdg-go/scram"

	"github.com/mailport/mailport/auth"
)

// hashes are what the SCRAM mechanisms are named after, strongest first.
var hashes = []struct {
	name string
	hash scram.HashGeneratorFcn
}{
	{"SCRAM-SHA-512", scram.SHA512},
	{"SCRAM-SHA-256", scram.SHA256},
	{"SCRAM-SHA-1", scram.SHA1},
}

func hashOf(t testing.TB, mechanism string) scram.HashGeneratorFcn {
	for _, h := range hashes {
		if h.name == strings.TrimSuffix(mechanism, "-PLUS") {
			return h.hash
		}
	}
	t.Fatal("no hash: ", mechanism)
	return nil
}

// bindingOfServer is computed apart from package auth: RFC 9266, section 2, and RFC
// 5929, section 3.
func bindingOfServer(t testing.TB, state *tls.ConnectionState) scram.ChannelBinding {
	if state.Version == tls.VersionTLS12 {
		return scram.ChannelBinding{Type: "tls-unique", Data: state.TLSUnique}
	}
	data, err := state.ExportKeyingMaterial("EXPORTER-Channel-Binding", []byte{}, 32)
	require.NoError(t, err)
	return scram.ChannelBinding{Type: "tls-exporter", Data: data}
}

// scramServer is the other side: it knows tim's password, and if binding has a type
// offers -PLUS.
func scramServer(t testing.TB, mechanism string, binding scram.ChannelBinding) *scram.ServerConversation {
	t.Helper()
	return scramKnows(t, mechanism, "tim", "tanstaaftanstaaf").NewConversationWithChannelBinding(binding)
}

// scramServerOf is one that knows somebody else, and binds nothing.
func scramServerOf(t testing.TB, mechanism, username, password string) *scram.ServerConversation {
	t.Helper()
	return scramKnows(t, mechanism, username, password).NewConversation()
}

func scramKnows(t testing.TB, mechanism, username, password string) *scram.Server {
	t.Helper()
	known := storedFor(t, mechanism, username, password)
	server, err := hashOf(t, mechanism).NewServer(func(name string) (scram.StoredCredentials, error) {
		if name != username {
			return scram.StoredCredentials{}, fmt.Errorf("no such user: %q", name)
		}
		return known, nil
	})
	require.NoError(t, err)
	return server
}

// storedFor is what a server keeps of a password. It is derived once.
func storedFor(t testing.TB, mechanism, username, password string) scram.StoredCredentials {
	t.Helper()
	whose := [3]string{mechanism, username, password}
	if kept, ok := stored.Load(whose); ok {
		return kept.(scram.StoredCredentials)
	}
	user, err := hashOf(t, mechanism).NewClient(username, password, "")
	require.NoError(t, err)
	derived, err := user.GetStoredCredentialsWithError(scram.KeyFactors{Salt: "0123456789abcdef", Iters: 4096})
	require.NoError(t, err)
	stored.Store(whose, derived)
	return derived
}

var stored sync.Map // of credentials

// converse plays an exchange to its end, and returns how it began, and what either
// side did not like. What a server does not like it says.
func converse(t testing.TB, m auth.Mechanism, server *scram.ServerConversation) (first string, clientErr, serverErr error) {
	t.Helper()
	_, response, err := m.Start()
	require.NoError(t, err)
	first = string(response)
	for range 2 {
		challenge, err := server.Step(string(response))
		serverErr = err
		if response, clientErr = m.Next([]byte(challenge)); clientErr != nil || serverErr != nil {
			return first, clientErr, serverErr
		}
	}
	return first, nil, nil
}

func gs2(first string) string { return strings.SplitAfter(first, ",")[0] }

var versions = map[uint16]string{tls.VersionTLS12: "p=tls-unique,", tls.VersionTLS13: "p=tls-exporter,"}

// RFC 5802, section 6: bound, if the server can; if only this side can, it says so.
func TestBinding(t *testing.T) {
	for version, flag := range versions {
		client, server := newSite(version).connect(t)
		for _, h := range hashes {
			for _, test := range []struct {
				offered []string
				binding scram.ChannelBinding
				want    string
				flag    string
			}{
				{[]string{"PLAIN", h.name, h.name + "-PLUS"}, bindingOfServer(t, server), h.name + "-PLUS", flag},
				{[]string{h.name + "-PLUS"}, bindingOfServer(t, server), h.name + "-PLUS", flag},
				{[]string{"PLAIN", h.name}, scram.ChannelBinding{}, h.name, "y,"},
			} {
				t.Run(fmt.Sprint(tls.VersionName(version), test.offered), func(t *testing.T) {
					password := auth.Password("tim", "tanstaaftanstaaf")
					m, err := password.Exchange(t.Context(), auth.Server{Mechanisms: test.offered, TLS: client})
					require.NoError(t, err)
					name, _, err := m.Start()
					require.NoError(t, err)
					require.Equal(t, test.want, name)

					m, err = password.Exchange(t.Context(), auth.Server{Mechanisms: test.offered, TLS: client})
					require.NoError(t, err)
					other := scramServer(t, name, test.binding)
					first, clientErr, serverErr := converse(t, m, other)
					require.NoError(t, serverErr)
					require.NoError(t, clientErr)
					assert.Equal(t, test.flag, gs2(first))
					assert.True(t, other.Valid())
					assert.True(t, m.Complete())
				})
			}
		}
	}
}

// Somebody in between has two connections: what is bound to the one is not taken
// over the other.
func TestBindingInBetween(t *testing.T) {
	for version := range versions {
		s := newSite(version)
		client, _ := s.connect(t)
		_, server := s.connect(t)
		m, err := auth.Password("tim", "tanstaaftanstaaf").Exchange(t.Context(),
			auth.Server{Mechanisms: []string{"SCRAM-SHA-256-PLUS"}, TLS: client})
		require.NoError(t, err)
		other := scramServer(t, "SCRAM-SHA-256-PLUS", bindingOfServer(t, server))
		_, clientErr, serverErr := converse(t, m, other)
		require.ErrorContains(t, serverErr, "channel binding mismatch")
		require.ErrorIs(t, clientErr, auth.ErrUnproven)
		require.EqualError(t, clientErr, "SCRAM-SHA-256-PLUS: server sees another connection than this one "+
			"(channel-bindings-dont-match): somebody may be in between")
		require.False(t, other.Valid())
		require.False(t, m.Complete())
	}
}

// Somebody who takes -PLUS from the list is found out: the server is told that it was
// not there.
func TestBindingStripped(t *testing.T) {
	for version := range versions {
		client, server := newSite(version).connect(t)
		m, err := auth.Password("tim", "tanstaaftanstaaf").Exchange(t.Context(),
			auth.Server{Mechanisms: []string{"SCRAM-SHA-256"}, TLS: client})
		require.NoError(t, err)
		other := scramServer(t, "SCRAM-SHA-256", bindingOfServer(t, server))
		first, clientErr, serverErr := converse(t, m, other)
		require.Equal(t, "y,", gs2(first))
		require.ErrorContains(t, serverErr, "downgrade")
		require.ErrorIs(t, clientErr, auth.ErrUnproven)
		require.EqualError(t, clientErr, "SCRAM-SHA-256: server offers -PLUS, and that did not arrive "+
			"(server-does-support-channel-binding): somebody may be in between")
	}
}

// Who leaves out what the server offers must not say that it was not there: the server
// would have to refuse (RFC 5802, section 6).
func TestBindingLeftOut(t *testing.T) {
	client, server := newSite(tls.VersionTLS13).connect(t)
	password := auth.Password("tim", "tanstaaftanstaaf")
	both := []string{"SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"}
	for _, test := range []struct {
		name        string
		credentials auth.Credentials
		server      auth.Server
		flag        string
	}{
		{"by name", auth.Only(password, "SCRAM-SHA-256"), auth.Server{Mechanisms: both}, "n,"},
		{"by name, twice", auth.Only(auth.Only(password, "SCRAM-SHA-256", "PLAIN"), "scram-sha-256"), auth.Server{Mechanisms: both}, "n,"},
		{"by name, in lower case", auth.Only(password, "SCRAM-SHA-256"), auth.Server{Mechanisms: []string{"scram-sha-256", "scram-sha-1-plus"}}, "n,"},
		{"of another hash", auth.Only(password, "SCRAM-SHA-256"), auth.Server{Mechanisms: []string{"SCRAM-SHA-256", "SCRAM-SHA3-512-PLUS"}}, "n,"},
		{"by the session", password, auth.Server{Mechanisms: both[1:], Offered: both}, "n,"},
		{"by the session, and by name", auth.Only(password, "SCRAM-SHA-256"), auth.Server{Mechanisms: both[1:], Offered: both}, "n,"},
		{"not", password, auth.Server{Mechanisms: both[1:]}, "y,"},
		{"not, and not wanted by name", auth.Only(password, "SCRAM-SHA-256"), auth.Server{Mechanisms: both[1:]}, "n,"},
		{"not, and not wanted by one of two", auth.Only(auth.Only(password, both...), "SCRAM-SHA-256"), auth.Server{Mechanisms: both[1:]}, "n,"},
		{"not, by name", auth.Only(password, both...), auth.Server{Mechanisms: both[1:]}, "y,"},
		{"not, by the session", password, auth.Server{Mechanisms: both[1:], Offered: both[1:]}, "y,"},
		{"not, but of another family", password, auth.Server{Mechanisms: []string{"SCRAM-SHA-256", "GS2-KRB5-PLUS"}}, "y,"},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.server.TLS = client
			offered := slices.Clone(test.server.Mechanisms)
			m, err := test.credentials.Exchange(t.Context(), test.server)
			require.NoError(t, err)
			binding := bindingOfServer(t, server)
			if test.flag == "y," {
				binding = scram.ChannelBinding{}
			}
			other := scramServer(t, "SCRAM-SHA-256", binding)
			first, clientErr, serverErr := converse(t, m, other)
			require.NoError(t, serverErr)
			require.NoError(t, clientErr)
			assert.Equal(t, test.flag, gs2(first))
			assert.True(t, m.Complete())
			assert.Equal(t, offered, test.server.Mechanisms)
		})
	}
}

// A server that refuses before it has used the password may be unable to use it: the
// error names the way out.
func TestSCRAMRefusalNamesTheWayOut(t *testing.T) {
	client, _ := newSite(tls.VersionTLS13).connect(t)
	const nobody = ": refused before the password was used: no such user, or none with a password for SCRAM " +
		`(then auth.Only(..., "PLAIN", "LOGIN"))`
	for _, test := range []struct {
		offered []string
		want    string
	}{
		{[]string{"SCRAM-SHA-256-PLUS"}, "SCRAM-SHA-256-PLUS" + nobody},
		{[]string{"SCRAM-SHA-1"}, "SCRAM-SHA-1" + nobody + "; or server has -PLUS and that was not offered " +
			`(then auth.Only(..., "SCRAM-SHA-1")): somebody may be in between`},
	} {
		m, err := auth.Password("user", "pencil").Exchange(t.Context(), auth.Server{Mechanisms: test.offered, TLS: client})
		require.NoError(t, err)
		_, _, err = m.Start()
		require.NoError(t, err)
		require.EqualError(t, m.(auth.Refuser).Refusal(), test.want)
	}
}

// A resumed session with an extended master secret has a binding of its own.
func TestBindingResumed(t *testing.T) {
	for version, flag := range versions {
		s := newSite(version)
		s.client.ClientSessionCache = tls.NewLRUClientSessionCache(1)
		before, _ := s.connect(t)
		client, server := s.connect(t)
		require.False(t, before.DidResume)
		require.True(t, client.DidResume, tls.VersionName(version))

		for _, test := range []struct {
			client *tls.ConnectionState
			valid  bool
		}{{client, true}, {before, false}} {
			m, err := auth.Password("tim", "tanstaaftanstaaf").Exchange(t.Context(),
				auth.Server{Mechanisms: []string{"SCRAM-SHA-256-PLUS"}, TLS: test.client})
			require.NoError(t, err)
			other := scramServer(t, "SCRAM-SHA-256-PLUS", bindingOfServer(t, server))
			first, _, _ := converse(t, m, other)
			assert.Equal(t, flag, gs2(first))
			assert.Equal(t, test.valid, other.Valid())
			assert.Equal(t, test.valid, m.Complete())
		}
	}
}

// unbound are connections of which nothing can be said that another does not share.
func unbound(t *testing.T) map[string]*tls.ConnectionState {
	s := newSite(tls.VersionTLS12)
	s.client.CurvePreferences = nil // that server has one of its own
	near, far := sockets(t)
	unextended, err := connectUnextended(near, far, s)
	require.NoError(t, err)
	require.NotEmpty(t, unextended.TLSUnique, "it is not told by what is missing here")
	states := map[string]*tls.ConnectionState{
		"TLS 1.2 without an extended master secret (RFC 7627)": unextended,

		// No handshake made these.
		"hand-made TLS 1.3": {Version: tls.VersionTLS13, HandshakeComplete: true},
		"hand-made TLS 1.2": {Version: tls.VersionTLS12, HandshakeComplete: true, TLSUnique: []byte("0123456789ab")},
	}
	for version := range versions { // RFC 9266, section 4.2
		s := newSite(version)
		s.client.Renegotiation = tls.RenegotiateOnceAsClient
		states[tls.VersionName(version)+" that may change"], _ = s.connect(t)
	}
	return states
}

// Where there is nothing to bind to, -PLUS is out, and the server is not told that
// there is.
func TestNothingToBindTo(t *testing.T) {
	const why = ", and no -PLUS: this connection has nothing to bind to (RFC 7627, RFC 9266)"
	for name, state := range unbound(t) {
		t.Run(name, func(t *testing.T) {
			password := auth.Password("tim", "tanstaaftanstaaf")
			for _, offered := range [][]string{{"SCRAM-SHA-256"}, {"SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "PLAIN"}} {
				m, err := password.Exchange(t.Context(), auth.Server{Mechanisms: offered, TLS: state})
				require.NoError(t, err)
				other := scramServer(t, "SCRAM-SHA-256", scram.ChannelBinding{})
				first, clientErr, serverErr := converse(t, m, other)
				require.NoError(t, serverErr)
				require.NoError(t, clientErr)
				assert.Equal(t, "n,", gs2(first))
				assert.True(t, m.Complete())
			}

			plus := auth.Server{Mechanisms: []string{"SCRAM-SHA-256-PLUS"}, TLS: state}
			_, err := password.Exchange(t.Context(), plus)
			require.EqualError(t, err, "no acceptable authentication mechanism: server offers SCRAM-SHA-256-PLUS, "+
				"credentials allow SCRAM-SHA-512, SCRAM-SHA-256, SCRAM-SHA-1, PLAIN, LOGIN"+why)
			_, err = auth.Only(password, "SCRAM-SHA-256-PLUS").Exchange(t.Context(), plus)
			require.ErrorIs(t, err, auth.ErrNoMechanism)
			require.EqualError(t, err, "no acceptable authentication mechanism: server offers SCRAM-SHA-256-PLUS, "+
				"credentials allow nothing"+why)
		})
	}
}

// A GODEBUG setting has crypto/tls export without an extended master secret; it does
// not make one. It is asked of another process: crypto/tls remembers that it was used.
func TestNothingToBindToWhateverGODEBUG(t *testing.T) {
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestNothingToBindTo$", "-test.v") //nolint:gosec // ourselves
	child.Env = append(os.Environ(), "GODEBUG=tlsunsafeekm=1")
	out, err := child.CombinedOutput()
	require.NoError(t, err, string(out))
	require.True(t, bytes.Contains(out, []byte("--- PASS: TestNothingToBindTo")), string(out))
}
