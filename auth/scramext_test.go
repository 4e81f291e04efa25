package auth_test

import (
	"crypto/tls"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/auth"
)

// RFC 5802, section 5.1, attribute m: its presence fails the authentication,
// wherever it is. What else a server adds is ignored (section 7, extensions).
func TestSCRAMExtensions(t *testing.T) {
	for _, test := range []struct {
		name, first, final string
		ok                 bool
	}{
		{"none", rfcServerFirst, rfcServerFinal, true},
		{"final has one", rfcServerFirst, rfcServerFinal + ",x=y", true},
		{"m before the nonce", "m=ext," + rfcServerFirst, "", false},
		{"m after the iterations", rfcServerFirst + ",m=ext", "", false},
		{"m after another", rfcServerFirst + ",x=y,m=", "", false},
		{"m in place of the salt", strings.Replace(rfcServerFirst, ",s=", ",m=ext,s=", 1), "", false},
		{"m in the final", rfcServerFirst, rfcServerFinal + ",m=ext", false},
		{"m first in the final", rfcServerFirst, "m=ext," + rfcServerFinal, false},
		{"two signatures, the wrong one first", rfcServerFirst, "v=AAAA," + rfcServerFinal, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := example(t)
			_, err := m.Next([]byte(test.first))
			if test.final == "" {
				require.ErrorIs(t, err, auth.ErrChallenge)
				return
			}
			require.NoError(t, err)
			_, err = m.Next([]byte(test.final))
			assert.Equal(t, test.ok, err == nil, "%v", err)
			assert.Equal(t, test.ok, m.Complete())
		})
	}
}

// An extension of the server's first message is ignored, and yet is part of what
// both sides sign (RFC 5802, section 3, AuthMessage).
func TestSCRAMSignsExtensions(t *testing.T) {
	m := example(t)
	plain, err := m.Next([]byte(rfcServerFirst))
	require.NoError(t, err)
	m = example(t)
	extended, err := m.Next([]byte(rfcServerFirst + ",x=y"))
	require.NoError(t, err)
	require.NotEqual(t, string(plain), string(extended))
	_, err = m.Next([]byte(rfcServerFinal))
	require.ErrorIs(t, err, auth.ErrUnproven)
}

// A server may say what is wrong where its first message should be: it knows of a
// flag or a name that it does not like before it knows of anything else.
func TestSCRAMErrorInsteadOfServerFirst(t *testing.T) {
	for _, test := range []struct{ challenge, want string }{
		{"e=unknown-user", "SCRAM-SHA-256: server says unknown-user"},
		{"e=unknown-user,x=y", "SCRAM-SHA-256: server says unknown-user"},
		{"e=server-does-support-channel-binding", "SCRAM-SHA-256: server says server-does-support-channel-binding"}, // and was told that nothing can be bound here
		{"e=", "SCRAM-SHA-256: server says "},
	} {
		m := example(t)
		response, err := m.Next([]byte(test.challenge))
		require.EqualError(t, err, test.want)
		require.NotErrorIs(t, err, auth.ErrChallenge)
		require.NotErrorIs(t, err, auth.ErrUnproven)
		require.Empty(t, response)
		require.False(t, m.Complete())
	}
}

// RFC 5802, section 7, each server-error-value: which is taken for temporary, which for
// somebody in between, and what to do. A server may say each of them early, too.
func TestSCRAMErrorValues(t *testing.T) {
	client, _ := newSite(tls.VersionTLS13).connect(t)
	for _, test := range []struct {
		value, plus          string // plus: the text with -PLUS, where it is another
		temporary, inBetween bool
	}{
		{value: "invalid-encoding"},
		{value: "extensions-not-supported"},
		{value: "invalid-proof"},
		{
			value: "channel-bindings-dont-match", inBetween: true,
			plus: "server sees another connection than this one (channel-bindings-dont-match): somebody may be in between",
		},
		{value: "server-does-support-channel-binding"},
		{
			value: "channel-binding-not-supported",
			plus:  `server says channel-binding-not-supported: auth.Only(..., "SCRAM-SHA-256") does without`,
		},
		{
			value: "unsupported-channel-binding-type",
			plus:  `server says unsupported-channel-binding-type: auth.Only(..., "SCRAM-SHA-256") does without`,
		},
		{value: "unknown-user"},
		{value: "invalid-username-encoding"},
		{value: "no-resources", temporary: true},
		{value: "other-error"},
		{value: "no-resources-and-more"}, // an extension of the list
	} {
		for _, name := range []string{"SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"} {
			want := "server says " + test.value
			plus := name == "SCRAM-SHA-256-PLUS"
			if plus && test.plus != "" {
				want = test.plus
			}
			for _, early := range []bool{true, false} {
				m, err := auth.WithNonce(auth.Password("user", "pencil"), rfcNonce).Exchange(t.Context(),
					auth.Server{Mechanisms: []string{name}, Offered: []string{name, "SCRAM-SHA-1-PLUS"}, TLS: client})
				require.NoError(t, err)
				_, _, err = m.Start()
				require.NoError(t, err)
				if !early {
					_, err = m.Next([]byte(rfcServerFirst))
					require.NoError(t, err)
				}
				_, err = m.Next([]byte("e=" + test.value + ",x=y"))
				require.EqualError(t, err, name+": "+want)
				require.Equal(t, plus && test.inBetween, errors.Is(err, auth.ErrUnproven), "%v", err)
				var temporary interface{ Temporary() bool }
				require.Equal(t, test.temporary, errors.As(err, &temporary) && temporary.Temporary(), "%v", err)
				require.False(t, m.Complete())
			}
		}
	}
}

// What a server writes is neither long nor able to move the cursor.
func TestSCRAMErrorIsBrief(t *testing.T) {
	for _, first := range []string{"", rfcServerFirst} {
		m := example(t)
		if first != "" {
			_, err := m.Next([]byte(first))
			require.NoError(t, err)
		}
		_, err := m.Next([]byte("e=" + strings.Repeat("\x1b[2J\xff€\n", 1000)))
		require.Error(t, err)
		require.Less(t, len(err.Error()), 1500)
		for _, c := range []byte(err.Error()) {
			require.True(t, c >= ' ' && c <= '~', "%q", err.Error())
		}
	}
}

// Whoever asks a Mechanism that was not started gets no nonce of ours extended.
func TestSCRAMNotStarted(t *testing.T) {
	m, err := auth.Password("user", "pencil").Exchange(t.Context(), offering("SCRAM-SHA-256"))
	require.NoError(t, err)
	response, err := m.Next([]byte(rfcServerFirst))
	require.ErrorIs(t, err, auth.ErrChallenge)
	require.Empty(t, response)
}
