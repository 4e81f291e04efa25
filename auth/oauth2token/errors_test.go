package oauth2token_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/mailport/mailport/auth"
	"github.com/mailport/mailport/auth/oauth2token"
)

func unavailable(w http.ResponseWriter, r *http.Request) {
	http.Error(w, echo(r), http.StatusServiceUnavailable)
}

// echo is all that a request has in it, as pages for developers show it.
func echo(r *http.Request) string {
	_ = r.ParseForm()
	return fmt.Sprintf("%v\n%v\n%v", r.Header, r.PostForm, r.PostForm.Encode())
}

// secretsOf are those of a request, and what they look like on their way.
func secretsOf(token *oauth2.Token) []string {
	all := []string{"0123456789"} // which each ends in
	for _, secret := range []string{clientSecret, token.RefreshToken, token.AccessToken} {
		all = append(all, secret, secret[:12], url.QueryEscape(secret), base64.StdEncoding.EncodeToString([]byte(secret)))
	}
	return append(all, base64.StdEncoding.EncodeToString([]byte(clientID+":"+url.QueryEscape(clientSecret))))
}

// printed is v in every way that programs print.
func printed(v any) string {
	var b bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		fmt.Fprintf(&b, verb+"\n", v)
		fmt.Fprintf(&b, verb+"\n", struct{ hidden any }{v})
	}
	text, err := json.Marshal(v)
	fmt.Fprintln(&b, string(text), err)
	slog.New(slog.NewJSONHandler(&b, nil)).Info("x", "y", v)
	slog.New(slog.NewTextHandler(&b, nil)).Info("x", "y", v)
	return b.String()
}

func requireClean(t *testing.T, text string, secrets []string) {
	t.Helper()
	for _, secret := range secrets {
		require.NotContains(t, text, secret)
		require.NotContains(t, text, fmt.Sprintf("%x", secret))
	}
}

// Promise 9: whatever an endpoint says, no secret is in the error, nor in anything that
// it wraps; and the line says what is the matter.
func TestErrors(t *testing.T) {
	quoting := func(format string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			_ = r.ParseForm()
			refuse(w, http.StatusBadRequest, "invalid_request", fmt.Sprintf(format, r.PostFormValue("refresh_token")))
		}
	}
	for name, c := range map[string]struct {
		answer    http.HandlerFunc
		says      string
		code      string
		temporary bool
		grant     bool
	}{
		"busy":           {unavailable, "503 Service Unavailable", "", true, false},
		"too many":       {status(http.StatusTooManyRequests), "429 Too Many Requests", "", true, false},
		"gone":           {status(http.StatusNotFound), "404 Not Found", "", false, false},
		"busy, in words": {said("temporarily_unavailable", ""), "temporarily_unavailable", "temporarily_unavailable", true, false},
		"refused":        {said("invalid_client", "unknown"), "invalid_client: unknown", "invalid_client", false, false},
		"revoked":        {said("invalid_grant", ""), "invalid_grant; access has to be granted again", "invalid_grant", false, true},
		"second factor":  {said("interaction_required", ""), "interaction_required; access has to be granted again", "interaction_required", false, true},
		"quoted":         {quoting("unknown: %s"), "invalid_request: unknown: ***", "invalid_request", false, false},
		"quoted in part": {quoting("unknown: %.14s..."), "invalid_request: unknown: ***", "invalid_request", false, false},
		"quoted escaped": {func(w http.ResponseWriter, r *http.Request) { refuse(w, 400, "invalid_request", echo(r)) }, "refresh_token=***", "invalid_request", false, false},
		"quoted, old":    {said("x", "AccessToken-1-0123456789"), "x: ***", "x", false, false},
		"quoted, other":  {said("x", "RefreshToken%2f1%2b0123456789 is gone"), "x: *** is gone", "x", false, false},
		"quoted, client": {said("x", "not "+clientSecret+" nor "+url.QueryEscape(clientSecret)+" either"), "x: not *** nor *** either", "x", false, false},
		"several lines":  {said("invalid_scope", "AADSTS70011: no.\r\nTrace ID: 1\x1b[2J"), "invalid_scope: AADSTS70011: no. Trace ID: 1?[2J", "invalid_scope", false, false},
		"long":           {said("x", strings.Repeat("é", 5000)), "x: " + strings.Repeat("é", 300) + "...", "x", false, false},
		"no JSON":        {func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, echo(r)) }, "missing access_token", "", false, false},
		"a page": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(w, "<"+echo(r))
		}, "invalid character '<'", "", false, false},
		"error with 200": {func(w http.ResponseWriter, _ *http.Request) { reply(w, map[string]string{"error": "bad"}) }, "bad", "bad", false, false},
		"redirected": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		}, "307 Temporary Redirect", "", false, false},
		"connection lost": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "EOF", "", true, false},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAuthority(t, nil)
			token := a.expired()
			a.answers(c.answer)
			_, err := oauth2token.Refresh(a.ctx(t), a.config(), token, nil)(t.Context(), "")
			require.Error(t, err)
			require.Contains(t, err.Error(), c.says)
			require.True(t, strings.HasPrefix(err.Error(), "token endpoint "+a.URL+"/token: "), "%v", err)
			require.NotContains(t, err.Error(), "\n")
			require.LessOrEqual(t, len(err.Error()), 1000)
			require.Equal(t, c.grant, errors.Is(err, oauth2token.ErrGrant))
			require.Equal(t, 1, a.asked())

			var e *oauth2token.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, c.temporary, e.Temporary())
			require.False(t, e.Timeout())
			if c.code != "" {
				var said *oauth2.RetrieveError
				require.ErrorAs(t, err, &said)
				require.Equal(t, c.code, said.ErrorCode)
				require.Empty(t, said.Body)
				require.Nil(t, said.Response.Request)
			}
			for wrapped := error(e); wrapped != nil; wrapped = errors.Unwrap(wrapped) {
				requireClean(t, printed(wrapped), secretsOf(token))
			}
		})
	}
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", "120")
		http.Error(w, echo(r), code)
	}
}

