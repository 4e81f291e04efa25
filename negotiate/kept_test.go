package negotiate_test

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/negotiate"
	"github.com/mailport/mailport/submit"
)

// RFC 8446, section 2.2: the TLS session of one submission is resumed by the next,
// and by no other Negotiator. A probe sees the certificates of today.
func TestNegotiatorResumesItsSessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t, 10*ms)
		one, other := p.negotiator(negotiate.Policy{}), p.negotiator(negotiate.Policy{})
		for i, n := range []*negotiate.Negotiator{one, one, other, one} {
			receipt, err := submit.Send(t.Context(), n, user, []string{"you@example.net"}, []byte("Subject: hello\r\n\r\n"))
			require.NoError(t, err)
			require.Equal(t, n == one && i > 0, receipt.TLS.DidResume, i)
		}
		report, err := one.Probe(t.Context())
		require.NoError(t, err)
		require.Len(t, report.Attempts, 2)
		for _, a := range report.Attempts {
			require.NotNil(t, a.TLS)
			require.False(t, a.TLS.DidResume)
		}
		require.Nil(t, p.config.TLS.ClientSessionCache, "the caller's configuration is read, never written")
	})
}
