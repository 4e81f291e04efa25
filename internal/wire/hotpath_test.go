package wire

import (
	"context"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// What a warm message costs in allocations, step by step: a service sends millions.
// That the server's replies are known by then is a part of it.
func TestAllocationsOfAMessage(t *testing.T) {
	const ok = "250 2.1.0 Ok\r\n"
	from, err := ParsePath("sender@example.com")
	require.NoError(t, err)
	to, err := ParsePath("recipient@example.net")
	require.NoError(t, err)
	var (
		small  = []byte(strings.Repeat("Some text, and the end of a line.\r\n", 60))
		bare   = []byte(strings.Repeat("Some text, and the end of a line.\n", 60))
		body   strings.Reader
		src    io.Reader = &body
		lines  [1]string
		each   = func(int, Reply) {}
		eachOf = func(Reply) {}
		limits = Limits{limit, limit, limit}
	)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	verdict := func(t *testing.T, c *Conn) {
		c.QueueLast()
		if err := c.Flush(limit); err != nil {
			t.Error(err)
		}
		if _, err := c.ReadReplyTo(lines[:0], limit); err != nil {
			t.Error(err)
		}
	}
	envelope := func(t *testing.T, c *Conn) {
		if c.QueueMail(from, 2048, nil) != nil || c.QueueRcpt(to, nil) != nil {
			t.Error("not queued")
		}
	}
	send := func(t *testing.T, c *Conn) {
		if err := c.SendWithin(limits, each); err != nil {
			t.Error(err)
		}
	}
	for _, test := range []struct {
		name string
		said string
		most float64
		do   func(t *testing.T, c *Conn)
	}{
		{"envelope", ok + ok, 0, func(t *testing.T, c *Conn) { envelope(t, c); send(t, c) }},
		{"message in chunks", ok + ok + ok, 0, func(t *testing.T, c *Conn) {
			envelope(t, c)
			c.QueueChunk(small, Verbatim, true)
			send(t, c)
		}},
		{"text in chunks", ok + ok + ok, 0, func(t *testing.T, c *Conn) {
			envelope(t, c)
			c.QueueChunk(bare, Text, false)
			c.QueueLast()
			c.Mark()
			c.Drop()
			envelope(t, c)
			c.QueueChunk(bare, Text, true)
			send(t, c)
		}},
		{"flush and replies", ok + ok, 0, func(t *testing.T, c *Conn) {
			envelope(t, c)
			if err := c.Flush(limit); err != nil {
				t.Error(err)
			}
			for range 2 {
				if _, err := c.ReadReply(limit); err != nil {
					t.Error(err)
				}
			}
		}},
		{"verdict that is known", ok, 0, verdict},
		{"verdict", "250 2.0.0 queued as " + strings.Repeat("7", seenLine) + "\r\n", 1, verdict}, // what it says
		{"body", "", 0, func(t *testing.T, c *Conn) {
			body.Reset(string128)
			if ended, err := c.WriteBody(src, false, limit); !ended {
				t.Error(err)
			}
		}},
		{"large message", "", 3, func(t *testing.T, c *Conn) { // of any size: the room for a chunk
			body.Reset(string128)
			if ended, err := c.WriteChunks(src, Verbatim, false, limit, limit, eachOf); !ended {
				t.Error(err)
			}
		}},
		{"guard without an end", "", 0, func(_ *testing.T, c *Conn) { c.Guard(context.Background()); c.Release() }},
		{"guard", "", 2, func(_ *testing.T, c *Conn) { c.Guard(ctx); c.Release() }},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := NewConn(&prompt{again: again{said: test.said, r: strings.NewReader("")}})
			for range 4 { // its buffers are there, and the replies known
				test.do(t, c)
			}
			got := testing.AllocsPerRun(100, func() { test.do(t, c) })
			for range 4 { // now and then the scheduler has no goroutine left to use again
				got = min(got, testing.AllocsPerRun(100, func() { test.do(t, c) }))
			}
			t.Log(got)
			if raced && test.most > 0 {
				test.most++ // for a goroutine that is watched
			}
			require.LessOrEqual(t, got, test.most)
			require.NoError(t, c.Broken())
		})
	}
}

// string128 is a message of 128 lines.
var string128 = strings.Repeat("Subject: hello, and then some more of it\r\n", 128)

// A prompt server answers when something was said to it, and is silent otherwise.
type prompt struct {
	again
	due bool
}

func (p *prompt) Write(b []byte) (int, error) {
	p.due = true
	return len(b), nil
}

func (p *prompt) Read(b []byte) (int, error) {
	if !p.due || p.said == "" {
		return 0, os.ErrDeadlineExceeded
	}
	p.due = false
	return p.again.Read(b)
}
