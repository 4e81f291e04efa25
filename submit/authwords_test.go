package submit_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/auth"
	"github.com/mailport/mailport/submit"
)

const token = "ya29.A0AfH6SMBx_7-Q~tanstaaf+abc/def=="

// always is a source of the same token for ever.
func always(token string) auth.TokenSource {
	return func(context.Context, string) (string, error) { return token, nil }
}

// Promise 9: a server that quotes a token, alone, with its scheme, or cut off, gets
// it into no error; that something is missing can be seen.
func TestQuotedToken(t *testing.T) {
	t.Parallel()
	for _, mechanism := range []string{"OAUTHBEARER", "XOAUTH2"} {
		for _, quoted := range []string{token, "Bearer " + token, "auth=Bearer " + token, token[:12] + "..."} {
			for _, replies := range [][]string{
				{"535 5.7.8 bad " + quoted},
				{"334 " + base64Of("{}"), "535-5.7.8 bad " + quoted + "\n535 5.7.8 no"},
			} {
				withClerk(t, all(only("AUTH "+mechanism), dialogue(replies...)), func(t *testing.T, c *clerk) {
					config := c.config()
					config.Credentials = auth.Token(user, always(token))
					_, err := c.session(config).Submit(t.Context(), letter())
					requireMeans(t, err, "Credentials")
					require.NotContains(t, err.Error(), token[:8])
					require.Contains(t, err.Error(), "bad ")
					require.Contains(t, err.Error(), "***")
				})
			}
		}
	}
}

// slowly are credentials that have one mechanism after another: the second is asked
// for when the first is not supported.
func slowly(second func(context.Context) error) auth.Credentials {
	return credentials(func(ctx context.Context, server auth.Server) (auth.Mechanism, error) {
		if len(server.Mechanisms) == len(server.Offered) {
			return auth.Only(auth.Password(user, password), "PLAIN").Exchange(ctx, server)
		}
		return nil, second(ctx)
	})
}

// What comes after a 504 is told: the end of a context as such (promise 7), and what
// credentials have to say beside the reply. That there is no other mechanism is no
// news.
func TestSecondMechanismFails(t *testing.T) {
	t.Parallel()
	try := func(second func(context.Context) error) (err error) {
		withClerk(t, dialogue("504 5.5.4 unknown"), func(t *testing.T, c *clerk) {
			ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errOwn)
			defer cancel()
			config := c.config()
			config.Credentials = slowly(second)
			_, err = c.session(config).Submit(ctx, letter())
			require.Len(t, c.heard("AUTH"), 1)
		})
		return err
	}
	err := try(func(ctx context.Context) error { <-ctx.Done(); return errors.New("gave up") })
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorIs(t, err, errOwn)
	requireMeans(t, err)

	err = try(func(context.Context) error { return errors.New("no token today") })
	requireMeans(t, err, "Credentials")
	require.Contains(t, asError(t, err).Error(), "504 5.5.4 unknown (no token today)")

	err = try(func(context.Context) error { return &auth.MechanismError{} })
	require.Equal(t, "submissions://smtp.example.com:465: auth: 504 5.5.4 unknown", err.Error())
	require.NotErrorIs(t, err, auth.ErrNoMechanism, "there was one")
}

// RFC 4954, section 4: before the initial response was sent, the challenge is empty.
// One that is not is for nothing that the client has said.
func TestChallengeBeforeInitialResponse(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 600)
	for name, credentials := range map[string]auth.Credentials{
		"PLAIN": auth.Password(user, long), "OAUTHBEARER": auth.Token(user, always(long)), "XOAUTH2": auth.Token(user, always(long)),
		"EXTERNAL": certified{auth.External(long)},
	} {
		withClerk(t, all(only("AUTH "+name), dialogue("334 "+base64Of(`{"status":"401"}`), "501 5.7.0 cancelled", "535 no")), func(t *testing.T, c *clerk) {
			config := c.config()
			config.Credentials = credentials
			_, err := c.session(config).Submit(t.Context(), letter())
			requireMeans(t, err, "Protocol")
			asError(t, err)
			require.Equal(t, []string{"AUTH " + name, "*"}, c.heard()[1:], "and nothing is shown")
		})
	}
}

