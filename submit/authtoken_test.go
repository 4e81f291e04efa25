package submit_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/auth"
	"github.com/mailport/mailport/submit"
)

var bearers = []string{"OAUTHBEARER", "XOAUTH2"}

// An issuer of tokens is a source that keeps the one it gave out last, and knows how
// often it was asked.
type tokenIssuer struct {
	mu      sync.Mutex // guards the fields below
	current string
	fresh   []string // in place of refused ones, in turn; then the last stays
	asked   []string // with what was refused
}

func (i *tokenIssuer) source(_ context.Context, refused string) (string, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.asked = append(i.asked, refused)
	if refused == i.current && len(i.fresh) > 0 {
		i.current, i.fresh = i.fresh[0], i.fresh[1:]
	}
	return i.current, nil
}

func (i *tokenIssuer) wasAsked() []string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.Clone(i.asked)
}

// The source is asked once for each session, and once more if the server refuses the
// token: the new one is shown in the same session, one round trip later.
func TestTokenRenewed(t *testing.T) {
	t.Parallel()
	for _, mechanism := range bearers {
		inWorld(t, offering(mechanism), func(t *testing.T, w *world) {
			w.server.SetUsers(map[string]string{user: "fresh"})
			issuer := &tokenIssuer{current: "expired", fresh: []string{"fresh"}}
			w.config.Credentials = auth.Token(user, issuer.source)
			s := w.dial(submit.Submissions)
			elapsed := stopwatch()
			require.NoError(t, s.Auth(t.Context()))
			require.Equal(t, 3*rtt, elapsed(), "refused, explained, taken")
			for range 2 {
				_, err := s.Submit(t.Context(), letter())
				require.NoError(t, err)
			}
			require.Equal(t, []string{"", "expired"}, issuer.wasAsked())
			require.Equal(t, 2, w.server.Attempts(""))

			_, err := w.transport(submit.Submission).Submit(t.Context(), letter())
			require.NoError(t, err)
			require.Equal(t, []string{"", "expired", ""}, issuer.wasAsked(), "a session of its own")
			require.Equal(t, 3, w.server.Attempts(""))
			require.Len(t, w.settled(), 3)
		})
	}
}

// A token that is refused is replaced once. Then it is for its owner, and the error has
// what the server said of it.
func TestTokenRefusedTwice(t *testing.T) {
	t.Parallel()
	for mechanism, status := range map[string]string{"OAUTHBEARER": "invalid_token", "XOAUTH2": "401"} {
		inWorld(t, offering(mechanism), func(t *testing.T, w *world) {
			issuer := &tokenIssuer{current: "expired", fresh: []string{"wrong-too", "never-shown"}}
			w.config.Credentials = auth.Token(user, issuer.source)
			s := w.dial(submit.Submission)
			_, err := s.Submit(t.Context(), letter())
			requireMeans(t, err, "Credentials")
			require.Equal(t, 535, asError(t, err).Reply.Code)
			var said *auth.TokenError
			require.ErrorAs(t, err, &said)
			require.Equal(t, status, said.Status)
			require.Contains(t, err.Error(), "server refuses the token: "+status)

			_, again := s.Submit(t.Context(), letter())
			require.Equal(t, err, again)
			require.Equal(t, []string{"", "expired"}, issuer.wasAsked())
			require.Equal(t, 2, w.server.Attempts(""))
			require.Empty(t, w.settled())
		})
	}
}

