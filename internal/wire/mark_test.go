package wire

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

// A mark is where it was made: what is queued behind it is not a part of it, and what
// is forgotten was never said.
func TestMark(t *testing.T) {
	c := NewConn(&prompt{})
	require.True(t, c.Reached(c.Mark()), "nothing is queued")
	start := c.Mark()
	queue(t, c, "NOOP")
	noop := c.Mark()
	require.Equal(t, start+int64(len("NOOP\r\n")), noop)
	c.QueueChunk([]byte("Subject: x\n"), Text, true)
	chunk := c.Mark()
	require.Equal(t, noop+int64(len("BDAT 12 LAST\r\nSubject: x\r\n")), chunk)
	require.Error(t, c.Queue("NO\nOP"))
	require.Equal(t, chunk, c.Mark())
	c.Drop()
	require.Equal(t, start, c.Mark())
	queue(t, c, "NOOP")
	require.NoError(t, c.Flush(limit))
	require.True(t, c.Reached(noop))
	require.False(t, c.Reached(noop+1))
	require.Equal(t, noop, c.Mark())
}

// Writes that fail, in whatever way: what may have reached the network has, and no
// octet more; in TLS of the caller's making as much as a record more. What is tried
// later does not change that.
func TestReachedOfOddWrites(t *testing.T) {
	const noop, commands = len("NOOP\r\n"), 10
	for _, test := range []struct {
		name  string
		blind bool
		write func(b []byte) (int, error)
		want  int // commands that may be there
	}{
		{"all", false, func(b []byte) (int, error) { return len(b), nil }, commands},
		{"all, and an error", false, func(b []byte) (int, error) { return len(b), syscall.EPIPE }, commands},
		{"all but an octet", false, func(b []byte) (int, error) { return len(b) - 1, syscall.EPIPE }, commands - 1},
		{"three and an octet", false, func([]byte) (int, error) { return 3*noop + 1, syscall.EPIPE }, 3},
		{"three", false, func([]byte) (int, error) { return 3 * noop, syscall.EPIPE }, 3},
		{"three but an octet", false, func([]byte) (int, error) { return 3*noop - 1, syscall.EPIPE }, 2},
		{"nothing", false, func([]byte) (int, error) { return 0, syscall.EPIPE }, 0},
		{"nothing, blind", true, func([]byte) (int, error) { return 0, syscall.EPIPE }, commands},
		{"three, blind", true, func([]byte) (int, error) { return 3 * noop, syscall.EPIPE }, commands},
	} {
		for _, how := range []string{"Send", "Flush", "Push"} {
			t.Run(test.name+" "+how, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c := NewConn(&oddWrites{write: test.write})
					c.raw.blind = test.blind
					var marks []int64
					for range commands {
						queue(t, c, "NOOP")
						marks = append(marks, c.Mark())
					}
					reached := func() (n int) {
						for i, mark := range marks {
							if c.Reached(mark) {
								require.Equal(t, i, n, "those before are reached as well")
								n++
							}
						}
						return n
					}
					require.Zero(t, reached())
					switch how {
					case "Send":
						require.Error(t, c.Send(limit, func(int, Reply) { t.Error("a reply") })) // there is none
					case "Flush":
						_ = c.Flush(limit)
					case "Push":
						p, err := c.Pusher()
						require.NoError(t, err)
						_ = p.Push(limit)
						_ = p.Done(limit)
					}
					require.Equal(t, test.want, reached())
					if c.Broken() != nil {
						queue(t, c, "QUIT")
						require.Error(t, c.Flush(limit))
						c.Quit()
						require.Equal(t, test.want, reached())
					}
				})
			})
		}
	}
}

// The end of a record is the end of what is in doubt, where nothing of it was taken:
// a second record was not begun.
func TestReachedIsOneRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := NewConn(&deadEnd{})
		c.raw.blind = true
		c.QueueChunk([]byte(ofLines(3*recordSize)), Verbatim, false)
		require.ErrorIs(t, c.Flush(limit), syscall.EPIPE)
		require.True(t, c.Reached(recordSize))
		require.False(t, c.Reached(recordSize+1))
	})
}

// A deadEnd takes nothing.
type deadEnd struct{ prompt }

func (*deadEnd) Write([]byte) (int, error) { return 0, syscall.EPIPE }

