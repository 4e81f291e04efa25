package submit_test

import (
	"crypto/tls"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/internal/fakenet"
	"github.com/mailport/mailport/submit"
	"github.com/mailport/mailport/submit/submittest"
)

// The budget: the round trips that a first message costs, exact,
// TCP's handshake counted. With TLS 1.2 the server speaks last in the handshake,
// and so greets at once over implicit TLS; after STARTTLS nobody does.
func TestRoundTripsCold(t *testing.T) {
	for _, test := range []struct {
		name, service string
		setup         func(*submittest.Server)
		version       uint16
		ready, sent   time.Duration
		flights       int // of the client's, without TCP
	}{
		// A handshake of TLS 1.3 is two flights of the client's, the second of
		// which nobody waits for: EHLO waits for the greeting, one round trip
		// later, but after STARTTLS it goes with it.
		{"implicit", submit.Submissions, nil, tls.VersionTLS13, 4, 7, 6},
		{"implicit, lock-step", submit.Submissions, lockStep, tls.VersionTLS13, 4, 9, 8},
		{"implicit, TLS 1.2", submit.Submissions, nil, tls.VersionTLS12, 4, 7, 6},
		{"implicit, lock-step, TLS 1.2", submit.Submissions, lockStep, tls.VersionTLS12, 4, 9, 8},
		{"STARTTLS", submit.Submission, nil, tls.VersionTLS13, 6, 9, 7},
		{"STARTTLS, lock-step", submit.Submission, lockStep, tls.VersionTLS13, 6, 11, 9},
		{"STARTTLS, TLS 1.2", submit.Submission, nil, tls.VersionTLS12, 7, 10, 8},
		{"STARTTLS, lock-step, TLS 1.2", submit.Submission, lockStep, tls.VersionTLS12, 7, 12, 10},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, test.setup, func(t *testing.T, w *world) {
				w.config.TLS.MaxVersion = test.version
				w.config.TLS.CurvePreferences = nil // the key exchange that programs have
				elapsed := stopwatch()
				s, err := w.transport(test.service).Dial(t.Context())
				require.NoError(t, err)
				defer s.Close()
				require.Equal(t, test.ready*rtt, elapsed(), "ready")
				receipt, err := s.Submit(t.Context(), letter())
				require.NoError(t, err)
				require.Equal(t, test.sent*rtt, elapsed(), "sent")
				require.Equal(t, test.version, receipt.TLS.Version)
				require.Len(t, w.link().Flights(fakenet.ToServer), test.flights)
			})
		})
	}
}

// The budget: the round trips of further messages; and what those
// of several recipients cost.
func TestRoundTripsWarm(t *testing.T) {
	three := []string{"a@example.net", "b@example.net", "c@example.net"}
	for _, test := range []struct {
		name    string
		setup   func(*submittest.Server)
		to      []string
		partial bool
		want    int
	}{
		{"alone", nil, three[:1], false, 2},
		{"alone, partial", nil, three[:1], true, 2},
		{"alone, lock-step", lockStep, three[:1], false, 4},
		{"three, all or nothing", nil, three, false, 3},
		{"three, partial", nil, three, true, 2},
		{"three, lock-step", lockStep, three, false, 6},
		{"three, partial, lock-step", lockStep, three, true, 6},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, test.setup, func(t *testing.T, w *world) {
				for _, service := range services {
					s := w.warm(service)
					for range 3 { // the third is as cheap as the first
						m := letter(test.to...)
						m.Partial = test.partial
						took, flights := w.measure(func() {
							_, err := s.Submit(t.Context(), m)
							require.NoError(t, err)
						})
						require.Equal(t, time.Duration(test.want)*rtt, took)
						require.Equal(t, test.want, flights)
					}
				}
			})
		})
	}
}

