//go:build interop && linux

package interop

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"slices"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/auth"
	"github.com/mailport/mailport/submit"
)

// Every mechanism that is offered proves who is submitting, over both ports and
// with both versions of TLS, which have bindings of their own (RFC 9266, RFC 5929);
// and a wrong password is refused.
func (s *server) tryMechanisms() {
	for door, mechanisms := range s.mechanisms {
		for _, w := range ways {
			require.Equal(s.t, mechanisms, s.offered(door, w), "%s%s", door, w)
			for _, mechanism := range mechanisms {
				for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
					s.tryMechanism(door, w, mechanism, version)
				}
			}
		}
	}
}

// Where a mechanism binds to the connection, somebody in between is found out,
// though the client would trust the certificate: RFC 5802, section 6.
func (s *server) tryBinding() {
	for _, w := range ways {
		for _, mechanism := range s.mechanisms[""] {
			if !strings.HasSuffix(mechanism, "-PLUS") {
				continue
			}
			p, done := s.tap(w)
			c := s.config()
			c.Credentials = auth.Only(c.Credentials, mechanism)
			_, err := s.submit(w.over(p.port(), c), write("through a tap\n"))
			done()
			require.ErrorIs(s.t, err, submit.ErrCredentials)
			require.Empty(s.t, p.asked("MAIL "))
			s.tried()
		}
	}
}

// offered returns the mechanisms that a port offers to a client with a certificate.
func (s *server) offered(door string, w way) []string {
	session, err := s.at(door, w, s.certified()).Dial(s.t.Context())
	require.NoError(s.t, err)
	defer session.Close()
	list, _ := session.Extension("AUTH")
	names := strings.Fields(list)
	slices.Sort(names)
	return names
}

// at returns a way to a pair of ports.
func (s *server) at(door string, w way, c submit.Config) transport {
	return w.over(s.box.ports[door+string(w)], c)
}

// certified is the configuration of a client that has a certificate.
func (s *server) certified() submit.Config {
	c := s.config()
	c.TLS.Certificates = []tls.Certificate{s.house.ca.Client(user)}
	return c
}

func (s *server) tryMechanism(door string, w way, mechanism string, version uint16) {
	s.t.Helper()
	for _, name := range []string{user, odd} {
		c := s.config()
		if mechanism == "EXTERNAL" {
			c = s.certified()
		}
		c.TLS.MaxVersion = version
		c.Credentials = auth.Only(credentials(mechanism, name, password), mechanism)
		_, err := s.submit(s.at(door, w, c), write("by "+mechanism+"\n"))
		require.NoError(s.t, err, "%s%s %s %s", door, w, mechanism, name)
		s.tried()

		if mechanism == "EXTERNAL" {
			return // the certificate says who that is
		}
		c.Credentials = auth.Only(credentials(mechanism, name, "wrong"), mechanism)
		_, err = s.submit(s.at(door, w, c), write("by a wrong one\n"))
		require.ErrorIs(s.t, err, submit.ErrCredentials, "%s%s %s %s", door, w, mechanism, name)
		s.tried()
	}
}

// credentials are those that a mechanism uses.
func credentials(mechanism, name, secret string) auth.Credentials {
	switch mechanism {
	case "EXTERNAL":
		return auth.External("")
	case "OAUTHBEARER", "XOAUTH2":
		key := tokenKey
		if secret != password {
			key = secret
		}
		return auth.Token(name, func(context.Context, string) (string, error) { return token(name, key), nil })
	}
	return auth.Password(name, secret)
}

// token is a JWT, RFC 7519, that says who somebody is.
func token(name, key string) string {
	encode := base64.RawURLEncoding.EncodeToString
	said := encode([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + encode([]byte(`{"sub":"`+name+`","iat":1,"exp":4102444800}`))
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(said))
	return said + "." + encode(mac.Sum(nil))
}
