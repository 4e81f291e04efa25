package auth

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/xdg-go/scram"
)

// Password returns credentials that prove who is submitting by a username and a
// password, with the first of these mechanisms that the server offers: SCRAM with
// SHA-512, SHA-256 or SHA-1 (RFC 5802, RFC 7677), bound to the connection (-PLUS)
// before not bound; PLAIN (RFC 4616); LOGIN (draft-murchison-sasl-login).
// [Only] narrows the choice, and is the way to CRAM-MD5 (RFC 2195), which is not
// used unless it is named.
//
// PLAIN, LOGIN and CRAM-MD5 send both as given; SCRAM prepares them with SASLprep
// (RFC 4013), as it must. Neither may be empty, nor contain NUL. PLAIN and SCRAM
// want both in UTF-8; LOGIN wants the username in UTF-8, and no line end in
// either. What cannot be sent is refused by Exchange with an error that wraps
// [ErrUnsendable], but for what SASLprep alone forbids: then SCRAM is passed over.
// That the password is empty mostly means that the environment variable it should
// come from is not set.
//
// What SCRAM derives from the password is kept for the next session: keep the
// credentials, too.
func Password(username, password string) Credentials {
	s := keep(username, password)
	return &passwordCredentials{
		shown:  shown{fmt.Sprintf("auth.Password(%s, ***)", s.name())},
		secret: s,
		keys:   newScramKeys(),
	}
}

// A pointer to it goes round, so that credentials can be compared.
type passwordCredentials struct {
	shown
	secret secret
	keys   *scramKeys
}

// Exchange starts the strongest mechanism that the server offers and that can
// send the credentials.
func (p *passwordCredentials) Exchange(ctx context.Context, server Server) (Mechanism, error) {
	if err := secure(server.TLS); err != nil {
		return nil, err
	}
	_, bound := bindingOf(server.TLS)
	var (
		allowed    []string
		unbound    bool
		unsendable error
	)
	for _, m := range strongestFirst() {
		offered := contains(server.Mechanisms, m.name)
		if isPlus(m.name) && !bound {
			unbound = unbound || offered
			continue
		}
		if m.byName && !contains(server.named, m.name) {
			continue
		}
		allowed = append(allowed, m.name)
		if !offered {
			continue
		}
		mechanism, err := m.start(ctx, p, server)
		switch {
		case err == nil:
			return mechanism, nil
		case !errors.As(err, new(*unpreparedError)):
			return nil, err
		case unsendable == nil: // where none goes without SASLprep, the strongest says so
			unsendable = err
		}
	}
	if unsendable != nil {
		return nil, unsendable
	}
	return nil, &MechanismError{Offered: slices.Clone(server.Mechanisms), Allowed: allowed, unbound: unbound}
}

type passwordMechanism struct {
	name   string
	start  func(context.Context, *passwordCredentials, Server) (Mechanism, error)
	byName bool // only if somebody asked for it
}

// strongestFirst lists what a password is good for. The server's order says
// nothing: whoever could change the list could change its order.
func strongestFirst() []passwordMechanism {
	return []passwordMechanism{
		scramWith("SCRAM-SHA-512-PLUS", scram.SHA512),
		scramWith("SCRAM-SHA-256-PLUS", scram.SHA256),
		scramWith("SCRAM-SHA-1-PLUS", scram.SHA1),
		scramWith("SCRAM-SHA-512", scram.SHA512),
		scramWith("SCRAM-SHA-256", scram.SHA256),
		scramWith("SCRAM-SHA-1", scram.SHA1),
		{name: "PLAIN", start: withSecret(startPlain)},
		{name: "LOGIN", start: withSecret(startLogin)},
		{name: "CRAM-MD5", start: withSecret(startCRAMMD5), byName: true},
	}
}

func scramWith(name string, h scram.HashGeneratorFcn) passwordMechanism {
	return passwordMechanism{name: name, start: func(ctx context.Context, p *passwordCredentials, server Server) (Mechanism, error) {
		return startScram(ctx, name, h, p, server)
	}}
}

func withSecret(start func(secret) (Mechanism, error)) func(context.Context, *passwordCredentials, Server) (Mechanism, error) {
	return func(_ context.Context, p *passwordCredentials, _ Server) (Mechanism, error) { return start(p.secret) }
}

// contains compares without regard to case: names are upper case by RFC 4422,
// section 3.1, and lower case where people type them.
func contains(mechanisms []string, name string) bool {
	return slices.ContainsFunc(mechanisms, func(m string) bool { return strings.EqualFold(m, name) })
}
