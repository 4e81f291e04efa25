package wire

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// What is queued can be taken back up to a stage, and no further.
func TestBack(t *testing.T) {
	bubble(t, func(s *peer) {
		s.want("NOOP a")
		s.want("NOOP d")
		s.say("250 a\r\n250 d\r\n")
	}, func(t *testing.T, c *Conn) {
		require.NoError(t, c.Queue("NOOP", "a"))
		stage := c.Stage()
		require.NoError(t, c.Queue("NOOP", "b"))
		c.QueueChunk([]byte("text\r\n"), Verbatim, true)
		require.NotEqual(t, stage, c.Stage())
		c.Back(stage)
		require.Equal(t, stage, c.Stage())
		require.NoError(t, c.Queue("NOOP", "d"))
		got := record{t: t}
		require.NoError(t, c.Send(limit, got.each))
		require.Len(t, got.replies, 2)
	})
}
