package wire

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Replies that nobody asked for end the session: to go on would be to take them
// for replies to what comes next.
func TestUnaskedBeforeCommand(t *testing.T) {
	for _, test := range []struct {
		said string
		want error
	}{
		{"250 more\r\n", &UnaskedError{Reply{Code: 250, Lines: []string{"more"}}}},
		{"550 more\r\n", &UnaskedError{Reply{Code: 550, Lines: []string{"more"}}}},
		{"421 bye\r\n", &LostError{&UnaskedError{Reply{Code: 421, Lines: []string{"bye"}}}}},
		{"451 4.4.2 slow\r\n", &LostError{&UnaskedError{Reply{451, [3]int{4, 4, 2}, []string{"4.4.2 slow"}}}}},
		{"250-half\r\n", &ProtocolError{`unasked: "250-half\r\n"`}},
		{"x", &ProtocolError{`unasked: "x"`}},
		{"\r\n", &ProtocolError{`unasked: "\r\n"`}},
	} {
		bubble(t, func(s *peer) {
			s.want("NOOP")
			s.say("250 ok\r\n" + test.said)
			s.want("")
		}, func(t *testing.T, c *Conn) {
			r, err := c.Command(limit, "NOOP")
			require.NoError(t, err)
			require.Equal(t, "250 ok", r.String())
			since := clock()
			_, err = c.Command(limit, "NOOP")
			require.Zero(t, since(), "what is missing is not waited for")
			require.Equal(t, test.want, err)
			require.Equal(t, test.want, c.Broken())
		})
	}
}

// Between flights: one reply too many.
func TestUnaskedAfterFlight(t *testing.T) {
	bubble(t, func(s *peer) {
		s.want("NOOP")
		s.want("NOOP")
		s.say("250 a\r\n250 b\r\n250 c\r\n")
		s.want("")
	}, func(t *testing.T, c *Conn) {
		queue(t, c, "NOOP", "NOOP")
		got := record{t: t}
		require.NoError(t, c.Send(limit, got.each))
		require.Len(t, got.replies, 2)
		queue(t, c, "RSET")
		var unasked *UnaskedError
		require.ErrorAs(t, c.Send(limit, got.each), &unasked)
		require.Len(t, got.replies, 2)
	})
}

// Before the message, and before its end: promise 4.
func TestUnaskedBeforeDot(t *testing.T) {
	bubble(t, func(s *peer) {
		s.want("DATA")
		s.say("354 go\r\n250 sent\r\n")
		s.want("")
	}, func(t *testing.T, c *Conn) {
		_, err := c.Command(limit, "DATA")
		require.NoError(t, err)
		ended, err := c.WriteBody(strings.NewReader("text"), false, limit)
		require.False(t, ended)
		var unasked *UnaskedError
		require.ErrorAs(t, err, &unasked)
	})
	for _, size := range []int{0, 1, recordSize - 6, recordSize - 5, recordSize - 4, recordSize - 3, recordSize, 3 * recordSize} {
		aborted(t, func(t *testing.T, c *Conn) {
			rest := strings.Repeat("x", size)
			ended, err := c.WriteBody(reader(func(b []byte) (int, error) {
				if n := copy(b, rest); n > 0 {
					rest = rest[n:]
					return n, nil
				}
				c.br.Reset(strings.NewReader("250 sent\r\n")) // as if read with the 354
				c.br.Peek(1)
				return 0, io.EOF
			}), false, limit)
			require.False(t, ended)
			var unasked *UnaskedError
			require.ErrorAs(t, err, &unasked)
			require.Equal(t, 250, unasked.Reply.Code)
		})
	}
}

// What came with the reply to First stays for the reply that is asked for.
func TestFirst(t *testing.T) {
	for _, test := range []struct {
		said, first string
		after       time.Duration
	}{
		{"220 mx.example.com ESMTP\r\n", "220 mx.example.c", rtt / 2},
		{"2", "2", rtt / 2},
		{"* OK IMAP\r\n", "* OK IMAP\r\n", rtt / 2},
		{"x", "x", limit}, // it could have become the name of a service
	} {
		bubble(t, func(s *peer) {
			s.say(test.said)
			s.silence()
		}, func(t *testing.T, c *Conn) {
			since := clock()
			first, err := c.First(limit)
			require.NoError(t, err)
			require.Equal(t, test.after, since())
			require.Equal(t, test.first, string(first))
			first, err = c.First(limit)
			require.NoError(t, err)
			require.Equal(t, test.first, string(first))
			if strings.HasPrefix(test.said, "220") {
				r, err := c.ReadReply(limit)
				require.NoError(t, err)
				require.Equal(t, "220 mx.example.com ESMTP", r.String())
			}
		})
	}
	bubble(t, func(s *peer) { time.Sleep(time.Second) }, func(t *testing.T, c *Conn) {
		_, err := c.First(limit)
		require.Equal(t, &LostError{io.EOF}, err)
		require.EqualError(t, err, "server closed the connection")
	})
}
