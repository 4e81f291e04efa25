package auth_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/auth"
)

// The examples of RFC 5802, section 5, and RFC 7677, section 3; that of SHA-512 is
// RFC 7677's with another hash, computed with Python's hashlib and hmac.
func TestSCRAMVectors(t *testing.T) {
	for _, test := range []struct {
		mechanism, nonce                                   string
		clientFirst, serverFirst, clientFinal, serverFinal string
	}{
		{
			"SCRAM-SHA-1", "fyko+d2lbbFgONRv9qkxdawL",
			"n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL",
			"r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
			"c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
			"v=rmF9pqV8S7suAoZWja4dJRkFsKQ=",
		},
		{
			"SCRAM-SHA-256", "rOprNGfwEbeRWgbNEkqO",
			"n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
			"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
			"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
			"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
		},
		{
			"SCRAM-SHA-512", "rOprNGfwEbeRWgbNEkqO",
			"n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
			"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
			"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=gMGXRcevScNtxZ6/8lQYpGtnsNAc3mGcmNomv+xnoOMw+3R2xNJdMNnzMlTN8PPC6wdp6dybEmDYXYTxwnYPJQ==",
			"v=ZQnYEgWQMFmmsM8aQMF0nDDCy/AgCzkwk8CmMZYcMg0vSVlKDanekLtifDSeVGT4+5ZxXnJq199RVG2rR7N7Zw==",
		},
	} {
		t.Run(test.mechanism, func(t *testing.T) {
			m, name, first := start(t, auth.WithNonce(auth.Password("user", "pencil"), test.nonce), test.mechanism)
			require.Equal(t, test.mechanism, name)
			require.Equal(t, test.clientFirst, string(first))
			final, err := m.Next([]byte(test.serverFirst))
			require.NoError(t, err)
			require.Equal(t, test.clientFinal, string(final))
			require.False(t, m.Complete(), "the server has proved nothing yet")
			last, err := m.Next([]byte(test.serverFinal))
			require.NoError(t, err)
			require.Empty(t, last)
			require.True(t, m.Complete())
		})
	}
}

// What a server-first-message must not ask for, and what it must have.
func TestSCRAMServerFirst(t *testing.T) {
	const nonce = "rOprNGfwEbeRWgbNEkqO"
	for _, test := range []struct{ challenge, want string }{
		{"", "is not as RFC 5802 has it"},
		{"garbage", "is not as RFC 5802 has it"},
		{"m=ext,r=" + nonce + "x,s=QSXCR+Q6sek8bf92,i=4096", "is not as RFC 5802 has it"},
		{"r=" + nonce + ",s=QSXCR+Q6sek8bf92,i=4096", "does not extend the client's nonce"},
		{"r=other,s=QSXCR+Q6sek8bf92,i=4096", "does not extend the client's nonce"},
		{"r=" + nonce + "x,s=,i=4096", "has no salt"},
		{"r=" + nonce + "x,s=!!!,i=4096", "is not as RFC 5802 has it"},
		{"r=" + nonce + "x,s=QSXCR+Q6sek8bf92,i=many", "has no number of iterations"},
		{"r=" + nonce + "x,s=QSXCR+Q6sek8bf92,i=", "has no number of iterations"},
		{"r=" + nonce + "x,s=QSXCR+Q6sek8bf92,i=1", "asks for 1 iterations, fewer than 4096"},
		{"r=" + nonce + "x,s=QSXCR+Q6sek8bf92,i=4095", "asks for 4095 iterations, fewer than 4096"},
		{"r=" + nonce + "x,s=QSXCR+Q6sek8bf92,i=-4096", "asks for -4096 iterations, fewer than 4096"},
		{"r=" + nonce + "x,s=QSXCR+Q6sek8bf92,i=10000001", "asks for more than 10000000 iterations"},
		{"r=" + nonce + "x,s=QSXCR+Q6sek8bf92,i=2147483648", "asks for more than 10000000 iterations"},
		{"r=" + nonce + "x,s=QSXCR+Q6sek8bf92,i=99999999999999999999", "asks for more than 10000000 iterations"},
	} {
		m, _, _ := start(t, auth.WithNonce(auth.Password("user", "pencil"), nonce), "SCRAM-SHA-256")
		response, err := m.Next([]byte(test.challenge))
		require.ErrorIs(t, err, auth.ErrChallenge, test.challenge)
		require.EqualError(t, err, "SCRAM-SHA-256: server's challenge is not acceptable: it "+test.want)
		assert.Empty(t, response)
		assert.False(t, m.Complete())
	}
}

// RFC 5802, section 3: a server that does not know the password is not believed.
func TestSCRAMServerFinal(t *testing.T) {
	const nonce = "rOprNGfwEbeRWgbNEkqO"
	const first = "r=" + nonce + "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
	for _, test := range []struct {
		final    string
		unproven bool
		want     string
	}{
		{"v=AAAATRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=", true, "its signature is wrong"},
		{"v=", true, "its signature is wrong"},
		{"", true, "its signature is wrong"},
		{"e=invalid-proof", false, "server says invalid-proof"},
		{"e=\x1b[2J\n", false, `server says \x1b[2J\n`},
		{"e=channel-bindings-dont-match", false, "server says channel-bindings-dont-match"}, // nothing was bound
	} {
		m, _, _ := start(t, auth.WithNonce(auth.Password("user", "pencil"), nonce), "SCRAM-SHA-256")
		_, err := m.Next([]byte(first))
		require.NoError(t, err)
		_, err = m.Next([]byte(test.final))
		require.ErrorContains(t, err, test.want)
		require.Equal(t, test.unproven, errors.Is(err, auth.ErrUnproven), "%v", err)
		assert.False(t, m.Complete())
		_, err = m.Next([]byte("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="))
		require.Error(t, err, "no second chance")
		assert.False(t, m.Complete())
	}
}
