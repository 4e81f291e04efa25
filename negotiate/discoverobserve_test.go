package negotiate_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/dns/dnsmessage"

	"github.com/mailport/mailport/internal/dnstest"
	"github.com/mailport/mailport/negotiate"
)

// That a source failed is not hidden by what another one found, or guessed.
func TestDiscoverTellsWhatItFoundNothingIn(t *testing.T) {
	failing := dnstest.Answer{RCode: dnsmessage.RCodeServerFailure}
	for name, c := range map[string]struct {
		zone  dnstest.Zone
		pages pages
		found int
		told  []string
	}{
		"a guess, as DNS failed": {
			dnstest.Zone{submissionsOf: failing, submissionOf: failing, "smtp.example.com.": there()}, nil, 2,
			[]string{"SRV _submissions._tcp.example.com", "SRV _submission._tcp.example.com",
				"autoconfig https://autoconfig.example.com/mail/config-v1.1.xml",
				"well-known https://example.com/.well-known/autoconfig/mail/config-v1.1.xml", "guess mail.example.com"}},
		"one of two": {
			dnstest.Zone{submissionsOf: failing, submissionOf: srv(dnstest.SRV(0, 0, 587, "smtp.example.com."))}, nil, 1,
			[]string{"SRV _submissions._tcp.example.com"}},
		"what is not waited for is not told": {
			dnstest.Zone{submissionsOf: srv(dnstest.SRV(0, 0, 465, "smtp.example.com.")), submissionOf: srv(dnstest.SRV(0, 0, 587, "smtp.example.com."))}, nil, 2,
			nil},
		"the web site, after autoconfig": {
			nil, pages{wellKnownOf: file(smtp("a.example.net", 465, "SSL"))}, 1,
			[]string{"SRV _submissions._tcp.example.com", "SRV _submission._tcp.example.com", "autoconfig https://autoconfig.example.com/mail/config-v1.1.xml"}},
		"nothing at all": {
			nil, nil, 0,
			[]string{"SRV _submissions._tcp.example.com", "SRV _submission._tcp.example.com",
				"autoconfig https://autoconfig.example.com/mail/config-v1.1.xml",
				"well-known https://example.com/.well-known/autoconfig/mail/config-v1.1.xml", "guess smtp.example.com", "guess mail.example.com"}},
	} {
		t.Run(name, func(t *testing.T) {
			var told []string
			d := newWorld(t, c.zone, c.pages).discovery()
			d.Observe = func(e negotiate.SourceError) {
				require.Error(t, e.Err)
				told = append(told, e.Source.String()+" "+e.From)
			}
			found, err := negotiate.Discover(t.Context(), "me@example.com", d)
			require.Len(t, found, c.found)
			require.Equal(t, c.found == 0, err != nil)
			require.Equal(t, c.told, told)
		})
	}
}