// measure returns how long do took, and in how many flights the client said
// what it said.
func (w *world) measure(do func()) (took time.Duration, flights int) {
	link := w.link()
	elapsed, before := stopwatch(), len(link.Flights(fakenet.ToServer))
	time.Sleep(time.Nanosecond) // not the same flight as whatever came before
	do()
	return elapsed() - time.Nanosecond, len(link.Flights(fakenet.ToServer)) - before
}

// A refused message costs what it must. The session is
// kept, and RSET is lazy: it rides in the next message's first flight, which
// costs a round trip in lock-step only.
func TestRoundTripsAfterRefusal(t *testing.T) {
	const nobody, spammer = "nobody@example.net", "spammer@example.net"
	refusing := func(s *submittest.Server) {
		s.Reject = func(from, to string) *smtp.SMTPError {
			if to == nobody || from == spammer {
				return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 7, 1}, Message: "no"}
			}
			return nil
		}
		s.RejectMessage = func(m submittest.Message) *smtp.SMTPError {
			if strings.Contains(string(m.Data), "spam") {
				return &smtp.SMTPError{Code: 554, EnhancedCode: smtp.EnhancedCode{5, 7, 1}, Message: "no"}
			}
			return nil
		}
	}
	for _, test := range []struct {
		name          string
		from, body    string
		to            []string
		refused, next [2]int // with PIPELINING, in lock-step
		begin         string // of the next message
	}{
		{"sender", spammer, text, []string{friend}, [2]int{1, 1}, [2]int{2, 5}, "RSET\nC: MAIL"},
		{"recipient", user, text, []string{nobody}, [2]int{1, 2}, [2]int{2, 5}, "RSET\nC: MAIL"},
		{"one of three", user, text, []string{friend, nobody, friend}, [2]int{1, 3}, [2]int{2, 5}, "RSET\nC: MAIL"},
		{"message", user, "Subject: spam\r\n\r\n", []string{friend}, [2]int{2, 4}, [2]int{2, 4}, "MAIL"},
	} {
		for i, setup := range []func(*submittest.Server){nil, lockStep} {
			t.Run(test.name+[]string{"", ", lock-step"}[i], func(t *testing.T) {
				t.Parallel()
				inWorld(t, both(setup, refusing), func(t *testing.T, w *world) {
					s := w.warm(submit.Submissions)
					m := letterOf(test.body, test.to...)
					m.From = test.from
					took, flights := w.measure(func() {
						_, err := s.Submit(t.Context(), m)
						require.ErrorIs(t, err, submit.ErrRejected)
					})
					require.Equal(t, time.Duration(test.refused[i])*rtt, took, "refused")
					require.Equal(t, test.refused[i], flights)

					before := len(w.server.Conversation())
					took, flights = w.measure(func() {
						_, err := s.Submit(t.Context(), letter())
						require.NoError(t, err)
					})
					require.Equal(t, time.Duration(test.next[i])*rtt, took, "next")
					require.Equal(t, test.next[i], flights)
					said := w.server.Conversation()[before:]
					if setup != nil {
						said = strings.ReplaceAll(said, "S: 250 2.0.0 Session reset\n", "")
					}
					require.True(t, strings.HasPrefix(said, "C: "+test.begin), said)
					require.Len(t, w.settled(), 1)
				})
			})
		}
	}
}

// QUIT is lazy, nothing waits for the reply to it; but
// it is said (RFC 5321, section 4.1.1.10), whatever the outcome was.
func TestQuitWaitsForNothing(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		elapsed := stopwatch()
		_, err := w.transport(submit.Submissions).Submit(t.Context(), letter())
		require.NoError(t, err)
		require.Equal(t, 7*rtt, elapsed())
		require.False(t, w.link().Open())

		s := w.warm(submit.Submission)
		elapsed = stopwatch()
		require.NoError(t, s.Close())
		require.Zero(t, elapsed())
		require.False(t, w.link().Open())

		w.settled()
		require.Equal(t, 2, strings.Count(w.server.Conversation(), "C: QUIT\n"))
		require.Zero(t, w.server.Open())
	})
}
