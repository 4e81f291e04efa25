package oauth2token

import (
	"context"
	"errors"

	"golang.org/x/oauth2"

	"github.com/mailport/mailport/auth"
)

// Refresh returns a source of access tokens for somebody who has granted access:
// token is what [oauth2.Config.Exchange] returned, or what was saved since. When its
// access token expires or is refused, another is asked for with the refresh token in
// it (RFC 6749, section 6).
//
// Save, if not nil, is called with every token that comes, before anybody uses it: on
// another goroutine than the one that asks, and never twice at a time. There may be
// another refresh token in it, and the old one may be of no use from then on: who does
// not keep the new one has to ask for access again after a restart. What goes wrong with
// saving is for save to tell. It must not ask the source. If it panics, so do the calls
// that wait for the token; the source has it all the same.
//
// If the refresh token has expired or was revoked, or if there is none, the error
// matches [ErrGrant]. It is tried again whenever a session wants a token: who sees
// that error should stop.
//
// Ctx is for all requests, see the package documentation. Config must not be changed.
// Several sources of one refresh token, in one program or in several, get into each
// other's way where refresh tokens are replaced: make one, and share it.
func Refresh(ctx context.Context, config *oauth2.Config, token *oauth2.Token, save func(*oauth2.Token)) auth.TokenSource {
	endpoint := endpointOf(config.Endpoint.TokenURL)
	k := &keeper{ctx: strict(ctx), save: save}
	if token != nil {
		k.token = clone(token)
	}
	k.fetch = func(ctx context.Context, old *oauth2.Token) (*oauth2.Token, error) {
		if old == nil || old.RefreshToken == "" {
			return nil, &Error{Endpoint: endpoint, Err: errNoRefreshToken, grant: true}
		}
		if err := isFit(config.Endpoint.TokenURL); err != nil {
			return nil, &Error{Endpoint: endpoint, Err: err}
		}
		fresh, err := config.TokenSource(ctx, &oauth2.Token{RefreshToken: old.RefreshToken}).Token()
		if err != nil {
			e := explain(ctx, err, endpoint, config.ClientSecret, basic(config.ClientID, config.ClientSecret),
				old.RefreshToken, old.AccessToken)
			e.grant = isGrant(e.code())
			return nil, e
		}
		return fresh, nil
	}
	return k.source
}

var errNoRefreshToken = errors.New("there is no refresh token, and the access token has expired or was refused")

func clone(t *oauth2.Token) *oauth2.Token {
	c := *t
	return &c
}

// isGrant knows the errors of a refresh token that is of no use any more: RFC 6749,
// section 5.2; and those of who wants to see the user: OpenID Connect Core 1.0,
// section 3.1.2.6.
func isGrant(code string) bool {
	switch code {
	case "invalid_grant", "interaction_required", "login_required", "consent_required":
		return true
	}
	return false
}