// If there is no other token the refusal stands, and is shown once; unless it is a
// network that keeps one from being had.
func TestTokenNotRenewed(t *testing.T) {
	t.Parallel()
	outage := &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("network is unreachable")}
	for _, test := range []struct {
		token string
		err   error
		means string
		says  string
	}{
		{"expired", nil, "Credentials", "535 5.7.8 no (server refuses the token: 401; there is no other token)"},
		{"", nil, "Credentials", "535 5.7.8 no (server refuses the token: 401; there is no other token)"},
		{"", errOwn, "Credentials", "535 5.7.8 no (server refuses the token: 401; no token to be had: "},
		{"", outage, "Temporary", "auth: no token to be had: dial tcp: network is unreachable"},
	} {
		withClerk(t, all(only("AUTH XOAUTH2"), dialogue("334 "+base64Of(`{"status":"401"}`), "535 5.7.8 no")), func(t *testing.T, c *clerk) {
			config := c.config()
			config.Credentials = auth.Token(user, func(_ context.Context, refused string) (string, error) {
				if refused == "" {
					return "expired", nil
				}
				return test.token, test.err
			})
			s := c.session(config)
			_, err := s.Submit(t.Context(), letter())
			requireMeans(t, err, test.means)
			require.Contains(t, asError(t, err).Error(), test.says)
			if test.err != nil {
				require.ErrorIs(t, err, test.err)
			}
			_, again := s.Submit(t.Context(), letter())
			require.Equal(t, err, again)
			require.Equal(t, []string{""}, c.heard()[2:], "its error is answered with nothing")
			require.Len(t, c.heard("AUTH"), 1)
		})
	}
}

// What is no refusal of the token is no reason for another one; nor is a connection
// that is lost before a refusal.
func TestTokenKept(t *testing.T) {
	t.Parallel()
	explained := "334 " + base64Of(`{"status":"400"}`)
	for _, test := range []struct {
		replies []string
		means   string
		asked   int
	}{
		{[]string{"454 4.7.0 later"}, "Temporary", 1},
		{[]string{"421 4.7.0 bye"}, "Temporary", 1},
		{[]string{explained, "454 4.7.0 later"}, "Temporary", 1},
		{[]string{"550 5.7.30 off"}, "Credentials", 1},
		{[]string{"501 5.5.2 what?"}, "Credentials", 1},
		{[]string{"504 5.5.4 what?"}, "Credentials", 1},
		{[]string{explained, explained, "501 5.7.0 cancelled"}, "Protocol", 1},
		{[]string{explained, hangUp}, "Temporary", 1},
		{[]string{"535 5.7.8 no", "421 4.7.0 bye" + hangUp}, "Temporary", 2},
		{[]string{"535 5.7.8 no\n421 4.7.0 bye" + hangUp}, "Temporary", 2},
		{[]string{"535 5.7.8 no", "535 5.7.8 no"}, "Credentials", 2}, // nobody has to explain
		{[]string{"535 5.7.8 no", "454 4.7.0 later"}, "Temporary", 2},
		{[]string{"535 5.7.8 no", "334 ", "235 2.7.0 ok"}, "Insecure", 2},
	} {
		withClerk(t, all(only("AUTH XOAUTH2"), dialogue(test.replies...)), func(t *testing.T, c *clerk) {
			config := c.config()
			issuer := &tokenIssuer{current: "expired", fresh: []string{"fresh", "never-shown"}}
			config.Credentials = auth.Token(user, issuer.source)
			_, err := c.session(config).Submit(t.Context(), letter())
			requireMeans(t, err, test.means)
			asError(t, err)
			require.Len(t, issuer.wasAsked(), test.asked, test.replies)
			require.Empty(t, c.heard("MAIL"))
		})
	}
}

// A server that hangs up once it has refused a token, before the next one is answered,
// has refused: another session would begin with a refusal as well, for all that is known.
func TestTokenRefusedAndHungUp(t *testing.T) {
	t.Parallel()
	explained := "334 " + base64Of(`{"status":"401"}`)
	for _, test := range []struct {
		replies []string
		says    string
	}{
		{[]string{"535 5.7.8 no" + hangUp}, "535 5.7.8 no (no answer to what was shown next: "},
		{[]string{explained, "535 5.7.8 no" + hangUp}, "535 5.7.8 no (server refuses the token: 401; no answer to what was shown next: "},
		{[]string{explained, "535 5.7.8 no", hangUp}, "535 5.7.8 no (server refuses the token: 401; no answer to what was shown next: "},
		{[]string{explained, "535 5.7.8 no", explained, hangUp}, "535 5.7.8 no (server refuses the token: 401; no answer to what was shown next: "},
		{[]string{explained, "535 5.7.8 no", silence}, "no answer to what was shown next: no answer within 5m0s)"},
	} {
		withClerk(t, all(only("AUTH XOAUTH2"), dialogue(test.replies...)), func(t *testing.T, c *clerk) {
			config := c.config()
			issuer := &tokenIssuer{current: "expired", fresh: []string{"fresh", "never-shown"}}
			config.Credentials = auth.Token(user, func(ctx context.Context, refused string) (string, error) {
				time.Sleep(time.Second) // of the bubble: long enough to hang up
				return issuer.source(ctx, refused)
			})
			_, err := c.session(config).Submit(t.Context(), letter())
			requireMeans(t, err, "Credentials")
			require.Equal(t, 535, asError(t, err).Reply.Code)
			require.Contains(t, err.Error(), test.says)
			if test.replies[0] == explained {
				var said *auth.TokenError
				require.ErrorAs(t, err, &said)
				require.Equal(t, "401", said.Status)
			}
			require.Len(t, issuer.wasAsked(), 2)
		})
	}
}

