package auth_test

import (
	"crypto/tls"
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/internal/testcert"
)

// A site has a server's and a client's side of TLS that trust each other, over real
// sockets: what authentications are bound to is made by handshakes only.
type site struct {
	server, client *tls.Config
}

func newSite(version uint16) *site {
	ca := testcert.New()
	return &site{
		server: &tls.Config{Certificates: []tls.Certificate{ca.Leaf("smtp.example.com")}, MinVersion: version, MaxVersion: version},
		client: &tls.Config{RootCAs: ca.Pool(), ServerName: "smtp.example.com", MinVersion: tls.VersionTLS12,
			CurvePreferences: []tls.CurveID{tls.CurveP256}}, // fast
	}
}

// connect returns what both sides know of a new connection.
func (s *site) connect(t testing.TB) (client, server *tls.ConnectionState) {
	t.Helper()
	near, far := sockets(t)
	c, srv := tls.Client(near, s.client), tls.Server(far, s.server)
	var (
		greeted sync.WaitGroup
		failed  error
	)
	greeted.Go(func() { _, failed = srv.Write([]byte{'.'}) }) // after the handshake, and a ticket
	_, err := c.Read(make([]byte, 1))
	greeted.Wait()
	require.NoError(t, failed)
	require.NoError(t, err)
	client, server = new(tls.ConnectionState), new(tls.ConnectionState)
	*client, *server = c.ConnectionState(), srv.ConnectionState()
	return client, server
}

// sockets are the ends of a connection on the loopback interface.
func sockets(t testing.TB) (near, far net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	near, err = new(net.Dialer).DialContext(t.Context(), "tcp", l.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { near.Close() })
	far, err = l.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { far.Close() })
	return near, far
}
