package fakenet

import (
	"context"
	"io"
	"net"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	rtt  = 100 * time.Millisecond
	addr = "smtp.example.com:465"
)

// bubble runs test with a network in virtual time, and ends the network after it.
func bubble(t *testing.T, test func(*testing.T, *Network)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n := New(rtt)
		defer n.Close()
		test(t, n)
	})
}

// clock returns a function that tells how much time has passed.
func clock() func() time.Duration {
	start := time.Now()
	return func() time.Duration { return time.Since(start) }
}

// pair returns both ends of a connection, half a round trip after the dial's end:
// when Accept has returned.
func pair(t *testing.T, n *Network) (client, server *Conn) {
	t.Helper()
	l := n.Listen(addr)
	client = dial(t, n, addr)
	conn, err := l.Accept()
	require.NoError(t, err)
	return client, conn.(*Conn)
}

func dial(t *testing.T, n *Network, addr string) *Conn {
	t.Helper()
	conn, err := n.DialContext(t.Context(), "tcp", addr)
	require.NoError(t, err)
	return conn.(*Conn)
}

func write(t *testing.T, c net.Conn, s string) {
	t.Helper()
	n, err := io.WriteString(c, s)
	require.NoError(t, err)
	require.Equal(t, len(s), n)
}

// read expects that one Read returns s.
func read(t *testing.T, c net.Conn, s string) {
	t.Helper()
	b := make([]byte, 1<<20)
	n, err := c.Read(b)
	require.NoError(t, err)
	require.Equal(t, s, string(b[:n]))
}

func readFails(t *testing.T, c net.Conn, want error) {
	t.Helper()
	n, err := c.Read(make([]byte, 1))
	require.Zero(t, n)
	fails(t, "read", err, want)
}

func writeFails(t *testing.T, c net.Conn, want error) {
	t.Helper()
	n, err := c.Write([]byte("x"))
	require.Zero(t, n)
	fails(t, "write", err, want)
}

// fails expects err to be want, in the clothes of package net.
func fails(t *testing.T, op string, err, want error) {
	t.Helper()
	if want == io.EOF {
		require.True(t, err == io.EOF, "%v", err)
		return
	}
	var o *net.OpError
	require.ErrorAs(t, err, &o)
	require.Equal(t, op, o.Op)
	require.Equal(t, "tcp", o.Net)
	require.ErrorIs(t, err, want)
}

func TestHandshakeTakesThreeSegments(t *testing.T) {
	for _, rtt := range []time.Duration{0, 1, 7, rtt} { // odd ones: halves add up
		synctest.Test(t, func(t *testing.T) {
			n := New(rtt)
			l := n.Listen(addr)
			passed := clock()
			var server sync.WaitGroup
			server.Go(func() {
				conn, _ := l.Accept()
				require.Equal(t, rtt+rtt/2, passed(), "Accept")
				write(t, conn, "220 hello")
				read(t, conn, "EHLO")
				require.Equal(t, rtt+rtt/2, passed(), "the client's first octet")
				conn.Close()
			})
			conn := dial(t, n, addr)
			require.Equal(t, rtt, passed(), "DialContext")
			write(t, conn, "EHLO")
			require.Equal(t, rtt, passed(), "Write")
			read(t, conn, "220 hello")
			require.Equal(t, 2*rtt, passed(), "the server's first octet")
			readFails(t, conn, io.EOF)
			require.Equal(t, 2*rtt, passed(), "FIN")
			conn.Close()
			server.Wait()
			n.Check(t)
		})
	}
}

func TestOctetsTakeHalfARoundTrip(t *testing.T) {
	bubble(t, func(t *testing.T, n *Network) {
		client, server := pair(t, n)
		defer client.Close()
		passed := clock()
		write(t, client, "a")
		time.Sleep(10 * time.Millisecond)
		write(t, client, "b")
		write(t, client, "c")
		read(t, server, "a")
		require.Equal(t, rtt/2, passed())
		read(t, server, "bc")
		require.Equal(t, rtt/2+10*time.Millisecond, passed())
		write(t, server, "d")
		read(t, client, "d")
		require.Equal(t, rtt+10*time.Millisecond, passed())
	})
}

func TestReadTakesWhatHasArrivedAndNoMore(t *testing.T) {
	bubble(t, func(t *testing.T, n *Network) {
		client, server := pair(t, n)
		defer client.Close()
		write(t, client, "ab")
		time.Sleep(rtt / 4)
		write(t, client, "cd")
		time.Sleep(rtt / 4)
		b := make([]byte, 1)
		server.Read(b)
		require.Equal(t, "a", string(b))
		read(t, server, "b")
		write(t, client, "ef")
		time.Sleep(rtt)
		read(t, server, "cdef")
	})
}