// certified credentials believe that a client certificate was presented.
type certified struct{ auth.Credentials }

func (c certified) Exchange(ctx context.Context, server auth.Server) (auth.Mechanism, error) {
	server.ClientCertificate = true
	return c.Credentials.Exchange(ctx, server)
}

// RFC 4954, section 4: "*" ends an exchange, and the server says no. One that goes on
// asking, or says yes, is left without a word.
func TestCancelIsIgnored(t *testing.T) {
	t.Parallel()
	for reply, quits := range map[string]bool{
		"501 5.7.0 cancelled": true, "535 5.7.8 no": true, "454 4.7.0 later": true, "500 what?": true,
		"334 " + base64Of("again?"): false, "235 2.7.0 welcome": false, "250 ok": false, "354 go on": false,
	} {
		withClerk(t, all(only("AUTH LOGIN"), dialogue("334 not base64!", reply)), func(t *testing.T, c *clerk) {
			s := c.session(c.withPassword())
			_, err := s.Submit(t.Context(), letter())
			requireMeans(t, err, "Protocol")
			_, again := s.Submit(t.Context(), letter())
			require.Error(t, again)
			require.NoError(t, s.Close())
			want := []string{"AUTH LOGIN", "*"}
			if quits {
				want = append(want, "QUIT")
			}
			synctest.Wait()
			require.Equal(t, want, c.heard()[1:], reply)
		})
	}
}

// issuerSays is an error of who issues tokens, who knows whether it will pass.
type issuerSays struct{ temporary bool }

func (e issuerSays) Error() string   { return "service unavailable" }
func (e issuerSays) Temporary() bool { return e.temporary }

// Credentials that could not be had since a network failed are not wrong: it is worth
// another try, and nobody is to be asked for a password. What the source itself says
// no to is for its owner.
func TestSourceFails(t *testing.T) {
	t.Parallel()
	refused := &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	for _, test := range []struct {
		err   error
		means string
	}{
		{errors.New("invalid_grant"), "Credentials"},
		{fmt.Errorf("exchange: %w", refused), "Temporary"},
		{&url.Error{Op: "Post", URL: "https://login.example.com/token", Err: refused}, "Temporary"},
		{&net.DNSError{Err: "server misbehaving", Name: "login.example.com", IsTemporary: true}, "Temporary"},
		{&net.DNSError{Err: "no such host", Name: "login.exmaple.com", IsNotFound: true}, "Credentials"},
		{&net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "login.exmaple.com", IsNotFound: true}}, "Credentials"},
		{fmt.Errorf("token endpoint: %w", context.DeadlineExceeded), "Temporary"}, // of its own: the call has none
		{&url.Error{Op: "Post", URL: "https://login.example.com/token", Err: &tls.CertificateVerificationError{Err: errOwn}}, "Credentials"},
		{&url.Error{Op: "Post", URL: "https://login.example.com/token", Err: io.ErrUnexpectedEOF}, "Temporary"},
		{fmt.Errorf("exchange: %w", issuerSays{temporary: true}), "Temporary"},
		{fmt.Errorf("exchange: %w", issuerSays{temporary: false}), "Credentials"},
		{&url.Error{Op: "Post", URL: "https://login.example.com/token", Err: issuerSays{temporary: true}}, "Temporary"},
	} {
		withClerk(t, only("AUTH XOAUTH2"), func(t *testing.T, c *clerk) {
			config := c.config()
			config.Credentials = auth.Token(user, func(context.Context, string) (string, error) { return "", test.err })
			_, err := c.session(config).Submit(t.Context(), letter())
			requireMeans(t, err, test.means)
			require.ErrorIs(t, err, test.err)
			require.Equal(t, submit.PhaseAuth, asError(t, err).Phase)
			require.Contains(t, err.Error(), "no token to be had: ")
			require.Empty(t, c.heard("AUTH", "MAIL"), "and nothing was said")
		})
	}
}