func said(code, description string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { refuse(w, http.StatusBadRequest, code, description) }
}

// Whose request it was knows how long to wait.
func TestRetryAfterIsKept(t *testing.T) {
	a := newAuthority(t, nil)
	a.answers(status(http.StatusTooManyRequests))
	_, err := oauth2token.ClientCredentials(a.ctx(t), a.clientCredentials())(t.Context(), "")
	var said *oauth2.RetrieveError
	require.ErrorAs(t, err, &said)
	require.Equal(t, "120", said.Response.Header.Get("Retry-After"))
	require.Equal(t, http.StatusTooManyRequests, said.Response.StatusCode)
	requireClean(t, printed(err)+printed(said), []string{clientSecret})
}

// Of what somebody else's function returns, the endpoint's words are shown alone.
func TestErrorsOfOthers(t *testing.T) {
	a := newAuthority(t, nil)
	a.answers(unavailable)
	for _, tokens := range []auth.TokenSource{
		oauth2token.Source(a.clientCredentials().TokenSource(a.ctx(t))),
		oauth2token.Fetch(a.ctx(t), func(ctx context.Context) (*oauth2.Token, error) {
			token, err := a.clientCredentials().Token(ctx)
			return token, fmt.Errorf("ours: %w", err)
		}),
	} {
		_, err := tokens(t.Context(), "")
		require.EqualError(t, err, "token endpoint "+a.URL+"/token: 503 Service Unavailable")
		requireClean(t, printed(err), []string{clientSecret})
	}
	_, err := oauth2token.Fetch(t.Context(), func(context.Context) (*oauth2.Token, error) {
		return nil, &oauth2.RetrieveError{Body: []byte("secret")}
	})(t.Context(), "")
	require.EqualError(t, err, "no response")
}

// Secrets of the client's own parameters are secrets.
func TestClientAssertion(t *testing.T) {
	a := newAuthority(t, nil)
	a.answers(func(w http.ResponseWriter, r *http.Request) {
		refuse(w, http.StatusBadRequest, "invalid_client", echo(r))
	})
	config := a.clientCredentials()
	config.EndpointParams = url.Values{"client_assertion": {"Assertion.0123456789.abc"}}
	_, err := oauth2token.ClientCredentials(a.ctx(t), config)(t.Context(), "")
	require.ErrorContains(t, err, "invalid_client")
	requireClean(t, printed(err), []string{"Assertion", clientSecret})
}

