package negotiate

import (
	"context"
	"net"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/dns/dnsmessage"

	"github.com/mailport/mailport/internal/dnstest"
)

// The call's own client finds hosts by way of the Resolver it was given, and like
// every other it is strict, and a copy.
func TestOwnClient(t *testing.T) {
	dns := dnstest.NewServer(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	c := &connections{ctx: ctx}
	defer c.wait()
	defer cancel()

	own := newFetcher(&Discovery{}, c, c.resolver(dns.Resolver())).client.Transport.(*http.Transport)
	require.NotNil(t, own.Proxy)
	_, err := own.DialContext(ctx, "tcp", "autoconfig.example.com:443")
	var unknown *net.DNSError
	require.ErrorAs(t, err, &unknown)
	require.Contains(t, dns.Asked(), dnstest.Question{Network: "udp", Type: dnsmessage.TypeA, Name: "autoconfig.example.com."})

	shared := newFetcher(&Discovery{Client: &http.Client{}}, c, dns.Resolver()).client.Transport.(*http.Transport)
	require.NotSame(t, http.DefaultTransport, shared)
	for _, transport := range []*http.Transport{own, shared} {
		require.EqualValues(t, maxHeader, transport.MaxResponseHeaderBytes)
	}
}
