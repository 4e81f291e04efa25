package wire

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/mailport/mailport/internal/fakenet"
	"github.com/stretchr/testify/require"
)

// A limit is for one reply, whatever the server does while it is due, and begins when
// there is need to wait for it: RFC 5321, section 4.5.3.2. Over TLS as well.
func TestOneLimitForEachReply(t *testing.T) {
	const n = 20
	for _, secure := range []bool{false, true} {
		for _, test := range []struct {
			name string
			say  func(p *peer)
			want time.Duration // until the end, which is a time limit's unless all replies came
			got  int
		}{
			{"each comes late", func(p *peer) {
				for range n {
					time.Sleep(limit - 1)
					p.say("250 ok\r\n")
				}
			}, n * (limit - 1), n},
			{"one comes too late", func(p *peer) {
				time.Sleep(limit - 1)
				p.say("250 ok\r\n")
				time.Sleep(limit + 1)
				p.say("250 ok\r\n")
			}, limit - 1 + limit, 1},
			{"in lines", func(p *peer) {
				for range n {
					time.Sleep(limit / 10)
					p.say("250-ok\r\n")
				}
			}, limit, 0},
			{"in octets, the second", func(p *peer) {
				p.say("250 ok\r\n25")
				for range n {
					time.Sleep(limit / 10)
					p.say("0")
				}
			}, limit, 1},
			{"half of the second with the first", func(p *peer) {
				time.Sleep(limit / 2)
				p.say("250 ok\r\n250 o")
				time.Sleep(limit - 1)
				p.say("k\r\n250")
				time.Sleep(limit - 1)
				for range n - 2 {
					p.say("-ok\r\n250 fine\r\n250")
				}
				p.say(" ok\r\n")
			}, limit/2 + 2*(limit-1), n},
		} {
			t.Run(test.name, func(t *testing.T) {
				bubble(t, func(p *peer) {
					if secure && !p.secure(serverTLS()) {
						return
					}
					for range n {
						p.line()
					}
					time.Sleep(rtt / 2) // the way back, so that the limit begins here
					test.say(p)
					p.silence()
				}, func(t *testing.T, c *Conn) {
					if secure {
						_, err := c.Secure(clientTLS(), limit)
						require.NoError(t, err)
					}
					fillFlight(c, n)
					require.NoError(t, c.Flush(limit))
					time.Sleep(rtt + rtt/2) // what it says at once is here
					since, got := clock(), 0
					var err error
					for range n {
						if _, err = c.ReadReply(limit); err != nil {
							break
						}
						got++
					}
					require.Equal(t, test.want, since())
					require.Equal(t, test.got, got)
					if got < n {
						require.Equal(t, &LostError{&TimeLimitError{limit}}, err)
						require.Equal(t, err, c.Broken())
					}
				})
			})
		}
	}
}

// A reply that is here is read, however long ago a limit ended, and whatever that of
// the reply is.
func TestReplyThatIsHere(t *testing.T) {
	for _, secure := range []bool{false, true} {
		bubble(t, func(p *peer) {
			if secure && !p.secure(serverTLS()) {
				return
			}
			p.say("220 hi\r\n")
			for i := 0; p.line() != ""; i++ {
				p.say("250 ok\r\n")
			}
		}, func(t *testing.T, c *Conn) {
			if secure {
				_, err := c.Secure(clientTLS(), limit)
				require.NoError(t, err)
			}
			for i, limit := range []time.Duration{time.Second, time.Millisecond, -1, time.Nanosecond, time.Hour} {
				time.Sleep(time.Hour)
				if i > 0 {
					queue(t, c, "NOOP")
					require.NoError(t, c.Flush(time.Second))
					time.Sleep(time.Minute)
				}
				since := clock()
				r, err := c.ReadReply(limit)
				require.NoError(t, err)
				require.Equal(t, 2, r.Class())
				require.Zero(t, since())
			}
		})
	}
}

// The last reply of a flight has a limit of its own, and so has the writing.
func TestSendWithin(t *testing.T) {
	limits := Limits{Write: time.Minute, Reply: time.Second, Last: time.Hour}
	for _, test := range []struct {
		name   string
		pauses []time.Duration // before each reply
		want   error
		got    int
	}{
		{"in time", []time.Duration{time.Second - rtt - 1, time.Second - 1, time.Hour - 1}, nil, 3},
		{"a reply late", []time.Duration{time.Second - rtt - 1, time.Second + 1}, &LostError{&TimeLimitError{time.Second}}, 1},
		{"the last late", []time.Duration{0, 0, time.Hour + 1}, &LostError{&TimeLimitError{time.Hour}}, 2},
	} {
		for _, many := range []bool{false, true} { // read beside the writing
			t.Run(test.name, func(t *testing.T) {
				n := 3
				if many {
					n = 300
				}
				bubble(t, func(p *peer) {
					for range n {
						p.line()
					}
					for range n - 3 {
						p.say("250 ok\r\n")
					}
					for _, pause := range test.pauses {
						time.Sleep(pause)
						p.say("250 ok\r\n")
					}
					p.silence()
				}, func(t *testing.T, c *Conn) {
					fillFlight(c, n)
					got := record{t: t}
					require.Equal(t, test.want, c.SendWithin(limits, got.each))
					require.Len(t, got.replies, n-3+test.got)
				})
			})
		}
	}
	network(t, (*peer).deaf, func(t *testing.T, n *fakenet.Network) {
		n.SetWindow(addr, 100)
		c := connect(t, n)
		fillFlight(c, 10)
		since := clock()
		require.Equal(t, &LostError{&TimeLimitError{time.Minute}}, c.SendWithin(limits, func(int, Reply) {}))
		require.Equal(t, time.Minute, since())
	})
}

// A context that ends in the moment of Release: either nothing has happened, or the
// connection is cut and says why; and what was left of one call does not end another.
func TestGuardEndsWithRelease(t *testing.T) {
	cut := 0
	for range 300 {
		c := NewConn(&failing{})
		for range 5 {
			ctx, cancel := context.WithCancel(context.Background())
			c.Guard(ctx)
			var both sync.WaitGroup
			both.Go(cancel)
			c.Release()
			both.Wait()
			require.Equal(t, c.raw.cut.Load(), c.broke() != nil)
			require.Nil(t, c.ctx)
			if c.broke() != nil {
				require.ErrorIs(t, c.Broken(), context.Canceled)
				cut++
				break
			}
			require.NoError(t, c.Broken())
		}
		require.Empty(t, c.ended, "nothing is left to be waited for")
	}
	t.Logf("%d were cut", cut)
}

// Calls that end well cost the connection nothing but their watch, one after the
// other, and each has its own.
func TestGuardManyCalls(t *testing.T) {
	bubble(t, func(p *peer) {
		for p.line() != "" {
			p.say("250 ok\r\n")
		}
	}, func(t *testing.T, c *Conn) {
		var ends []context.CancelFunc
		for range 20 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			ends = append(ends, cancel)
			c.Guard(ctx)
			_, err := c.Command(limit, "NOOP")
			require.NoError(t, err)
			c.Release()
		}
		for _, end := range ends {
			end()
		}
		time.Sleep(2 * time.Hour)
		require.NoError(t, c.Broken())
		ctx, cancel := context.WithCancel(t.Context())
		c.Guard(ctx)
		defer c.Release()
		cancel()
		_, err := c.Command(limit, "NOOP")
		require.ErrorIs(t, err, context.Canceled)
	})
}
