package wire

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailport/mailport/internal/fakenet"
	"github.com/stretchr/testify/require"
)

// A sack is what a server makes of chunks: RFC 3030, section 2, read strictly and
// with no code of Conn's.
type sack struct {
	sizes []int  // of the chunks that came whole
	got   []byte // what was in them
	last  bool   // LAST was among them
	blind bool   // got is not kept
}

// chunk reads a command and what comes with it, and reports whether it was a chunk
// that came whole.
func (s *sack) chunk(p *peer) bool {
	words := strings.Split(p.line(), " ")
	if words[0] != "BDAT" {
		if words[0] != "" {
			p.t.Errorf("server wants BDAT, got %q", words)
		}
		return false
	}
	if s.last || len(words) > 3 || len(words) == 3 && words[2] != "LAST" {
		p.t.Errorf("server got %q", words)
	}
	n, err := strconv.ParseUint(words[1], 10, 32)
	if err != nil {
		p.t.Error(err)
	}
	if s.blind {
		_, err = p.br.Discard(int(n))
	} else {
		s.got = append(s.got, make([]byte, n)...)
		_, err = io.ReadFull(p.br, s.got[len(s.got)-int(n):])
	}
	if err != nil {
		return false
	}
	s.sizes, s.last = append(s.sizes, int(n)), len(words) == 3
	return true
}

// chunks takes all chunks but the last, each of which answer answers.
func (s *sack) chunks(p *peer, answer string) {
	for s.chunk(p) && !s.last {
		p.say(answer)
	}
}

// ofLines is a message of n octets, of lines, the last of which is ended.
func ofLines(n int) string {
	const line = "X-Some-Line: with some text in it, and an end that is the right one\r\n"
	message := []byte(strings.Repeat(line, n/len(line)+1)[:n])
	if n > 1 {
		copy(message[n-2:], "\r\n")
	}
	return string(message)
}

// RFC 3030, section 2: chunks of 64 KiB and then 256 KiB, of which the last is
// marked, and is written when all the others were taken. What arrives is the message,
// whatever its size and however it comes (promise 8).
func TestChunks(t *testing.T) {
	const first, next = FirstChunk, chunkSize
	for _, test := range []struct {
		size int
		want []int
	}{
		{1, []int{1}},
		{first - 1, []int{first - 1}},
		{first, []int{first, 0}},
		{first + 1, []int{first, 1}},
		{first + next, []int{first, next, 0}},
		{1 << 20, []int{first, next, next, next, 1<<20 - first - 3*next}},
	} {
		for _, piece := range []int{1000, 1 << 20} { // octets in a Read
			t.Run(fmt.Sprint(test.size, " in ", piece), func(t *testing.T) {
				if piece < first && test.size > first+1 {
					return // chunks are of pieces then, and somewhat larger
				}
				var got sack
				bubble(t, func(p *peer) { got.chunks(p, "250 ok\r\n") }, func(t *testing.T, c *Conn) {
					message := ofLines(test.size)
					replies := 0
					ended, err := c.WriteChunks(pieces(message, piece), Verbatim, false, limit, limit, func(r Reply) {
						require.Equal(t, 250, r.Code)
						replies++
					})
					require.NoError(t, err)
					require.True(t, ended)
					arrived()
					require.True(t, got.last)
					require.True(t, message == string(got.got))
					if piece > first {
						require.Equal(t, test.want, got.sizes)
					}
					require.Equal(t, len(got.sizes)-1, replies)
				})
			})
		}
	}
}

// arrived waits for what is on its way to the server, and for the server.
func arrived() {
	time.Sleep(2 * rtt)
	synctest.Wait()
}

// pieces reads s so many octets at a time.
func pieces(s string, n int) io.Reader {
	r := strings.NewReader(s)
	return reader(func(b []byte) (int, error) { return r.Read(b[:min(n, len(b))]) })
}

