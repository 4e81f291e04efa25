package submit_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/submit"
)

// A server that ends an idle session, with a word or without, is noticed while it
// does so; the next message takes no longer than over any new session.
func TestPoolIdleSessionEnds(t *testing.T) {
	for _, farewell := range []string{hangUp, "421 4.4.2 timeout" + hangUp, "451 4.4.2 timeout" + hangUp, "421 4.4.2 timeout", "250 what?", "nonsense"} {
		withPool(t, nil, func(t *testing.T, c *clerk, p *submit.Pool) {
			elapsed := stopwatch()
			must(t, p)
			cold := elapsed()
			time.Sleep(time.Second)
			if c.desk(1).say(farewell); strings.HasSuffix(farewell, hangUp) {
				c.desk(1).conn.Close()
			}
			require.Equal(t, 1, p.Stats().Open)
			time.Sleep(rtt)
			synctest.Wait()
			require.Zero(t, moment(p), "%q", farewell)
			require.Zero(t, c.net.Open())

			elapsed = stopwatch()
			must(t, p)
			require.Equal(t, cold, elapsed())
			require.Equal(t, 2, c.called())
			require.Len(t, c.took(), 2)
		})
	}
}

// Of several idle sessions the one that was used last is used next, so that the
// others may go; and one that has died in between is passed over.
func TestPoolUsesTheFreshest(t *testing.T) {
	withPool(t, nil, func(t *testing.T, c *clerk, p *submit.Pool) {
		first, second := beside(func() { must(t, p) }), beside(func() { must(t, p) })
		first()
		second()
		require.Equal(t, submit.PoolStats{Open: 2, Idle: 2}, moment(p))
		for range 6 {
			time.Sleep(8 * time.Second)
			must(t, p)
		}
		require.Equal(t, submit.PoolStats{Open: 1, Idle: 1}, moment(p))
	})
}

// dying instructs a clerk to answer the second command of a kind over the first
// connection with reply.
func dying(command, reply string) func(*clerk) {
	return func(c *clerk) {
		n := 0 // only the first connection counts
		c.answer = func(d *desk, line string) string {
			if d.n != 1 || !strings.HasPrefix(line, command) {
				return ""
			}
			if n++; n == 2 {
				return reply
			}
			return ""
		}
	}
}

// A session that dies when it is needed again is replaced unseen: nothing of the
// message was taken. Its body is read again.
func TestPoolReplacesTheDead(t *testing.T) {
	for _, command := range []string{"MAIL", "RCPT", "DATA"} {
		for _, reply := range []string{hangUp, "421 4.3.2 shutting down" + hangUp} {
			for _, pipelining := range []string{"PIPELINING", "X-NONE"} {
				name := fmt.Sprintf("%s %q %s", command, reply, pipelining)
				t.Run(name, func(t *testing.T) {
					withPool(t, all(dying(command, reply), func(c *clerk) { c.offers[0] = pipelining }), func(t *testing.T, c *clerk, p *submit.Pool) {
						must(t, p)
						_, err := p.Submit(t.Context(), numbered(2))
						require.NoError(t, err)
						require.Equal(t, 2, c.called())
						require.Equal(t, []string{text, "Subject: 2\r\n\r\nHello.\r\n"}, c.took())
						require.Equal(t, submit.PoolStats{Open: 1, Idle: 1}, moment(p))
					})
				})
			}
		}
	}
	// SES ends idle sessions so; here the word and MAIL cross on their way.
	t.Run("451", func(t *testing.T) {
		withPool(t, dying("MAIL", "451 4.4.2 timeout waiting for data"+hangUp), func(t *testing.T, c *clerk, p *submit.Pool) {
			must(t, p)
			must(t, p)
			require.Equal(t, 2, c.called())
		})
	})
	// Dead for the network: no FIN, no RST.
	t.Run("silence", func(t *testing.T) {
		withPool(t, dying("MAIL", silence), func(t *testing.T, c *clerk, p *submit.Pool) {
			must(t, p)
			elapsed := stopwatch()
			must(t, p)
			require.GreaterOrEqual(t, elapsed(), 5*time.Minute)
			require.Equal(t, 2, c.called())
		})
	})
}

