package submittest

import (
	"errors"
	"strings"
)

// bearer is the server's side of OAUTHBEARER (RFC 7628) and of XOAUTH2, what
// Google and Microsoft had before. Both refuse in two steps: an error in JSON,
// whatever the client says to that, and then the reply.
type bearer struct {
	read    func(message string) (user, token string, err error)
	check   func(user, token string) error
	refusal string
	failed  error
}

// Errors in JSON: RFC 7628, section 3.2.2, and what Google's servers say.
const (
	refusalOAuthBearer = `{"status":"invalid_token","schemes":"bearer","scope":"mail"}`
	refusalXOAuth2     = `{"status":"401","schemes":"bearer","scope":"https://mail.example.com/"}`
)

var errNoBearer = errors.New("not as the mechanism has it")

// Next belongs to [sasl.Server].
func (b *bearer) Next(response []byte) (challenge []byte, done bool, err error) {
	switch {
	case b.failed != nil:
		return nil, true, b.failed
	case response == nil:
		return []byte{}, false, nil
	}
	user, token, err := b.read(string(response))
	if err == nil {
		err = b.check(user, token)
	}
	if b.failed = err; err != nil {
		return []byte(b.refusal), false, nil
	}
	return nil, true, nil
}

// readOAuthBearer reads the message of RFC 7628, section 3.1.
func readOAuthBearer(message string) (user, token string, err error) {
	header, rest, ok := strings.Cut(message, ",\x01")
	if !ok || !strings.HasSuffix(rest, "\x01\x01") {
		return "", "", errNoBearer
	}
	flag, identity, ok := strings.Cut(header, ",")
	if !ok || flag != "n" && flag != "y" {
		return "", "", errNoBearer
	}
	if identity != "" {
		if user, ok = strings.CutPrefix(identity, "a="); !ok || user == "" {
			return "", "", errNoBearer
		}
	}
	token, err = bearerIn(rest)
	return strings.NewReplacer("=2C", ",", "=3D", "=").Replace(user), token, err
}

func readXOAuth2(message string) (user, token string, err error) {
	header, rest, ok := strings.Cut(message, "\x01")
	if user, found := strings.CutPrefix(header, "user="); ok && found && strings.HasSuffix(rest, "\x01\x01") {
		token, err = bearerIn(rest)
		return user, token, err
	}
	return "", "", errNoBearer
}

// bearerIn finds the token among fields that end in the octet 1.
func bearerIn(fields string) (token string, err error) {
	for field := range strings.SplitSeq(fields, "\x01") {
		value, ok := strings.CutPrefix(field, "auth=")
		if !ok {
			continue
		}
		scheme, token, _ := strings.Cut(value, " ")
		if token = strings.TrimLeft(token, " "); strings.EqualFold(scheme, "Bearer") && token != "" {
			return token, nil
		}
	}
	return "", errNoBearer
}
