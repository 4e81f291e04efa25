//go:build interop && linux

package interop

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/submit"
)

// A body is one that something could go wrong with.
type body struct {
	name string
	text string
}

// bodies are those whose octets are compared.
func bodies() []body {
	var all, borders strings.Builder
	for i := range 256 {
		if i != 0 && i != '\r' && i != '\n' {
			all.WriteByte(byte(i))
		}
	}
	for i := range 3000 { // dots at each place around the borders of buffers
		borders.WriteString(strings.Repeat("y", i%17) + "\n.\n..z\n")
	}
	x := strings.Repeat("x", 998)
	return []body{
		{"LF", "one\ntwo\n"},
		{"CRLF", "one\r\ntwo\r\n"},
		{"mixed line ends", "one\r\ntwo\nthree\r\n\nfour\n\r\n"},
		{"bare CR", "one\rtwo\r\rthree\n"},
		{"CR at the end", "the end\r"},
		{"no line end at the end", "the end"},
		{"dot at the end", "the end\n."},
		{"dots", ".\n..\n.leading\n...\nin . the middle\n.\n"},
		{"dots with CRLF", ".\r\n..\r\n.leading\r\n"},
		{"dots at borders", borders.String()},
		{"another message inside", "a\n.\r\nMAIL FROM:<x@example.com>\r\nb\r.\rc\r\n.\rd\n"},
		{"empty", ""},
		{"blanks at the end", "blanks  \t\n\n\n"},
		{"From", "From here\n>From there\n"},
		{"8 bit", "Grüße, 世界\n"},
		{"every octet but NUL", all.String() + "\n"},
		{"NUL", "a\x00b\n\x00\nc\x00"},
		{"998 octets", x + "\n" + x[:997] + "\xe9\n." + x[:997] + "\n"},
		{"999 octets", x + "x\n"},
		{"2,000 octets", x + x + "wxyz\n"},
		{"9,000 octets", strings.Repeat("w", 9000) + "\n"},
		{"100,000 octets", strings.Repeat("w", 100_000) + "\n"},
		{"1 MB", strings.Repeat("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde\n", 16_384)},
		{"50 MB", strings.Repeat("..23456789abcdef0123456789abcdef0123456789abcdef0123456789abcde\n", 781_250)},
	}
}

// An oddity is what a server does to a body by itself.
type oddity struct {
	refuses string                // the beginning of its reply; "" if it takes the message
	alters  func(m []byte) []byte // of the mailbox; nil: not at all
}

// What arrives is what was given, octet for octet but for line ends (promise 8), by
// DATA and by BDAT.
func (s *server) tryOctets() {
	for _, w := range ways {
		for _, without := range [][]string{nil, {"CHUNKING"}} {
			if without == nil && !s.offers("CHUNKING") {
				continue
			}
			c := s.config()
			c.Without = without
			session := &submit.Pool{Transport: s.over(w, c), MaxSessions: 1} // and another if the server hangs up
			for _, b := range bodies() {
				s.tryBody(session, b, fmt.Sprintf("%s by %s, %s", w, by(without), b.name))
			}
			session.Close()
			s.settle()
		}
	}
}

func by(without []string) string {
	if len(without) == 0 {
		return "BDAT"
	}
	return "DATA"
}

func (s *server) tryBody(session submit.Submitter, b body, says string) {
	s.t.Helper()
	odd := s.oddities[b.name]
	m := write(b.text)
	if odd.alters != nil {
		m.want = odd.alters(m.want)
	}
	_, err := s.submit(session, m)
	if odd.refuses == "" {
		require.NoError(s.t, err, says)
	} else {
		var e *submit.Error
		require.ErrorAs(s.t, err, &e, says)
		require.NotNil(s.t, e.Reply, says)
		require.True(s.t, strings.HasPrefix(e.Reply.String(), odd.refuses), "%s: %v", says, err)
	}
	s.tried()
}

// cutAtNUL is what becomes of lines where octets are a string of C's.
func cutAtNUL(m []byte) []byte {
	return regexp.MustCompile(`\x00[^\n]*`).ReplaceAll(m, nil)
}