// The form of a message, in both ways to send it: RFC 5321, section 2.3.8, for text;
// no dot is doubled and none added. RFC 3030, section 3: BINARYMIME stays what it is.
func TestChunkForms(t *testing.T) {
	const odd = ".\r\n..a\n.\r\rb\x00\r\n.\r\n\xff.\n\r\n.\r"
	for _, filler := range []string{"", ofLines(FirstChunk), ofLines(100<<10) + "\r"} {
		for _, form := range []Form{Text, Verbatim} {
			message := odd + filler + odd + "\r"
			want := message
			if form == Text {
				want = normal(message)
			}
			check := func(t *testing.T, send func(c *Conn)) {
				var got sack
				bubble(t, func(p *peer) { got.chunks(p, "250 ok\r\n") }, func(t *testing.T, c *Conn) {
					send(c)
					arrived()
					require.True(t, got.last)
					if string(got.got) != want {
						t.Errorf("form %d: %d octets arrived, and %d were to", form, len(got.got), len(want))
					}
				})
			}
			check(t, func(c *Conn) {
				ended, err := c.WriteChunks(strings.NewReader(message), form, true, limit, limit, func(Reply) {})
				require.NoError(t, err)
				require.True(t, ended)
			})
			check(t, func(c *Conn) {
				c.QueueChunk([]byte(message), form, true)
				require.NoError(t, c.Flush(limit))
				require.LessOrEqual(t, cap(c.body), keptBody, "what is large is not kept")
			})
		}
	}
}

// A message whose chunk leaves first, and its end when that was taken.
func TestQueueLast(t *testing.T) {
	bubble(t, func(p *peer) {
		p.want("MAIL FROM:<a@x.test>")
		p.want("BDAT 12")
		p.want("Subject: x")
		p.say("250 a\r\n250 b\r\n")
		p.want("BDAT 0 LAST")
		p.say("250 taken\r\n")
	}, func(t *testing.T, c *Conn) {
		queue(t, c, "MAIL FROM:<a@x.test>")
		c.QueueChunk([]byte("Subject: x\n"), Text, false)
		mark := c.Mark()
		require.False(t, c.Reached(mark))
		got := record{t: t}
		require.NoError(t, c.Send(limit, got.each))
		require.True(t, c.Reached(mark))
		require.Equal(t, []int{250, 250}, got.codes())
		c.QueueLast()
		got = record{t: t}
		require.NoError(t, c.Send(limit, got.each))
		require.Equal(t, "250 taken", got.replies[0].String())
	})
}

// RFC 3030, section 4.2: chunks do not wait for each other, nor costs each a round
// trip. Sixteen at most have no answer, so that the server can always reply.
func TestChunksUnderWay(t *testing.T) {
	for _, test := range []struct {
		chunks int // beside the last
		probe  bool
		want   time.Duration
	}{
		{1, false, 1}, {16, false, 1}, {17, false, 2}, {1, true, 1}, {17, true, 2},
	} {
		t.Run(fmt.Sprint(test.chunks, test.probe), func(t *testing.T) {
			got := sack{blind: true}
			network(t, func(p *peer) {
				// Its replies come all at once, when there is nothing more to read.
				for got.chunk(p) && !got.last {
					if p.br.Buffered() == 0 || len(got.sizes)%chunksAhead == 0 {
						p.say(strings.Repeat("250 ok\r\n", len(got.sizes)))
						got.sizes = got.sizes[:0]
					}
				}
			}, func(t *testing.T, n *fakenet.Network) {
				n.SetWindow(addr, 32<<20)
				c := connect(t, n)
				since := clock()
				message := ofLines(FirstChunk + (test.chunks-1)*chunkSize)
				_, err := c.WriteChunks(strings.NewReader(message), Verbatim, test.probe, limit, limit, func(Reply) {})
				require.NoError(t, err)
				require.Equal(t, test.want*rtt+aMoment, since()) // before the end it is looked whether the server is still there
			})
		})
	}
}

