package submittest_test

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/xdg-go/scram"

	"github.com/mailport/mailport/auth"
	"github.com/mailport/mailport/internal/testcert"
	"github.com/mailport/mailport/submit"
	"github.com/mailport/mailport/submit/submittest"
)

const secret = "tanstaaf-tanstaaf" // as a token may be, too

func scrams() []string {
	return []string{
		"SCRAM-SHA-512-PLUS", "SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS",
		"SCRAM-SHA-512", "SCRAM-SHA-256", "SCRAM-SHA-1",
	}
}

func allMechanisms() []string {
	return append(scrams(), "PLAIN", "LOGIN", "CRAM-MD5", "OAUTHBEARER", "XOAUTH2", "EXTERNAL")
}

// proving returns a configuration that authenticates as user with one mechanism.
func proving(s *submittest.Server, mechanism, user, secret string) submit.Config {
	c := s.Config()
	c.TLS.CurvePreferences = []tls.CurveID{tls.CurveP256} // fast
	switch mechanism {
	case "OAUTHBEARER", "XOAUTH2":
		c.Credentials = auth.Only(auth.Token(user, one(secret)), mechanism)
	case "EXTERNAL":
		c.Credentials = auth.External("")
		c.TLS.Certificates = []tls.Certificate{s.ClientCertificate(user)}
	default:
		c.Credentials = auth.Only(auth.Password(user, secret), mechanism)
	}
	return c
}

// one is a source of the same token for ever.
func one(token string) auth.TokenSource {
	return func(context.Context, string) (string, error) { return token, nil }
}

// submitOver sends a message over the transport of service.
func submitOver(t *testing.T, service string, c submit.Config) error {
	t.Helper()
	var s submit.Submitter = &submit.ImplicitTLS{Host: host, Config: c}
	if service == submit.Submission {
		s = &submit.STARTTLS{Host: host, Config: c}
	}
	return welcome(t.Context(), s, "you@example.net")
}

// offering returns a running server with mechanisms, and one user, me.
func offering(t *testing.T, mechanisms ...string) *submittest.Server {
	t.Helper()
	return started(t, func(s *submittest.Server) {
		s.Users = map[string]string{"me": secret}
		s.Mechanisms = mechanisms
	})
}

// Every mechanism works with the real client, on both ports, with both versions
// of TLS: tls-unique (RFC 5929) with 1.2, tls-exporter (RFC 9266) with 1.3. One
// name has what SCRAM and OAUTHBEARER must write otherwise (RFC 5802, section
// 5.1).
func TestEveryMechanism(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		s := started(t, func(s *submittest.Server) {
			s.Users = map[string]string{"me@example.com": secret, "a=b,c": secret, "other": "another"}
			s.Mechanisms = allMechanisms()
			s.TLS = &tls.Config{MaxVersion: version}
		})
		for service, name := range map[string]string{submit.Submissions: "me@example.com", submit.Submission: "a=b,c"} {
			for _, mechanism := range allMechanisms() {
				label := fmt.Sprint(tls.VersionName(version), ", ", service, ", ", mechanism)
				before := len(s.Messages())
				require.NoError(t, submitOver(t, service, proving(s, mechanism, name, secret)), label)
				require.Len(t, s.Messages(), before+1, label)
				m := s.Messages()[before]
				require.Equal(t, name, m.User, label)
				require.Equal(t, version, m.TLS.Version, label)
				require.Equal(t, service, m.Via.Service, label)
				require.Contains(t, lastConversation(s), "\nC: AUTH "+mechanism, label)
			}
		}
		requireNoSecrets(t, s)
	}
}

// A resumed connection has a binding of its own.
func TestBoundToResumedConnection(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		s := started(t, func(s *submittest.Server) {
			s.Users = map[string]string{"me": secret}
			s.Mechanisms = []string{"SCRAM-SHA-1-PLUS"}
			s.TLS = &tls.Config{MaxVersion: version}
		})
		c := proving(s, "SCRAM-SHA-1-PLUS", "me", secret)
		c.TLS.ClientSessionCache = tls.NewLRUClientSessionCache(1)
		require.NoError(t, submitOver(t, submit.Submissions, c))
		require.NoError(t, submitOver(t, submit.Submissions, c))
		require.True(t, s.Messages()[1].TLS.DidResume, tls.VersionName(version))
	}
}

func lastConversation(s *submittest.Server) string {
	all := s.Conversation()
	return all[strings.LastIndex(all, "mail.example.com:"):]
}

