package submittest

import (
	"crypto/subtle"
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

// mechanism returns the server's side of an exchange.
func (d *dialogue) mechanism(name string) (sasl.Server, error) {
	known := func(m string) bool { return strings.EqualFold(m, name) }
	if !slices.ContainsFunc(d.server.mechanisms(), known) {
		return nil, smtp.ErrAuthUnknownMechanism
	}
	if hook := d.server.SASL; hook != nil {
		if server := hook(name, d.state, d.isUser); server != nil {
			return strict{server}, nil
		}
	}
	if server := d.builtIn(name); server != nil {
		return strict{server}, nil
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
	case sasl.OAuthBearer:
		return newOAuthBearer(d.login)
	case "XOAUTH2":
		return &xoauth2{check: d.login}
	}
	return nil
}

func (d *dialogue) login(user, password string) error {
	want, ok := d.server.Users[user]
	if !ok || subtle.ConstantTimeCompare([]byte(want), []byte(password)) == 0 {
		return smtp.ErrAuthFailed
	}
	d.isUser(user)
	return nil
}

func (d *dialogue) isUser(name string) { d.user = name }

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
