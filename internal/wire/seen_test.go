package wire

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// saying is a connection to a server that has said all this.
func saying(said string) *Conn { return NewConn(&again{said: said, r: strings.NewReader(said)}) }

// hears reads a reply.
func hears(t *testing.T, c *Conn, want string) Reply {
	t.Helper()
	r, err := c.ReadReply(limit)
	require.NoError(t, err)
	require.Equal(t, want, r.String())
	return r
}

// A reply that is known is had without memory of its own, and says all that it said.
func TestSeenIsShared(t *testing.T) {
	c := saying("250 2.1.0 Ok\r\n")
	var texts []*byte
	for range 5 {
		r := hears(t, c, "250 2.1.0 Ok")
		require.Equal(t, [3]int{2, 1, 0}, r.Enhanced)
		texts = append(texts, unsafe.StringData(r.Lines[0]))
	}
	require.NotSame(t, texts[0], texts[1], "the first is not worth to be kept")
	for _, text := range texts[2:] {
		require.Same(t, texts[1], text)
	}
}

// What is kept is nobody else's: neither the buffer that the next reply is read into,
// nor the lines that a caller has given and uses again.
func TestSeenIsItsOwn(t *testing.T) {
	c := saying("250 2.1.0 Ok\r\n" + "250 2.1.0 Ok\r\n" + "250 2.1.5 No\r\n" + "550 5.1.1 Ok\r\n")
	var (
		mine [1]string
		kept []Reply
	)
	for round := range 50 {
		for _, want := range []string{"250 2.1.0 Ok", "250 2.1.0 Ok", "250 2.1.5 No", "550 5.1.1 Ok"} {
			r, err := c.ReadReplyTo(mine[:0], limit)
			require.NoError(t, err)
			require.Equal(t, want, r.String(), "round %d", round)
			if &r.Lines[0] != &mine[0] {
				kept = append(kept, r)
			}
			mine[0] = "what the caller makes of it"
		}
	}
	require.Greater(t, len(kept), 150, "most of them are known")
	for _, r := range kept {
		require.Contains(t, []string{"250 2.1.0 Ok", "250 2.1.5 No", "550 5.1.1 Ok"}, r.String())
	}
}

// Replies of several lines are taken apart each time, be they made of lines that are
// known: of the last one, or with a hyphen.
func TestSeenIsOneLine(t *testing.T) {
	const known = "250 2.0.0 fine\r\n"
	c := saying(strings.Repeat(known, 3) + "250-2.0.0 fine\r\n" + known + "250-first\r\n" + known + known + "250 2.0.0 fin\r\n")
	for range 4 {
		for range 3 {
			hears(t, c, "250 2.0.0 fine")
		}
		hears(t, c, "250 2.0.0 fine / 2.0.0 fine")
		hears(t, c, "250 first / 2.0.0 fine")
		hears(t, c, "250 2.0.0 fine")
		hears(t, c, "250 2.0.0 fin")
	}
	for _, e := range c.seen.entries {
		require.LessOrEqual(t, len(e.reply.Lines), 1)
	}
}

// Promise 10: a server that says ever something else, short or long, once or twice,
// is not remembered beyond a few lines; and what it says to every command is learnt
// again when it is done with that.
func TestSeenIsBounded(t *testing.T) {
	var said strings.Builder
	const n = 500
	for i := range n {
		fmt.Fprintf(&said, "250 %d\r\n250 %d\r\n", i, i)
		long := strings.Repeat("x", i)
		fmt.Fprintf(&said, "250 %s\r\n250 %s\r\n250 %s\r\n", long, long, long)
	}
	said.WriteString(strings.Repeat("250 ok\r\n", 3))
	c := saying(said.String())
	for range 5*n + 3 {
		r, err := c.ReadReply(limit)
		require.NoError(t, err)
		require.Equal(t, 250, r.Code)
	}
	kept := 0
	for _, e := range c.seen.entries {
		kept += len(e.line) + len(e.reply.Lines[0])
		require.LessOrEqual(t, len(e.line), seenLine)
	}
	require.LessOrEqual(t, kept, 2*seenLine*len(c.seen.entries))
	_, ok := c.seen.find([]byte("250 ok\r\n"))
	require.True(t, ok)
}

// The longest line that is worth to be kept, and one octet more.
func TestSeenLength(t *testing.T) {
	for size, want := range map[int]bool{seenLine: true, seenLine + 1: false} {
		line := "250 " + strings.Repeat("x", size-len("250 \r\n")) + "\r\n"
		c := saying(line)
		for range 4 {
			_, err := c.ReadReply(limit)
			require.NoError(t, err)
		}
		_, known := c.seen.find([]byte(line))
		require.Equal(t, want, known, "%d octets", size)
	}
}

// Promise 9: what is said to credentials may quote them, and is not kept, however
// often it is said; nor found again.
func TestSeenHasNoSecrets(t *testing.T) {
	bubble(t, func(p *peer) {
		for p.line() != "" {
			p.say("535 no tanstaaf\r\n")
		}
	}, func(t *testing.T, c *Conn) {
		for range 5 {
			r, err := c.Command(limit, "AUTH", "PLAIN", "dGFuc3RhYWY=")
			require.NoError(t, err)
			require.Equal(t, 535, r.Code)
		}
		require.Zero(t, c.seen)
		for range 2 {
			_, err := c.Command(limit, "NOOP")
			require.NoError(t, err)
		}
		require.NotZero(t, c.seen, "said to something else, the same is a reply like others")
	})
}

// What is no reply is none each time.
func TestSeenIsAReply(t *testing.T) {
	for range 3 {
		c := saying("hello\r\n")
		_, err := c.ReadReply(limit)
		var protocol *ProtocolError
		require.ErrorAs(t, err, &protocol)
		require.Zero(t, c.seen)
	}
	_, err := NewConn(&failing{err: io.EOF}).ReadReply(limit)
	require.ErrorIs(t, err, io.EOF)
}
