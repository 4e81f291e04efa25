package submit_test

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/auth"
	"github.com/mailport/mailport/submit"
	"github.com/mailport/mailport/submit/submittest"
)

// exchanges are the mechanisms, with the round trips that each one takes.
var exchanges = []struct {
	mechanism string
	trips     int
}{
	{"SCRAM-SHA-512-PLUS", 3},
	{"SCRAM-SHA-256-PLUS", 3},
	{"SCRAM-SHA-1-PLUS", 3},
	{"SCRAM-SHA-512", 3},
	{"SCRAM-SHA-256", 3},
	{"SCRAM-SHA-1", 3},
	{"PLAIN", 1},
	{"LOGIN", 3},
	{"CRAM-MD5", 2},
	{"OAUTHBEARER", 1},
	{"XOAUTH2", 1},
	{"EXTERNAL", 1},
}

// credentialsFor are user's, with the secret, by one mechanism.
func credentialsFor(mechanism, secret string) auth.Credentials {
	switch mechanism {
	case "OAUTHBEARER", "XOAUTH2":
		return auth.Only(auth.Token(user, always(secret)), mechanism)
	case "EXTERNAL":
		return auth.External("")
	}
	return auth.Only(auth.Password(user, secret), mechanism)
}

// everyMechanism is a setup.
func everyMechanism(s *submittest.Server) {
	s.Mechanisms = nil
	for _, e := range exchanges {
		s.Mechanisms = append(s.Mechanisms, e.mechanism)
	}
}

// by has the world authenticate with one mechanism.
func (w *world) by(mechanism, secret string) {
	w.config.Credentials = credentialsFor(mechanism, secret)
	w.config.TLS.Certificates = nil
	if mechanism == "EXTERNAL" {
		w.config.TLS.Certificates = []tls.Certificate{w.server.ClientCertificate(user)}
	}
}

// What authentication costs, exact: the round trips of each mechanism's dialogue, and
// none besides. Promise 7: a context that ends at any of its steps ends the call then,
// with the context's error, and nothing is left open or running.
func TestEveryStep(t *testing.T) {
	t.Parallel()
	for _, e := range exchanges {
		t.Run(e.mechanism, func(t *testing.T) {
			t.Parallel()
			inWorld(t, everyMechanism, func(t *testing.T, w *world) {
				w.by(e.mechanism, password)
				for step := range e.trips {
					service := services[step%2]
					s := w.dial(service)
					limit := time.Duration(step)*rtt + rtt/2
					ctx, cancel := context.WithTimeoutCause(t.Context(), limit, errOwn)
					defer cancel()
					elapsed := stopwatch()
					_, err := s.Submit(ctx, letter())
					require.Equal(t, limit, elapsed())
					require.ErrorIs(t, err, context.DeadlineExceeded)
					require.ErrorIs(t, err, errOwn)
					requireMeans(t, err)
					require.Equal(t, submit.PhaseAuth, asError(t, err).Phase)
					require.Zero(t, w.net.Open())
				}
				s := w.dial(submit.Submissions)
				elapsed := stopwatch()
				require.NoError(t, s.Auth(t.Context()))
				require.Equal(t, time.Duration(e.trips)*rtt, elapsed())
				_, err := s.Submit(t.Context(), letter())
				require.NoError(t, err)
				require.Len(t, w.settled(), 1)
				require.Equal(t, user, w.settled()[0].User)
			})
		})
	}
}

// The budget of a first message with SCRAM: two round trips more than with PLAIN (RFC
// 4954, section 4: the server's last word is a challenge that is answered).
func TestRoundTripsColdSCRAM(t *testing.T) {
	t.Parallel()
	for service, ready := range map[string]time.Duration{submit.Submissions: 4, submit.Submission: 6} {
		inWorld(t, offering("SCRAM-SHA-256", "PLAIN"), func(t *testing.T, w *world) {
			elapsed := stopwatch()
			s, err := w.transport(service).Dial(t.Context())
			require.NoError(t, err)
			defer s.Close()
			require.Equal(t, ready*rtt, elapsed())
			require.NoError(t, s.Auth(t.Context()))
			require.Equal(t, (ready+3)*rtt, elapsed())
			_, err = s.Submit(t.Context(), letter())
			require.NoError(t, err)
			require.Equal(t, (ready+3+2)*rtt, elapsed())
		})
	}
}