// Chunks leave in full records, their commands with them: RFC 8446, section 5.1.
func TestChunksInRecords(t *testing.T) {
	var got sack
	network(t, func(p *peer) { got.chunks(p, "250 ok\r\n") }, func(t *testing.T, n *fakenet.Network) {
		c := connect(t, n)
		_, err := c.WriteChunks(strings.NewReader(ofLines(FirstChunk+10)), Text, false, limit, limit, func(Reply) {})
		require.NoError(t, err)
		var sizes []int
		for _, w := range n.Links(addr)[0].Writes(fakenet.ToServer) {
			sizes = append(sizes, w.Octets)
		}
		head := len("BDAT 65536\r\n")
		require.Equal(t, []int{recordSize, recordSize, recordSize, recordSize, head, len("BDAT 10 LAST\r\n") + 10}, sizes)
	})
}

// While it is not known whether the server knows BDAT, nothing of the message is
// read that could not be sent again, be the reply yes or no.
func TestChunksProbe(t *testing.T) {
	for _, answer := range []string{"250 ok\r\n", "502 what?\r\n", "354 what?\r\n"} {
		network(t, func(p *peer) {
			var got sack
			got.chunk(p)
			time.Sleep(time.Hour)
			p.say(answer)
			got.chunks(p, "250 ok\r\n")
		}, func(t *testing.T, n *fakenet.Network) {
			n.SetWindow(addr, 1<<20)
			c := connect(t, n)
			r := strings.NewReader(ofLines(2*FirstChunk + 1))
			since := clock()
			var codes []int
			ended, err := c.WriteChunks(reader(func(b []byte) (int, error) {
				if r.Len() == FirstChunk+1 {
					require.Equal(t, rtt+time.Hour, since(), "read too early")
					require.Equal(t, []int{250}, codes)
				}
				return r.Read(b)
			}), Text, true, limit, 2*time.Hour, func(r Reply) { codes = append(codes, r.Code) })
			if answer[0] == '2' {
				require.NoError(t, err)
				require.True(t, ended)
				return
			}
			require.Equal(t, ErrRefused, err)
			require.False(t, ended)
			require.Equal(t, FirstChunk+1, r.Len(), "the rest is not read")
			require.Len(t, codes, 1)
			require.NoError(t, c.Broken(), "in step")
		})
	}
}

// A chunk that is refused is the end of the message: no other is sent when the
// refusal is heard, all replies are read, and the session is good for another
// message. RFC 3030, section 2.
func TestChunkRefused(t *testing.T) {
	for at := range 5 {
		t.Run(fmt.Sprint(at), func(t *testing.T) {
			got := sack{blind: true}
			bubble(t, func(p *peer) {
				for i := 0; ; i++ {
					if p.br.Peek(1); p.br.Buffered() > 0 {
						if next, _ := p.br.Peek(4); string(next) == "RSET" {
							p.want("RSET")
							p.say("250 reset\r\n")
							return
						}
					}
					if !got.chunk(p) || got.last {
						return
					}
					switch {
					case i < at:
						p.say("250 ok\r\n")
					case i == at:
						p.say("552 5.3.4 too much\r\n")
					default:
						p.say("503 no more\r\n")
					}
				}
			}, func(t *testing.T, c *Conn) {
				var codes []int
				ended, err := c.WriteChunks(strings.NewReader(ofLines(2<<20)), Text, false, limit, limit, func(r Reply) {
					codes = append(codes, r.Code)
				})
				require.Equal(t, ErrRefused, err)
				require.False(t, ended)
				require.NoError(t, c.Broken())
				r, err := c.Command(limit, "RSET")
				require.NoError(t, err)
				require.Equal(t, "250 reset", r.String())
				synctest.Wait()
				require.False(t, got.last)
				require.Equal(t, 552, codes[at])
				require.Len(t, codes, len(got.sizes), "each has its reply")
			})
		})
	}
}