// requireNoSecrets wants every line of the client that is no command masked, and
// nothing that lets a password be tried at leisure: no proof, no signature.
func requireNoSecrets(t *testing.T, s *submittest.Server) {
	t.Helper()
	require.NotContains(t, s.Conversation(), secret)
	for line := range strings.Lines(s.Conversation()) {
		line = strings.TrimRight(line, "\n")
		said, fromClient := strings.CutPrefix(line, "C: ")
		words := strings.Fields(said)
		if fromClient && words[0] == "AUTH" {
			require.Contains(t, []string{"", "***"}, strings.Join(words[2:], " "), line)
			continue
		}
		if fromClient && !strings.HasPrefix(said, "<") {
			require.Contains(t, []string{"EHLO", "STARTTLS", "MAIL", "RCPT", "DATA", "BDAT", "QUIT", "RSET", "*", "***"}, words[0], line)
		}
		for _, word := range words {
			text, err := base64.StdEncoding.DecodeString(word)
			require.False(t, err == nil && strings.Contains(string(text), "v="), line)
		}
	}
}

// Whoever does not know the secret is refused, by the name of the mechanism.
func TestEveryMechanismRefuses(t *testing.T) {
	s := offering(t, allMechanisms()...)
	for _, mechanism := range allMechanisms() {
		for _, c := range []submit.Config{
			proving(s, mechanism, "me", "wrong"),
			proving(s, mechanism, "nobody", secret),
		} {
			if mechanism == "EXTERNAL" {
				c = proving(s, mechanism, "nobody", "")
			}
			err := submitOver(t, submit.Submissions, c)
			require.ErrorIs(t, err, submit.ErrCredentials, mechanism)
			switch {
			case strings.HasPrefix(mechanism, "SCRAM"):
				require.ErrorContains(t, err, "server says invalid-proof", "%s: who exists does not show", mechanism)
			default:
				require.ErrorContains(t, err, "535 5.7.8", mechanism)
			}
		}
	}
	require.Empty(t, s.Messages())
	requireNoSecrets(t, s)
}

// What is offered is what was named, in that order; who cannot bind is not told
// that he could.
func TestMechanismsOffered(t *testing.T) {
	s := started(t, func(s *submittest.Server) {
		s.Users = map[string]string{"me": secret}
		s.Mechanisms = []string{"LOGIN", "SCRAM-SHA-1-PLUS", "X-OWN", "PLAIN", "SCRAM-SHA-1"}
		s.Without = []string{"STARTTLS"}
	})
	require.Contains(t, talk(t, s).do("EHLO c", "250"), "AUTH LOGIN SCRAM-SHA-1-PLUS X-OWN PLAIN SCRAM-SHA-1\n")
	k := cleartext(t, s)
	require.Contains(t, k.do("EHLO c", "250"), "AUTH LOGIN X-OWN PLAIN SCRAM-SHA-1\n")
	k.do("AUTH SCRAM-SHA-1-PLUS", "504 5.7.4")
}

// RFC 4013: what SCRAM makes of a password is what the server has stored.
func TestPreparedPasswords(t *testing.T) {
	s := started(t, func(s *submittest.Server) {
		s.Users = map[string]string{"me": "\u2168-\u00ad\u00e4", "bell": "a\u0007b"}
		s.Mechanisms = []string{"SCRAM-SHA-256"}
	})
	require.NoError(t, submitOver(t, submit.Submissions, proving(s, "SCRAM-SHA-256", "me", "IX-\u00e4")))
	require.ErrorIs(t, submitOver(t, submit.Submissions, proving(s, "SCRAM-SHA-256", "bell", "ab")), submit.ErrCredentials)
}

// A token that is revoked in mid-run is refused in JSON and replaced (RFC 7628,
// section 3.2.2); one that nobody replaces is refused for good.
func TestRevokedTokens(t *testing.T) {
	for _, mechanism := range []string{"OAUTHBEARER", "XOAUTH2"} {
		s := offering(t, mechanism)
		c := s.Config()
		c.Credentials = auth.Token("me", func(_ context.Context, refused string) (string, error) {
			if refused == "" {
				return secret, nil
			}
			return "fresh", nil
		})
		require.NoError(t, submitOver(t, submit.Submissions, c))
		s.SetUsers(map[string]string{"me": "fresh"})
		require.NoError(t, submitOver(t, submit.Submissions, c))
		require.Equal(t, 3, s.Attempts(""))
		require.Regexp(t, `(?s)S: 334 ey\S+\nC: \*\*\*\nS: 535 5\.7\.8 [^\n]+\nC: AUTH `+mechanism, lastConversation(s))

		c.Credentials = auth.Token("me", one(secret))
		err := submitOver(t, submit.Submission, c)
		require.ErrorIs(t, err, submit.ErrCredentials)
		require.ErrorContains(t, err, "535")
		var said *auth.TokenError
		require.ErrorAs(t, err, &said)
		require.Equal(t, map[string]string{"OAUTHBEARER": "invalid_token", "XOAUTH2": "401"}[mechanism], said.Status)
		require.Len(t, s.Messages(), 2)
		requireNoSecrets(t, s)

		s.SetUsers(nil)
		require.NotContains(t, talk(t, s).do("EHLO c", "250"), "AUTH", "without users there is no authentication")
	}
}

