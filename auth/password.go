package auth

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// Password returns credentials that prove who is submitting by a username and a
// password, with the first of these mechanisms that the server offers: PLAIN
// (RFC 4616), LOGIN (draft-murchison-sasl-login). [Only] narrows the choice.
//
// Both are sent as given. Neither may be empty or contain NUL. PLAIN wants both
// in UTF-8; LOGIN wants the username in UTF-8, and no line end in either. What
// cannot be sent is refused by Exchange with an error that wraps
// [ErrUnsendable]; that the password is empty mostly means that the environment
// variable it should come from is not set.
func Password(username, password string) Credentials {
	s := keep(username, password)
	return &passwordCredentials{
		shown:  shown{fmt.Sprintf("auth.Password(%s, ***)", s.name())},
		secret: s,
	}
}

// A pointer to it goes round, so that credentials can be compared.
type passwordCredentials struct {
	shown
	secret secret
}

// Exchange starts the strongest mechanism that the server offers.
func (p *passwordCredentials) Exchange(_ context.Context, server Server) (Mechanism, error) {
	if err := secure(server.TLS); err != nil {
		return nil, err
	}
	var allowed []string
	for _, m := range strongestFirst() {
		if contains(server.Mechanisms, m.name) {
			return m.start(p.secret)
		}
		allowed = append(allowed, m.name)
	}
	return nil, &MechanismError{Offered: slices.Clone(server.Mechanisms), Allowed: allowed}
}

type passwordMechanism struct {
	name  string
	start func(secret) (Mechanism, error)
}

// strongestFirst lists what a password is good for. The server's order says
// nothing: whoever could change the list could change its order.
func strongestFirst() []passwordMechanism {
	return []passwordMechanism{
		{"PLAIN", startPlain},
		{"LOGIN", startLogin},
	}
}

// contains compares without regard to case: names are upper case by RFC 4422,
// section 3.1, and lower case where people type them.
func contains(mechanisms []string, name string) bool {
	return slices.ContainsFunc(mechanisms, func(m string) bool { return strings.EqualFold(m, name) })
}