func TestRefused(t *testing.T) {
	bubble(t, func(t *testing.T, n *Network) {
		n.Listen("a.example:465")
		n.Refuse("a.example:465")
		for _, addr := range []string{"a.example:465", "a.example:587", "nobody.example:25", "[2001:db8::2]:25"} {
			passed := clock()
			_, err := n.DialContext(t.Context(), "tcp", addr)
			require.Equal(t, rtt, passed())
			fails(t, "dial", err, syscall.ECONNREFUSED)
		}
		n.Restore("a.example:465")
		dial(t, n, "a.example:465").Close()
	})
}

func TestBlackHole(t *testing.T) {
	bubble(t, func(t *testing.T, n *Network) {
		n.Listen(addr)
		n.BlackHole(addr)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		passed := clock()
		_, err := n.DialContext(ctx, "tcp", addr)
		require.Equal(t, time.Minute, passed())
		fails(t, "dial", err, context.DeadlineExceeded)
		require.EqualError(t, err, "dial tcp 198.51.100.1:465: i/o timeout")
		require.True(t, err.(net.Error).Timeout())
		require.Equal(t, 1, n.Dials(addr))
	})
}

func TestDialIsCancelled(t *testing.T) {
	bubble(t, func(t *testing.T, n *Network) {
		n.Listen(addr)
		for _, at := range []time.Duration{0, rtt / 4, rtt / 2, rtt * 3 / 4} {
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(at, cancel)
			synctest.Wait()
			passed := clock()
			_, err := n.DialContext(ctx, "tcp", addr)
			require.Equal(t, at, passed())
			fails(t, "dial", err, context.Canceled)
			require.EqualError(t, err, "dial tcp 198.51.100.1:465: operation was canceled")
		}
		require.Empty(t, n.Links(Anywhere))
	})
}

// A context that ends when the dial would have succeeded has ended.
func TestDialAtTheDeadline(t *testing.T) {
	bubble(t, func(t *testing.T, n *Network) {
		n.Listen(addr)
		ctx, cancel := context.WithTimeout(t.Context(), rtt)
		defer cancel()
		_, err := n.DialContext(ctx, "tcp", addr)
		fails(t, "dial", err, context.DeadlineExceeded)
	})
}

// due is a context whose deadline passes before its timer fires, as may happen
// when much is due at the same time.
type due struct {
	context.Context
	deadline time.Time
}

func (c due) Deadline() (time.Time, bool) { return c.deadline, true }

func TestDialAtTheDeadlineBeforeItsTimer(t *testing.T) {
	bubble(t, func(t *testing.T, n *Network) {
		n.Listen(addr)
		_, err := n.DialContext(due{t.Context(), time.Now().Add(rtt)}, "tcp", addr)
		fails(t, "dial", err, context.DeadlineExceeded)
	})
}

func TestUnresolvable(t *testing.T) {
	bubble(t, func(t *testing.T, n *Network) {
		n.Unresolvable("Nowhere.example")
		passed := clock()
		_, err := n.DialContext(t.Context(), "tcp", "nowhere.example.:465")
		require.Zero(t, passed())
		var dns *net.DNSError
		fails(t, "dial", err, err)
		require.ErrorAs(t, err, &dns)
		require.True(t, dns.IsNotFound)
		require.Equal(t, 1, n.Dials("nowhere.example:465"))
	})
}

func TestBadAddress(t *testing.T) {
	n := New(0)
	for _, addr := range []string{"a.example", "a.example:", "a.example:0", "a.example:99999", "a.example:smtp"} {
		_, err := n.DialContext(t.Context(), "tcp", addr)
		var bad *net.AddrError
		require.ErrorAs(t, err, &bad, addr)
		require.Panics(t, func() { n.Listen(addr) })
	}
	var unknown net.UnknownNetworkError
	_, err := n.DialContext(t.Context(), "udp", addr)
	require.ErrorAs(t, err, &unknown)
	_, err = n.DialContext(t.Context(), "tcp6", addr)
	require.ErrorContains(t, err, "no suitable address")
}