// Sessions under way, and users that change: every session sees one or the other.
func TestUsersChangeUnderWay(t *testing.T) {
	s := offering(t, allMechanisms()...)
	var sessions sync.WaitGroup
	for _, mechanism := range []string{"SCRAM-SHA-256-PLUS", "SCRAM-SHA-1", "CRAM-MD5", "XOAUTH2", "EXTERNAL"} {
		c := proving(s, mechanism, "me", secret)
		sessions.Go(func() {
			mail := &submit.ImplicitTLS{Host: host, Config: c}
			for range 3 {
				if err := welcome(t.Context(), mail, "you@example.net"); err != nil && !errors.Is(err, submit.ErrCredentials) {
					t.Error(mechanism, err)
				}
			}
		})
	}
	for range 100 {
		s.SetUsers(map[string]string{"me": "another", "you": secret})
		s.SetUsers(map[string]string{"me": secret})
	}
	sessions.Wait()
	for _, m := range s.Messages() {
		require.Equal(t, "me", m.User)
	}
}

// RFC 7628, section 3.1: the identity may be left to the token.
func TestTokenWithoutName(t *testing.T) {
	s := offering(t, "OAUTHBEARER")
	require.NoError(t, submitOver(t, submit.Submissions, proving(s, "OAUTHBEARER", "", secret)))
	require.Equal(t, "me", s.Messages()[0].User)
}

func TestClientCertificates(t *testing.T) {
	s := started(t, func(s *submittest.Server) {
		s.Users = map[string]string{"me": "", "you": ""}
		s.Mechanisms = []string{"EXTERNAL"}
	})
	try := func(identity string, certificate *tls.Certificate) error {
		c := s.Config()
		c.Credentials = auth.External(identity)
		c.TLS.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return certificate, nil }
		return submitOver(t, submit.Submission, c)
	}
	mine, foreign := s.ClientCertificate("me"), testcert.New().Client("me")
	require.NoError(t, try("", &mine))
	require.NoError(t, try("me", &mine))
	require.ErrorContains(t, try("you", &mine), "535", "who may act for somebody else?")
	require.ErrorIs(t, try("", new(tls.Certificate)), auth.ErrNoCertificate)
	require.Error(t, try("", &foreign))
	require.Len(t, s.Messages(), 2)

	// A client that says so without a certificate is not believed.
	k := talk(t, s)
	k.do("EHLO c", "250")
	k.do("AUTH EXTERNAL "+encode("me"), "535")
	k.do("AUTH EXTERNAL =", "535")
	k.do("AUTH EXTERNAL", "334 ")
	k.do("", "535")
}

// A TLS configuration of the test's own decides who is asked for certificates,
// and the authority is the server's if none is named.
func TestClientCertificatesRequired(t *testing.T) {
	s := started(t, func(s *submittest.Server) {
		s.Users = map[string]string{"me": secret}
		s.TLS = &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert}
	})
	c := proving(s, "PLAIN", "me", secret)
	require.Error(t, submitOver(t, submit.Submissions, c))
	c.TLS.Certificates = []tls.Certificate{s.ClientCertificate("me")}
	require.NoError(t, submitOver(t, submit.Submissions, c))
}

