package oauth2token

import (
	"context"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/mailport/mailport/auth"
)

// ClientCredentials returns a source of access tokens for a program that has an
// identity of its own (RFC 6749, section 4.4). A token that expires or is refused is
// replaced by another.
//
// Ctx is for all requests, see the package documentation. Config must not be changed.
func ClientCredentials(ctx context.Context, config *clientcredentials.Config) auth.TokenSource {
	endpoint := endpointOf(config.TokenURL)
	k := &keeper{ctx: strict(ctx)}
	k.fetch = func(ctx context.Context, _ *oauth2.Token) (*oauth2.Token, error) {
		if err := isFit(config.TokenURL); err != nil {
			return nil, &Error{Endpoint: endpoint, Err: err}
		}
		token, err := config.Token(ctx)
		if err != nil {
			secrets := []string{config.ClientSecret, basic(config.ClientID, config.ClientSecret)}
			for _, values := range config.EndpointParams { // an assertion, a password
				secrets = append(secrets, values...)
			}
			return nil, explain(ctx, err, endpoint, secrets...)
		}
		return token, nil
	}
	return k.source
}

// Fetch returns a source of access tokens for which fetch is called whenever another
// is wanted, since there is none yet, or since it has expired or was refused. Fetch
// must bring a fresh one each time, and return when its context ends. It is never
// called twice at a time.
//
// For a service account of Google, with a [golang.org/x/oauth2/jwt.Config]:
//
//	oauth2token.Fetch(ctx, func(ctx context.Context) (*oauth2.Token, error) {
//		return config.TokenSource(ctx).Token()
//	})
//
// Ctx ends what is under way, and hands its values to fetch.
func Fetch(ctx context.Context, fetch func(context.Context) (*oauth2.Token, error)) auth.TokenSource {
	k := &keeper{ctx: ctx}
	k.fetch = func(ctx context.Context, _ *oauth2.Token) (*oauth2.Token, error) {
		token, err := fetch(ctx)
		if err != nil {
			return nil, explain(ctx, err, "")
		}
		return token, nil
	}
	return k.source
}
