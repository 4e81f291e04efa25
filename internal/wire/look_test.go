package wire

import (
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// Where nothing can be seen without waiting, as with a connection through something
// else, a glance sees what has been read already, takes no time, and nothing away:
// what arrives later is the reply to what is said later.
func TestGlanceWithoutASocket(t *testing.T) {
	for _, secure := range []bool{false, true} {
		bubble(t, func(p *peer) {
			if secure && !p.secure(serverTLS()) {
				return
			}
			p.say("220 hi\r\n")
			p.want("NOOP")
			p.say("250 one\r\n") // two records
			p.say("250 two\r\n")
			p.silence()
		}, func(t *testing.T, c *Conn) {
			if secure {
				_, err := c.Secure(clientTLS(), limit)
				require.NoError(t, err)
			}
			require.False(t, c.Looks())
			time.Sleep(rtt)
			since := clock()
			for range 3 {
				require.False(t, c.Surplus(), "nobody can know")
				require.True(t, c.Unpark())
			}
			require.Zero(t, since())
			_, err := c.ReadReply(limit)
			require.NoError(t, err)
			queue(t, c, "NOOP")
			require.NoError(t, c.Flush(limit))
			time.Sleep(rtt)
			_, err = c.ReadReply(limit)
			require.NoError(t, err)
			since = clock()
			require.True(t, c.Surplus(), "it came together with the first")
			require.True(t, c.Surplus(), "and has not been taken")
			require.Zero(t, since())
			r, err := c.ReadReply(limit)
			require.NoError(t, err)
			require.Equal(t, "250 two", r.String())
			require.False(t, c.Surplus())
			require.True(t, c.Unpark())
		})
	}
}

// What has come of the next reply, and of the one behind it: codes or parts of them, and
// nothing as long as the former is not whole.
func TestNextAndBeyond(t *testing.T) {
	for _, test := range []struct{ here, next, beyond string }{
		{"", "", ""},
		{"2", "2", ""},
		{"250 ok", "250", ""},
		{"250 ok\r", "250", ""},
		{"250 ok\r\n", "250", ""},
		{"250 ok\r\n5", "250", "5"},
		{"250 ok\r\n550-no\r\n", "250", "550"},
		{"250\r\n421", "250", "421"},
		{"250-one\r\n", "250", ""},
		{"250-one\r\n250 tw", "250", ""},
		{"250-one\r\n250-two\r\n250 three\r\n354 go", "250", "354"},
	} {
		bubble(t, func(p *peer) {
			p.say("220 hi\r\n" + test.here)
			p.silence()
		}, func(t *testing.T, c *Conn) {
			_, err := c.ReadReply(limit)
			require.NoError(t, err)
			require.Equal(t, test.next, string(c.Next()), "%q", test.here)
			require.Equal(t, test.beyond, string(c.Beyond()), "%q", test.here)
		})
	}
}

// What is surplus: a reply to nothing, or half of one, or none; but not that the
// server is going away, or gone.
func TestSurplus(t *testing.T) {
	for said, want := range map[string]bool{
		"250 more\r\n": true, "354 go\r\n": true, "554 no\r\n": true, "2": true, "what?": true, "\r\n": true,
		"421 bye\r\n": false, "451 4.4.2 idle\r\n": false, "4": false, "": false,
	} {
		bubble(t, func(p *peer) { p.say("250 ok\r\n" + said); p.silence() }, func(t *testing.T, c *Conn) {
			time.Sleep(rtt)
			_, err := c.ReadReply(limit)
			require.NoError(t, err)
			require.Equal(t, want, c.Surplus(), "%q", said)
			require.NoError(t, c.Broken(), "that is for the next command to say")
		})
	}
	synctest.Test(t, func(t *testing.T) {
		c := NewConn(&failing{err: net.ErrClosed})
		require.False(t, c.Surplus())
	})
}

// A connection that knows no deadlines is never read from to have a look: that could
// wait for ever.
func TestGlanceWithoutDeadlines(t *testing.T) {
	bubble(t, func(p *peer) { p.say("220 hi\r\n250 what?\r\n"); p.silence() }, func(t *testing.T, c *Conn) {
		c.nc = timeless{c.nc}
		since := clock()
		require.False(t, c.Surplus())
		require.NoError(t, c.gaze())
		require.Zero(t, since())
		require.Zero(t, c.br.Buffered())
	})
}

// A gaze takes a moment, which is not more, and sees what comes meanwhile.
func TestGaze(t *testing.T) {
	for after, want := range map[time.Duration]bool{-1: true, aMoment / 2: true, 2 * aMoment: false} {
		bubble(t, func(p *peer) {
			time.Sleep(rtt/2 + after)
			p.say("421 bye\r\n")
			p.silence()
		}, func(t *testing.T, c *Conn) {
			time.Sleep(rtt) // and so it is still so long until it comes
			since := clock()
			require.NoError(t, c.gaze())
			require.Equal(t, want, c.br.Buffered() > 0, "%v", after)
			if want {
				require.Equal(t, max(0, after), since())
			} else {
				require.Equal(t, aMoment, since())
			}
			r, err := c.ReadReply(limit)
			require.NoError(t, err, "the moment's end is no one else's")
			require.Equal(t, 421, r.Code)
		})
	}
}

// Parked and not by turns, with and without words of the server's: nothing is lost of
// what it says, and nobody waits. Who parks a connection that knows no deadlines has
// no watch.
func TestParked(t *testing.T) {
	bubble(t, (*peer).silence, func(t *testing.T, c *Conn) {
		require.False(t, c.Parked())
		for range 20 {
			c.Park(func() { t.Error("lost") })
			require.True(t, c.Parked())
			require.True(t, c.Unpark())
			require.False(t, c.Parked())
			require.True(t, c.Unpark(), "which looks, since there is no watch")
		}
		c.nc = timeless{c.nc}
		c.Park(func() { t.Error("lost") })
		require.False(t, c.Parked())
	})
}

// Abandon ends a connection for good, and says that nobody but the caller did.
func TestAbandon(t *testing.T) {
	bubble(t, func(p *peer) { p.want("") }, func(t *testing.T, c *Conn) {
		c.Abandon()
		require.Equal(t, ErrBroken, c.Broken())
		_, err := c.ReadReply(limit)
		require.Equal(t, ErrBroken, err)
		_, err = c.Command(limit, "NOOP")
		require.Equal(t, ErrBroken, err)
		_, err = c.Pusher()
		require.Equal(t, ErrBroken, err)
		c.Quit()
	})
}
