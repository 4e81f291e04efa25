package auth

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// A TokenSource returns an access token for OAuth 2.0, RFC 6749, section 1.4. It
// is asked once for each mechanism that is tried, with an empty string: once in a
// session, unless the server does not support the first mechanism after all. It is asked
// again if the server refuses the token that it gave: then refused is that token, and
// another is wanted. It must be safe for concurrent use, return when ctx ends, and should
// keep tokens for as long as they are good.
//
// An error of a network (net.OpError, net.DNSError but for a host that does not exist, a
// timeout, a connection that ended early, or one whose Temporary method says so) is taken
// for temporary; any other means that the owner has to act. Errors are printed: they must
// not show a token.
type TokenSource func(ctx context.Context, refused string) (token string, err error)

// Token returns credentials that show a bearer token (RFC 6750) with the first of
// these mechanisms that the server offers: OAUTHBEARER (RFC 7628), XOAUTH2 (what
// Google and Microsoft had before). They never turn to a password.
//
// A token that the server refuses is replaced once per session; concurrent sessions
// whose token was the same share what comes in its place. If that is refused, too, or
// there is no other, the error wraps a [*TokenError] where the server said why. Without a
// source Exchange returns an error.
func Token(username string, source TokenSource) Credentials {
	return &tokenCredentials{
		shown:    shown{fmt.Sprintf("auth.Token(%q, ***)", username)},
		username: username,
		tokens:   newTokens(source),
	}
}

type tokenCredentials struct {
	shown
	username string
	tokens   *tokens
}

// tokenMechanisms are in the order of preference: the standard first.
func tokenMechanisms() []string { return []string{"OAUTHBEARER", "XOAUTH2"} }

// Exchange asks for a token and starts a mechanism that shows it.
func (t *tokenCredentials) Exchange(ctx context.Context, server Server) (Mechanism, error) {
	if err := secure(server.TLS); err != nil {
		return nil, err
	}
	if t.tokens.source == nil {
		return nil, errNoSource
	}
	for _, name := range tokenMechanisms() {
		if contains(server.Mechanisms, name) {
			token, known, err := t.tokens.first(ctx)
			if err != nil {
				return nil, err
			}
			return t.bearer(name, server.Name, token, known)
		}
	}
	return nil, &MechanismError{Offered: slices.Clone(server.Mechanisms), Allowed: tokenMechanisms()}
}

// bearer makes an exchange of a token. What does not belong into a token would be
// a field of its own.
func (t *tokenCredentials) bearer(name, host, token string, known *renewal) (Mechanism, error) {
	flaws := []flaw{nul, separator, lineEnd, notUTF8}
	if name == "XOAUTH2" { // where the username is no option
		flaws = append(flaws, empty)
	}
	if err := sendable(name, "username", t.username, flaws...); err != nil {
		return nil, err
	}
	if err := sendable(name, "token", token, empty, notB64Token); err != nil {
		return nil, err
	}
	message := xoauth2(t.username, token)
	if name == "OAUTHBEARER" {
		message = oauthbearer(t.username, host, token)
	}
	return &bearer{
		shown:   shown{name + " as " + keep(t.username, token).name()},
		name:    name,
		message: func() string { return message },
		refuse:  func(challenge []byte) error { return tokenError(challenge).without(token) },
		renew: func(ctx context.Context) (Mechanism, error) {
			fresh, err := t.tokens.after(ctx, token, known)
			if err != nil {
				return nil, err
			}
			return t.bearer(name, host, fresh, nil)
		},
	}, nil
}

// oauthbearer is the message of RFC 7628, section 3.1. The port is for tokens that are
// digests of the request, and those are of another mechanism.
func oauthbearer(username, host, token string) string {
	message := "n,"
	if username != "" {
		message += "a=" + strings.NewReplacer("=", "=3D", ",", "=2C").Replace(username)
	}
	return message + ",\x01host=" + host + "\x01auth=Bearer " + token + "\x01\x01"
}

// xoauth2 is the message that Google describes.
func xoauth2(username, token string) string {
	return "user=" + username + "\x01auth=Bearer " + token + "\x01\x01"
}

func separator(value string) string {
	if strings.Contains(value, "\x01") {
		return "contains the octet 1"
	}
	return ""
}

// notB64Token knows the grammar of RFC 6750, section 2.1.
func notB64Token(value string) string {
	const others = "-._~+/="
	for _, c := range []byte(value) {
		alnum := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
		if !alnum && !strings.ContainsRune(others, rune(c)) {
			return "contains what no token does (RFC 6750, section 2.1)"
		}
	}
	return ""
}

// bearer is the client side of OAUTHBEARER and XOAUTH2: one message, and if the
// token is refused an error in JSON, which is to be answered.
type bearer struct {
	shown
	name    string
	message func() string // closures, since there is the token in them
	refuse  func(challenge []byte) error
	renew   func(context.Context) (Mechanism, error)
	sent    bool
	refused error
}

var _ Renewer = (*bearer)(nil)

// Start returns the whole message as the initial response.
func (b *bearer) Start() (mechanism string, response []byte, err error) {
	b.sent = true
	return b.name, []byte(b.message()), nil
}

// Next takes the server's error, and answers as the mechanism wants it: with the
// octet 1 (RFC 7628, section 3.2.3), or with nothing. The refusal follows.
func (b *bearer) Next(challenge []byte) ([]byte, error) {
	if b.refused != nil {
		return nil, fmt.Errorf("%s: %w: it comes after the error", b.name, ErrChallenge)
	}
	b.refused = b.refuse(challenge)
	if b.name == "OAUTHBEARER" {
		return []byte{1}, nil
	}
	return []byte{}, nil
}

// Complete reports that the token was shown and not refused.
func (b *bearer) Complete() bool { return b.sent && b.refused == nil }

// Refusal is what the server's error says, or nil.
func (b *bearer) Refusal() error { return b.refused }

// Renew asks for another token.
func (b *bearer) Renew(ctx context.Context) (Mechanism, error) { return b.renew(ctx) }
