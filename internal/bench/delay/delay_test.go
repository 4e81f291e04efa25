package delay

import (
	"errors"
	"io"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const rtt = 20 * time.Millisecond

// pair returns a client's end, and a server's that is far away.
func pair(t *testing.T) (client net.Conn, server *Conn) {
	t.Helper()
	var config net.ListenConfig
	l, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	client, err = (&net.Dialer{}).DialContext(t.Context(), "tcp", l.Addr().String())
	require.NoError(t, err)
	accepted, err := l.Accept()
	require.NoError(t, err)
	server = New(accepted, rtt)
	t.Cleanup(func() {
		client.Close()
		server.Close()
	})
	return client, server
}

// requireRoundTrips looks at how long something took each time that it was tried.
// No time may be too short; most may be too long, since others use the machine as
// well.
func requireRoundTrips(t *testing.T, n int, took []time.Duration) {
	t.Helper()
	best := slices.Min(took)
	require.GreaterOrEqual(t, best, time.Duration(n)*rtt)
	require.Less(t, best, time.Duration(n)*rtt+rtt/2)
}

// An octet there and one back take one round trip, each time.
func TestRoundTrip(t *testing.T) {
	client, server := pair(t)
	server.Arrive()
	go io.Copy(server, server)
	var took []time.Duration
	for range 15 {
		began := time.Now()
		_, err := client.Write([]byte("?"))
		require.NoError(t, err)
		_, err = io.ReadFull(client, make([]byte, 1))
		require.NoError(t, err)
		took = append(took, time.Since(began))
	}
	requireRoundTrips(t, 1, took)
}

// Connecting takes a round trip though the operating system answers at once: the
// answer to what the client says first comes after two.
func TestTheHandshakeCounts(t *testing.T) {
	var took []time.Duration
	for range 7 {
		began := time.Now()
		client, server := pair(t)
		go io.Copy(server, server)
		_, err := client.Write([]byte("?"))
		require.NoError(t, err)
		_, err = io.ReadFull(client, make([]byte, 1))
		require.NoError(t, err)
		took = append(took, time.Since(began))
	}
	requireRoundTrips(t, 2, took)
}

// So does the greeting of a server that speaks first.
func TestTheGreetingComesAfterTheHandshake(t *testing.T) {
	var took []time.Duration
	for range 7 {
		began := time.Now()
		client, server := pair(t)
		go func() {
			server.Arrive()
			server.Write([]byte("!"))
		}()
		_, err := io.ReadFull(client, make([]byte, 1))
		require.NoError(t, err)
		took = append(took, time.Since(began))
	}
	requireRoundTrips(t, 2, took)
}

// However much is sent, it takes no longer, and stays in order.
func TestUnlimitedBandwidth(t *testing.T) {
	client, server := pair(t)
	server.Arrive()
	go io.Copy(server, server)
	sent := make([]byte, 1<<20)
	for i := range sent {
		sent[i] = byte(i * 31 >> 3)
	}
	got := make([]byte, len(sent))
	var took []time.Duration
	for range 5 {
		began := time.Now()
		_, err := client.Write(sent)
		require.NoError(t, err)
		_, err = io.ReadFull(client, got)
		require.NoError(t, err)
		took = append(took, time.Since(began))
		require.Equal(t, sent, got)
	}
	require.GreaterOrEqual(t, slices.Min(took), rtt)
	require.Less(t, slices.Min(took), 10*rtt, "it is not one flight after another")
}

// A turn is what came, in however many pieces, and what was said to that.
func TestTurns(t *testing.T) {
	client, server := pair(t)
	server.Arrive()
	in := make([]byte, 1)
	for range 3 {
		_, err := client.Write([]byte("??"))
		require.NoError(t, err)
		for range 2 {
			_, err = io.ReadFull(server, in)
			require.NoError(t, err)
		}
		server.Write([]byte("!"))
		server.Write([]byte("!"))
	}
	require.Equal(t, 3, server.Turns())
}

// What was said before the end arrives before it, in both directions.
func TestTheLastWordsArrive(t *testing.T) {
	client, server := pair(t)
	server.Write([]byte("goodbye"))
	server.Close()
	said, err := io.ReadAll(client)
	require.NoError(t, err)
	require.Equal(t, "goodbye", string(said))

	client, server = pair(t)
	_, err = client.Write([]byte("goodbye"))
	require.NoError(t, err)
	client.Close()
	said, err = io.ReadAll(server)
	require.True(t, err == nil || errors.Is(err, io.EOF))
	require.Equal(t, "goodbye", string(said))
}