// What each cheat looks like to the client, over implicit TLS 1.3 or over
// STARTTLS with 1.2: nothing is submitted, but where the cheat is harmless.
func TestCheats(t *testing.T) {
	const unproven, odd = "server claims success without having proved itself", "server's challenge is not acceptable"
	servers := map[string]*submittest.Server{} // that know their users' keys, once derived
	for service, version := range map[string]uint16{submit.Submissions: tls.VersionTLS13, submit.Submission: tls.VersionTLS12} {
		servers[service] = started(t, func(s *submittest.Server) {
			s.Users = map[string]string{"me": secret}
			s.Mechanisms = allMechanisms()
			s.TLS = &tls.Config{MaxVersion: version}
		})
	}
	for n, test := range []struct {
		do         submittest.Action
		mechanisms []string
		is         []error
		says       string // empty: the message is taken
	}{
		{submittest.SkipSignature, scrams(), []error{submit.ErrInsecure, auth.ErrUnproven}, unproven},
		{submittest.WrongSignature, scrams(), []error{submit.ErrInsecure, auth.ErrUnproven}, unproven + ": its signature is wrong"},
		{submittest.SignLate, scrams(), nil, ""},
		{submittest.ShortNonce, scrams(), []error{submit.ErrProtocol, auth.ErrChallenge}, odd + ": it does not extend the client's nonce"},
		{submittest.OtherNonce, scrams(), []error{submit.ErrProtocol, auth.ErrChallenge}, odd + ": it does not extend the client's nonce"},
		{submittest.FewIterations, scrams(), []error{submit.ErrProtocol, auth.ErrChallenge}, odd + ": it asks for 1 iterations"},
		{submittest.ManyIterations, scrams(), []error{submit.ErrProtocol, auth.ErrChallenge}, odd + ": it asks for more than"},
		{submittest.OtherBinding, scrams()[:3], []error{submit.ErrInsecure, auth.ErrUnproven}, "channel-bindings-dont-match"},
		{submittest.Accept, scrams(), []error{submit.ErrInsecure, auth.ErrUnproven}, unproven},
		{submittest.Accept, []string{"LOGIN", "CRAM-MD5"}, []error{submit.ErrInsecure, auth.ErrUnproven}, unproven},
		{submittest.AcceptEarly, scrams(), []error{submit.ErrInsecure, auth.ErrUnproven}, unproven},
		{submittest.AcceptEarly, []string{"LOGIN"}, []error{submit.ErrInsecure, auth.ErrUnproven}, unproven},
		{submittest.AcceptEarly, []string{"PLAIN", "CRAM-MD5", "OAUTHBEARER", "XOAUTH2", "EXTERNAL"}, nil, ""},
		{submittest.NotBase64, allMechanisms(), []error{submit.ErrProtocol}, "challenge is not base64"},
		{submittest.HugeChallenge, allMechanisms(), []error{submit.ErrProtocol}, "does not follow the protocol"},
		{submittest.AskForever, []string{"OAUTHBEARER", "XOAUTH2"}, []error{submit.ErrProtocol, auth.ErrChallenge}, odd},
		{submittest.AskForever, allMechanisms(), nil, "unexpected|not acceptable"},
		{submittest.IgnoreCancel, allMechanisms(), nil, "unexpected|not acceptable"},
	} {
		for _, s := range servers {
			s.SetFaults(submittest.Fault{Phase: submit.PhaseAuth, Do: test.do, Text: textOf(test.do)})
		}
		for i, mechanism := range test.mechanisms {
			service := services()[(i+n)%2]
			s := servers[service]
			label := fmt.Sprint(test.do, ", ", mechanism, ", ", service)
			before := len(s.Messages())
			err := submitOver(t, service, proving(s, mechanism, "me", secret))
			if test.says == "" {
				require.NoError(t, err, label)
				require.Len(t, s.Messages(), before+1, label)
				continue
			}
			require.Error(t, err, label)
			require.Regexp(t, test.says, err.Error(), label)
			for _, is := range test.is {
				require.ErrorIs(t, err, is, label)
			}
			require.Len(t, s.Messages(), before, label)
		}
	}
	for _, s := range servers {
		requireNoSecrets(t, s)
	}
}

// textOf is something that keeps a client's interest: a token's error, which is
// another mechanism's odd challenge.
func textOf(do submittest.Action) string {
	if do == submittest.AskForever {
		return `{"status":"400"}`
	}
	return ""
}

// RFC 5802, section 6: who takes the -PLUS out of the list is found out, since
// the client says that it would have used it.
func TestStrippedPlus(t *testing.T) {
	s := started(t, func(s *submittest.Server) {
		s.Users = map[string]string{"me": secret}
		s.Mechanisms = []string{"SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"}
		s.Without, s.With = []string{"AUTH"}, []string{"AUTH SCRAM-SHA-256"}
	})
	c := s.Config()
	c.Credentials = auth.Password("me", secret)
	err := submitOver(t, submit.Submissions, c)
	require.ErrorIs(t, err, submit.ErrInsecure)
	require.ErrorIs(t, err, auth.ErrUnproven)
	require.ErrorContains(t, err, "server-does-support-channel-binding")
	require.Empty(t, s.Messages())
}

