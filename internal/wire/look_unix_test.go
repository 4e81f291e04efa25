//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package wire

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// sockets runs test with a connection over the loopback interface, and the server's
// end of it.
func sockets(t *testing.T, secure bool, test func(t *testing.T, c *Conn, server net.Conn)) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	nc, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	server, err := l.Accept()
	require.NoError(t, err)
	defer server.Close()
	c := NewConn(nc)
	defer c.Cut()
	if secure {
		s := tls.Server(server, serverTLS())
		var handshake sync.WaitGroup
		handshake.Go(func() { s.Handshake() })
		_, err := c.Secure(clientTLS(), -1)
		require.NoError(t, err)
		handshake.Wait()
		server = s
		// The tickets come behind the handshake: they are not what the server says.
		io.WriteString(server, "220 hi\r\n")
		_, err = c.ReadReply(limit)
		require.NoError(t, err)
	}
	test(t, c, server)
}

// come waits until something has come to the socket: data or the end. It takes
// nothing of it.
func (c *Conn) come(t *testing.T) {
	t.Helper()
	raw, err := c.raw.Conn.(syscall.Conn).SyscallConn()
	require.NoError(t, err)
	c.raw.SetReadDeadline(time.Time{})
	var octet [1]byte
	require.NoError(t, raw.Read(func(fd uintptr) bool {
		_, _, err := syscall.Recvfrom(int(fd), octet[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		return !errors.Is(err, syscall.EAGAIN)
	}))
	c.looked = time.Time{} // and a moment has passed since anything was read
}

// At a socket it is seen whether the server has spoken, without taking anything and
// without waiting, over TLS and in cleartext.
func TestLook(t *testing.T) {
	for _, secure := range []bool{false, true} {
		sockets(t, secure, func(t *testing.T, c *Conn, server net.Conn) {
			require.True(t, c.Looks())
			for range 100 { // each would wait, if it did
				require.False(t, c.Surplus())
				require.True(t, c.Unpark())
			}
			io.WriteString(server, "250 what?\r\n")
			c.come(t)
			require.True(t, c.Surplus())
			require.True(t, c.Surplus(), "nothing is taken")
			r, err := c.ReadReply(limit)
			require.NoError(t, err)
			require.Equal(t, "250 what?", r.String())
			require.False(t, c.Surplus())
			require.True(t, c.Unpark())

			io.WriteString(server, "421 bye\r\n")
			c.come(t)
			require.False(t, c.Surplus(), "that is going away")
			require.False(t, c.Unpark())
			var unasked *UnaskedError
			require.ErrorAs(t, c.Broken(), &unasked)
			require.Equal(t, 421, unasked.Reply.Code)
		})
	}
}

// The end is seen as well: of a connection that is not parked, and before the end of
// a message.
func TestLookAtTheEnd(t *testing.T) {
	for _, secure := range []bool{false, true} {
		sockets(t, secure, func(t *testing.T, c *Conn, server net.Conn) {
			server.Close()
			c.come(t)
			require.False(t, c.Surplus())
			require.False(t, c.Unpark())
			require.Equal(t, &LostError{io.EOF}, c.Broken())
		})
		sockets(t, secure, func(t *testing.T, c *Conn, server net.Conn) {
			server.Close()
			c.come(t)
			queue(t, c, "NOOP")
			require.Equal(t, &LostError{io.EOF}, c.Flush(limit))
		})
		sockets(t, secure, func(t *testing.T, c *Conn, server net.Conn) {
			read := false
			ended, err := c.WriteBody(reader(func(b []byte) (int, error) {
				if !read {
					read = true
					io.WriteString(server, "452 disk full\r\n")
					c.come(t)
				}
				return copy(b, "Subject: x\r\n"), io.EOF
			}), false, limit)
			require.False(t, ended, "no end for a message that was refused meanwhile")
			var unasked *UnaskedError
			require.ErrorAs(t, err, &unasked)
		})
	}
}

// Half a record says nothing yet, and is waited for no longer than it takes.
func TestLookAtHalfARecord(t *testing.T) {
	sockets(t, true, func(t *testing.T, c *Conn, server net.Conn) {
		raw := server.(*tls.Conn).NetConn()
		io.WriteString(raw, "\x17\x03\x03\x00")
		c.come(t)
		require.False(t, c.Surplus())
		require.NoError(t, c.Broken())
		raw.Close()
		c.come(t)
		_, err := c.ReadReply(-1)
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	})
}

// A connection that is looked at and used by turns is as good as before.
func TestLookAndSpeak(t *testing.T) {
	for _, secure := range []bool{false, true} {
		sockets(t, secure, func(t *testing.T, c *Conn, server net.Conn) {
			var serving sync.WaitGroup
			serving.Go(func() {
				p := &peer{Conn: server, t: t, br: bufio.NewReader(server)}
				for p.line() != "" {
					p.say("250 ok\r\n")
				}
			})
			defer serving.Wait()
			defer c.Cut()
			for range 50 {
				c.Park(func() { t.Error("lost") })
				require.True(t, c.Unpark())
				require.False(t, c.Surplus())
				_, err := c.Command(limit, "NOOP")
				require.NoError(t, err)
				require.False(t, c.Surplus())
			}
		})
	}
}

// To look is cheap: it is done for each message.
func TestLookAllocations(t *testing.T) {
	for secure, most := range map[bool]float64{false: 1, true: 2} { // the error that nothing is there
		sockets(t, secure, func(t *testing.T, c *Conn, _ net.Conn) {
			require.False(t, c.look.arrived(), "or else each look would wait")
			got := testing.AllocsPerRun(100, func() {
				if c.Surplus() {
					t.Error("something is there")
				}
			})
			t.Log(secure, got)
			require.LessOrEqual(t, got, most, "TLS %v", secure)
		})
	}
}
