package submittest

import (
	"crypto/subtle"
	"maps"

	"github.com/emersion/go-smtp"
)

// SetUsers replaces the users of a running server: a password that was changed,
// a token that has expired or was revoked. Who has authenticated stays so.
func (s *Server) SetUsers(users map[string]string) {
	fresh := maps.Clone(users)
	s.users.Store(&fresh)
}

func (s *Server) currentUsers() map[string]string { return *s.users.Load() }

// wantsUsers reports whether authentication is offered, and needed.
func (s *Server) wantsUsers() bool { return s.currentUsers() != nil }

// login checks a password that was shown.
func (d *dialogue) login(user, password string) error {
	want, ok := d.server.currentUsers()[user]
	if !ok || subtle.ConstantTimeCompare([]byte(want), []byte(password)) == 0 {
		return smtp.ErrAuthFailed
	}
	d.isUser(user)
	return nil
}

// bear checks a token that was shown. Without a user it is the token that says
// whose it is.
func (d *dialogue) bear(user, token string) error {
	if user != "" {
		return d.login(user, token)
	}
	for owner := range d.server.currentUsers() {
		if d.login(owner, token) == nil {
			return nil
		}
	}
	return smtp.ErrAuthFailed
}

func (d *dialogue) isUser(name string) { d.user = name }
