package submittest

import (
	"bufio"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

// RFC 5321, section 4.5.2: what the client has doubled is one again, and a line of a
// dot is the end, whatever pieces it comes in; what is no CRLF ends no line. A
// message that is cut off has no end.
func TestDots(t *testing.T) {
	random := rand.New(rand.NewPCG(5321, 452))
	for range 2000 {
		sent := make([]byte, random.IntN(100))
		for i := range sent {
			sent[i] = ".\r\n.\r\nx"[random.IntN(7)]
		}
		stream := string(sent) + "\r\n.\r\n"
		want, end := undotted(stream)
		for name, in := range map[string]io.Reader{
			"whole":  strings.NewReader(stream),
			"octets": iotest.OneByteReader(strings.NewReader(stream)),
			"halves": iotest.HalfReader(strings.NewReader(stream)),
		} {
			ahead := bufio.NewReaderSize(in, 16)
			got, err := io.ReadAll(newDots(ahead))
			require.NoError(t, err)
			require.Equal(t, want, string(got), "%q, %s", stream, name)
			rest, err := io.ReadAll(ahead)
			require.NoError(t, err)
			require.Equal(t, stream[end:], string(rest), "%q, %s", stream, name)
		}
		cut := stream[:random.IntN(end)]
		got, err := io.ReadAll(newDots(bufio.NewReaderSize(strings.NewReader(cut), 16)))
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		require.True(t, strings.HasPrefix(want, string(got)), "%q", cut)
	}
}

// undotted is the RFC at its simplest. It returns the message in a stream, and how
// many octets of that it takes.
func undotted(stream string) (message string, end int) {
	const crlf = "\r\n"
	message, _, _ = strings.Cut(crlf+stream, "\r\n.\r\n")
	end = len(message) + len(".\r\n")
	return strings.ReplaceAll(message+crlf, "\r\n.", crlf)[len(crlf):], end
}
