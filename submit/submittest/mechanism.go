package submittest

import (
	"errors"
	"slices"
	"strings"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

func (s *Server) mechanisms() []string {
	if s.Mechanisms == nil {
		return []string{sasl.Plain, sasl.Login}
	}
	return s.Mechanisms
}

// mechanisms are what this connection can have of the server's.
func (d *dialogue) mechanisms() []string {
	if d.binding().IsSupported() {
		return d.server.mechanisms()
	}
	return slices.DeleteFunc(slices.Clone(d.server.mechanisms()), isPlus)
}

// mechanism returns the server's side of an exchange.
func (d *dialogue) mechanism(name string) (sasl.Server, error) {
	known := func(m string) bool { return strings.EqualFold(m, name) }
	if !slices.ContainsFunc(d.mechanisms(), known) {
		return nil, smtp.ErrAuthUnknownMechanism
	}
	if hook := d.server.SASL; hook != nil {
		if server := hook(name, d.state, d.isUser); server != nil {
			return d.cheating(strict{server}), nil
		}
	}
	if server := d.builtIn(name); server != nil {
		return d.cheating(strict{server}), nil
	}
	return nil, smtp.ErrAuthUnknownMechanism
}

func (d *dialogue) builtIn(name string) sasl.Server {
	switch name {
	case sasl.Plain:
		return sasl.NewPlainServer(func(identity, user, password string) error {
			if identity != "" && identity != user {
				return smtp.ErrAuthFailed
			}
			return d.login(user, password)
		})
	case sasl.Login:
		return &login{check: d.login}
	case "CRAM-MD5":
		return &cramMD5{dialogue: d}
	case sasl.OAuthBearer:
		return &bearer{read: readOAuthBearer, refusal: refusalOAuthBearer, check: d.bear}
	case "XOAUTH2":
		return &bearer{read: readXOAuth2, refusal: refusalXOAuth2, check: d.bear}
	case sasl.External:
		return sasl.NewExternalServer(d.external)
	}
	if hash := hashOf(name); hash != nil {
		return newScramming(d, name, hash)
	}
	return nil
}

// strict gives failures the reply codes of RFC 4954, section 4.
type strict struct{ sasl.Server }

// Next belongs to [sasl.Server].
func (s strict) Next(response []byte) (challenge []byte, done bool, err error) {
	challenge, done, err = s.Server.Next(response)
	var refusal *smtp.SMTPError
	if err != nil && !errors.As(err, &refusal) {
		err = smtp.ErrAuthFailed
	}
	return challenge, done, err
}
