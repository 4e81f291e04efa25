package oauth2token_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/mailport/mailport/submit/submittest"
)

const (
	user     = "me@example.com"
	clientID = "mailer"
	// Each secret begins differently, so that a part of one can be told.
	clientSecret = "C1ient&Secret/!0123456789"
)

// An authority is an authorization server, RFC 6749, that replaces refresh tokens,
// and takes the use of an old one for theft (RFC 9700, section 4.14.2).
type authority struct {
	*httptest.Server
	mail *submittest.Server // learns every access token, if not nil

	mu       sync.Mutex
	answer   http.HandlerFunc // instead of a token, if not nil
	lifetime time.Duration    // of access tokens; 0: not said
	kind     string           // of access tokens; empty: Bearer
	count    int              // of tokens
	requests int
	refresh  string   // the refresh token that is good; empty: none
	used     []string // those that were
}

func newAuthority(t *testing.T, mail *submittest.Server) *authority {
	a := &authority{mail: mail, lifetime: time.Hour}
	a.Server = httptest.NewUnstartedServer(a)
	a.Server.Config.ErrorLog = log.New(io.Discard, "", 0) // clients that go, or do not trust it
	a.StartTLS()
	t.Cleanup(a.Close)
	return a
}

func (a *authority) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	a.requests++
	answer := a.answer
	a.mu.Unlock()
	if answer != nil {
		answer(w, r)
		return
	}
	a.token(w, r)
}

func (a *authority) token(w http.ResponseWriter, r *http.Request) {
	id, secret, _ := r.BasicAuth()
	if id != clientID || secret != "C1ient%26Secret%2F%210123456789" { // RFC 6749, section 2.3.1
		refuse(w, http.StatusUnauthorized, "invalid_client", "")
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	shown := r.PostFormValue("refresh_token")
	switch grant := r.PostFormValue("grant_type"); {
	case grant == "client_credentials":
		reply(w, a.issue())
	case grant != "refresh_token":
		refuse(w, http.StatusBadRequest, "unsupported_grant_type", "")
	case shown == "" || shown != a.refresh:
		if slices.Contains(a.used, shown) {
			a.refresh = "" // theft
		}
		refuse(w, http.StatusBadRequest, "invalid_grant", "Token has been expired or revoked.")
	default:
		issued := a.issue()
		a.used = append(a.used, a.refresh)
		a.refresh = issued["refresh_token"].(string)
		reply(w, issued)
	}
}

// issue makes an access token that the mail server takes from now on, and no other.
func (a *authority) issue() map[string]any {
	a.count++
	access := fmt.Sprintf("AccessToken-%d-0123456789", a.count)
	if a.mail != nil {
		a.mail.SetUsers(map[string]string{user: access})
	}
	issued := map[string]any{"access_token": access, "token_type": cmp.Or(a.kind, "Bearer"), "refresh_token": refreshToken(a.count)}
	if a.lifetime != 0 {
		issued["expires_in"] = int(a.lifetime.Seconds())
	}
	return issued
}

func refreshToken(n int) string { return fmt.Sprintf("RefreshToken/%d+0123456789", n) }

func reply(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(body)
}

func refuse(w http.ResponseWriter, status int, code, description string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": code, "error_description": description})
}

// grant is what the user granted some time ago.
func (a *authority) grant() *oauth2.Token {
	a.mu.Lock()
	defer a.mu.Unlock()
	issued := a.issue()
	a.refresh = issued["refresh_token"].(string)
	return &oauth2.Token{AccessToken: issued["access_token"].(string), RefreshToken: a.refresh, Expiry: time.Now().Add(a.lifetime)}
}

// expired is what was granted too long ago.
func (a *authority) expired() *oauth2.Token {
	t := a.grant()
	t.Expiry = time.Now().Add(-time.Minute)
	return t
}

func (a *authority) answers(h http.HandlerFunc) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.answer = h
}

// issues makes access tokens of another type from now on.
func (a *authority) issues(kind string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.kind = kind
}

func (a *authority) revokeRefresh() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.refresh = ""
}

func (a *authority) asked() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.requests
}

// ctx is one whose HTTP client trusts the authority.
func (a *authority) ctx(t *testing.T) context.Context {
	return context.WithValue(t.Context(), oauth2.HTTPClient, a.Client())
}

func (a *authority) config() *oauth2.Config {
	return &oauth2.Config{
		ClientID: clientID, ClientSecret: clientSecret,
		Endpoint: oauth2.Endpoint{TokenURL: a.URL + "/token", AuthStyle: oauth2.AuthStyleInHeader},
	}
}

func (a *authority) clientCredentials() *clientcredentials.Config {
	return &clientcredentials.Config{
		ClientID: clientID, ClientSecret: clientSecret,
		TokenURL: a.URL + "/token", AuthStyle: oauth2.AuthStyleInHeader,
	}
}
