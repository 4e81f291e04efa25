package auth_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/auth"
)

// A tap gives tokens, and notes for which refused ones.
type tap struct {
	mu    sync.Mutex
	asked []string
	give  func(ctx context.Context, n int, refused string) (string, error)
}

func (s *tap) source(ctx context.Context, refused string) (string, error) {
	s.mu.Lock()
	s.asked = append(s.asked, refused)
	n := len(s.asked)
	s.mu.Unlock()
	return s.give(ctx, n, refused)
}

func (s *tap) all() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.asked...)
}

// session begins one, in which the token is refused.
func session(ctx context.Context, t testing.TB, c auth.Credentials) (m auth.Renewer, token string) {
	mechanism, err := c.Exchange(ctx, offering("XOAUTH2"))
	if !assert.NoError(t, err) {
		return nil, ""
	}
	return mechanism.(auth.Renewer), shows(t, mechanism)
}

// shows is the token that a mechanism shows.
func shows(t testing.TB, m auth.Mechanism) string {
	_, response, err := m.Start()
	assert.NoError(t, err)
	var token string
	_, err = fmt.Sscanf(string(response), "user=tim\x01auth=Bearer %s", &token)
	assert.NoError(t, err)
	return token[:len(token)-2]
}

func renewed(ctx context.Context, t testing.TB, m auth.Renewer) string {
	fresh, err := m.Renew(ctx)
	if !assert.NoError(t, err) {
		return ""
	}
	return shows(t, fresh)
}

// The source is asked once for a session with one mechanism, and once more for a refusal.
func TestTokenIsAskedFor(t *testing.T) {
	s := &tap{give: func(_ context.Context, n int, _ string) (string, error) { return fmt.Sprint("token", n), nil }}
	c := auth.Token("tim", s.source)
	require.Empty(t, s.all(), "not before it is needed")
	m, token := session(t.Context(), t, c)
	require.Equal(t, "token1", token)
	require.Equal(t, "token2", renewed(t.Context(), t, m))
	_, token = session(t.Context(), t, c)
	require.Equal(t, "token3", token)
	require.Equal(t, []string{"", "token1", ""}, s.all())

	_, err := c.Exchange(t.Context(), offering("PLAIN"))
	require.ErrorIs(t, err, auth.ErrNoMechanism)
	insecure := offering("XOAUTH2")
	insecure.TLS = nil
	_, err = c.Exchange(t.Context(), insecure)
	require.ErrorIs(t, err, auth.ErrInsecure)
	require.Len(t, s.all(), 3, "not for nothing")
}

// Sessions whose token was the same share what comes in its place, whether they ask
// while it is fetched or find it there; each of them had its token before.
func TestTokenRenewalIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		open := make(chan struct{})
		s := &tap{give: func(_ context.Context, _ int, refused string) (string, error) {
			if refused == "" {
				return "old", nil
			}
			<-open
			return "new", nil
		}}
		c := auth.Token("tim", s.source)
		var sessions sync.WaitGroup
		for range 50 {
			m, _ := session(t.Context(), t, c)
			sessions.Go(func() { assert.Equal(t, "new", renewed(t.Context(), t, m)) })
		}
		late, _ := session(t.Context(), t, c)
		synctest.Wait()
		close(open)
		sessions.Wait()
		assert.Equal(t, "new", renewed(t.Context(), t, late))
		assert.Len(t, s.all(), 52, "51 sessions, one renewal")
	})
}

// A source that gives the refused token to a new session stands by it, and is told
// again that it is refused: what came in its place may be refused by now as well.
func TestTokenRenewalIsNotForEver(t *testing.T) {
	var n atomic.Int64
	s := &tap{give: func(_ context.Context, _ int, refused string) (string, error) {
		if refused == "" {
			return "old", nil
		}
		return fmt.Sprint("new", n.Add(1)), nil
	}}
	c := auth.Token("tim", s.source)
	for day := 1; day <= 3; day++ {
		m, token := session(t.Context(), t, c)
		require.Equal(t, "old", token)
		require.Equal(t, fmt.Sprint("new", day), renewed(t.Context(), t, m))
	}
}

// Who asks on behalf of others and gives up, or panics, leaves it to the next of them.
func TestTokenRenewalSurvivesWhoAsked(t *testing.T) {
	for _, how := range []string{"gives up", "panics"} {
		synctest.Test(t, func(t *testing.T) {
			gaveUp := errors.New("gave up")
			s := &tap{give: func(ctx context.Context, n int, refused string) (string, error) {
				switch {
				case refused == "":
					return "old", nil
				case n > 4:
					return "new", nil
				}
				<-ctx.Done()
				if how == "panics" {
					panic("out of tokens")
				}
				return "", ctx.Err()
			}}
			c := auth.Token("tim", s.source)
			leader, cancel := context.WithCancelCause(t.Context())
			var asking, others sync.WaitGroup
			first, _ := session(t.Context(), t, c)
			var waiting []auth.Renewer
			for range 2 {
				m, _ := session(t.Context(), t, c)
				waiting = append(waiting, m)
			}
			asking.Go(func() {
				defer func() { _ = recover() }()
				_, err := first.Renew(leader)
				assert.ErrorIs(t, err, context.Canceled)
			})
			synctest.Wait()
			for _, m := range waiting {
				others.Go(func() { assert.Equal(t, "new", renewed(t.Context(), t, m)) })
			}
			synctest.Wait()
			cancel(gaveUp)
			asking.Wait()
			others.Wait()
			assert.Equal(t, []string{"", "", "", "old", "old"}, s.all(), "one of the others asked")
		})
	}
}

