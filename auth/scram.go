package auth

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/xdg-go/scram"
)

// Bounds of what a server may ask for. The lower one is of RFC 7677, section 4.
// The upper one keeps a server from having clients compute for hours (RFC 5802,
// section 9): it is two seconds of one core with SHA-1 and SHA-256, eight with
// SHA-512, and the context can end them.
const (
	minIterations = 4096
	maxIterations = 10_000_000
)

// scramming is the client side of SCRAM, RFC 5802 and RFC 7677: the password
// does not leave this side, and the server proves that it knows it, too.
type scramming struct {
	shown
	name         string
	conversation func() *scram.ClientConversation // closures, since their fields can be printed
	client       func() *scramClient
	keys         *scramKeys
	ctx          context.Context //nolint:containedctx // of the one exchange that this is
	missed       bool            // server was told that it offers no -PLUS
	nonce        string
	steps        int  // challenges so far
	proven       bool // the server is
	over         bool // since something was wrong, or there was one challenge too many
}

// startScram begins an exchange. A name that ends in -PLUS binds it to the
// connection; one that does not says whether it could have.
func startScram(ctx context.Context, name string, hash scram.HashGeneratorFcn, p *passwordCredentials, server Server) (Mechanism, error) {
	username, password := p.secret()
	if err := sendable(name, "username", username, empty, nul, notUTF8); err != nil {
		return nil, err
	}
	if err := sendable(name, "password", password, empty, nul, notUTF8); err != nil {
		return nil, err
	}
	client, err := p.keys.client(strings.TrimSuffix(name, "-PLUS"), hash, p.secret)
	if err != nil {
		return nil, err
	}
	binding, can := bindingOf(server.TLS)
	missed := can && server.wantsPlus() && !server.offersPlus()
	var c *scram.ClientConversation
	switch {
	case isPlus(name):
		c = client.NewConversationWithChannelBinding(binding)
	case missed:
		c = client.NewConversationAdvertisingChannelBinding()
	default:
		c = client.NewConversation()
	}
	return &scramming{
		shown:        shown{name + " as " + p.secret.name()},
		name:         name,
		conversation: func() *scram.ClientConversation { return c },
		client:       func() *scramClient { return client },
		keys:         p.keys,
		ctx:          ctx,
		missed:       missed,
	}, nil
}

// Start returns the client-first-message as the initial response.
func (s *scramming) Start() (mechanism string, response []byte, err error) {
	first, err := s.conversation().Step("")
	if err != nil {
		return "", nil, fmt.Errorf("%s: %w", s.name, err)
	}
	_, s.nonce, _ = strings.Cut(first, ",r=")
	return s.name, []byte(first), nil
}

// Next proves that the password is known, and then has the server prove it. What
// comes after an error finds the exchange over: a conversation that was left in the
// middle would take an empty signature for the right one.
func (s *scramming) Next(challenge []byte) ([]byte, error) {
	response, err := s.next(string(challenge))
	if err != nil {
		s.over = true
		return nil, err
	}
	return response, nil
}

func (s *scramming) next(challenge string) ([]byte, error) {
	s.steps++
	switch {
	case s.over:
		return nil, unexpected(s.name, "after the end")
	case s.steps == 1:
		return s.prove(challenge)
	case s.steps == 2:
		return []byte{}, s.believe(challenge)
	}
	return nil, unexpected(s.name, "after its signature")
}

// Complete reports that the server has proved that it knows the password.
func (s *scramming) Complete() bool { return s.proven && !s.over }

// Refusal says what it means that the server refused before it had a challenge: the
// password is not what it did not like. Dovecot 2.4 does so behind Postfix, if it has
// -PLUS and Postfix, which cannot, does not offer it.
func (s *scramming) Refusal() error {
	if s.steps > 0 {
		return nil
	}
	text := s.name + ": refused before the password was used: no such user, or none with a password for SCRAM " +
		`(then auth.Only(..., "PLAIN", "LOGIN"))`
	if s.missed {
		text += fmt.Sprintf("; or server has -PLUS and that was not offered (then auth.Only(..., %q)): somebody may be in between", s.name)
	}
	return errors.New(text)
}

