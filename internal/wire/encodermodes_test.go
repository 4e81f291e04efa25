package wire

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// encodeWith encodes a message that comes in the given pieces.
func encodeWith(enc encoder, pieces ...string) string {
	enc.lineStart = true
	var out []byte
	for _, piece := range pieces {
		out, _ = enc.append(out, []byte(piece))
	}
	return string(enc.finish(out))
}

// RFC 3030, section 2: BDAT tells how many octets there are. No dot is doubled,
// none is added, and line ends are CRLF as ever. Section 3: with BINARYMIME not
// even those are touched.
func TestEncoderModes(t *testing.T) {
	for _, test := range []struct{ in, chunked string }{
		{"", ""},
		{"a", "a\r\n"},
		{"a\r\n", "a\r\n"},
		{".\r\n", ".\r\n"},
		{"..\r\n.", "..\r\n.\r\n"},
		{"a\r\n.\r\nb\r\n", "a\r\n.\r\nb\r\n"},
		{"a\n.\nb", "a\r\n.\r\nb\r\n"},
		{"a\r.\rb\r", "a\r\n.\r\nb\r\n"},
		{"\r\r\n\n", "\r\n\r\n\r\n"},
	} {
		for i := range len(test.in) + 1 {
			require.Equal(t, test.chunked, encodeWith(encoder{chunked: true}, test.in[:i], test.in[i:]), "%q cut at %d", test.in, i)
			for _, chunked := range []bool{false, true} {
				require.Equal(t, test.in, encodeWith(encoder{raw: true, chunked: chunked}, test.in[:i], test.in[i:]))
			}
		}
	}
}