// A refused secret is shown once, whatever the mechanism, although the server offers
// all others (promise 2): by the one that is asked for, and by the strongest.
func TestEveryMechanismRefused(t *testing.T) {
	t.Parallel()
	inWorld(t, everyMechanism, func(t *testing.T, w *world) {
		for i, e := range append(exchanges, exchanges[0], exchanges[9]) {
			w.by(e.mechanism, "not-"+password)
			switch i - len(exchanges) { // what would be chosen
			case 0:
				w.config.Credentials = auth.Password(user, "not-"+password)
			case 1:
				w.config.Credentials = auth.Token(user, always("not-"+password))
			}
			if e.mechanism == "EXTERNAL" {
				w.config.TLS.Certificates = []tls.Certificate{w.server.ClientCertificate("somebody")}
			}
			before, tried := w.server.Attempts(""), len(w.server.Conversation())
			s := w.dial(services[i%2])
			_, err := s.Submit(t.Context(), letter())
			requireMeans(t, err, "Credentials")
			require.Equal(t, submit.PhaseAuth, asError(t, err).Phase)
			require.NotErrorIs(t, err, auth.ErrUnproven)
			require.NotErrorIs(t, err, auth.ErrNoMechanism)
			_, again := s.Submit(t.Context(), letter())
			require.Equal(t, err, again)
			require.Equal(t, before+1, w.server.Attempts(""), e.mechanism)
			require.Contains(t, w.server.Conversation()[tried:], "C: AUTH "+e.mechanism)
			require.NoError(t, s.Close())
		}
		require.Empty(t, w.settled())
	})
}

// A thinker is a mechanism that tells when it begins to think.
type thinker struct {
	auth.Mechanism
	begun func()
}

func (m thinker) Next(challenge []byte) ([]byte, error) {
	m.begun()
	return m.Mechanism.Next(challenge)
}

// Promise 7: a server that asks for many iterations has the client compute for seconds
// (RFC 5802, section 9), and the context ends that; the exchange is not cancelled with
// words, and the error is not about the password.
func TestEndsAmidDerivation(t *testing.T) {
	t.Parallel()
	withClerk(t, only("AUTH SCRAM-SHA-1"), func(t *testing.T, c *clerk) {
		c.answer = func(_ *desk, line string) string {
			initial, ok := strings.CutPrefix(line, "AUTH SCRAM-SHA-1 ")
			if !ok {
				return ""
			}
			message, _ := base64.StdEncoding.DecodeString(initial)
			_, nonce, _ := strings.Cut(string(message), ",r=")
			return "334 " + base64Of(fmt.Sprintf("r=%sx,s=c2FsdA==,i=10000000", nonce))
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		begun := make(chan struct{})
		password := auth.Password(user, password)
		config := c.config()
		config.Credentials = credentials(func(ctx context.Context, server auth.Server) (auth.Mechanism, error) {
			m, err := password.Exchange(ctx, server)
			return thinker{m, func() { close(begun) }}, err
		})
		s := c.session(config)
		go func() { // ends with the bubble
			<-begun
			cancel(errOwn)
		}()
		_, err := s.Submit(ctx, letter())
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorIs(t, err, errOwn)
		requireMeans(t, err)
		require.Equal(t, submit.PhaseAuth, asError(t, err).Phase)
		synctest.Wait()
		require.Zero(t, c.net.Open())
		require.Len(t, c.heard(), 2, "not even a *")
	})
}

// After whatever ended an exchange nothing is said that has no place there: "*" only
// where a challenge waits (RFC 4954, section 4), QUIT where the server listens.
func TestLastWordsOfAuthentication(t *testing.T) {
	t.Parallel()
	const goodbye = "QUIT"
	sent := base64Of(user)
	for _, test := range []struct {
		replies []string
		want    []string // after AUTH LOGIN
	}{
		{[]string{"535 5.7.8 no"}, []string{goodbye}},
		{[]string{"334 ", "535 5.7.8 no"}, []string{sent, goodbye}},
		{[]string{"454 4.7.0 later"}, []string{goodbye}},
		{[]string{"421 4.7.0 bye"}, nil},
		{[]string{"334 ", "421 4.7.0 bye"}, []string{sent}},
		{[]string{"235 2.7.0 ok"}, nil},
		{[]string{"334 ", "235 2.7.0 ok"}, []string{sent}},
		{[]string{"250 ok"}, nil},
		{[]string{"334 ", "354 go on"}, []string{sent}},
		{[]string{"334 ?", "501 5.7.0 cancelled"}, []string{"*", goodbye}},
		{[]string{"334 ", "334 ?", "501 5.7.0 cancelled"}, []string{sent, "*", goodbye}},
		{[]string{"334 ", hangUp}, []string{sent}},
		{[]string{"334 ?" + hangUp}, nil}, // or "*", which nobody hears
		{[]string{"what?"}, nil},
		{[]string{"334 ", "what?"}, []string{sent}},
		{[]string{"334 \n334 "}, nil},                              // two at once are out of step
		{[]string{"334 ", "535 5.7.8 no\n250 ok"}, []string{sent}}, // likewise
	} {
		withClerk(t, all(only("AUTH LOGIN"), dialogue(test.replies...)), func(t *testing.T, c *clerk) {
			_, err := (&submit.ImplicitTLS{Host: host, Config: c.withPassword()}).Submit(t.Context(), letter())
			asError(t, err)
			synctest.Wait()
			said := slices.DeleteFunc(c.heard()[2:], func(line string) bool { return strings.Contains(test.replies[0], "?\x00") && line == "*" })
			require.ElementsMatch(t, test.want, said, test.replies)
			require.Zero(t, c.net.Open())
		})
	}
}
