package fakenet

import (
	"io"
	"os"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// ends returns the end that writes in a direction, and its peer.
func ends(l *Link, d Direction) (writer, peer *Conn) {
	if d == ToServer {
		return l.Client(), l.Server()
	}
	return l.Server(), l.Client()
}

// directions runs test for both directions, with a connection ready.
func directions(t *testing.T, test func(t *testing.T, l *Link, d Direction, writer, peer *Conn)) {
	for _, d := range []Direction{ToServer, ToClient} {
		bubble(t, func(t *testing.T, n *Network) {
			client, _ := pair(t, n)
			defer client.Close()
			writer, peer := ends(client.Link(), d)
			test(t, client.Link(), d, writer, peer)
		})
	}
}

var manners = []struct {
	how       Manner
	end, stop error
}{
	{FIN, io.EOF, syscall.EPIPE},
	{RST, syscall.ECONNRESET, syscall.ECONNRESET},
}

// The octets up to the cut arrive, and no other.
func TestCutInAWrite(t *testing.T) {
	for _, m := range manners {
		directions(t, func(t *testing.T, l *Link, d Direction, writer, peer *Conn) {
			passed := clock()
			write(t, peer, "in flight")
			l.CutAfter(d, 5, m.how)
			write(t, writer, "abc")
			n, err := writer.Write([]byte("defgh"))
			require.Equal(t, 2, n)
			fails(t, "write", err, m.stop)
			require.Equal(t, 5, l.Octets(d))
			writeFails(t, writer, m.stop)
			require.Zero(t, passed())

			read(t, peer, "abcde")
			readFails(t, peer, m.end)
			read(t, writer, "in flight")
			readFails(t, writer, m.end)
			require.Equal(t, rtt/2, passed())
		})
	}
}

// The cut is due with the last octet that may pass, not with the first that may not.
func TestCutAtTheEndOfAWrite(t *testing.T) {
	for _, m := range manners {
		directions(t, func(t *testing.T, l *Link, d Direction, writer, peer *Conn) {
			passed := clock()
			l.CutAfter(d, 3, m.how)
			write(t, writer, "abc")
			readFails(t, writer, m.end)
			require.Zero(t, passed())
			writeFails(t, writer, m.stop)
			read(t, peer, "abc")
			readFails(t, peer, m.end)
			require.Equal(t, rtt/2, passed())
		})
	}
}

func TestCutOfWhatHasPassed(t *testing.T) {
	for _, m := range manners {
		directions(t, func(t *testing.T, l *Link, d Direction, writer, peer *Conn) {
			write(t, writer, "abc")
			l.CutAfter(d, 2, m.how)
			writeFails(t, writer, m.stop)
			read(t, peer, "abc")
			readFails(t, peer, m.end)
			l.CutAfter(d, 1, Silence) // there is nothing left to cut
			l.Cut(Silence)
			peer.CloseWrite()
			readFails(t, peer, m.end)
		})
	}
}

func TestPeerWritesAfterTheCut(t *testing.T) {
	directions(t, func(t *testing.T, l *Link, d Direction, writer, peer *Conn) {
		l.CutAfter(d, 0, FIN)
		write(t, peer, "x")
		time.Sleep(rtt)
		writeFails(t, peer, syscall.EPIPE)
		readFails(t, writer, io.EOF)
	})
	directions(t, func(t *testing.T, l *Link, d Direction, writer, peer *Conn) {
		l.CutAfter(d, 0, RST)
		write(t, peer, "x")
		time.Sleep(rtt / 2)
		writeFails(t, peer, syscall.ECONNRESET)
		readFails(t, writer, syscall.ECONNRESET)
	})
}

func TestCutWakesCalls(t *testing.T) {
	for _, m := range manners {
		directions(t, func(t *testing.T, l *Link, d Direction, writer, peer *Conn) {
			passed := clock()
			var calls sync.WaitGroup
			calls.Go(func() {
				n, err := writer.Write(make([]byte, 64<<10+1))
				require.Equal(t, 64<<10, n)
				fails(t, "write", err, m.stop)
				require.Equal(t, time.Second, passed())
			})
			calls.Go(func() {
				readFails(t, writer, m.end)
				require.Equal(t, time.Second, passed())
			})
			time.Sleep(time.Second)
			l.CutAfter(d, 1, m.how)
			calls.Wait()
		})
	}
}

func TestSilence(t *testing.T) {
	directions(t, func(t *testing.T, l *Link, d Direction, writer, peer *Conn) {
		write(t, peer, "in flight")
		l.CutAfter(d, 2, Silence)
		write(t, writer, "abc")
		n, err := writer.Write(make([]byte, 1<<20)) // more than any window
		require.NoError(t, err)
		require.Equal(t, 1<<20, n)
		require.Equal(t, 1<<20+3, l.Octets(d))
		write(t, peer, "x")

		read(t, peer, "ab")
		read(t, writer, "in flight")
		writer.Reset()
		peer.SetReadDeadline(time.Now().Add(time.Hour))
		readFails(t, peer, os.ErrDeadlineExceeded)
		write(t, peer, "y")
		peer.Close()
	})
}

// What was sent before the silence arrives, FIN included; a writer that waits
// for room is let go.
func TestSilenceLater(t *testing.T) {
	directions(t, func(t *testing.T, l *Link, d Direction, writer, peer *Conn) {
		var calls sync.WaitGroup
		calls.Go(func() { write(t, writer, string(make([]byte, 1<<20))) })
		synctest.Wait()
		peer.CloseWrite()
		l.Cut(Silence)
		calls.Wait()
		readFails(t, writer, io.EOF)
		got, err := io.CopyN(io.Discard, peer, 64<<10)
		require.NoError(t, err)
		require.Equal(t, int64(64<<10), got)
	})
}

// Silence swallows the RST that unread octets cause.
func TestSilenceWithOctetsUnread(t *testing.T) {
	directions(t, func(t *testing.T, l *Link, d Direction, writer, peer *Conn) {
		write(t, writer, "abc")
		l.CutAfter(d, 0, Silence)
		peer.Close()
		time.Sleep(time.Second)
		write(t, writer, "def")
	})
}

func TestCutBeforeTheFirstOctet(t *testing.T) {
	for _, m := range manners {
		bubble(t, func(t *testing.T, n *Network) {
			n.CutAfter(addr, ToServer, 0, m.how)
			client, server := pair(t, n)
			writeFails(t, client, m.stop)
			readFails(t, client, m.end)
			readFails(t, server, m.end)
			client.Close()
		})
		bubble(t, func(t *testing.T, n *Network) {
			n.CutAfter(addr, ToClient, 0, m.how)
			passed := clock()
			client, server := pair(t, n)
			writeFails(t, server, m.stop)
			readFails(t, client, m.end)
			require.Equal(t, rtt+rtt/2, passed())
			client.Close()
		})
	}
}

func TestCutAfterOfAnAddress(t *testing.T) {
	bubble(t, func(t *testing.T, n *Network) {
		l := n.Listen(addr)
		n.CutAfter(addr, ToServer, 3, RST)
		for range 2 {
			c := dial(t, n, addr)
			sent, err := io.WriteString(c, "abcd")
			require.Equal(t, 3, sent)
			require.ErrorIs(t, err, syscall.ECONNRESET)
			c.Close()
		}
		n.CutAfter(addr, ToServer, -1, RST)
		c := dial(t, n, addr)
		write(t, c, "abcd")
		c.Close()
		l.Close()
	})
}

func TestOnConnect(t *testing.T) {
	bubble(t, func(t *testing.T, n *Network) {
		n.Listen(addr)
		count := 0
		n.OnConnect(addr, func(l *Link) {
			require.Equal(t, addr, l.Addr())
			if count++; count == 2 {
				l.Cut(RST)
			}
		})
		for i, want := range []error{nil, syscall.ECONNRESET, nil} {
			c := dial(t, n, addr)
			_, err := c.Write([]byte("x"))
			require.ErrorIs(t, err, want, i)
			c.Close()
		}
		n.OnConnect(Anywhere, nil)
		dial(t, n, addr).Close()
		require.Equal(t, 3, count)
	})
}

// At every offset, with every manner: the peer has the octets before the cut and
// no other.
func TestCutEverywhere(t *testing.T) {
	const text = "EHLO\r\nMAIL\r\nRCPT\r\nDATA\r\n"
	for k := range len(text) + 1 {
		for _, how := range []Manner{FIN, RST, Silence} {
			bubble(t, func(t *testing.T, n *Network) {
				n.CutAfter(addr, ToServer, k, how)
				client, server := pair(t, n)
				defer client.Close()
				sent := 0
				for i := 0; i < len(text); i += 6 {
					n, err := io.WriteString(client, text[i:i+6])
					if sent += n; err != nil {
						break
					}
				}
				if how == Silence {
					require.Equal(t, len(text), sent)
				} else {
					require.Equal(t, k, sent)
				}
				server.SetReadDeadline(time.Now().Add(time.Hour))
				got, _ := io.ReadAll(server)
				require.Equal(t, text[:k], string(got))
			})
		}
	}
}
