package fakenet

import (
	"crypto/tls"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/mailport/mailport/internal/testcert"
	"github.com/stretchr/testify/require"
)

// The figures are those of real TCP: with TLS 1.3 the client speaks last, so
// that what a server says first comes one round trip after the handshake; with
// TLS 1.2 the server speaks last.
func TestTLSTakesItsRoundTrips(t *testing.T) {
	for _, want := range []struct {
		version             uint16
		handshake, greeting time.Duration
	}{
		{tls.VersionTLS13, 2 * rtt, 3 * rtt},
		{tls.VersionTLS12, 3 * rtt, 3 * rtt},
	} {
		bubble(t, func(t *testing.T, n *Network) {
			ca := testcert.New()
			l := n.Listen(addr)
			var server sync.WaitGroup
			defer server.Wait()
			server.Go(func() {
				conn, _ := l.Accept()
				defer conn.Close()
				fmt.Fprint(tls.Server(conn, &tls.Config{
					Certificates: []tls.Certificate{ca.Leaf("smtp.example.com")},
					MaxVersion:   want.version,
				}), "220 hello")
				io.Copy(io.Discard, conn)
			})
			passed := clock()
			conn := dial(t, n, addr)
			defer conn.Close()
			client := tls.Client(conn, &tls.Config{ServerName: "smtp.example.com", RootCAs: ca.Pool()})
			require.NoError(t, client.HandshakeContext(t.Context()))
			require.Equal(t, want.handshake, passed())
			read(t, client, "220 hello")
			require.Equal(t, want.greeting, passed())
			require.Len(t, conn.Link().Flights(ToServer), 2)
		})
	}
}
