package auth_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/auth"
)

const (
	rfcNonce       = "rOprNGfwEbeRWgbNEkqO" // of RFC 7677, section 3
	rfcServerFirst = "r=" + rfcNonce + "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
	rfcServerFinal = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
)

// example starts the exchange of RFC 7677, section 3.
func example(t *testing.T) auth.Mechanism {
	t.Helper()
	m, _, _ := start(t, auth.WithNonce(auth.Password("user", "pencil"), rfcNonce), "SCRAM-SHA-256")
	return m
}

// An exchange that went wrong is over: nothing is computed for it any more, and
// nothing completes it. An empty signature is that of a proof that was never made.
func TestSCRAMFailureIsFinal(t *testing.T) {
	for _, first := range []string{
		"",
		"e=other-error",
		"r=other,s=QSXCR+Q6sek8bf92,i=4096",
		"r=" + rfcNonce + "x,s=!!!,i=4096", // what only the second look sees
		"r=" + rfcNonce + "x,s=QSXCR+Q6sek8bf92,i=1",
	} {
		for _, then := range []string{
			"v=", "e=", "v", "", rfcServerFinal, rfcServerFirst,
			"r=" + rfcNonce + "x,s=QSXCR+Q6sek8bf92,i=2147483647", // half an hour
		} {
			m := example(t)
			_, err := m.Next([]byte(first))
			require.Error(t, err, first)
			for range 2 {
				response, err := m.Next([]byte(then))
				require.ErrorIs(t, err, sasl.ErrUnexpectedServerChallenge, "%q then %q", first, then)
				assert.Empty(t, response)
				assert.False(t, m.Complete(), "%q then %q", first, then)
			}
		}
	}
}

// So is one that was given up, before its keys were derived or meanwhile.
func TestSCRAMGivenUpIsFinal(t *testing.T) {
	for _, patience := range []time.Duration{-1, time.Millisecond} {
		enough := errors.New("enough")
		ctx, cancel := context.WithTimeoutCause(t.Context(), patience, enough)
		defer cancel()
		m, err := auth.WithNonce(auth.Password("user", "pencil"), rfcNonce).Exchange(ctx, offering("SCRAM-SHA-256"))
		require.NoError(t, err)
		_, _, err = m.Start()
		require.NoError(t, err)
		_, err = m.Next([]byte(asking("salt", 10_000_000)))
		require.ErrorIs(t, err, enough)
		for _, then := range []string{"v=", "e=", rfcServerFinal} {
			_, err = m.Next([]byte(then))
			require.Error(t, err)
			require.False(t, m.Complete(), then)
		}
	}
}

// A second signature undoes the first: after success there is nothing to say.
func TestSCRAMEndsWithTheSignature(t *testing.T) {
	m := example(t)
	for _, challenge := range []string{rfcServerFirst, rfcServerFinal} {
		_, err := m.Next([]byte(challenge))
		require.NoError(t, err)
	}
	require.True(t, m.Complete())
	_, err := m.Next([]byte(rfcServerFinal))
	require.ErrorIs(t, err, sasl.ErrUnexpectedServerChallenge)
	require.False(t, m.Complete())
}
