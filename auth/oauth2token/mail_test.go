package oauth2token_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/mailport/mailport/auth"
	"github.com/mailport/mailport/auth/oauth2token"
	"github.com/mailport/mailport/submit"
	"github.com/mailport/mailport/submit/submittest"
)

// newMail returns a server that takes tokens alone.
func newMail(t *testing.T, mechanisms ...string) *submittest.Server {
	s := submittest.NewUnstartedServer(t)
	s.Users, s.Mechanisms = map[string]string{}, mechanisms
	require.NoError(t, s.Start())
	return s
}

func transport(s *submittest.Server, tokens auth.TokenSource) *submit.ImplicitTLS {
	config := s.Config()
	config.Credentials = auth.Token(user, tokens)
	return &submit.ImplicitTLS{Host: "mail.example.com", Config: config}
}

func send(ctx context.Context, s submit.Submitter) error {
	_, err := submit.Send(ctx, s, user, []string{"you@example.net"}, []byte("Subject: hello\r\n\r\nHello.\r\n"))
	return err
}

func revoke(s *submittest.Server) { s.SetUsers(map[string]string{user: "AnotherToken-0123456789"}) }

// A token that has expired is not shown: the first that the server sees is good.
func TestExpiredIsNotShown(t *testing.T) {
	for _, mechanism := range []string{"OAUTHBEARER", "XOAUTH2"} {
		s := newMail(t, mechanism)
		a := newAuthority(t, s)
		mail := transport(s, oauth2token.Refresh(a.ctx(t), a.config(), a.expired(), nil))
		for range 3 {
			require.NoError(t, send(t.Context(), mail))
		}
		require.Equal(t, 1, a.asked(), "the new one is kept")
		require.Equal(t, 3, s.Attempts(""))
	}
}

// A token that is refused is replaced in the same session, and every refresh token is
// used once (RFC 6749, section 6; RFC 9700, section 4.14.2).
func TestRevokedInMidPool(t *testing.T) {
	for _, mechanism := range []string{"OAUTHBEARER", "XOAUTH2"} {
		s := newMail(t, mechanism)
		a := newAuthority(t, s)
		var saved []*oauth2.Token
		tokens := oauth2token.Refresh(a.ctx(t), a.config(), a.grant(), func(t *oauth2.Token) { saved = append(saved, t) })
		pool := &submit.Pool{Transport: transport(s, tokens), MaxMessages: 2}
		for message := range 6 { // two in each session
			require.NoError(t, send(t.Context(), pool))
			if message%2 == 0 {
				revoke(s) // of no matter to the session that is open
			}
		}
		pool.Close()
		require.Len(t, s.Messages(), 6)
		require.Equal(t, 2, a.asked())
		require.Equal(t, 3, s.Connections(""), "replaced in the same session")
		require.Equal(t, 5, s.Attempts(""))

		require.Len(t, saved, 2)
		require.Equal(t, refreshToken(2), saved[0].RefreshToken)
		require.Equal(t, refreshToken(3), saved[1].RefreshToken)
		require.WithinDuration(t, time.Now().Add(a.lifetime), saved[1].Expiry, time.Minute)

		// After a restart what was saved last is good.
		revoke(s)
		require.NoError(t, send(t.Context(), transport(s, oauth2token.Refresh(a.ctx(t), a.config(), saved[1], nil))))
	}
}

// However many sessions want a token, one is asked for.
func TestSessionsShareOneRequest(t *testing.T) {
	for name, begin := range map[string]func(*authority) *oauth2.Token{"expired": (*authority).expired, "refused": (*authority).grant} {
		t.Run(name, func(t *testing.T) {
			const sessions = 8
			s := newMail(t, "OAUTHBEARER")
			a := newAuthority(t, s)
			token := begin(a)
			if name == "refused" {
				revoke(s)
			}
			pool := &submit.Pool{
				Transport:   transport(s, oauth2token.Refresh(a.ctx(t), a.config(), token, nil)),
				MaxSessions: sessions,
			}
			defer pool.Close()
			var all sync.WaitGroup
			errs := make([]error, sessions)
			for i := range sessions {
				all.Go(func() { errs[i] = send(t.Context(), pool) })
			}
			all.Wait()
			for _, err := range errs {
				require.NoError(t, err)
			}
			require.Equal(t, 1, a.asked())
		})
	}
}

// Two credentials with one source are one: what one of them was refused the other
// does not renew again.
func TestWhatOthersRenewedIsUsed(t *testing.T) {
	a := newAuthority(t, nil)
	tokens := oauth2token.Refresh(a.ctx(t), a.config(), a.grant(), nil)
	old, err := tokens(t.Context(), "")
	require.NoError(t, err)
	fresh, err := tokens(t.Context(), old)
	require.NoError(t, err)
	require.NotEqual(t, old, fresh)
	again, err := tokens(t.Context(), old)
	require.NoError(t, err)
	require.Equal(t, fresh, again)
	require.Equal(t, 1, a.asked())
}

