package wire

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

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

// FuzzEncoder: promise 8 where BDAT counts the octets, so that none but line ends
// may change, and with BINARYMIME not even those; however the message comes in.
// FuzzBody is the same for DATA.
func FuzzEncoder(f *testing.F) {
	for _, seed := range []string{
		"", ".", "a", "\r\n.\r\n", "a\n.\nb", "\r\r\n\n", "a\r", "a\r\n.\rb\n.\r\nc\r\n", "\xff\x8a\x8d\n\r\xff", "\x00\t\v\f\x0e\x0f",
		strings.Repeat("x", 15) + "\r\n" + strings.Repeat("x", 14) + "\r\n.", strings.Repeat("\r", 40), strings.Repeat("line\n", 50),
	} {
		for _, cut := range []byte{1, 2, 7, 16} {
			f.Add([]byte(seed), []byte{cut, 3, 1})
		}
	}
	f.Fuzz(func(t *testing.T, message, cuts []byte) {
		var pieces []string
		rest := string(message)
		for _, cut := range cuts {
			n := min(len(rest), int(cut))
			pieces, rest = append(pieces, rest[:n]), rest[n:]
		}
		pieces = append(pieces, rest)
		require.Equal(t, normal(string(message)), encodeWith(encoder{chunked: true}, pieces...))
		require.Equal(t, string(message), encodeWith(encoder{raw: true, chunked: true}, pieces...))
		require.Equal(t, bare(string(message)), BareLineEnds(message))

		high := bytes.ContainsFunc(message, func(r rune) bool { return r >= utf8.RuneSelf })
		require.Equal(t, high, EightBit(message))
		for _, enc := range []encoder{{sevenBit: true}, {sevenBit: true, chunked: true}, {sevenBit: true, raw: true}} {
			out, err := enc.append(nil, message)
			require.Equal(t, high, err != nil)
			require.True(t, !high || len(out) == 0)
		}
	})
}