// Who ends a context, or the session, amid the second exchange gets that as such
// (promise 7).
func TestTokenRenewalEnded(t *testing.T) {
	t.Parallel()
	for _, closes := range []bool{false, true} {
		withClerk(t, all(only("AUTH XOAUTH2"), dialogue("535 5.7.8 no", silence)), func(t *testing.T, c *clerk) {
			config := c.config()
			config.Credentials = auth.Token(user, (&tokenIssuer{current: "expired", fresh: []string{"fresh"}}).source)
			s := c.session(config)
			ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, errOwn)
			defer cancel()
			if closes {
				time.AfterFunc(time.Second, func() { s.Close() })
			}
			_, err := s.Submit(ctx, letter())
			require.Nil(t, asError(t, err).Reply)
			if closes {
				requireMeans(t, err, "Closed")
				return
			}
			requireMeans(t, err)
			require.ErrorIs(t, err, errOwn)
			require.ErrorIs(t, err, context.DeadlineExceeded)
		})
	}
}

// A token that is revoked while a pool is at work: sessions that are open stay so, and
// those that are opened then, together, share what the source is asked for once.
func TestTokenRevokedInPool(t *testing.T) {
	t.Parallel()
	for _, mechanism := range bearers {
		inWorld(t, offering(mechanism), func(t *testing.T, w *world) {
			w.server.SetUsers(map[string]string{user: "first"})
			issuer := &tokenIssuer{current: "first", fresh: []string{"second", "third"}}
			w.config.Credentials = auth.Token(user, issuer.source)
			pool := &submit.Pool{Transport: w.transport(submit.Submissions), MaxMessages: 2}
			t.Cleanup(func() { pool.Close() })
			crowd := func(n int) {
				var all sync.WaitGroup
				for i := range n {
					all.Go(func() {
						if _, err := pool.Submit(t.Context(), numbered(i)); err != nil {
							t.Error(err)
						}
					})
				}
				all.Wait()
			}
			crowd(1)
			w.server.SetUsers(map[string]string{user: "second"})
			crowd(1) // over the session that is open
			require.Equal(t, []string{""}, issuer.wasAsked())

			crowd(4)
			require.Equal(t, []string{"", "", "", "", "", "first"}, issuer.wasAsked(), "once in place of the first")
			require.Equal(t, 1+2*4, w.server.Attempts(""))
			require.Len(t, w.settled(), 6)
		})
	}
}

// A session whose token could not be had is not kept, and the next message finds
// another source of trouble, or none.
func TestTokenOutageInPool(t *testing.T) {
	t.Parallel()
	inWorld(t, offering("XOAUTH2"), func(t *testing.T, w *world) {
		outage := true
		w.config.Credentials = auth.Token(user, func(context.Context, string) (string, error) {
			if outage {
				return "", &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("network is unreachable")}
			}
			return password, nil
		})
		pool := &submit.Pool{Transport: w.transport(submit.Submissions)}
		_, err := pool.Submit(t.Context(), letter())
		requireMeans(t, err, "Temporary")
		require.Zero(t, pool.Stats().Open)
		outage = false
		_, err = pool.Submit(t.Context(), letter())
		require.NoError(t, err)
		require.NoError(t, pool.Close())
		require.Equal(t, 1, w.server.Attempts(""))
	})
}