// Whose refresh token was revoked is told what to do, in both places where that can
// come up, and by type.
func TestRefreshTokenRevoked(t *testing.T) {
	s := newMail(t, "XOAUTH2")
	a := newAuthority(t, s)
	token := a.expired()
	a.revokeRefresh()
	err := send(t.Context(), transport(s, oauth2token.Refresh(a.ctx(t), a.config(), token, nil)))
	require.ErrorIs(t, err, oauth2token.ErrGrant)
	require.ErrorIs(t, err, submit.ErrCredentials)
	require.Zero(t, s.Attempts(""), "there is nothing to show")
	var said *oauth2.RetrieveError
	require.ErrorAs(t, err, &said)
	require.Equal(t, "invalid_grant", said.ErrorCode)
	const text = "no token to be had: token endpoint URL/token: invalid_grant: Token has been expired or revoked.; " +
		"access has to be granted again"
	require.Equal(t, "submissions://mail.example.com:465: auth: "+text, strings.ReplaceAll(err.Error(), a.URL, "URL"))

	token = a.grant()
	a.revokeRefresh()
	revoke(s)
	err = send(t.Context(), transport(s, oauth2token.Refresh(a.ctx(t), a.config(), token, nil)))
	require.ErrorIs(t, err, oauth2token.ErrGrant)
	require.ErrorIs(t, err, submit.ErrCredentials)
	require.ErrorAs(t, err, new(*auth.TokenError))
	require.Contains(t, strings.ReplaceAll(err.Error(), a.URL, "URL"), text)
	require.Equal(t, 1, s.Attempts(""))

	// Without a refresh token nobody is asked.
	asked := a.asked()
	for _, none := range []*oauth2.Token{nil, {}, {AccessToken: "a", Expiry: time.Now()}} {
		_, err = oauth2token.Refresh(a.ctx(t), a.config(), none, nil)(t.Context(), "")
		require.ErrorIs(t, err, oauth2token.ErrGrant)
		require.ErrorContains(t, err, "there is no refresh token")
	}
	require.Equal(t, asked, a.asked())
}

// Promise 7: whoever cancels a submission while a token is asked for has it end at once;
// the next one gets what the endpoint has made in the meantime.
func TestCancelledWhileAsking(t *testing.T) {
	s := newMail(t, "OAUTHBEARER")
	a := newAuthority(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	asked := make(chan struct{})
	a.answers(func(w http.ResponseWriter, r *http.Request) {
		cancel()
		<-asked
		a.token(w, r)
	})
	mail := transport(s, oauth2token.Refresh(a.ctx(t), a.config(), a.expired(), nil))
	err := send(ctx, mail)
	require.ErrorIs(t, err, context.Canceled)
	require.NotErrorIs(t, err, submit.ErrCredentials)
	require.Zero(t, s.Attempts(""))
	close(asked)
	require.NoError(t, send(t.Context(), mail))
	require.Equal(t, 1, a.asked())
}

// What is saved, and what was given, is the caller's to change.
func TestTokensAreCopied(t *testing.T) {
	a := newAuthority(t, nil)
	given := a.grant()
	tokens := oauth2token.Refresh(a.ctx(t), a.config(), given, func(t *oauth2.Token) { *t = oauth2.Token{} })
	first := given.AccessToken
	*given = oauth2.Token{}
	got, err := tokens(t.Context(), "")
	require.NoError(t, err)
	require.Equal(t, first, got)
	for want := 2; want < 4; want++ {
		got, err = tokens(t.Context(), got)
		require.NoError(t, err)
		require.Equal(t, fmt.Sprintf("AccessToken-%d-0123456789", want), got)
	}
}

// The message is sent if the endpoint is back: a failure is not kept.
func TestFailureIsNotKept(t *testing.T) {
	s := newMail(t, "XOAUTH2")
	a := newAuthority(t, s)
	mail := transport(s, oauth2token.Refresh(a.ctx(t), a.config(), a.expired(), nil))
	a.answers(unavailable)
	err := send(t.Context(), mail)
	var e *oauth2token.Error
	require.ErrorAs(t, err, &e)
	require.True(t, e.Temporary())
	require.NotErrorIs(t, err, oauth2token.ErrGrant)
	a.answers(nil)
	require.NoError(t, send(t.Context(), mail))
}

// Where nobody could be asked for a token, nobody has refused one.
func TestEndpointIsAway(t *testing.T) {
	s := newMail(t, "XOAUTH2")
	a := newAuthority(t, s)
	mail := transport(s, oauth2token.Refresh(a.ctx(t), a.config(), a.expired(), nil))
	a.Close()
	err := send(t.Context(), mail)
	require.ErrorIs(t, err, submit.ErrTemporary)
	require.NotErrorIs(t, err, submit.ErrCredentials)
	require.ErrorContains(t, err, "connection refused")
}
