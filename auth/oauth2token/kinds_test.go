package oauth2token_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/mailport/mailport/auth"
	"github.com/mailport/mailport/auth/oauth2token"
	"github.com/mailport/mailport/submit"
)

// A program with an identity of its own gets another token when one is refused.
func TestProgramsOfTheirOwn(t *testing.T) {
	for name, source := range map[string]func(*testing.T, *authority) auth.TokenSource{
		"ClientCredentials": func(t *testing.T, a *authority) auth.TokenSource {
			return oauth2token.ClientCredentials(a.ctx(t), a.clientCredentials())
		},
		"Fetch": func(t *testing.T, a *authority) auth.TokenSource {
			return oauth2token.Fetch(a.ctx(t), a.clientCredentials().Token)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newMail(t, "OAUTHBEARER")
			a := newAuthority(t, s)
			mail := transport(s, source(t, a))
			require.NoError(t, send(t.Context(), mail))
			require.NoError(t, send(t.Context(), mail))
			require.Equal(t, 1, a.asked(), "a token is kept")
			revoke(s)
			require.NoError(t, send(t.Context(), mail))
			require.Equal(t, 2, a.asked())

			revoke(s)
			a.answers(unavailable)
			err := send(t.Context(), mail)
			require.ErrorIs(t, err, submit.ErrTemporary, "a token may be had later, and nobody is to be asked for one")
			require.NotErrorIs(t, err, submit.ErrCredentials)
			require.ErrorContains(t, err, "token endpoint "+a.URL+"/token: 503 Service Unavailable")
			require.NotErrorIs(t, err, oauth2token.ErrGrant)

			a.answers(said("invalid_client", "unknown"))
			err = send(t.Context(), mail)
			require.ErrorIs(t, err, submit.ErrCredentials, "the mail server has refused, and that stands")
			require.NotErrorIs(t, err, submit.ErrTemporary)
			require.ErrorContains(t, err, "token endpoint "+a.URL+"/token: invalid_client: unknown")
			require.NotErrorIs(t, err, oauth2token.ErrGrant)
		})
	}
}

// A source that keeps its tokens cannot be made to renew one: the refusal stands, and
// the token was shown once.
func TestSourceKeepsItsToken(t *testing.T) {
	s := newMail(t, "OAUTHBEARER")
	a := newAuthority(t, s)
	mail := transport(s, oauth2token.Source(a.config().TokenSource(a.ctx(t), a.grant())))
	require.NoError(t, send(t.Context(), mail))
	revoke(s)
	err := send(t.Context(), mail)
	require.ErrorIs(t, err, submit.ErrCredentials)
	require.ErrorContains(t, err, "there is no other token")
	require.Equal(t, 2, s.Attempts(""))
	require.Zero(t, a.asked())
}

// It is asked each time, since it alone knows how long its tokens are good.
func TestSourceIsAskedEachTime(t *testing.T) {
	s := newMail(t, "OAUTHBEARER")
	a := newAuthority(t, s)
	asked := 0
	mail := transport(s, oauth2token.Source(sourceFunc(func() (*oauth2.Token, error) {
		asked++
		return a.clientCredentials().Token(a.ctx(t))
	})))
	require.NoError(t, send(t.Context(), mail))
	require.NoError(t, send(t.Context(), mail))
	require.Equal(t, 2, asked)

	failure := errors.New("nobody is logged in")
	_, err := oauth2token.Source(sourceFunc(func() (*oauth2.Token, error) { return nil, failure }))(t.Context(), "")
	require.ErrorIs(t, err, failure)
	require.EqualError(t, err, failure.Error())
}

type sourceFunc func() (*oauth2.Token, error)

func (f sourceFunc) Token() (*oauth2.Token, error) { return f() }

// Mail servers take bearer tokens (RFC 6750), and nothing that is none.
func TestNoBearerToken(t *testing.T) {
	for want, token := range map[string]*oauth2.Token{
		"neither a token nor an error": nil,
		"a token nor":                  {},
		"token is of type MAC":         {AccessToken: "secret", TokenType: "mac"},
		"token is of type DPoP":        {AccessToken: "secret", TokenType: "DPoP"},
	} {
		_, err := oauth2token.Source(oauth2.StaticTokenSource(token))(t.Context(), "")
		require.ErrorContains(t, err, want)
		require.NotContains(t, err.Error(), "secret")
		_, err = oauth2token.Fetch(t.Context(), func(context.Context) (*oauth2.Token, error) { return token, nil })(t.Context(), "")
		require.ErrorContains(t, err, want)
	}
	token, err := oauth2token.Source(oauth2.StaticTokenSource(&oauth2.Token{AccessToken: "good", TokenType: "bearer"}))(t.Context(), "")
	require.NoError(t, err)
	require.Equal(t, "good", token)
}