// Who waits for another's renewal ends with the context of their own.
func TestTokenRenewalWaiterEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		open := make(chan struct{})
		s := &tap{give: func(_ context.Context, _ int, refused string) (string, error) {
			if refused == "" {
				return "old", nil
			}
			<-open
			return "new", nil
		}}
		c := auth.Token("tim", s.source)
		asks, _ := session(t.Context(), t, c)
		waits, _ := session(t.Context(), t, c)
		var asking, waiting sync.WaitGroup
		asking.Go(func() { assert.Equal(t, "new", renewed(t.Context(), t, asks)) })
		synctest.Wait()
		ctx, cancel := context.WithCancelCause(t.Context())
		gaveUp := errors.New("gave up")
		waiting.Go(func() {
			_, err := waits.Renew(ctx)
			assert.ErrorIs(t, err, gaveUp)
		})
		synctest.Wait()
		cancel(gaveUp)
		waiting.Wait()
		close(open)
		asking.Wait()
	})
}

// Two tokens refused at the same time have renewals of their own.
func TestTokenRenewalOfAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		open := make(chan struct{})
		s := &tap{give: func(_ context.Context, n int, refused string) (string, error) {
			if refused == "" {
				return fmt.Sprint("old", n), nil
			}
			<-open
			return "in-place-of-" + refused, nil
		}}
		c := auth.Token("tim", s.source)
		var sessions sync.WaitGroup
		for range 5 {
			m, token := session(t.Context(), t, c)
			sessions.Go(func() { assert.Equal(t, "in-place-of-"+token, renewed(t.Context(), t, m)) })
		}
		synctest.Wait()
		close(open)
		sessions.Wait()
		assert.Len(t, s.all(), 10)
	})
}

// No other token means that the refusal stands; the next refusal asks again.
func TestTokenNoOther(t *testing.T) {
	failed := errors.New("invalid_grant")
	for name, test := range map[string]struct {
		token string
		err   error
		want  string
	}{
		"the same again": {"old", nil, "there is no other token"},
		"empty":          {"", nil, "there is no other token"},
		"an error":       {"", failed, "no token to be had: invalid_grant"},
		"both":           {"new", failed, "no token to be had: invalid_grant"},
	} {
		t.Run(name, func(t *testing.T) {
			s := &tap{give: func(_ context.Context, _ int, refused string) (string, error) {
				if refused == "" {
					return "old", nil
				}
				return test.token, test.err
			}}
			c := auth.Token("tim", s.source)
			for range 2 {
				m, _ := session(t.Context(), t, c)
				_, err := m.Renew(t.Context())
				require.EqualError(t, err, test.want)
				require.Equal(t, test.err != nil, errors.Is(err, failed))
			}
			require.Equal(t, []string{"", "old", "", "old"}, s.all())
		})
	}
}

// Those who wait share an error, too: a source that is down is not asked by each.
func TestTokenErrorIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		open, down := make(chan struct{}), errors.New("down")
		s := &tap{give: func(_ context.Context, _ int, refused string) (string, error) {
			if refused == "" {
				return "old", nil
			}
			<-open
			return "", down
		}}
		c := auth.Token("tim", s.source)
		var sessions sync.WaitGroup
		for range 10 {
			m, _ := session(t.Context(), t, c)
			sessions.Go(func() {
				_, err := m.Renew(t.Context())
				assert.ErrorIs(t, err, down)
			})
		}
		synctest.Wait()
		close(open)
		sessions.Wait()
		assert.Len(t, s.all(), 11)
	})
}

// What a source says first, if it has nothing.
func TestTokenSourceFails(t *testing.T) {
	down := errors.New("cannot fetch token: 400\r\nResponse: {\n}")
	for name, test := range map[string]struct {
		token string
		err   error
		want  string
		is    error
	}{
		"an error":       {"", down, "no token to be had: cannot fetch token: 400 Response: { }", down},
		"empty":          {"", nil, "credentials cannot be sent by XOAUTH2: the token is empty", auth.ErrUnsendable},
		"read with a LF": {"abc\n", nil, "credentials cannot be sent by XOAUTH2: the token contains what no token does (RFC 6750, section 2.1)", auth.ErrUnsendable},
		"its end":        {context.Canceled.Error(), context.Canceled, "no token to be had: context canceled", context.Canceled},
	} {
		t.Run(name, func(t *testing.T) {
			c := auth.Token("tim", func(context.Context, string) (string, error) { return test.token, test.err })
			m, err := c.Exchange(t.Context(), offering("XOAUTH2"))
			require.Nil(t, m)
			require.ErrorIs(t, err, test.is)
			require.EqualError(t, err, test.want)
		})
	}
}

// The source is asked once for each mechanism that is tried: a second one is where the
// server does not support the first after all (RFC 4954, section 4, 504). Nothing was
// refused, so no token is named.
func TestTokenIsAskedForEachMechanism(t *testing.T) {
	s := &tap{give: func(_ context.Context, n int, _ string) (string, error) { return fmt.Sprint("token", n), nil }}
	c := auth.Token("tim", s.source)
	both := offering("OAUTHBEARER", "XOAUTH2")
	for _, want := range []string{"OAUTHBEARER", "XOAUTH2"} {
		m, err := c.Exchange(t.Context(), both)
		require.NoError(t, err)
		name, _, err := m.Start()
		require.NoError(t, err)
		require.Equal(t, want, name)
		both.Offered, both.Mechanisms = both.Mechanisms, both.Mechanisms[1:]
	}
	require.Equal(t, []string{"", ""}, s.all())
}
