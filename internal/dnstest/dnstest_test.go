package dnstest_test

import (
	"fmt"
	"net"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"golang.org/x/net/dns/dnsmessage"

	"github.com/mailport/mailport/internal/dnstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type records = []dnsmessage.ResourceBody

func TestAnswers(t *testing.T) {
	server := dnstest.NewServer(t, dnstest.Zone{
		"_submission._tcp.example.com.": {Records: records{
			dnstest.SRV(10, 1, 587, "b.example.com."), dnstest.SRV(0, 1, 2587, "a.example.com.")}},
		"smtp.example.com.":  {Records: records{dnstest.A("192.0.2.1")}},
		"alias.example.com.": {Records: records{dnstest.CNAME("smtp.example.com."), dnstest.A("192.0.2.1")}},
		"ill.example.com.":   {RCode: dnsmessage.RCodeServerFailure},
	})
	r := server.Resolver()

	_, srv, err := r.LookupSRV(t.Context(), "submission", "tcp", "Example.com.")
	require.NoError(t, err)
	require.Equal(t, []*net.SRV{
		{Target: "a.example.com.", Port: 2587, Weight: 1},
		{Target: "b.example.com.", Port: 587, Priority: 10, Weight: 1},
	}, srv)
	require.Contains(t, server.Asked(), dnstest.Question{Network: "udp", Type: dnsmessage.TypeSRV, Name: "_submission._tcp.example.com."})

	for _, name := range []string{"smtp.example.com.", "alias.example.com."} {
		addresses, err := r.LookupHost(t.Context(), name)
		require.NoError(t, err)
		require.Equal(t, []string{"192.0.2.1"}, addresses)
	}

	var dns *net.DNSError
	_, _, err = r.LookupSRV(t.Context(), "", "", "smtp.example.com.") // exists, without SRV records
	require.ErrorAs(t, err, &dns)
	require.True(t, dns.IsNotFound)
	_, err = r.LookupHost(t.Context(), "no.example.com.")
	require.ErrorAs(t, err, &dns)
	require.True(t, dns.IsNotFound)
	_, _, err = r.LookupSRV(t.Context(), "", "", "ill.example.com.")
	require.ErrorAs(t, err, &dns)
	require.False(t, dns.IsNotFound)
}

// What is longer than a datagram comes by TCP: RFC 7766, section 5.
func TestTruncation(t *testing.T) {
	var many records
	for i := range 100 {
		many = append(many, dnstest.SRV(uint16(i), 0, 587, fmt.Sprintf("host%d.example.com.", i)))
	}
	server := dnstest.NewServer(t, dnstest.Zone{"many.example.com.": {Records: many}})
	_, srv, err := server.Resolver().LookupSRV(t.Context(), "", "", "many.example.com.")
	require.NoError(t, err)
	require.Len(t, srv, 100)
	var networks []string
	for _, q := range server.Asked() {
		networks = append(networks, q.Network)
	}
	require.Equal(t, []string{"udp", "tcp"}, slices.Compact(networks))
}