// A token is never shown by a mechanism for passwords, nor the other way round; and
// where one bearer mechanism is not there after all the other one is.
func TestTokenMechanisms(t *testing.T) {
	t.Parallel()
	withClerk(t, only("AUTH PLAIN LOGIN CRAM-MD5 SCRAM-SHA-256"), func(t *testing.T, c *clerk) {
		config := c.config()
		config.Credentials = auth.Token(user, func(context.Context, string) (string, error) { panic("asked") })
		_, err := c.session(config).Submit(t.Context(), letter())
		requireMeans(t, err, "Credentials")
		require.ErrorIs(t, err, auth.ErrNoMechanism)
		require.Contains(t, asError(t, err).Error(), "server offers PLAIN, LOGIN, CRAM-MD5, SCRAM-SHA-256, credentials allow OAUTHBEARER, XOAUTH2")
		require.Empty(t, c.heard("AUTH"))
	})
	withClerk(t, all(only("AUTH XOAUTH2 OAUTHBEARER PLAIN"), dialogue("504 5.5.4 unknown", "235 2.7.0 ok")), func(t *testing.T, c *clerk) {
		config := c.config()
		config.Credentials = auth.Token(user, always(token))
		_, err := c.session(config).Submit(t.Context(), letter())
		require.NoError(t, err)
		require.Equal(t, []string{
			"AUTH OAUTHBEARER " + base64Of("n,a="+user+",\x01host="+host+"\x01auth=Bearer "+token+"\x01\x01"),
			"AUTH XOAUTH2 " + base64Of("user="+user+"\x01auth=Bearer "+token+"\x01\x01"),
		}, c.heard("AUTH"))
	})
}

// Promise 7: a source that blocks does not keep the call, be it asked for the first
// time or in place of a token that was refused; nor does one that another session asks.
func TestTokenSourceBlocks(t *testing.T) {
	t.Parallel()
	for _, patient := range []string{"", "expired"} {
		inWorld(t, offering("XOAUTH2"), func(t *testing.T, w *world) {
			w.config.Credentials = auth.Token(user, func(ctx context.Context, refused string) (string, error) {
				if refused == patient {
					<-ctx.Done()
					return "", errors.New("gave up")
				}
				return "expired", nil
			})
			var sessions sync.WaitGroup
			for _, limit := range []time.Duration{time.Second, 2 * time.Second} {
				s := w.dial(submit.Submissions)
				sessions.Go(func() {
					ctx, cancel := context.WithTimeoutCause(t.Context(), limit, errOwn)
					defer cancel()
					elapsed := stopwatch()
					_, err := s.Submit(ctx, letter())
					if took := elapsed(); took != limit {
						t.Errorf("took %v, not %v", took, limit)
					}
					if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, errOwn) || len(meanings(err)) > 0 {
						t.Error(err)
					}
					if !strings.Contains(err.Error(), ": auth: ") {
						t.Error(err)
					}
				})
			}
			sessions.Wait()
			require.Zero(t, w.net.Open())
		})
	}
}

// Refusals by a server that cheats are the same to a token: a success is one only if
// the token was shown and not refused before.
func TestTokenAcceptedAfterRefusal(t *testing.T) {
	t.Parallel()
	for _, mechanism := range bearers {
		withClerk(t, all(only("AUTH "+mechanism), dialogue("334 "+base64Of("{}"), "235 2.7.0 ok")), func(t *testing.T, c *clerk) {
			config := c.config()
			config.Credentials = auth.Token(user, always(token))
			requireUnproven(t, c, config, "")
		})
		withClerk(t, all(only("AUTH "+mechanism), dialogue("235 2.7.0 ok")), func(t *testing.T, c *clerk) {
			config := c.config()
			config.Credentials = auth.Token(user, always(strings.Repeat("x", 600)))
			requireUnproven(t, c, config, "") // it was not even shown
			require.Equal(t, []string{"AUTH " + mechanism}, c.heard("AUTH"))
		})
	}
}