// Chunks that are under way when one is refused have replies of their own, whatever
// they are, and whenever they come.
func TestChunksBehindRefused(t *testing.T) {
	for name, rest := range map[string]string{"refused": "503 no more\r\n", "taken": "250 ok\r\n"} {
		for _, together := range []bool{true, false} {
			t.Run(fmt.Sprint(name, together), func(t *testing.T) {
				got := sack{blind: true}
				network(t, func(p *peer) {
					for range chunksAhead {
						got.chunk(p)
					}
					p.say("250 ok\r\n552 too much\r\n")
					if !together {
						time.Sleep(time.Second)
					}
					p.say(strings.Repeat(rest, chunksAhead-2))
					p.want("RSET")
					p.say("250 reset\r\n")
				}, func(t *testing.T, n *fakenet.Network) {
					n.SetWindow(addr, 8<<20)
					c := connect(t, n)
					var codes []int
					ended, err := c.WriteChunks(strings.NewReader(ofLines(8<<20)), Verbatim, false, limit, limit, func(r Reply) {
						codes = append(codes, r.Code)
					})
					require.Equal(t, ErrRefused, err)
					require.False(t, ended)
					require.Len(t, codes, chunksAhead)
					r, err := c.Command(limit, "RSET")
					require.NoError(t, err)
					require.Equal(t, "250 reset", r.String())
				})
			})
		}
	}
}

// One that is refused as the last without an end is as good as any.
func TestLastChunkWaitsForAll(t *testing.T) {
	var got sack
	bubble(t, func(p *peer) {
		got.chunk(p)
		got.chunk(p)
		time.Sleep(time.Hour)
		p.say("250 ok\r\n452 disk full\r\n")
		p.silence()
	}, func(t *testing.T, c *Conn) {
		ended, err := c.WriteChunks(strings.NewReader(ofLines(FirstChunk+chunkSize+1)), Text, false, limit, 2*time.Hour, func(Reply) {})
		require.Equal(t, ErrRefused, err)
		require.False(t, ended)
		c.Cut()
		arrived()
		require.False(t, got.last)
	})
}

// A 421 amid chunks is told, and ends the session: RFC 5321, section 3.8.
func TestChunks421(t *testing.T) {
	for at := range 3 {
		var got sack
		bubble(t, func(p *peer) {
			for range at {
				got.chunk(p)
				p.say("250 ok\r\n")
			}
			got.chunk(p)
			p.say("421 bye\r\n")
			p.silence()
		}, func(t *testing.T, c *Conn) {
			var codes []int
			ended, err := c.WriteChunks(strings.NewReader(ofLines(4<<20)), Text, at == 0, limit, limit, func(r Reply) {
				codes = append(codes, r.Code)
			})
			require.False(t, ended)
			require.Error(t, err)
			require.Error(t, c.Broken())
			require.Equal(t, 421, codes[at])
			require.Len(t, codes, at+1)
		})
	}
}

// A server that breaks off amid chunks may have said why: to one of those it has, or
// to the one that it did not want to read.
func TestChunksLastWords(t *testing.T) {
	for name, said := range map[string]string{
		"to the one before":  "250 ok\r\n552 too much\r\n",
		"to the one at hand": "250 ok\r\n250 ok\r\n552 too much\r\n",
	} {
		for _, how := range []string{"hangs up", "is deaf"} {
			t.Run(name+" "+how, func(t *testing.T) {
				network(t, func(p *peer) {
					var got sack
					got.chunk(p)
					got.chunk(p)
					p.say(said)
					if how == "is deaf" {
						p.deaf()
					}
				}, func(t *testing.T, n *fakenet.Network) {
					n.SetWindow(addr, chunkSize+FirstChunk/2)
					c := connect(t, n)
					var codes []int
					ended, err := c.WriteChunks(slowly(4<<20), Text, false, limit, limit, func(r Reply) { codes = append(codes, r.Code) })
					require.False(t, ended)
					var lost *LostError
					require.ErrorAs(t, err, &lost)
					require.Equal(t, err, c.Broken())
					require.Equal(t, 552, codes[len(codes)-1])
					require.Len(t, codes, strings.Count(said, "\n"))
				})
			})
		}
	}
}