// The body of a message that was begun is read again from where it began, if it
// can be.
func TestPoolRewindsBodies(t *testing.T) {
	body := "Subject: large\r\n\r\n" + strings.Repeat("0123456789\r\n", 20000)
	amid := dying("DATA", "354 go ahead"+hangUp)
	withPool(t, amid, func(t *testing.T, c *clerk, p *submit.Pool) {
		must(t, p)
		r := strings.NewReader("not this" + body)
		r.Seek(8, io.SeekStart)
		m := letter()
		m.Body = r
		_, err := p.Submit(t.Context(), m)
		require.NoError(t, err)
		require.Equal(t, []string{text, body}, c.took())
	})
	for name, r := range map[string]io.Reader{
		"a stream":        io.MultiReader(strings.NewReader(body)),
		"one that cannot": unseekable{strings.NewReader(body)},
	} {
		t.Run(name, func(t *testing.T) {
			withPool(t, amid, func(t *testing.T, c *clerk, p *submit.Pool) {
				must(t, p)
				m := letter()
				m.Body = r
				_, err := p.Submit(t.Context(), m)
				require.Equal(t, submit.PhaseBody, asError(t, err).Phase)
				requireMeans(t, err, "Temporary")
				require.Equal(t, 1, c.called())
				require.Equal(t, []string{text}, c.took())
				require.Zero(t, p.Stats().Open)
			})
		})
	}
	// Up to 64 KiB are kept, of a stream as well.
	withPool(t, dying("DATA", hangUp), func(t *testing.T, c *clerk, p *submit.Pool) {
		must(t, p)
		m := letter()
		m.Body = iotest.OneByteReader(strings.NewReader(body[:60000]))
		_, err := p.Submit(t.Context(), m)
		require.NoError(t, err)
		require.Equal(t, 2, c.called())
	})
}

type unseekable struct{ *strings.Reader }

func (unseekable) Seek(int64, int) (int64, error) { return 0, errors.New("illegal seek") }

// What is in doubt is not sent again (promise 3).
func TestPoolDoesNotRepeatTheUncertain(t *testing.T) {
	for _, reply := range []string{hangUp, "nonsense", "354 go on", silence} {
		withPool(t, dying(".", reply), func(t *testing.T, c *clerk, p *submit.Pool) {
			must(t, p)
			_, err := p.Submit(t.Context(), letter())
			requireMeans(t, err, "Uncertain")
			require.Equal(t, 1, c.called())
			require.Len(t, c.took(), 2)
			require.Zero(t, p.Stats().Open, "the session is not kept")
		})
	}
}

// A refusal is an answer: it is not asked for again elsewhere, and the session is
// as good as before. RSET goes ahead of the next message.
func TestPoolKeepsRefusedSessions(t *testing.T) {
	for command, reply := range map[string]string{"MAIL": "550 5.7.1 no", "RCPT": "450 4.2.1 later", "DATA": "451 4.3.0 later", ".": "554 5.6.0 no"} {
		withPool(t, dying(command, reply), func(t *testing.T, c *clerk, p *submit.Pool) {
			must(t, p)
			_, err := p.Submit(t.Context(), letter())
			require.Contains(t, asError(t, err).Error(), reply)
			require.Equal(t, submit.PoolStats{Open: 1, Idle: 1}, moment(p))
			must(t, p)
			require.Equal(t, 1, c.called())
			if command != "." {
				require.Len(t, c.heard("RSET"), 1)
			}
		})
	}
}

// Once: a new session that dies as well is the network's answer. One that had
// never carried a message is not replaced at all.
func TestPoolReplacesOnce(t *testing.T) {
	second := func(c *clerk) {
		mails := 0
		c.answer = func(_ *desk, line string) string {
			if strings.HasPrefix(line, "MAIL") {
				if mails++; mails > 1 {
					return hangUp
				}
			}
			return ""
		}
	}
	withPool(t, second, func(t *testing.T, c *clerk, p *submit.Pool) {
		must(t, p)
		_, err := p.Submit(t.Context(), letter())
		requireMeans(t, err, "Temporary")
		require.Equal(t, 2, c.called())
		require.Zero(t, moment(p))
		_, err = p.Submit(t.Context(), letter())
		requireMeans(t, err, "Temporary")
		require.Equal(t, 3, c.called())
	})
	// And if there is no new one to be had, that is the error.
	withPool(t, dying("MAIL", hangUp), func(t *testing.T, c *clerk, p *submit.Pool) {
		must(t, p)
		c.net.Refuse(host + ":465")
		_, err := p.Submit(t.Context(), letter())
		require.Equal(t, submit.PhaseConnect, asError(t, err).Phase)
		require.Zero(t, moment(p))
	})
}

// A context that ends is no dead session.
func TestPoolDoesNotRepeatTheCancelled(t *testing.T) {
	withPool(t, dying("MAIL", silence), func(t *testing.T, c *clerk, p *submit.Pool) {
		must(t, p)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := p.Submit(ctx, letter())
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, 1, c.called())
		require.Zero(t, moment(p))
	})
}

// A session whose password was refused is of no use; the next message may bring
// another answer.
func TestPoolDropsUnauthenticatedSessions(t *testing.T) {
	refused := func(c *clerk) {
		c.answer = func(d *desk, line string) string {
			if d.n == 1 && strings.HasPrefix(line, "AUTH") {
				return "535 5.7.8 not yet"
			}
			return ""
		}
	}
	withPool(t, refused, func(t *testing.T, c *clerk, p *submit.Pool) {
		_, err := p.Submit(t.Context(), letter())
		requireMeans(t, err, "Credentials")
		require.Zero(t, moment(p))
		must(t, p)
		require.Equal(t, 2, c.called())
		require.Len(t, c.heard("AUTH"), 2)
		must(t, p)
		require.Len(t, c.heard("AUTH"), 2, "once per session")
	})
}
