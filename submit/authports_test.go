package submit_test

import (
	"context"
	"net"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/auth"
	"github.com/mailport/mailport/negotiate"
	"github.com/mailport/mailport/submit"
	"github.com/mailport/mailport/submit/submittest"
)

// negotiated is whoever finds out which port to use.
func (w *world) negotiated() *negotiate.Negotiator {
	return &negotiate.Negotiator{Host: host, Config: w.config}
}

// withoutAuth are faults: AUTH is not offered on the ports of services.
func withoutAuth(services ...string) (faults []submittest.Fault) {
	for _, service := range services {
		phase := submit.PhaseHello
		if service == submit.Submission {
			phase = submit.PhaseHelloAgain
		}
		faults = append(faults, submittest.Fault{Service: service, Phase: phase, Do: submittest.Strip})
	}
	return faults
}

// Credentials, and no AUTH on the first port: the other one may have it. If neither
// has, that is the error, and nothing is submitted instead.
func TestAuthOnTheOtherPort(t *testing.T) {
	t.Parallel()
	for _, first := range services {
		for _, both := range []bool{false, true} {
			faults := withoutAuth(first)
			if both {
				faults = withoutAuth(services...)
			}
			inWorld(t, faulty(faults...), func(t *testing.T, w *world) {
				n := w.negotiated()
				if first == submit.Submission {
					n.Policy.Prefer = negotiate.STARTTLS
				}
				receipt, err := n.Submit(t.Context(), letter())
				require.Zero(t, w.server.Attempts(first))
				if !both {
					require.NoError(t, err)
					require.NotEqual(t, first, receipt.Endpoint.Service)
					require.Len(t, w.settled(), 1)
					require.Equal(t, 1, w.server.Attempts(""))
					return
				}
				requireMeans(t, err, "AuthNotOffered", "Credentials")
				requireOneLine(t, err.Error())
				require.Contains(t, err.Error(), "credentials are given, but the server offers no authentication")
				require.Zero(t, w.server.Attempts(""))
				require.Empty(t, w.settled())
			})
		}
	}
}

// Promises 2 and 5: what happens from AUTH on happens to one port. That a server has
// not proved itself is no reason to show the other one a password.
func TestAuthEndsNegotiation(t *testing.T) {
	t.Parallel()
	outage := func(context.Context, string) (string, error) {
		return "", &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	}
	cheat := func(do submittest.Action) func(*world) {
		return func(w *world) {
			w.server.SetFaults(submittest.Fault{Service: submit.Submissions, Phase: submit.PhaseAuth, Do: do})
		}
	}
	for name, test := range map[string]struct {
		mechanism string
		prepare   func(*world)
		means     []string
		is        error
	}{
		"no signature":    {"SCRAM-SHA-256", cheat(submittest.SkipSignature), []string{"Insecure"}, auth.ErrUnproven},
		"wrong signature": {"SCRAM-SHA-256", cheat(submittest.WrongSignature), []string{"Insecure"}, auth.ErrUnproven},
		"other binding":   {"SCRAM-SHA-256-PLUS", cheat(submittest.OtherBinding), []string{"Insecure"}, auth.ErrUnproven},
		"early success":   {"LOGIN", cheat(submittest.AcceptEarly), []string{"Insecure"}, auth.ErrUnproven},
		"cheap to guess":  {"SCRAM-SHA-256", cheat(submittest.FewIterations), []string{"Protocol"}, auth.ErrChallenge},
		"endless":         {"LOGIN", cheat(submittest.IgnoreCancel), []string{"Protocol"}, auth.ErrChallenge},
		"refused":         {"PLAIN", cheat(submittest.Refuse), []string{"Credentials"}, nil},
		"later":           {"PLAIN", cheat(submittest.RefuseTemporarily), []string{"Temporary"}, nil},
		"lost":            {"PLAIN", cheat(submittest.Hangup), []string{"Temporary"}, nil},
		"no mechanism": {"PLAIN", func(w *world) { w.config.Credentials = auth.Token(user, outage) },
			[]string{"Credentials"}, auth.ErrNoMechanism},
		"no token":       {"XOAUTH2", func(w *world) { w.config.Credentials = auth.Token(user, outage) }, []string{"Temporary"}, syscall.ECONNREFUSED},
		"no certificate": {"EXTERNAL", func(w *world) { w.config.Credentials = auth.External("") }, []string{"Credentials"}, auth.ErrNoCertificate},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, offering(test.mechanism), func(t *testing.T, w *world) {
				test.prepare(w)
				receipt, err := w.negotiated().Submit(t.Context(), letter())
				require.Nil(t, receipt)
				requireMeans(t, err, test.means...)
				requireOneLine(t, err.Error())
				if test.is != nil {
					require.ErrorIs(t, err, test.is)
				}
				require.Zero(t, w.server.Connections(submit.Submission))
				require.LessOrEqual(t, w.server.Attempts(""), 1)
				require.Empty(t, w.settled())
			})
		})
	}
}