// Cheats count as other faults do, happen on one port, and pass by who uses
// another mechanism.
func TestCheatsAreFaults(t *testing.T) {
	s := offering(t, "SCRAM-SHA-1", "PLAIN")
	s.SetFaults(submittest.Fault{
		Service: submit.Submissions, Phase: submit.PhaseAuth, Do: submittest.WrongSignature, After: 1, Times: 1})
	scram, plain := proving(s, "SCRAM-SHA-1", "me", secret), proving(s, "PLAIN", "me", secret)
	require.NoError(t, submitOver(t, submit.Submission, scram))
	require.NoError(t, submitOver(t, submit.Submissions, plain))
	require.NoError(t, submitOver(t, submit.Submissions, scram))
	require.NoError(t, submitOver(t, submit.Submissions, plain))
	require.ErrorIs(t, submitOver(t, submit.Submissions, scram), auth.ErrUnproven)
	require.NoError(t, submitOver(t, submit.Submissions, scram))
}

// A cheat that no mechanism knows would only seem to be tested.
func TestCheatsThatMakeNoSense(t *testing.T) {
	for do := submittest.SkipSignature; do <= submittest.OtherBinding; do++ {
		fault := submittest.Fault{Phase: submit.PhaseAuth, Do: do}
		require.ErrorContains(t, (&submittest.Server{Faults: []submittest.Fault{fault}}).Start(), "does not apply to the mechanisms [PLAIN LOGIN]")
		require.Panics(t, func() { new(submittest.Server).SetFaults(fault) })
		bound := &submittest.Server{Mechanisms: []string{"scram-sha-1-plus"}}
		require.NotPanics(t, func() { bound.SetFaults(fault) })
		fault.Phase = submit.PhaseSender
		require.Panics(t, func() { bound.SetFaults(fault) })
	}
	unbound := &submittest.Server{Mechanisms: []string{"SCRAM-SHA-1"}}
	require.Panics(t, func() {
		unbound.SetFaults(submittest.Fault{Phase: submit.PhaseAuth, Do: submittest.OtherBinding})
	})
}

// An authentication that was refused leaves the server ready for the next one.
func TestAfterACheat(t *testing.T) {
	for do, cancelled := range map[submittest.Action]string{
		submittest.AskForever: "0.0", submittest.NotBase64: "7.0", submittest.HugeChallenge: "7.0",
	} {
		s := offering(t, "PLAIN")
		s.SetFaults(submittest.Fault{Phase: submit.PhaseAuth, Do: do, Times: 1})
		k := talk(t, s)
		k.do("EHLO c", "250")
		k.do("AUTH PLAIN "+plain("me", secret), "334 ")
		k.do("*", "501 5."+cancelled)
		k.do("MAIL FROM:<a@example.com>", "530")
		k.do("AUTH PLAIN "+plain("me", secret), "235")
		k.do("MAIL FROM:<a@example.com>", "250")
	}
	s := offering(t, "PLAIN", "LOGIN", "SCRAM-SHA-1")
	s.SetFaults(submittest.Fault{Phase: submit.PhaseAuth, Do: submittest.NotBase64, Text: "?"})
	answering := talk(t, s)
	answering.do("EHLO c", "250")
	answering.do("AUTH LOGIN", "334 ?\n")
	answering.do(encode("me"), "501 5.5.2")

	s.SetFaults(submittest.Fault{Phase: submit.PhaseAuth, Do: submittest.SignLate})
	require.NoError(t, submitOver(t, submit.Submissions, proving(s, "SCRAM-SHA-1", "me", secret)))
	c := scramWith(t, s, scram.SHA1, "me", secret, "", scram.ChannelBinding{})
	c.do(encode(c.step(c.ask("AUTH SCRAM-SHA-1 ", c.step("")))), "235")
	c.do("AUTH PLAIN "+plain("me", secret), "503")

	// To ask for ever is to begin in good order.
	s.SetFaults(submittest.Fault{Phase: submit.PhaseAuth, Do: submittest.AskForever})
	k := talk(t, s)
	k.do("EHLO c", "250")
	k.do("AUTH LOGIN", "334 VXNlcm5hbWU6")
	k.do(encode("me"), "334 UGFzc3dvcmQ6")
	for range 100 {
		k.do(encode(secret), "334 \n")
	}
	k.do("*", "501")

	s.SetFaults(submittest.Fault{Phase: submit.PhaseAuth, Do: submittest.IgnoreCancel, Text: "again?"})
	k = talk(t, s)
	k.do("EHLO c", "250")
	k.do("AUTH PLAIN "+plain("me", secret), "334 "+encode("again?"))
	for range 100 {
		k.do("*", "334 "+encode("again?"))
	}
	k.send(strings.Repeat("x", 20000))
	k.expect("500")
	k.end()
}