func (s *scramming) prove(serverFirst string) ([]byte, error) {
	if code, ok := strings.CutPrefix(serverFirst, "e="); ok { // its final message, early
		return nil, s.refused(code)
	}
	salted, iterations, err := s.check(serverFirst)
	if err != nil {
		return nil, err
	}
	final, err := s.keys.step(s.ctx, s.client(), s.conversation(), serverFirst, salted, iterations)
	switch {
	case s.ctx.Err() != nil:
		return nil, context.Cause(s.ctx)
	case err != nil: // the text may quote the server, and has nothing that check does not
		return nil, s.odd("is not as RFC 5802 has it")
	}
	return []byte(final), nil
}

// check looks at the server-first-message before anything is computed from it,
// and returns what keys depend on: its salt and count as written, and the count.
func (s *scramming) check(serverFirst string) (salted string, iterations int, err error) {
	fields := strings.Split(serverFirst, ",")
	if len(fields) < 3 || mandatory(serverFirst) {
		return "", 0, s.odd("is not as RFC 5802 has it")
	}
	nonce, ok := strings.CutPrefix(fields[0], "r=")
	if !ok || s.nonce == "" || !strings.HasPrefix(nonce, s.nonce) || len(nonce) == len(s.nonce) {
		return "", 0, s.odd("does not extend the client's nonce")
	}
	if !strings.HasPrefix(fields[1], "s=") || fields[1] == "s=" {
		return "", 0, s.odd("has no salt")
	}
	count, ok := strings.CutPrefix(fields[2], "i=")
	n, err := strconv.Atoi(count)
	switch {
	case !ok || err != nil && !errors.Is(err, strconv.ErrRange):
		return "", 0, s.odd("has no number of iterations")
	case err != nil || n > maxIterations:
		return "", 0, s.odd(fmt.Sprintf("asks for more than %d iterations", maxIterations))
	case n < minIterations:
		return "", 0, s.odd(fmt.Sprintf("asks for %d iterations, fewer than %d", n, minIterations))
	}
	return fields[1] + "," + fields[2], n, nil
}

// mandatory reports an extension that must be understood, and is not: RFC 5802,
// section 5.1, attribute m.
func mandatory(message string) bool { return strings.Contains(","+message, ",m=") }

// believe reads the server-final-message: its signature, or why there is none.
func (s *scramming) believe(serverFinal string) error {
	if code, ok := strings.CutPrefix(serverFinal, "e="); ok {
		return s.refused(code)
	}
	if mandatory(serverFinal) {
		return s.odd("is not as RFC 5802 has it")
	}
	if _, err := s.conversation().Step(serverFinal); err != nil || !s.conversation().Valid() {
		return fmt.Errorf("%s: %w: its signature is wrong", s.name, ErrUnproven)
	}
	s.proven = true
	return nil
}

// refused is what a server says in RFC 5802, section 7. It may say that it sees
// another connection, or that the list of its mechanisms was another one: then
// somebody stands in between.
func (s *scramming) refused(code string) error {
	code, _, _ = strings.Cut(code, ",")
	switch {
	case code == "channel-bindings-dont-match" && isPlus(s.name):
		return &inBetween{s.name, "server sees another connection than this one", code}
	case code == "server-does-support-channel-binding" && s.missed:
		return &inBetween{s.name, "server offers -PLUS, and that did not arrive", code}
	}
	return &saidError{s.name, code}
}

// A saidError is a server's word of RFC 5802, section 7, for why it stopped.
type saidError struct{ mechanism, code string }

// Error returns one line, with the way out where there is one.
func (e *saidError) Error() string {
	text := e.mechanism + ": server says " + brief(e.code)
	switch e.code {
	case "channel-binding-not-supported", "unsupported-channel-binding-type":
		if isPlus(e.mechanism) {
			text += fmt.Sprintf(": auth.Only(..., %q) does without", strings.TrimSuffix(e.mechanism, "-PLUS"))
		}
	}
	return text
}

// Temporary reports that the server may be able to later.
func (e *saidError) Temporary() bool { return e.code == "no-resources" }

// inBetween is a server's word that somebody is, and matches [ErrUnproven].
type inBetween struct{ mechanism, what, code string }

func (e *inBetween) Error() string {
	return fmt.Sprintf("%s: %s (%s): somebody may be in between", e.mechanism, e.what, e.code)
}

func (*inBetween) Unwrap() error { return ErrUnproven }

func (s *scramming) odd(what string) error {
	return fmt.Errorf("%s: %w: it %s", s.name, ErrChallenge, what)
}