func TestAddresses(t *testing.T) {
	bubble(t, func(t *testing.T, n *Network) {
		for dialled, want := range map[string]struct{ local, remote string }{
			"a.example:465":   {"192.0.2.1", "198.51.100.1:465"},
			"A.Example.:587":  {"192.0.2.1", "198.51.100.1:587"},
			"b.example:465":   {"192.0.2.1", "198.51.100.2:465"},
			"127.0.0.1:2525":  {"127.0.0.1", "127.0.0.1:2525"},
			"localhost:2526":  {"127.0.0.1", "127.0.0.1:2526"},
			"[::1]:2525":      {"::1", "[::1]:2525"},
			"[2001:db8::9]:1": {"2001:db8::1", "[2001:db8::9]:1"},
		} {
			n.lookup("a.example")
			n.lookup("b.example")
			l := n.Listen(dialled)
			require.Equal(t, want.remote, l.Addr().String())
			client := dial(t, n, dialled)
			server, err := l.Accept()
			require.NoError(t, err)
			require.Equal(t, want.remote, client.RemoteAddr().(*net.TCPAddr).String())
			require.Equal(t, want.local, client.LocalAddr().(*net.TCPAddr).IP.String())
			require.GreaterOrEqual(t, client.LocalAddr().(*net.TCPAddr).Port, firstEphemeral)
			require.Equal(t, client.LocalAddr(), server.RemoteAddr())
			require.Equal(t, client.RemoteAddr(), server.LocalAddr())
			client.Close()
		}
		n.port = 65535
		dial(t, n, "a.example:465").Close()
		last := dial(t, n, "198.51.100.1:465") // the same host by its number
		require.Equal(t, firstEphemeral, last.LocalAddr().(*net.TCPAddr).Port)
		last.Close()
		require.Len(t, n.Links("a.example:465"), 3)
	})
}

func TestRTTOfOneAddress(t *testing.T) {
	bubble(t, func(t *testing.T, n *Network) {
		n.Listen("near.example:465")
		n.SetRTT("near.example:465", time.Millisecond)
		n.Listen("far.example:465")
		passed := clock()
		dial(t, n, "near.example:465").Close()
		require.Equal(t, time.Millisecond, passed())
		dial(t, n, "far.example:465").Close()
		require.Equal(t, time.Millisecond+rtt, passed())
		n.SetRTT(Anywhere, time.Second)
		dial(t, n, "far.example:465").Close()
		dial(t, n, "near.example:465").Close()
		require.Equal(t, 2*time.Second+time.Millisecond+rtt, passed())
	})
}

func TestListenTwice(t *testing.T) {
	n := New(0)
	l := n.Listen(addr)
	require.Panics(t, func() { n.Listen(addr) })
	require.NoError(t, l.Close())
	require.ErrorIs(t, l.Close(), net.ErrClosed)
	require.NoError(t, n.Listen(addr).Close())
}

func TestListenerCloses(t *testing.T) {
	bubble(t, func(t *testing.T, n *Network) {
		l := n.Listen(addr)
		var accepting sync.WaitGroup
		for range 3 {
			accepting.Go(func() {
				_, err := l.Accept()
				fails(t, "accept", err, net.ErrClosed)
			})
		}
		synctest.Wait()
		l.Close()
		accepting.Wait()
		_, err := n.DialContext(t.Context(), "tcp", addr)
		require.ErrorIs(t, err, syscall.ECONNREFUSED)
	})
}

func TestListenerClosesOnWaitingConnections(t *testing.T) {
	bubble(t, func(t *testing.T, n *Network) {
		l := n.Listen(addr)
		waiting := dial(t, n, addr)
		defer waiting.Close()
		passed := clock()
		time.AfterFunc(rtt*3/4, func() { l.Close() })
		late := dial(t, n, addr) // the SYN came before the end, the rest after it
		defer late.Close()
		require.Equal(t, rtt, passed())
		readFails(t, waiting, syscall.ECONNRESET)
		require.Equal(t, rtt*3/4+rtt/2, passed())
		readFails(t, late, syscall.ECONNRESET)
		require.Equal(t, rtt+rtt/2, passed())
	})
}

// What overtakes on a shorter way is accepted first.
func TestAcceptInOrderOfArrival(t *testing.T) {
	bubble(t, func(t *testing.T, n *Network) {
		l := n.Listen(addr)
		far := dial(t, n, addr)
		defer far.Close()
		n.SetRTT(addr, time.Millisecond)
		near := dial(t, n, addr)
		defer near.Close()
		for _, want := range []*Conn{near, far} {
			conn, err := l.Accept()
			require.NoError(t, err)
			require.Same(t, want.link, conn.(*Conn).Link())
		}
	})
}

// Outside of a bubble the same code runs by the real clock.
func TestRealClock(t *testing.T) {
	n := New(2 * time.Millisecond)
	defer n.Check(t)
	defer n.Close()
	l := n.Listen(addr)
	var server sync.WaitGroup
	defer server.Wait()
	server.Go(func() {
		conn, _ := l.Accept()
		io.Copy(conn, conn)
		conn.Close()
	})
	client := dial(t, n, addr)
	defer client.Close()
	sent := make([]byte, 1<<20)
	server.Go(func() {
		client.Write(sent)
		client.CloseWrite()
	})
	got, err := io.ReadAll(client)
	require.NoError(t, err)
	require.True(t, len(got) == len(sent))
}

func TestManyHosts(t *testing.T) {
	n := New(0)
	for range 254 {
		n.hosts[n.nextAddr().String()] = n.nextAddr()
	}
	require.Panics(t, func() { n.Listen(addr) })
}