// The same amid the last chunk, of which the server did not want to have all.
func TestLastChunkLastWords(t *testing.T) {
	bubble(t, func(p *peer) {
		var got sack
		got.chunk(p)
		p.say("250 ok\r\n")
		time.Sleep(limit / 2) // meanwhile the last one is begun
		p.say("552 too much\r\n")
		p.deaf()
	}, func(t *testing.T, c *Conn) {
		var codes []int
		ended, err := c.WriteChunks(slowly(FirstChunk+chunkSize-1), Text, false, limit, limit, func(r Reply) { codes = append(codes, r.Code) })
		require.False(t, ended)
		require.Equal(t, &LostError{&TimeLimitError{limit}}, err)
		require.Equal(t, []int{250, 552}, codes)
	})
}

// slowly reads a message of n octets, each piece in a while.
func slowly(n int) io.Reader {
	r := strings.NewReader(ofLines(n))
	return reader(func(b []byte) (int, error) {
		time.Sleep(rtt / 4)
		return r.Read(b)
	})
}

// A reader may have nothing for a while.
func TestWriteChunksHesitant(t *testing.T) {
	var got sack
	bubble(t, func(p *peer) { got.chunks(p, "250 ok\r\n") }, func(t *testing.T, c *Conn) {
		r, times := strings.NewReader(ofLines(FirstChunk)), 0
		ended, err := c.WriteChunks(reader(func(b []byte) (int, error) {
			if times++; times%60 != 0 {
				return 0, nil
			}
			return r.Read(b)
		}), Text, false, limit, limit, func(Reply) {})
		require.NoError(t, err)
		require.True(t, ended)
	})
}

