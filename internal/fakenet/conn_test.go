package fakenet

import (
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestCloseSendsFIN(t *testing.T) {
	bubble(t, func(t *testing.T, n *Network) {
		client, server := pair(t, n)
		passed := clock()
		write(t, client, "bye")
		require.NoError(t, client.Close())
		read(t, server, "bye")
		readFails(t, server, io.EOF)
		require.Equal(t, rtt/2, passed())
		readFails(t, server, io.EOF)

		readFails(t, client, net.ErrClosed)
		writeFails(t, client, net.ErrClosed)
		fails(t, "close", client.Close(), net.ErrClosed)
		fails(t, "close", client.CloseWrite(), net.ErrClosed)
		fails(t, "reset", client.Reset(), net.ErrClosed)
		fails(t, "set", client.SetDeadline(time.Now()), net.ErrClosed)
	})
}

func TestCloseWakesOwnCalls(t *testing.T) {
	bubble(t, func(t *testing.T, n *Network) {
		n.SetWindow(addr, 10)
		client, _ := pair(t, n)
		passed := clock()
		var calls sync.WaitGroup
		for range 2 { // the second of each kind waits for its turn
			calls.Go(func() { readFails(t, client, net.ErrClosed) })
		}
		calls.Go(func() {
			n, err := client.Write(make([]byte, 11))
			require.Equal(t, 10, n)
			fails(t, "write", err, net.ErrClosed)
		})
		synctest.Wait()
		calls.Go(func() { writeFails(t, client, net.ErrClosed) })
		synctest.Wait()
		client.Close()
		calls.Wait()
		require.Zero(t, passed())
	})
}

func TestCloseWrite(t *testing.T) {
	bubble(t, func(t *testing.T, n *Network) {
		client, server := pair(t, n)
		defer client.Close()
		passed := clock()
		write(t, client, "bye")
		require.NoError(t, client.CloseWrite())
		writeFails(t, client, syscall.EPIPE)
		read(t, server, "bye")
		readFails(t, server, io.EOF)
		require.Equal(t, rtt/2, passed())
		write(t, server, "farewell")
		read(t, client, "farewell")
		require.Equal(t, rtt, passed())
		server.Close()
		readFails(t, client, io.EOF)
		require.Equal(t, rtt+rtt/2, passed())
	})
}

func TestCloseWriteEndsOwnWrite(t *testing.T) {
	bubble(t, func(t *testing.T, n *Network) {
		n.SetWindow(addr, 1)
		client, _ := pair(t, n)
		defer client.Close()
		time.AfterFunc(time.Second, func() { client.CloseWrite() })
		sent, err := client.Write([]byte("ab"))
		require.Equal(t, 1, sent)
		fails(t, "write", err, syscall.EPIPE)
	})
}

// The first write after the peer has closed succeeds; RST comes one round trip
// after it. What the peer sent before stays readable, to the io.EOF.
func TestWriteToClosedPeer(t *testing.T) {
	bubble(t, func(t *testing.T, n *Network) {
		client, server := pair(t, n)
		defer client.Close()
		write(t, server, "bye")
		server.Close()
		time.Sleep(time.Second)
		write(t, client, "x")
		time.Sleep(rtt - 1)
		write(t, client, "y")
		time.Sleep(time.Nanosecond)
		writeFails(t, client, syscall.EPIPE)
		read(t, client, "bye")
		readFails(t, client, io.EOF)
	})
}

// What is on its way when the peer closes is answered with RST like what is
// written later.
func TestCloseWithOctetsInFlight(t *testing.T) {
	bubble(t, func(t *testing.T, n *Network) {
		client, server := pair(t, n)
		defer client.Close()
		write(t, client, "x")
		time.Sleep(rtt / 4)
		server.Close()
		time.Sleep(rtt*3/4 - 1)
		write(t, client, "y")
		time.Sleep(time.Nanosecond)
		writeFails(t, client, syscall.EPIPE)
		readFails(t, client, io.EOF)
	})
}

// A writer that waits for room learns that nobody will make any.
func TestCloseWithoutReading(t *testing.T) {
	bubble(t, func(t *testing.T, n *Network) {
		n.SetWindow(addr, 4)
		client, server := pair(t, n)
		defer client.Close()
		time.AfterFunc(time.Second, func() { server.Close() })
		passed := clock()
		sent, err := client.Write([]byte("hello"))
		require.Equal(t, 4, sent)
		fails(t, "write", err, syscall.EPIPE)
		require.Equal(t, time.Second+rtt/2, passed())
	})
}

// The same when the reader has made room before it left.
func TestCloseWithRoomOnItsWay(t *testing.T) {
	bubble(t, func(t *testing.T, n *Network) {
		n.SetWindow(addr, 4)
		client, server := pair(t, n)
		defer client.Close()
		time.AfterFunc(time.Second, func() {
			read(t, server, "hell")
			server.Close()
		})
		passed := clock()
		sent, err := client.Write([]byte("hello, world"))
		require.Equal(t, 8, sent)
		fails(t, "write", err, syscall.EPIPE)
		require.Equal(t, time.Second+rtt/2+rtt, passed())
	})
}

func TestReset(t *testing.T) {
	bubble(t, func(t *testing.T, n *Network) {
		client, server := pair(t, n)
		passed := clock()
		write(t, server, "already there")
		time.Sleep(rtt / 2)
		write(t, server, "in flight")
		require.NoError(t, server.Reset())
		time.Sleep(rtt/2 - 1)
		write(t, client, "x")
		read(t, client, "already there")
		read(t, client, "in flight")
		require.Equal(t, rtt, passed())
		for range 2 {
			readFails(t, client, syscall.ECONNRESET)
			writeFails(t, client, syscall.ECONNRESET)
		}
		readFails(t, server, net.ErrClosed)
		require.NoError(t, client.Close())
	})
}

func TestResetWakesBothEnds(t *testing.T) {
	bubble(t, func(t *testing.T, n *Network) {
		n.SetWindow(addr, 1)
		client, server := pair(t, n)
		defer client.Close()
		passed := clock()
		var calls sync.WaitGroup
		calls.Go(func() {
			readFails(t, client, syscall.ECONNRESET)
			require.Equal(t, rtt/2, passed())
		})
		calls.Go(func() {
			sent, err := client.Write([]byte("ab"))
			require.Equal(t, 1, sent)
			fails(t, "write", err, syscall.ECONNRESET)
			require.Equal(t, rtt/2, passed())
		})
		calls.Go(func() {
			readFails(t, server, net.ErrClosed)
			require.Zero(t, passed())
		})
		synctest.Wait()
		server.Reset()
		calls.Wait()
	})
}

func TestDeadlines(t *testing.T) {
	bubble(t, func(t *testing.T, n *Network) {
		n.SetWindow(addr, 3)
		client, server := pair(t, n)
		defer client.Close()
		passed := clock()
		client.SetReadDeadline(time.Now().Add(time.Second))
		readFails(t, client, os.ErrDeadlineExceeded)
		require.Equal(t, time.Second, passed())
		write(t, client, "abc") // has no deadline

		client.SetWriteDeadline(time.Now().Add(time.Second))
		sent, err := client.Write([]byte("d"))
		require.Zero(t, sent)
		fails(t, "write", err, os.ErrDeadlineExceeded)
		require.True(t, err.(net.Error).Timeout())
		require.Equal(t, 2*time.Second, passed())

		write(t, server, "x")
		client.SetReadDeadline(time.Time{})
		read(t, client, "x")
		require.Equal(t, 2*time.Second+rtt/2, passed())
	})
}

// As with a real connection, a deadline that is over comes before octets that are there.
func TestDeadlineComesFirst(t *testing.T) {
	bubble(t, func(t *testing.T, n *Network) {
		client, server := pair(t, n)
		defer client.Close()
		write(t, server, "x")
		client.SetReadDeadline(time.Now().Add(rtt / 2))
		readFails(t, client, os.ErrDeadlineExceeded)
		client.SetDeadline(time.Now().Add(-1))
		readFails(t, client, os.ErrDeadlineExceeded)
		writeFails(t, client, os.ErrDeadlineExceeded)
		client.SetDeadline(time.Time{})
		read(t, client, "x")
	})
}

func TestDeadlineInThePastInterrupts(t *testing.T) {
	bubble(t, func(t *testing.T, n *Network) {
		n.SetWindow(addr, 2)
		client, _ := pair(t, n)
		defer client.Close()
		passed := clock()
		time.AfterFunc(time.Second, func() { client.SetDeadline(time.Unix(1, 0)) })
		var calls sync.WaitGroup
		calls.Go(func() { readFails(t, client, os.ErrDeadlineExceeded) })
		calls.Go(func() {
			sent, err := client.Write([]byte("abc"))
			require.Equal(t, 2, sent)
			fails(t, "write", err, os.ErrDeadlineExceeded)
		})
		calls.Wait()
		require.Equal(t, time.Second, passed())
	})
}

// The way in which a context ends a call.
func TestContextInterrupts(t *testing.T) {
	bubble(t, func(t *testing.T, n *Network) {
		client, _ := pair(t, n)
		defer client.Close()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		stop := context.AfterFunc(ctx, func() { client.SetDeadline(time.Unix(1, 0)) })
		defer stop()
		passed := clock()
		readFails(t, client, os.ErrDeadlineExceeded)
		require.Equal(t, time.Second, passed())
	})
}

func TestWriterWaitsForRoom(t *testing.T) {
	bubble(t, func(t *testing.T, n *Network) {
		n.SetWindow(addr, 4)
		client, server := pair(t, n)
		defer client.Close()
		passed := clock()
		var reader sync.WaitGroup
		reader.Go(func() {
			time.Sleep(time.Second)
			read(t, server, "abcd")
			read(t, server, "efgh")
			require.Equal(t, time.Second+rtt, passed(), "room, and what fills it, travel")
			read(t, server, "i")
			require.Equal(t, time.Second+2*rtt, passed())
		})
		write(t, client, "abcdefghi")
		require.Equal(t, time.Second+rtt/2+rtt, passed())
		reader.Wait()
	})
}

func TestUsualWindow(t *testing.T) {
	bubble(t, func(t *testing.T, n *Network) {
		client, _ := pair(t, n)
		defer client.Close()
		client.SetWriteDeadline(time.Now().Add(time.Hour))
		sent, err := client.Write(make([]byte, 1<<20))
		require.Equal(t, 64<<10, sent)
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.Panics(t, func() { n.SetWindow(addr, 0) })
	})
}

// A call that waits for room does not let another one write in between.
func TestWritesDoNotMix(t *testing.T) {
	bubble(t, func(t *testing.T, n *Network) {
		n.SetWindow(addr, 3)
		client, server := pair(t, n)
		defer client.Close()
		var writers sync.WaitGroup
		for _, s := range []string{"aaaaaaaa", "bbbbbbbb"} {
			writers.Go(func() { write(t, client, s) })
		}
		var got bytes.Buffer
		io.CopyN(&got, server, 16)
		writers.Wait()
		require.Contains(t, []string{"aaaaaaaabbbbbbbb", "bbbbbbbbaaaaaaaa"}, got.String())
	})
}

func TestSegments(t *testing.T) {
	bubble(t, func(t *testing.T, n *Network) {
		n.SetSegment(addr, 2)
		client, server := pair(t, n)
		defer client.Close()
		write(t, client, "abc")
		write(t, server, "defg")
		read(t, server, "ab")
		read(t, server, "c")
		read(t, client, "de")
		read(t, client, "fg")
	})
}

func TestNothing(t *testing.T) {
	bubble(t, func(t *testing.T, n *Network) {
		client, _ := pair(t, n)
		for _, f := range []func([]byte) (int, error){client.Read, client.Write} {
			got, err := f(nil)
			require.Zero(t, got)
			require.NoError(t, err)
		}
		require.Empty(t, client.Link().Writes(ToServer))
		client.Close()
	})
}

// Any way of reading gives what was written, whatever the window and the segments.
func TestContentIsKept(t *testing.T) {
	content := bytes.Repeat([]byte("0123456789abcdefghij\r\n"), 100)
	for _, window := range []int{1, 7, 64, 1 << 16} {
		for _, segment := range []int{0, 1, 5} {
			bubble(t, func(t *testing.T, n *Network) {
				n.SetWindow(addr, window)
				n.SetSegment(addr, segment)
				client, server := pair(t, n)
				var writer sync.WaitGroup
				writer.Go(func() {
					for rest := content; len(rest) > 0; rest = rest[100:] {
						write(t, client, string(rest[:100]))
					}
					client.Close()
				})
				got, err := io.ReadAll(server)
				require.NoError(t, err)
				require.Equal(t, content, got)
				writer.Wait()
			})
		}
	}
}