// Nobody is there, or somebody else: that is no word of the endpoint.
func TestEndpointNotReached(t *testing.T) {
	a := newAuthority(t, nil)
	token, config := a.expired(), a.config()
	_, err := oauth2token.Refresh(t.Context(), config, token, nil)(t.Context(), "") // a client that does not trust it
	var e *oauth2token.Error
	require.ErrorAs(t, err, &e)
	require.ErrorContains(t, err, "certificate signed by unknown authority")
	require.False(t, e.Temporary())

	ctx := a.ctx(t)
	a.Close()
	config.Endpoint.TokenURL += "?key=Query0123456789"
	_, err = oauth2token.Refresh(ctx, config, token, nil)(t.Context(), "")
	require.ErrorAs(t, err, &e)
	require.ErrorAs(t, err, new(*net.OpError))
	require.ErrorContains(t, err, "connection refused")
	require.True(t, e.Temporary())
	requireClean(t, printed(err)+printed(errors.Unwrap(e)), append(secretsOf(token), "Query"))
}

// Promise 1, for tokens: no secret leaves without TLS.
func TestCleartextEndpoint(t *testing.T) {
	sent := errors.New("sent")
	ctx := context.WithValue(t.Context(), oauth2.HTTPClient, &http.Client{Transport: roundTripper(func(*http.Request) (*http.Response, error) { return nil, sent })})
	try := func(endpoint string) []error {
		config := &oauth2.Config{Endpoint: oauth2.Endpoint{TokenURL: endpoint}}
		_, refresh := oauth2token.Refresh(ctx, config, &oauth2.Token{RefreshToken: "r"}, nil)(t.Context(), "")
		_, program := oauth2token.ClientCredentials(ctx, &clientcredentials.Config{TokenURL: endpoint})(t.Context(), "")
		return []error{refresh, program}
	}
	for endpoint, says := range map[string]string{
		"http://user:Hidden@login.example.com/token": "token endpoint http://login.example.com/token: is not https",
		"http://localhost/token":                     "is not https",
		"ftp://login.example.com/":                   "is not https",
		"login.example.com/token":                    "TokenURL is not a URL",
		"":                                           "TokenURL is not a URL",
		"https://\x00Hidden":                         "TokenURL is not a URL",
	} {
		for _, err := range try(endpoint) {
			require.ErrorContains(t, err, says)
			require.NotErrorIs(t, err, sent)
			require.NotContains(t, printed(err), "Hidden")
		}
	}
	for _, endpoint := range []string{"https://login.example.com/token", "http://127.0.0.1/token", "http://[::1]:8080/token"} {
		for _, err := range try(endpoint) {
			require.ErrorIs(t, err, sent)
		}
	}
}

// What is redirected is not followed, unless the caller's client has its own rules.
func TestRedirections(t *testing.T) {
	a := newAuthority(t, nil)
	a.answers(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/token" {
			http.Redirect(w, r, "/elsewhere", http.StatusPermanentRedirect)
			return
		}
		a.token(w, r)
	})
	client := a.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return nil }
	_, err := oauth2token.Refresh(a.ctx(t), a.config(), a.expired(), nil)(t.Context(), "")
	require.NoError(t, err)
}

// Promise 9: neither a source nor credentials with one show what they hold.
func TestNothingPrints(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, config := virtualAuthority()
		token := a.expired()
		ctx := inBubble(t.Context(), slow(a, time.Second))
		tokens := oauth2token.Refresh(ctx, config, token, nil)
		_, err := tokens(t.Context(), "")
		require.NoError(t, err)
		secrets := append(secretsOf(token), "AccessToken-2", refreshToken(2))
		requireClean(t, printed(tokens), secrets)
		requireClean(t, printed(auth.Token(user, tokens)), secrets)
	})
}
