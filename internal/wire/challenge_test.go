package wire

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// RFC 4954, section 4: what a line may hold amid authentication does not depend on
// how long other lines may be; 12,288 octets are enough. Everywhere else the limit
// stays what it is (promise 10).
func TestLongChallenge(t *testing.T) {
	line := func(octets int) string { return "334 " + strings.Repeat("A", octets-len("334 \r\n")) + "\r\n" }
	for _, octets := range []int{MaxLine - 1, MaxLine, MaxLine + 1, 2 * MaxLine, 2*MaxLine + 1, MaxAuthLine - 1, MaxAuthLine} {
		bubble(t, func(s *peer) {
			s.want("AUTH LOGIN")
			s.say(line(octets))
			s.want("QQ==")
			s.say(line(octets))
			s.want("*")
			s.say("501 5.7.0 cancelled\r\n")
			s.want("NOOP")
			s.say(line(MaxLine + 1))
		}, func(t *testing.T, c *Conn) {
			r, err := c.Command(limit, "AUTH", "LOGIN")
			require.NoError(t, err, octets)
			require.Equal(t, Reply{Code: 334, Lines: []string{line(octets)[4 : octets-2]}}, r)
			again, err := c.AuthLine(limit, "QQ==")
			require.NoError(t, err, octets)
			require.Equal(t, r, again)
			r, err = c.AuthLine(limit, "*")
			require.NoError(t, err)
			require.Equal(t, 501, r.Code)

			_, err = c.Command(limit, "NOOP")
			require.ErrorContains(t, err, "reply line longer than 4096 octets")
		})
	}
	for _, tooMuch := range []string{line(MaxAuthLine + 1), strings.Repeat("3", 1<<20)} {
		bubble(t, func(s *peer) {
			s.want("AUTH LOGIN")
			s.say(tooMuch)
		}, func(t *testing.T, c *Conn) {
			_, err := c.Command(limit, "AUTH", "LOGIN")
			var malformed *ProtocolError
			require.ErrorAs(t, err, &malformed)
			require.Equal(t, err, c.Broken())
		})
	}
}

// A line that ends too early is none, however long it is.
func TestLongChallengeCutOff(t *testing.T) {
	for _, octets := range []int{MaxLine, MaxLine + 1, MaxAuthLine - 1} {
		bubble(t, func(s *peer) {
			s.want("AUTH LOGIN")
			s.say("334 " + strings.Repeat("A", octets-4))
		}, func(t *testing.T, c *Conn) {
			_, err := c.Command(limit, "AUTH", "LOGIN")
			var lost *LostError
			require.ErrorAs(t, err, &lost)
		})
	}
}
