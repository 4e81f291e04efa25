package wire

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// encode encodes a message that comes in the given pieces.
func encode(pieces ...string) string {
	enc := encoder{lineStart: true}
	var out []byte
	for _, piece := range pieces {
		out, _ = enc.append(out, []byte(piece))
	}
	return string(enc.finish(out))
}

// RFC 5321, sections 2.3.8 and 4.5.2: CRLF is the only line end, a dot that
// begins a line is doubled, the end of data stands alone on its line, and no
// blank line is added before it.
func TestEncoder(t *testing.T) {
	for _, test := range []struct{ in, want string }{
		{"", ".\r\n"},
		{"a", "a\r\n.\r\n"},
		{"a\r\n", "a\r\n.\r\n"},
		{"a\r\nb\r\n", "a\r\nb\r\n.\r\n"},
		{"a\r\nb", "a\r\nb\r\n.\r\n"},
		{"\r\n", "\r\n.\r\n"},
		{"\r\n\r\n", "\r\n\r\n.\r\n"},

		// Line ends that are none.
		{"\n", "\r\n.\r\n"},
		{"\r", "\r\n.\r\n"},
		{"\n\n", "\r\n\r\n.\r\n"},
		{"\r\r", "\r\n\r\n.\r\n"},
		{"\n\r", "\r\n\r\n.\r\n"},
		{"\r\r\n", "\r\n\r\n.\r\n"},
		{"\r\n\r", "\r\n\r\n.\r\n"},
		{"\r\n\n", "\r\n\r\n.\r\n"},
		{"\n\r\n", "\r\n\r\n.\r\n"},
		{"a\nb\n", "a\r\nb\r\n.\r\n"},
		{"a\rb\r", "a\r\nb\r\n.\r\n"},
		{"a\rb\nc\r\nd\r\re\n\nf", "a\r\nb\r\nc\r\nd\r\n\r\ne\r\n\r\nf\r\n.\r\n"},

		// Dots.
		{".", "..\r\n.\r\n"},
		{"..", "...\r\n.\r\n"},
		{".\r\n", "..\r\n.\r\n"},
		{"..\r\n", "...\r\n.\r\n"},
		{".a", "..a\r\n.\r\n"},
		{"a.", "a.\r\n.\r\n"},
		{"a.\r\n.b", "a.\r\n..b\r\n.\r\n"},
		{"a\r\n.\r\nb", "a\r\n..\r\nb\r\n.\r\n"},
		{"a\r\n.\r\n", "a\r\n..\r\n.\r\n"},
		{"a\r\n.", "a\r\n..\r\n.\r\n"},
		{".\r\n.\r\n.", "..\r\n..\r\n..\r\n.\r\n"},

		// SMTP smuggling: what some server further on takes for the end.
		{"a\n.\nb", "a\r\n..\r\nb\r\n.\r\n"},
		{"a\r.\rb", "a\r\n..\r\nb\r\n.\r\n"},
		{"a\n.\r\nb", "a\r\n..\r\nb\r\n.\r\n"},
		{"a\r\n.\nb", "a\r\n..\r\nb\r\n.\r\n"},
		{"a\r.\r\nb", "a\r\n..\r\nb\r\n.\r\n"},
		{"a\r\n.\rb", "a\r\n..\r\nb\r\n.\r\n"},
		{"a\r.\nb", "a\r\n..\r\nb\r\n.\r\n"},
		{"a\r\r\n.\r\r\nb", "a\r\n\r\n..\r\n\r\nb\r\n.\r\n"},
		{"\n.\n", "\r\n..\r\n.\r\n"},
		{"\r.\r", "\r\n..\r\n.\r\n"},

		{"a\x00b\xff\r\n", "a\x00b\xff\r\n.\r\n"},
	} {
		require.Equal(t, test.want, encode(test.in), "%q", test.in)
	}
}

// Every message of up to six of the octets that matter, and every way to cut it
// in two or, for the shorter ones, three: what comes out is the same, it decodes
// to what was given but for line ends (promise 8), and it ends once.
func TestEncoderExhaustive(t *testing.T) {
	const alphabet, longest = "a.\r\n", 6
	messages := []string{""}
	for begin, n := 0, 0; n < longest; n++ {
		end := len(messages)
		for _, m := range messages[begin:end] {
			for _, c := range alphabet {
				messages = append(messages, m+string(c))
			}
		}
		begin = end
	}
	require.Len(t, messages, 5461)
	for _, m := range messages {
		whole := encode(m)
		requireSafe(t, m, whole)
		for i := range len(m) + 1 {
			if got := encode(m[:i], m[i:]); got != whole {
				t.Fatalf("%q cut at %d: %q, want %q", m, i, got, whole)
			}
			for j := i; j <= len(m) && len(m) < longest; j++ {
				if got := encode(m[:i], m[i:j], m[j:]); got != whole {
					t.Fatalf("%q cut at %d and %d: %q, want %q", m, i, j, got, whole)
				}
			}
		}
	}
}

