package oauth2token_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/mailport/mailport/auth"
	"github.com/mailport/mailport/auth/oauth2token"
)

var errBug = errors.New("a bug of the program")

// caught is what a call panics with.
func caught(ctx context.Context, tokens auth.TokenSource) (value any) {
	defer func() { value = recover() }()
	_, _ = tokens(ctx, "")
	return nil
}

// requireBug takes a panic for that of errBug, with the line where it began.
func requireBug(t *testing.T, value any) {
	t.Helper()
	err, ok := value.(error)
	require.True(t, ok, "%v", value)
	require.ErrorIs(t, err, errBug)
	require.Contains(t, err.Error(), errBug.Error()+"\n")
	require.Contains(t, err.Error(), "panic_test.go:")
}

// A function of the program that panics does so where the program can recover: in each
// call that waits for it. The next call begins anew.
func TestPanicIsOfWhoWaits(t *testing.T) {
	for name, source := range map[string]func(context.Context, func() *oauth2.Token) auth.TokenSource{
		"Fetch": func(ctx context.Context, f func() *oauth2.Token) auth.TokenSource {
			return oauth2token.Fetch(ctx, func(context.Context) (*oauth2.Token, error) { return f(), nil })
		},
		"Source": func(_ context.Context, f func() *oauth2.Token) auth.TokenSource {
			return oauth2token.Source(sourceFunc(func() (*oauth2.Token, error) { return f(), nil }))
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				bug := true
				tokens := source(t.Context(), func() *oauth2.Token {
					time.Sleep(time.Second)
					if bug {
						panic(errBug)
					}
					return &oauth2.Token{AccessToken: "good"}
				})
				other := make(chan any)
				go func() { other <- caught(t.Context(), tokens) }()
				requireBug(t, caught(t.Context(), tokens))
				requireBug(t, <-other)

				bug = false
				token, err := tokens(t.Context(), "")
				require.NoError(t, err)
				require.Equal(t, "good", token)
			})
		})
	}
}

// Fetch is never called twice at a time, even by those whom a panic has told to begin anew.
func TestOneRequestAfterPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		tokens := oauth2token.Fetch(t.Context(), func(context.Context) (*oauth2.Token, error) {
			calls++
			time.Sleep(time.Second)
			if calls == 1 {
				panic(errBug)
			}
			return &oauth2.Token{AccessToken: "good"}, nil
		})
		var (
			waiting     sync.WaitGroup
			first, then [10]any
		)
		for i := range first {
			waiting.Go(func() { first[i], then[i] = caught(t.Context(), tokens), caught(t.Context(), tokens) })
		}
		waiting.Wait()
		for i := range first {
			requireBug(t, first[i])
			require.Nil(t, then[i])
		}
		require.Equal(t, 2, calls)
	})
}

// A panic of which the value is no error has its text all the same.
func TestPanicWithoutError(t *testing.T) {
	tokens := oauth2token.Fetch(t.Context(), func(context.Context) (*oauth2.Token, error) { panic("a word") })
	err, ok := caught(t.Context(), tokens).(error)
	require.True(t, ok)
	require.Contains(t, err.Error(), "a word\n")
	require.NoError(t, errors.Unwrap(err))
}

// If nobody waits any more, the next call is told: a bug does not get lost.
func TestPanicThatNobodyWaitsFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		tokens := oauth2token.Fetch(t.Context(), func(context.Context) (*oauth2.Token, error) {
			if calls++; calls > 1 {
				return &oauth2.Token{AccessToken: "good"}, nil
			}
			time.Sleep(5 * time.Second)
			panic(errBug)
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := tokens(ctx, "")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		time.Sleep(time.Minute)
		_, err = tokens(ctx, "")
		require.ErrorIs(t, err, context.DeadlineExceeded, "who does not wait is not told")

		requireBug(t, caught(t.Context(), tokens))
		_, err = tokens(t.Context(), "")
		require.NoError(t, err)
		require.Equal(t, 2, calls)
	})
}

// RFC 9700, section 4.14.2: when save panics the old refresh token is of no use any
// more, and using it again looks like theft.
func TestPanicOfSave(t *testing.T) {
	a := newAuthority(t, nil)
	var saved []string
	tokens := oauth2token.Refresh(a.ctx(t), a.config(), a.expired(), func(t *oauth2.Token) {
		if saved = append(saved, t.RefreshToken); len(saved) == 1 {
			panic(errBug)
		}
	})
	requireBug(t, caught(t.Context(), tokens))
	token, err := tokens(t.Context(), "")
	require.NoError(t, err)
	require.Equal(t, "AccessToken-2-0123456789", token)
	_, err = tokens(t.Context(), token)
	require.NoError(t, err)
	require.Equal(t, []string{refreshToken(2), refreshToken(3)}, saved)
}
