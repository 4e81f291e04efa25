package oauth2token

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/oauth2"
)

// ErrGrant means that a refresh token is of no use any more, or that there is none:
// trying again does not help, and somebody has to grant access again.
var ErrGrant = errors.New("access has to be granted again")

// An Error says why there is no token. [errors.As] reaches an [*oauth2.RetrieveError]
// if the token endpoint said why: without the response's body and the request, in
// which there may be secrets.
type Error struct {
	Endpoint string // the token endpoint's URL, without user and query; empty if not known
	Err      error  // cause

	text  string // the cause's, fit to be printed; empty if that is as it is
	grant bool
}

// Error returns one line without secrets.
func (e *Error) Error() string {
	var text string
	if e.Endpoint != "" {
		text = "token endpoint " + legible(e.Endpoint, 200) + ": "
	}
	text += cmp.Or(e.text, e.Err.Error())
	if e.grant {
		text += "; " + ErrGrant.Error()
	}
	return text
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Is reports whether e means target, [ErrGrant].
func (e *Error) Is(target error) bool { return e.grant && target == ErrGrant }

// Temporary reports whether it may well work later: the endpoint could not be reached,
// or says that it is busy.
func (e *Error) Temporary() bool {
	var (
		said      *oauth2.RetrieveError
		transport *url.Error
	)
	switch {
	case errors.As(e.Err, &said):
		status := said.Response.StatusCode
		busy := said.ErrorCode == "temporarily_unavailable" || said.ErrorCode == "slow_down"
		return busy || status >= 500 || status == http.StatusTooManyRequests
	case errors.As(e.Err, &transport):
		return !errors.As(transport.Err, new(*tls.CertificateVerificationError))
	}
	return errors.Is(e.Err, errSlow)
}

// Timeout reports whether the endpoint did not answer in time. With it an Error is a
// [net.Error].
func (e *Error) Timeout() bool {
	var transport *url.Error
	return errors.Is(e.Err, errSlow) || errors.As(e.Err, &transport) && transport.Timeout()
}

var _ net.Error = (*Error)(nil)

// code is what the endpoint said, RFC 6749, section 5.2, or empty.
func (e *Error) code() string {
	if said := (*oauth2.RetrieveError)(nil); errors.As(e.Err, &said) {
		return said.ErrorCode
	}
	return ""
}

// explain makes an Error of what went wrong in ctx. None of the secrets is in it,
// whatever the endpoint has quoted.
func explain(ctx context.Context, err error, endpoint string, secrets ...string) *Error {
	var (
		said      *oauth2.RetrieveError
		transport *url.Error
	)
	fit := func(s string) string { return legible(masked(s, secrets), 300) }
	switch {
	case errors.As(err, &said):
		said = harmless(said, fit)
		return &Error{Endpoint: cmp.Or(endpoint, askedAt(err)), Err: said, text: reason(said)}
	case ctx.Err() != nil:
		// Of the limit nobody is to think that it was the caller's context.
		err = context.Cause(ctx)
		return &Error{Endpoint: endpoint, Err: err, text: fit(err.Error())}
	case errors.As(err, &transport):
		where := endpointOf(transport.URL)
		own := &url.Error{Op: transport.Op, URL: where, Err: transport.Err}
		return &Error{Endpoint: cmp.Or(endpoint, where), Err: own, text: fit(own.Err.Error())}
	}
	return &Error{Endpoint: endpoint, Err: err, text: fit(err.Error())}
}

// harmless is what the endpoint said without the body, which may quote anything, and
// without the request, which has all the secrets in it.
func harmless(said *oauth2.RetrieveError, fit func(string) string) *oauth2.RetrieveError {
	response := &http.Response{Status: "no response", Header: make(http.Header), Body: http.NoBody}
	if r := said.Response; r != nil {
		response.Status, response.StatusCode = fit(r.Status), r.StatusCode
		for _, name := range [...]string{"Content-Type", "Date", "Retry-After"} {
			for _, value := range r.Header.Values(name) {
				response.Header.Add(name, fit(value))
			}
		}
	}
	return &oauth2.RetrieveError{
		Response:         response,
		ErrorCode:        fit(said.ErrorCode),
		ErrorDescription: fit(said.ErrorDescription),
		ErrorURI:         fit(said.ErrorURI),
	}
}

// askedAt is the endpoint of an error that brings its request along.
func askedAt(err error) string {
	var said *oauth2.RetrieveError
	if errors.As(err, &said) && said.Response != nil && said.Response.Request != nil && said.Response.Request.URL != nil {
		return withoutSecrets(said.Response.Request.URL)
	}
	return ""
}

func reason(said *oauth2.RetrieveError) string {
	if said.ErrorCode == "" {
		return said.Response.Status
	}
	return strings.TrimSuffix(said.ErrorCode+": "+said.ErrorDescription, ": ")
}
