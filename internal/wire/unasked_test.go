package wire

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// What a server says unasked may be the beginning of a reply whose rest never
// comes. Nobody waits for it.
func TestUnaskedHalfAReply(t *testing.T) {
	bubble(t, func(s *peer) {
		s.want("NOOP")
		s.say("250 ok\r\n250-more\r\n")
		s.silence()
	}, func(t *testing.T, c *Conn) {
		_, err := c.Command(limit, "NOOP")
		require.NoError(t, err)
		since := clock()
		_, err = c.Command(limit, "NOOP")
		require.Zero(t, since())
		var protocol *ProtocolError
		require.ErrorAs(t, err, &protocol)
		require.ErrorContains(t, err, `"250-more\r\n"`)
	})
}
