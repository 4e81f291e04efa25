package fakenet

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAccounts(t *testing.T) {
	bubble(t, func(t *testing.T, n *Network) {
		client, server := pair(t, n)
		l := client.Link()
		write(t, client, "MAIL")
		write(t, client, "RCPT")
		read(t, server, "MAILRCPT")
		write(t, server, "250")
		read(t, client, "250")
		write(t, client, "DATA!")

		require.Same(t, l, server.Link())
		require.Same(t, client, l.Client())
		require.Same(t, server, l.Server())
		require.Equal(t, 13, l.Octets(ToServer))
		require.Equal(t, 3, l.Octets(ToClient))
		const connected = rtt + rtt/2 // pair returns then
		require.Equal(t, []Write{{connected, 4}, {connected, 4}, {connected + rtt, 5}}, l.Writes(ToServer))
		require.Equal(t, []Write{{connected, 8}, {connected + rtt, 5}}, l.Flights(ToServer))
		require.Equal(t, []Write{{connected + rtt/2, 3}}, l.Flights(ToClient))
		client.Close()
	})
}

// A Write that waits for room counts from when it was called.
func TestWriteIsRecordedWhenCalled(t *testing.T) {
	bubble(t, func(t *testing.T, n *Network) {
		n.SetWindow(addr, 2)
		client, server := pair(t, n)
		time.AfterFunc(time.Second, func() { read(t, server, "ab") })
		write(t, client, "abc")
		require.Equal(t, []Write{{rtt + rtt/2, 3}}, client.Link().Writes(ToServer))
		client.Close()
	})
}

func TestDialsAndLinks(t *testing.T) {
	bubble(t, func(t *testing.T, n *Network) {
		n.Listen("a.example:465")
		n.Listen("b.example:465")
		a := dial(t, n, "a.example:465")
		b := dial(t, n, "b.example:465")
		n.Refuse("b.example:465")
		_, err := n.DialContext(t.Context(), "tcp", "b.example:465")
		require.Error(t, err)

		require.Equal(t, 1, n.Dials("a.example:465"))
		require.Equal(t, 2, n.Dials("b.example:465"))
		require.Zero(t, n.Dials("a.example:587"))
		require.Equal(t, 3, n.Dials(Anywhere))
		require.Equal(t, []*Link{a.Link()}, n.Links("a.example:465"))
		require.Equal(t, []*Link{a.Link(), b.Link()}, n.Links(Anywhere))

		require.Equal(t, 2, n.Open())
		a.Close()
		require.Equal(t, 1, n.Open())
		b.Reset()
		require.Zero(t, n.Open())
		require.Len(t, n.Links(Anywhere), 2)
	})
}

// A complaint is what Check says of a connection.
type complaint []string

func (c *complaint) Helper() {}
func (c *complaint) Errorf(format string, args ...any) {
	*c = append(*c, fmt.Sprintf(format, args...))
}

func TestCheck(t *testing.T) {
	bubble(t, func(t *testing.T, n *Network) {
		client, server := pair(t, n)
		write(t, client, "hello")
		server.Close()
		var open, closed complaint
		n.Check(&open)
		client.Close()
		n.Check(&closed)
		require.Empty(t, closed)
		require.Equal(t, complaint{"fakenet: left open: 192.0.2.1:49152 > smtp.example.com:465 " +
			"(198.51.100.1:465), 5 octets to the server, 0 to the client"}, open)
	})
}

func TestNetworkCloses(t *testing.T) {
	bubble(t, func(t *testing.T, n *Network) {
		client, server := pair(t, n)
		n.Listen("b.example:465")
		n.Close()
		require.Error(t, server.Close())
		require.Equal(t, 1, n.Open())
		client.Close()
		_, err := n.DialContext(t.Context(), "tcp", addr)
		require.Error(t, err)
		n.Close()
	})
}