// Promise 4: a message that cannot be read to its end, or must not be sent as it is,
// is never ended, wherever that is found. The server gets no LAST, nor another
// command.
func TestWriteChunksNotRead(t *testing.T) {
	bad := errors.New("disk on fire")
	for _, test := range []struct {
		name string
		read func(b []byte) (int, error)
		want error
	}{
		{"error", func([]byte) (int, error) { return 0, bad }, bad},
		{"error with octets", func(b []byte) (int, error) { return copy(b, "text"), bad }, bad},
		{"wrapped EOF", func([]byte) (int, error) { return 0, &BodyError{io.EOF} }, io.EOF},
		{"unexpected EOF", func([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }, io.ErrUnexpectedEOF},
		{"nothing for ever", func([]byte) (int, error) { return 0, nil }, io.ErrNoProgress},
		{"negative count", func([]byte) (int, error) { return -1, io.EOF }, errCount},
		{"impossible count", func(b []byte) (int, error) { return len(b) + 1, io.EOF }, errCount},
		{"8 bit", func(b []byte) (int, error) { return copy(b, "\x80"), io.EOF }, ErrEightBit},
		{"panic", func([]byte) (int, error) { panic(bad) }, nil},
	} {
		for _, size := range []int{0, 100, FirstChunk, FirstChunk + 100, FirstChunk + chunkSize + 100} {
			t.Run(fmt.Sprint(test.name, " ", size), func(t *testing.T) {
				unended(t, func(t *testing.T, c *Conn) {
					good := strings.NewReader(ofLines(size)) // an io.MultiReader does not let all through
					src := reader(func(b []byte) (int, error) {
						if good.Len() > 0 {
							return good.Read(b)
						}
						return test.read(b)
					})
					write := func() (bool, error) {
						return c.WriteChunks(src, SevenBit, size%2 == 0, limit, limit, func(Reply) {})
					}
					if test.want == nil {
						require.PanicsWithValue(t, bad, func() { write() })
						return
					}
					ended, err := write()
					require.False(t, ended)
					require.ErrorIs(t, err, test.want)
					var body *BodyError
					require.ErrorAs(t, err, &body)
				})
			})
		}
	}
}

// The same if the call ends, in a Read or while a chunk is on its way.
func TestWriteChunksCancelled(t *testing.T) {
	cause := errors.New("had enough")
	for _, after := range []time.Duration{rtt / 8, rtt, 3 * rtt} {
		unended(t, func(t *testing.T, c *Conn) {
			defer guard(c, guarded(t, after, cause))()
			ended, err := c.WriteChunks(slowly(16<<20), Text, false, limit, limit, func(Reply) {})
			require.False(t, ended)
			require.ErrorIs(t, err, context.Canceled)
			require.ErrorIs(t, err, cause)
		})
	}
	for _, rerr := range []error{io.EOF, errors.New("closed, since the context ended")} {
		unended(t, func(t *testing.T, c *Conn) {
			ctx, cancel := context.WithCancel(t.Context())
			defer guard(c, ctx)()
			ended, err := c.WriteChunks(reader(func(b []byte) (int, error) {
				cancel()
				return copy(b, "text"), rerr
			}), Text, false, limit, limit, func(Reply) {})
			require.False(t, ended)
			require.ErrorIs(t, err, context.Canceled)
		})
	}
}

// guard is Conn's, in one word.
func guard(c *Conn, ctx context.Context) (release func()) { c.Guard(ctx); return c.Release }

// unended runs test against a server that takes chunks, and must not see a last one
// nor anything behind what test wrote.
func unended(t *testing.T, test func(*testing.T, *Conn)) {
	bubble(t, func(p *peer) {
		var got sack
		got.chunks(p, "250 ok\r\n")
		if got.last {
			t.Error("the server was given an end")
		}
	}, func(t *testing.T, c *Conn) {
		test(t, c)
		require.Error(t, c.Broken())
		_, err := c.Command(limit, "NOOP")
		require.Error(t, err)
		c.Quit()
	})
}

// The limits: one for each write that makes no progress, one for each reply.
func TestChunksTimeLimits(t *testing.T) {
	network(t, func(p *peer) { p.deaf() }, func(t *testing.T, n *fakenet.Network) {
		c := connect(t, n)
		since := clock()
		_, err := c.WriteChunks(strings.NewReader(ofLines(1<<20)), Text, false, time.Minute, time.Hour, func(Reply) {})
		require.Equal(t, &LostError{&TimeLimitError{time.Minute}}, err)
		require.Equal(t, time.Minute, since())
	})
	network(t, func(p *peer) { p.silence() }, func(t *testing.T, n *fakenet.Network) {
		n.SetWindow(addr, 1<<20)
		c := connect(t, n)
		since := clock()
		_, err := c.WriteChunks(strings.NewReader(ofLines(1<<20)), Text, true, time.Minute, time.Hour, func(Reply) {})
		require.Equal(t, &LostError{&TimeLimitError{time.Hour}}, err)
		require.Equal(t, time.Hour, since())
	})
}

// What the server said before it was asked is taken for no reply to a chunk, nor for
// the verdict.
func TestChunksUnasked(t *testing.T) {
	bubble(t, func(p *peer) { p.say("250 hello\r\n250 hello?\r\n"); p.silence() }, func(t *testing.T, c *Conn) {
		_, err := c.ReadReply(limit)
		require.NoError(t, err)
		_, err = c.WriteChunks(strings.NewReader(ofLines(2*FirstChunk)), Text, true, limit, limit, func(Reply) { t.Error("a reply") })
		var unasked *UnaskedError
		require.ErrorAs(t, err, &unasked)
	})
	var got sack
	bubble(t, func(p *peer) {
		got.chunk(p)
		p.say("250 ok\r\n250 ok, once more\r\n")
		got.chunks(p, "250 ok\r\n")
	}, func(t *testing.T, c *Conn) {
		ended, err := c.WriteChunks(strings.NewReader(ofLines(FirstChunk)), Text, false, limit, limit, func(Reply) {})
		var unasked *UnaskedError
		require.ErrorAs(t, err, &unasked)
		require.False(t, ended)
		arrived()
		require.False(t, got.last)
	})
}

// Promise 3: the outcome is uncertain exactly when the last octet of the message was
// handed to the network, over TLS: when the server can read it. Cut after each octet
// of the last chunks, and at samples before.
func TestChunksEndedIsExact(t *testing.T) {
	for _, secure := range []bool{false, true} {
		for _, size := range []int{0, 100, 2 * recordSize} { // of the last chunk
			if secure && size != 100 {
				continue // records are records
			}
			t.Run(fmt.Sprint("TLS ", secure, " last of ", size), func(t *testing.T) {
				message := ofLines(FirstChunk + size)
				total := cutChunks(t, secure, message, -1, nil)
				lost := 0
				for k := 0; k <= total; k++ {
					if k%(total/5) != 0 && k < total-12 && (secure || k < total-size-20 || k%1997 != 0) {
						continue
					}
					cutChunks(t, secure, message, k, func(ended, has bool) {
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

// A write may fail and have handed over all, or nothing at all; with TLS of the
// caller's making that cannot be told.
func TestChunksEndedOddWrites(t *testing.T) {
	for _, test := range []struct {
		name  string
		blind bool
		write func(b []byte) (int, error)
		want  bool
	}{
		{"all, and an error", false, func(b []byte) (int, error) { return len(b), io.ErrClosedPipe }, true},
		{"all but one octet", false, func(b []byte) (int, error) { return len(b) - 1, io.ErrClosedPipe }, false},
		{"nothing", false, func([]byte) (int, error) { return 0, io.ErrClosedPipe }, false},
		{"nothing, blind", true, func([]byte) (int, error) { return 0, io.ErrClosedPipe }, true},
	} {
		synctest.Test(t, func(t *testing.T) {
			c := NewConn(&oddWrites{write: test.write})
			c.raw.blind = test.blind
			ended, err := c.WriteChunks(strings.NewReader(ofLines(10)), Text, false, limit, limit, func(Reply) {})
			require.ErrorIs(t, err, io.ErrClosedPipe)
			require.Equal(t, test.want, ended, test.name)
		})
	}
}

func cutChunks(t *testing.T, secure bool, message string, after int, check func(ended, has bool)) (passed int) {
	var got sack
	network(t, func(p *peer) {
		if !secure || p.secure(serverTLS()) {
			p.say("250 ok\r\n")
			got.chunks(p, "250 ok\r\n")
		}
	}, func(t *testing.T, n *fakenet.Network) {
		c := connect(t, n)
		if secure {
			_, err := c.Secure(clientTLS(), limit)
			require.NoError(t, err)
		}
		_, err := c.ReadReply(limit)
		require.NoError(t, err)
		link := n.Links(addr)[0]
		before := link.Octets(fakenet.ToServer)
		if after >= 0 {
			link.CutAfter(fakenet.ToServer, before+after, fakenet.FIN)
		}
		ended, err := c.WriteChunks(strings.NewReader(message), Text, false, limit, limit, func(Reply) {})
		passed = link.Octets(fakenet.ToServer) - before
		require.True(t, ended || err != nil)
		c.Cut()
		arrived()
		if check != nil {
			check(ended, got.last)
		}
	})
	return passed
}

// What Reached says of a mark is exact: over TLS in whole records, in cleartext in
// octets, and on the safe side where TLS is of the caller's making.
func TestReached(t *testing.T) {
	for _, mode := range []string{"cleartext", "TLS", "blind"} {
		t.Run(mode, func(t *testing.T) {
			total := reach(t, mode, -1, nil)
			step := 1
			if mode != "cleartext" {
				step = 97 // within a record nothing differs
			}
			for k := 0; k <= total; k++ {
				if k%step != 0 && k < total-1 {
					continue
				}
				reach(t, mode, k, func(marked []bool, has int) {
					for i, marked := range marked {
						switch {
						case mode == "blind":
							require.True(t, marked || has <= i, "mark %d, after %d of %d octets", i, k, total)
						default:
							require.Equal(t, has > i, marked, "mark %d, after %d of %d octets", i, k, total)
						}
					}
				})
			}
		})
	}
}

// reach sends three messages in a flight, of which the last are large, cut after some
// octets, and tells check which of their ends are said to have been reached, and how
// many the server has.
func reach(t *testing.T, mode string, after int, check func(marked []bool, has int)) (passed int) {
	has := 0
	network(t, func(p *peer) {
		if mode == "cleartext" || p.secure(serverTLS()) {
			p.say("220 hi\r\n")
			for (&sack{}).chunk(p) {
				has++
			}
		}
	}, func(t *testing.T, n *fakenet.Network) {
		var c *Conn
		if mode == "blind" {
			nc, err := n.DialContext(t.Context(), "tcp", addr)
			require.NoError(t, err)
			c = NewTLSConn(tls.Client(nc, clientTLS()))
		} else if c = connect(t, n); mode == "TLS" {
			_, err := c.Secure(clientTLS(), limit)
			require.NoError(t, err)
		}
		_, err := c.ReadReply(limit)
		require.NoError(t, err)
		link := n.Links(addr)[0]
		before := link.Octets(fakenet.ToServer)
		if after >= 0 {
			link.CutAfter(fakenet.ToServer, before+after, fakenet.RST)
		}
		var marks []int64
		for _, size := range []int{10, 300, 600} {
			c.QueueChunk([]byte(ofLines(size)), Text, true)
			marks = append(marks, c.Mark())
		}
		_ = c.Flush(limit)
		passed = link.Octets(fakenet.ToServer) - before
		c.Cut()
		arrived()
		var marked []bool
		for _, mark := range marks {
			marked = append(marked, c.Reached(mark))
		}
		if check != nil {
			check(marked, has)
		}
	})
	return passed
}

// Memory has a bound, however large the message (promise 10): what is read is not
// held beyond a chunk.
func TestChunksMemory(t *testing.T) {
	nc := &taker{}
	c := NewConn(nc)
	const size = 64 << 20
	left := size
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := c.WriteChunks(reader(func(b []byte) (int, error) {
		if left <= 0 {
			return 0, io.EOF
		}
		left -= len(b)
		return len(b), nil
	}), Verbatim, false, limit, limit, func(Reply) {})
	require.NoError(t, err)
	runtime.ReadMemStats(&after)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(4*chunkSize), "all that was ever allocated")
	require.Equal(t, 1, nc.ends)
}

// A taker takes chunks, and answers when it is read from.
type taker struct {
	failing
	left int // of the chunk
	due  int // replies
	ends int
}

func (k *taker) Write(b []byte) (int, error) {
	n := len(b)
	if k.left == 0 {
		line, rest, _ := bytes.Cut(b, []byte("\r\n"))
		words := strings.Fields(string(line))
		k.left, _ = strconv.Atoi(words[1])
		b = rest
		if len(words) == 3 {
			k.ends++
		} else {
			k.due++
		}
	}
	k.left -= len(b)
	return n, nil
}

func (k *taker) Read(b []byte) (int, error) {
	n := copy(b, strings.Repeat("250 ok\r\n", k.due))
	k.due = 0
	if n == 0 {
		return 0, os.ErrDeadlineExceeded
	}
	return n, nil
}
