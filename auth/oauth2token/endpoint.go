package oauth2token

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"

	"golang.org/x/oauth2"
)

// endpointOf is a URL without what may be secret in it: a user, a query.
func endpointOf(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return ""
	}
	return withoutSecrets(u)
}

func withoutSecrets(u *url.URL) string {
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}

var (
	errNoURL     = errors.New("TokenURL is not a URL")
	errCleartext = errors.New("is not https, and secrets are sent over TLS alone (RFC 6749, section 3.2)")
)

// isFit tells whether secrets may be sent to a token endpoint.
func isFit(raw string) error {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Hostname() == "":
		return errNoURL
	case u.Scheme != "https" && !isLoopback(u.Hostname()):
		return errCleartext
	}
	return nil
}

// isLoopback is about addresses: what a name means is for others to say.
func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// strict is ctx with an HTTP client that follows no redirection, unless the caller's
// has a mind of its own. A POST that is redirected takes its body along, wherever.
func strict(ctx context.Context) context.Context {
	client, ok := ctx.Value(oauth2.HTTPClient).(*http.Client)
	if !ok || client == nil {
		client = http.DefaultClient
	}
	if client.CheckRedirect != nil {
		return ctx
	}
	own := *client
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return context.WithValue(ctx, oauth2.HTTPClient, &own)
}