// Who reads may ask at any time what was reached, while another writes. What is known
// to be reached is not unknown again.
func TestReachedBeside(t *testing.T) {
	bubble(t, func(p *peer) {
		for i := 0; p.line() != ""; i++ {
			fmt.Fprintf(p, "250 %d\r\n", i)
		}
	}, func(t *testing.T, c *Conn) {
		p, err := c.Pusher()
		require.NoError(t, err)
		const flights = 200
		var reading sync.WaitGroup
		reading.Go(func() {
			for i := range flights {
				r, err := c.ReadReply(limit)
				require.NoError(t, err)
				require.Equal(t, fmt.Sprint("250 ", i), r.String())
				require.True(t, c.Reached(int64((i+1)*len("NOOP\r\n"))))
			}
		})
		for range flights {
			queue(t, c, "NOOP")
			mark := c.Mark()
			require.False(t, c.Reached(mark))
			require.NoError(t, p.Push(limit))
			require.True(t, c.Reached(mark))
		}
		reading.Wait()
		require.NoError(t, p.Done(limit))
	})
}

// What a server may say amid chunks: many lines, what is no reply, or one to DATA; and
// it may go. None of it ends the message.
func TestChunksAmid(t *testing.T) {
	for _, test := range []struct {
		name  string
		say   string // to the second of the chunks
		reset bool
		codes []int
		check func(t *testing.T, c *Conn, ended bool, err error)
	}{
		{"in lines", "250-2.0.0 262144 octets\r\n250 2.0.0 received\r\n", false, []int{250, 250, 250}, func(t *testing.T, c *Conn, ended bool, err error) {
			require.NoError(t, err)
			require.True(t, ended)
		}},
		{"354", "354 go ahead\r\n", false, []int{250, 354}, func(t *testing.T, c *Conn, _ bool, err error) {
			require.Equal(t, ErrRefused, err)
			require.NoError(t, c.Broken(), "what it means is for the caller to say")
		}},
		{"no reply", "what?\r\n", false, []int{250}, func(t *testing.T, c *Conn, _ bool, err error) {
			var protocol *ProtocolError
			require.ErrorAs(t, err, &protocol)
			require.Equal(t, err, c.Broken())
		}},
		{"two codes", "250-ok\r\n251 ok\r\n", false, []int{250}, func(t *testing.T, _ *Conn, _ bool, err error) {
			require.ErrorContains(t, err, "mixes")
		}},
		{"half a reply, and the end", "250 o", true, []int{250}, func(t *testing.T, _ *Conn, _ bool, err error) {
			var lost *LostError
			require.ErrorAs(t, err, &lost)
			require.False(t, errors.Is(err, ErrRefused))
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var got sack
			bubble(t, func(p *peer) {
				got.chunk(p)
				p.say("250 ok\r\n")
				got.chunk(p)
				p.say(test.say)
				if test.reset {
					return
				}
				got.chunks(p, "250 ok\r\n")
			}, func(t *testing.T, c *Conn) {
				var codes []int
				ended, err := c.WriteChunks(slowly(FirstChunk+2*chunkSize+1), Text, true, limit, limit, func(r Reply) { codes = append(codes, r.Code) })
				test.check(t, c, ended, err)
				require.Equal(t, err == nil, ended)
				require.GreaterOrEqual(t, len(codes), len(test.codes)) // one more may be under way
				require.Equal(t, test.codes, codes[:len(test.codes)])
				c.Cut()
				arrived()
				require.Equal(t, ended, got.last)
			})
		})
	}
}

// A reader may say that it is at its end with its last octets, wherever the chunks
// end. It is not asked again behind it.
func TestChunksEndWithOctets(t *testing.T) {
	for _, size := range []int{0, 1, recordSize, FirstChunk - 1, FirstChunk, FirstChunk + 1, FirstChunk + chunkSize, FirstChunk + chunkSize + 1} {
		for _, together := range []bool{true, false} {
			var got sack
			bubble(t, func(p *peer) { got.chunks(p, "250 ok\r\n") }, func(t *testing.T, c *Conn) {
				left, over := []byte(ofLines(size)), false
				ended, err := c.WriteChunks(reader(func(b []byte) (int, error) {
					require.False(t, over, "read behind the end")
					n := copy(b, left)
					left = left[n:]
					if over = len(left) == 0 && (together || n == 0); over {
						return n, io.EOF
					}
					return n, nil
				}), Verbatim, false, limit, limit, func(Reply) {})
				require.NoError(t, err)
				require.True(t, ended)
				arrived()
				require.True(t, got.last)
				require.True(t, string(got.got) == ofLines(size))
				if size == FirstChunk {
					require.Len(t, got.sizes, map[bool]int{true: 1, false: 2}[together], "an empty chunk more only if it takes one")
				}
			})
		}
	}
}
