package oauth2token_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/mailport/mailport/auth/oauth2token"
)

// A roundTripper is the network, without one: a bubble's time does not stand still.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// slow is a way to an authority that takes a while, and what is lost on it.
func slow(a *authority, takes time.Duration) roundTripper {
	return func(r *http.Request) (*http.Response, error) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		seen := r.Clone(context.WithoutCancel(r.Context()))
		seen.Body = io.NopCloser(bytes.NewReader(body))
		recorder := httptest.NewRecorder()
		a.ServeHTTP(recorder, seen)
		timer := time.NewTimer(takes)
		defer timer.Stop()
		select {
		case <-timer.C:
			return recorder.Result(), nil
		case <-r.Context().Done():
			return nil, context.Cause(r.Context())
		}
	}
}

func inBubble(ctx context.Context, network http.RoundTripper) context.Context {
	return context.WithValue(ctx, oauth2.HTTPClient, &http.Client{Transport: network})
}

func virtualAuthority() (*authority, *oauth2.Config) {
	a := &authority{Server: &httptest.Server{URL: "https://login.example.com"}, lifetime: time.Hour}
	return a, a.config()
}

// A token is renewed ten seconds before it expires, and not before.
func TestExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, config := virtualAuthority()
		tokens := oauth2token.Refresh(inBubble(t.Context(), slow(a, 0)), config, a.grant(), nil)
		first, err := tokens(t.Context(), "")
		require.NoError(t, err)
		time.Sleep(time.Hour - 10*time.Second)
		same, err := tokens(t.Context(), "")
		require.NoError(t, err)
		require.Equal(t, first, same)
		time.Sleep(time.Nanosecond)
		next, err := tokens(t.Context(), "")
		require.NoError(t, err)
		require.NotEqual(t, first, next)
		require.Equal(t, 1, a.asked())
	})
}

// Promise 7: whose context ends stops waiting at once; and what the endpoint has done
// by then is not lost: neither the token nor, which is worse, the new refresh token.
func TestCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, config := virtualAuthority()
		var saved []string
		tokens := oauth2token.Refresh(inBubble(t.Context(), slow(a, 20*time.Second)), config, a.expired(),
			func(t *oauth2.Token) { saved = append(saved, t.RefreshToken) })

		began, hurry := time.Now(), errors.New("in a hurry")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, hurry)
		defer cancel()
		_, err := tokens(ctx, "")
		require.ErrorIs(t, err, hurry)
		require.Equal(t, time.Second, time.Since(began))

		_, err = tokens(ctx, "")
		require.ErrorIs(t, err, hurry)
		require.Equal(t, time.Second, time.Since(began))

		token, err := tokens(t.Context(), "")
		require.NoError(t, err)
		require.Equal(t, 20*time.Second, time.Since(began), "it has joined what was under way")
		require.Equal(t, "AccessToken-2-0123456789", token)
		require.Equal(t, []string{refreshToken(2)}, saved)

		_, err = tokens(t.Context(), token)
		require.NoError(t, err, "the new refresh token is the one that is used")
		require.Equal(t, 2, a.asked())
	})
}

// Who joins and leaves does not take anybody along.
func TestFirstLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, config := virtualAuthority()
		tokens := oauth2token.Refresh(inBubble(t.Context(), slow(a, 5*time.Second)), config, a.expired(), nil)
		ctx, cancel := context.WithCancel(t.Context())
		left := make(chan error)
		go func() {
			_, err := tokens(ctx, "")
			left <- err
		}()
		synctest.Wait()
		time.AfterFunc(time.Second, cancel)
		_, err := tokens(t.Context(), "")
		require.NoError(t, err)
		require.ErrorIs(t, <-left, context.Canceled)
		require.Equal(t, 1, a.asked())
	})
}

// An endpoint that says nothing has 30 seconds; that is nobody's context.
func TestSilentEndpoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, config := virtualAuthority()
		tokens := oauth2token.Refresh(inBubble(t.Context(), slow(a, time.Hour)), config, a.expired(), nil)
		began := time.Now()
		_, err := tokens(t.Context(), "")
		require.EqualError(t, err, "token endpoint https://login.example.com/token: no answer within 30s")
		require.Equal(t, 30*time.Second, time.Since(began))
		require.NotErrorIs(t, err, context.DeadlineExceeded)
		var e *oauth2token.Error
		require.ErrorAs(t, err, &e)
		require.True(t, e.Temporary())
		require.True(t, e.Timeout())

		client := &http.Client{Transport: slow(a, time.Hour), Timeout: time.Second} // the caller's own limit
		ctx := context.WithValue(t.Context(), oauth2.HTTPClient, client)
		_, err = oauth2token.Refresh(ctx, config, a.expired(), nil)(t.Context(), "")
		require.ErrorAs(t, err, &e)
		require.True(t, e.Temporary())
		require.True(t, e.Timeout())
	})
}

// Nor has one more time that begins to answer.
func TestHalfAnAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, config := virtualAuthority()
		began := time.Now()
		_, err := oauth2token.Refresh(inBubble(t.Context(), roundTripper(func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: http.StatusOK, Body: stalled{r.Context()}}, nil
		})), config, a.expired(), nil)(t.Context(), "")
		require.EqualError(t, err, "token endpoint https://login.example.com/token: no answer within 30s")
		require.Equal(t, 30*time.Second, time.Since(began))
	})
}

// stalled is a body that does not come.
type stalled struct{ ctx context.Context }

func (s stalled) Read([]byte) (int, error) {
	<-s.ctx.Done()
	return 0, s.ctx.Err()
}

func (s stalled) Close() error { return nil }

// A call whose context has ended begins nothing.
func TestEndedBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, config := virtualAuthority()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := oauth2token.Refresh(inBubble(t.Context(), slow(a, 0)), config, a.expired(), nil)(ctx, "")
		require.ErrorIs(t, err, context.Canceled)
		synctest.Wait()
		require.Zero(t, a.asked())
	})
}

// The context that a source is made with ends all that goes on behind it.
func TestSourceEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, config := virtualAuthority()
		ctx, cancel := context.WithCancel(t.Context())
		tokens := oauth2token.Refresh(inBubble(ctx, slow(a, 20*time.Second)), config, a.expired(), nil)
		time.AfterFunc(time.Second, cancel)
		_, err := tokens(t.Context(), "")
		require.ErrorIs(t, err, context.Canceled)
		synctest.Wait() // the bubble ends with a goroutine less, or not at all
	})
}

// A source that knows no context is left alone with itself.
func TestSourceWithoutContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tokens := oauth2token.Source(sourceFunc(func() (*oauth2.Token, error) {
			time.Sleep(time.Minute)
			return &oauth2.Token{AccessToken: "late"}, nil
		}))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := tokens(ctx, "")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		token, err := tokens(t.Context(), "")
		require.NoError(t, err)
		require.Equal(t, "late", token)
	})
}

// A function that never returns keeps nobody waiting, as in a test that ends.
func TestFetchThatEnds(t *testing.T) {
	_, err := oauth2token.Fetch(t.Context(), func(context.Context) (*oauth2.Token, error) {
		runtime.Goexit()
		return nil, nil
	})(t.Context(), "")
	require.ErrorContains(t, err, "neither a token nor an error")
}