// normal is what promise 8 has of a message: CRLF for every line end, and one
// after the last line. Written with nothing of the encoder's.
func normal(message string) string {
	message = strings.ReplaceAll(message, "\r\n", "\n")
	message = strings.ReplaceAll(message, "\r", "\n")
	if message != "" && !strings.HasSuffix(message, "\n") {
		message += "\n"
	}
	return strings.ReplaceAll(message, "\n", "\r\n")
}

// requireSafe fails if what is on the wire is not the message and its end, for
// any server.
func requireSafe(t *testing.T, message, wire string) {
	t.Helper()
	got, ended, rest := decode([]byte(wire))
	if !ended || len(rest) > 0 || string(got) != normal(message) {
		t.Fatalf("%q is on the wire as %q: decodes to %q, ended %v, then %q", message, wire, got, ended, rest)
	}
	// To a server that takes CR or LF alone for a line end, or ignores either,
	// nothing but the end looks like an end.
	for name, lines := range map[string][]string{
		"LF":     strings.SplitAfter(strings.ReplaceAll(wire, "\r", ""), "\n"),
		"CR":     strings.SplitAfter(strings.ReplaceAll(wire, "\n", ""), "\r"),
		"either": strings.FieldsFunc(wire, func(r rune) bool { return r == '\r' || r == '\n' }),
	} {
		for i, line := range lines {
			if strings.Trim(line, "\r\n") == "." && strings.Join(lines[i+1:], "") != "" {
				t.Fatalf("%q is on the wire as %q, which ends early for a server with %s for line ends", message, wire, name)
			}
		}
	}
}

// RFC 6152, section 3: no octet above 127 to a server that has not said it can
// take it; wherever it is.
func TestEncoderSevenBit(t *testing.T) {
	for n := range 40 {
		for at := range n {
			for _, c := range []byte{0x80, 0xff, 0xc3} {
				in := bytes.Repeat([]byte("a"), n)
				in[at] = c
				enc := encoder{lineStart: true, sevenBit: true}
				out, err := enc.append([]byte("before"), in)
				require.ErrorIs(t, err, ErrEightBit)
				require.ErrorContains(t, err, fmt.Sprintf("(%#x)", c))
				require.Equal(t, "before", string(out))
				require.Equal(t, at, indexEightBit(in))
			}
		}
		in := bytes.Repeat([]byte{0x7f}, n)
		enc := encoder{lineStart: true, sevenBit: true}
		_, err := enc.append(nil, in)
		require.NoError(t, err)
	}
}

// Over a connection: pieces of every size, a message of every size about a
// record's, and an end that is exactly there.
func TestWriteBody(t *testing.T) {
	var messages []string
	for _, n := range []int{0, 100, recordSize - 4, recordSize - 3, recordSize, recordSize + 1} {
		messages = append(messages,
			strings.Repeat("a", n),
			strings.Repeat("\n", n),
			strings.Repeat(".\n", n),
			strings.Repeat("\r", n),
			strings.Repeat("line of some length\r\n", n/21+1)[:n])
	}
	for i, m := range messages {
		for _, piece := range []int{100 + i} {
			bubble(t, func(s *peer) {
				b, err := io.ReadAll(s.br)
				if err != nil {
					t.Error(err)
				}
				requireSafe(t, m, string(b))
			}, func(t *testing.T, c *Conn) {
				ended, err := c.WriteBody(&chunked{m, piece}, true, limit)
				require.NoError(t, err)
				require.True(t, ended)
				require.NoError(t, c.Broken())
				c.Cut()
			})
		}
	}
}

// A chunked string is read n octets at a time.
type chunked struct {
	s string
	n int
}

func (c *chunked) Read(b []byte) (int, error) {
	if c.s == "" {
		return 0, io.EOF
	}
	n := copy(b[:min(len(b), c.n)], c.s)
	c.s = c.s[n:]
	return n, nil
}

// An octet above 127 cuts the connection, wherever it comes, and with the error
// that lets the caller ask for 8BITMIME.
func TestWriteBodySevenBit(t *testing.T) {
	for _, before := range []int{0, 10, 3 * recordSize} {
		aborted(t, func(t *testing.T, c *Conn) {
			ended, err := c.WriteBody(strings.NewReader(strings.Repeat("a", before)+"ü"), true, limit)
			require.False(t, ended)
			require.ErrorIs(t, err, ErrEightBit)
			var body *BodyError
			require.ErrorAs(t, err, &body)
		})
	}
}

// The buffers serve one message after the other.
func TestWriteBodyAllocations(t *testing.T) {
	nc := &failing{}
	c := NewConn(nc)
	src := bytes.NewReader(nil)
	message := bytes.Repeat([]byte("\r"), 100_000)
	allocs := testing.AllocsPerRun(10, func() {
		src.Reset(message)
		if _, err := c.WriteBody(src, true, limit); err != nil {
			t.Fatal(err)
		}
	})
	require.LessOrEqual(t, allocs, 0.0)
}
