package wire

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/mailport/mailport/internal/fakenet"
	"github.com/stretchr/testify/require"
)

// Promise 3: the outcome is uncertain exactly when the end of the message was
// handed to the network. The connection is cut after every octet of the message
// that can pass, and what WriteBody says is compared with what the server has:
// over TLS, with what it can decrypt.
func TestEndedIsExact(t *testing.T) {
	for _, how := range []fakenet.Manner{fakenet.FIN, fakenet.RST} {
		for _, secure := range []bool{false, true} {
			for _, size := range []int{0, 300, 2000, recordSize - 3} {
				if secure && how == fakenet.RST && size > 0 {
					continue // TLS takes its time, and knows of no difference
				}
				t.Run(fmt.Sprintf("%v TLS %v %d octets", how, secure, size), func(t *testing.T) {
					message := strings.Repeat("0123456789abcde\r\n", size/17+1)[:size]
					total := cutBody(t, secure, false, message, -1, how, nil)
					step := 1
					if secure || size > 300 {
						step = total/12 + 1 // the last are all tried
					}
					lost := 0
					for k := 0; k <= total; k++ {
						if k%step != 0 && k < total-30 {
							continue
						}
						cutBody(t, secure, false, message, k, how, func(ended, has bool) {
							require.Equal(t, has, ended, "cut after %d of %d octets", k, total)
							require.Equal(t, k == total, ended)
							lost++
						})
					}
					require.Positive(t, lost)
				})
			}
		}
	}
}

// Where TLS is of the caller's making, it cannot be known exactly. The error is
// on the safe side: what the server has is never said not to be sent.
func TestEndedBlind(t *testing.T) {
	const message = "some message\r\n"
	total := cutBody(t, true, true, message, -1, fakenet.FIN, nil)
	for k := range total + 1 {
		cutBody(t, true, true, message, k, fakenet.FIN, func(ended, has bool) {
			require.True(t, ended || !has, "cut after %d of %d octets", k, total)
		})
	}
}

// A cut that nobody notices: the end was handed to the network, and nobody can
// know that it did not get far.
func TestEndedSilence(t *testing.T) {
	const message = "some message\r\n"
	total := cutBody(t, false, false, message, -1, fakenet.Silence, nil)
	for k := range total + 1 {
		cutBody(t, false, false, message, k, fakenet.Silence, func(ended, has bool) {
			require.True(t, ended)
			require.Equal(t, k == total, has)
		})
	}
}

// cutBody writes a message over a connection that is cut after some of its octets
// have passed, if that is not negative. It tells check what WriteBody said and
// whether the server has the message, and returns how many octets passed.
func cutBody(t *testing.T, secure, blind bool, message string, after int, how fakenet.Manner, check func(ended, has bool)) (passed int) {
	var got chan []byte // made in the bubble, where waiting for it counts as that
	network(t, func(s *peer) {
		if !secure || s.secure(serverTLS()) {
			s.say("354 go\r\n")
			body, _ := io.ReadAll(s.br)
			got <- body
		}
	}, func(t *testing.T, n *fakenet.Network) {
		got = make(chan []byte, 1)
		var c *Conn
		if blind {
			nc, err := n.DialContext(t.Context(), "tcp", addr)
			require.NoError(t, err)
			c = NewTLSConn(tls.Client(nc, clientTLS()))
		} else if c = connect(t, n); secure {
			_, err := c.Secure(clientTLS(), limit)
			require.NoError(t, err)
		}
		_, err := c.ReadReply(limit)
		require.NoError(t, err)
		link := n.Links(addr)[0]
		before := link.Octets(fakenet.ToServer)
		if after >= 0 {
			link.CutAfter(fakenet.ToServer, before+after, how)
		}
		ended, err := c.WriteBody(strings.NewReader(message), false, limit)
		passed = link.Octets(fakenet.ToServer) - before
		if err != nil {
			require.Equal(t, err, c.Broken())
			require.Zero(t, n.Open())
		} else {
			require.True(t, ended)
		}
		c.Cut()
		if how == fakenet.Silence {
			time.Sleep(rtt)
			link.Server().Close()
		}
		body := <-got
		_, has, _ := decode(body)
		if check != nil {
			check(ended, has)
		}
	})
	return passed
}

// A write may fail and have handed over all, or nothing at all.
func TestEndedOddWrites(t *testing.T) {
	for _, test := range []struct {
		name  string
		write func(b []byte) (int, error)
		want  bool
	}{
		{"all, and an error", func(b []byte) (int, error) { return len(b), io.ErrClosedPipe }, true},
		{"all but one octet", func(b []byte) (int, error) { return len(b) - 1, io.ErrClosedPipe }, false},
		{"nothing", func([]byte) (int, error) { return 0, io.ErrClosedPipe }, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			last := &oddWrites{write: test.write}
			c := NewConn(last)
			ended, err := c.WriteBody(strings.NewReader(strings.Repeat("x", 2*recordSize)), false, limit)
			require.ErrorIs(t, err, io.ErrClosedPipe)
			require.Equal(t, test.want, ended, test.name)
		})
	}
	// Records went through whole, and the last write did not come to the network.
	c := NewConn(&failing{})
	c.nc = &oddWrites{Conn: c.raw, write: func([]byte) (int, error) { return 0, io.ErrClosedPipe }}
	c.br.Reset(iotest.ErrReader(os.ErrDeadlineExceeded))
	ended, err := c.WriteBody(strings.NewReader(strings.Repeat("x", 2*recordSize)), false, limit)
	require.Error(t, err)
	require.False(t, ended)

	// TLS of the caller's making: any failure of the last write may be one too late.
	c = NewConn(&failing{})
	c.raw.blind = true
	c.nc = &oddWrites{Conn: c.raw, write: func([]byte) (int, error) { return 0, io.ErrClosedPipe }}
	c.br.Reset(iotest.ErrReader(os.ErrDeadlineExceeded))
	ended, err = c.WriteBody(strings.NewReader(strings.Repeat("x", 2*recordSize)), false, limit)
	require.Error(t, err)
	require.True(t, ended)
}

// oddWrites is a connection whose writes of less than a record are special.
type oddWrites struct {
	net.Conn
	write func([]byte) (int, error)
}

func (o *oddWrites) Write(b []byte) (int, error) {
	switch {
	case len(b) < recordSize:
		return o.write(b)
	case o.Conn != nil:
		return o.Conn.Write(b)
	}
	return len(b), nil
}

func (o *oddWrites) Read([]byte) (int, error)         { return 0, os.ErrDeadlineExceeded }
func (o *oddWrites) Close() error                     { return nil }
func (o *oddWrites) SetReadDeadline(time.Time) error  { return nil }
func (o *oddWrites) SetWriteDeadline(time.Time) error { return nil }
