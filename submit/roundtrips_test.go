package submit_test

import (
	"crypto/tls"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/submit"
	"github.com/mailport/mailport/submit/submittest"
)

// Section 9 of the design: the round trips that a message costs, to the
// nanosecond, TCP's handshake counted.
func TestRoundTripsCold(t *testing.T) {
	for _, test := range []struct {
		name, service string
		setup         func(*submittest.Server)
		version       uint16
		ready, sent   time.Duration
	}{
		{"implicit", submit.Submissions, nil, tls.VersionTLS13, 4, 7},
		{"implicit, lock-step", submit.Submissions, lockStep, tls.VersionTLS13, 4, 9},
		{"implicit, TLS 1.2", submit.Submissions, nil, tls.VersionTLS12, 4, 7},
		{"STARTTLS", submit.Submission, nil, tls.VersionTLS13, 6, 9},
		{"STARTTLS, lock-step", submit.Submission, lockStep, tls.VersionTLS13, 6, 11},
		{"STARTTLS, TLS 1.2", submit.Submission, nil, tls.VersionTLS12, 7, 10},
		{"STARTTLS, lock-step, TLS 1.2", submit.Submission, lockStep, tls.VersionTLS12, 7, 12},
	} {
		t.Run(test.name, func(t *testing.T) {
			inWorld(t, test.setup, func(t *testing.T, w *world) {
				w.config.TLS.MaxVersion = test.version
				elapsed := stopwatch()
				s, err := w.transport(test.service).Dial(t.Context())
				require.NoError(t, err)
				defer s.Close()
				require.Equal(t, test.ready*rtt, elapsed(), "ready")
				_, err = s.Submit(t.Context(), letter())
				require.NoError(t, err)
				require.Equal(t, test.sent*rtt, elapsed(), "sent")
			})
		})
	}
}
