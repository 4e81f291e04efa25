package submit_test

import (
	"crypto/tls"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/auth"
	"github.com/mailport/mailport/submit"
)

// What real servers were seen to do when somebody authenticates, and what it means.

// Dovecot and Cyrus SASL refuse SCRAM before their challenge if they know no such
// user, or keep of the password what is good for PLAIN alone. Dovecot 2.4 does so, too,
// if it has -PLUS and a client says that it could do -PLUS but was offered none (RFC
// 5802, section 6), and behind Postfix, which cannot offer -PLUS, that is every client
// that can. The password may be right, and was not looked at; the error says so, and the
// password is not sent by PLAIN instead (promise 2).
func TestSCRAMRefusedBeforeItBegan(t *testing.T) {
	withClerk(t, only("AUTH PLAIN SCRAM-SHA-256"), func(t *testing.T, c *clerk) {
		c.answer = on("AUTH", "535 5.7.8 Error: authentication failed: (reason unavailable)")
		_, err := c.session(c.withPassword()).Submit(t.Context(), letter())
		requireMeans(t, err, "Credentials")
		require.Len(t, c.heard("AUTH"), 1)
		require.Empty(t, c.heard("MAIL"))
		require.ErrorContains(t, err, "535 5.7.8")
		require.ErrorContains(t, err, "before the password was used")
		require.ErrorContains(t, err, "-PLUS", "the server was told that it offers none")
	})
	withClerk(t, only("AUTH PLAIN SCRAM-SHA-256 SCRAM-SHA-256-PLUS"), func(t *testing.T, c *clerk) {
		c.answer = on("AUTH", "535 5.7.8 Authentication failed.")
		config := c.config()
		config.Credentials = auth.Only(auth.Password(user, password), "SCRAM-SHA-256")
		_, err := c.session(config).Submit(t.Context(), letter())
		require.ErrorContains(t, err, "before the password was used")
		require.NotContains(t, err.Error(), "-PLUS", "the server was told nothing about it")
	})
	for _, reply := range []string{"454 4.7.0 later", "504 5.5.4 unknown"} { // nothing of the kind
		withClerk(t, all(only("AUTH SCRAM-SHA-256"), func(c *clerk) { c.answer = on("AUTH", reply) }), func(t *testing.T, c *clerk) {
			_, err := c.session(c.withPassword()).Submit(t.Context(), letter())
			require.ErrorContains(t, err, reply)
			require.NotContains(t, err.Error(), "before the password was used")
		})
	}
}

// A wrong password is refused after the client's proof, by every server that was seen,
// and with no word of RFC 5802, section 7: then the password was looked at.
func TestSCRAMRefusedAfterTheProof(t *testing.T) {
	const refusal = "535 5.7.8 Error: authentication failed: authentication failure"
	withClerk(t, all(only("AUTH SCRAM-SHA-256"), func(c *clerk) {
		c.answer = func(_ *desk, line string) string {
			if initial, ok := strings.CutPrefix(line, "AUTH SCRAM-SHA-256 "); ok {
				message, _ := base64.StdEncoding.DecodeString(initial)
				_, nonce, _ := strings.Cut(string(message), ",r=")
				return "334 " + base64Of("r="+nonce+"and more,s="+base64Of("salt and pepper")+",i=4096")
			}
			if strings.HasPrefix(line, "Yz1") { // "c="
				return refusal
			}
			return ""
		}
	}), func(t *testing.T, c *clerk) {
		_, err := c.session(c.withPassword()).Submit(t.Context(), letter())
		requireMeans(t, err, "Credentials")
		require.ErrorContains(t, err, refusal)
		require.NotContains(t, err.Error(), "before the password was used")
	})
}

// Who allows no -PLUS by name would not bind if the server offered it, and so does not
// say that it would (RFC 5802, section 6: "n"). That is how SCRAM is used where Dovecot
// 2.4 has -PLUS and Postfix in front of it cannot offer it.
func TestSCRAMWithoutPlusByName(t *testing.T) {
	const found = "504 5.5.4 this is the one" // anything that is no refusal of the password
	for _, test := range []struct {
		names []string
		flag  string
	}{
		{nil, "y"}, // all that Password knows
		{[]string{"SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"}, "y"},
		{[]string{"SCRAM-SHA-256"}, "n"},
		{[]string{"scram-sha-256", "PLAIN"}, "n"},
	} {
		withClerk(t, all(only("AUTH SCRAM-SHA-256"), func(c *clerk) {
			c.answer = func(_ *desk, line string) string {
				switch initial, ok := strings.CutPrefix(line, "AUTH SCRAM-SHA-256 "); {
				case !ok:
					return ""
				case strings.HasPrefix(initial, base64Of(test.flag+",,")): // three octets, four digits
					return found
				}
				return "535 5.7.8 Error: authentication failed: (reason unavailable)"
			}
		}), func(t *testing.T, c *clerk) {
			config := c.withPassword()
			if test.names != nil {
				config.Credentials = auth.Only(config.Credentials, test.names...)
			}
			_, err := c.session(config).Submit(t.Context(), letter())
			require.ErrorContains(t, err, found, "%q", test.names)
		})
	}
}

// Exim's tls authenticator takes a client certificate for the whole authentication and
// offers no AUTH any more. Without credentials that is enough; with them the error says
// that the certificate may have been.
func TestCertificateThatIsEnough(t *testing.T) {
	for _, service := range services {
		withClerk(t, func(c *clerk) {
			c.tls.ClientAuth = tls.RequestClientCert
			c.offers = []string{"PIPELINING"}
		}, func(t *testing.T, c *clerk) {
			try := func(credentials auth.Credentials, certificates ...tls.Certificate) error {
				config := c.config()
				config.Credentials, config.TLS.Certificates = credentials, certificates
				_, err := submit.Over(t.Context(), (&world{config: config}).transport(service), letter())
				return err
			}
			mine := clerksCertificate()
			err := try(nil, mine)
			require.NoError(t, err)

			err = try(auth.External(""), mine)
			requireMeans(t, err, "AuthNotOffered", "Credentials")
			require.ErrorContains(t, err, "client certificate")

			err = try(auth.Password(user, password))
			requireMeans(t, err, "AuthNotOffered", "Credentials")
			require.NotContains(t, err.Error(), "client certificate")
		})
	}
}
