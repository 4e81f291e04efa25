package wire

import (
	"bufio"
	"bytes"
	"fmt"
	"strings"
	"testing"
	"testing/iotest"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// FuzzReply: whatever a server sends, parsing it stays within the limits, takes
// no octet that is not of the reply, and what was understood says the same when
// it is said again.
func FuzzReply(f *testing.F) {
	for _, seed := range []string{
		"250\r\n", "250 ok\r\n", "250-a\r\n250-\r\n250 b\r\n250 next\r\n", "220 mx\n", "550-5.1.1 a\r\n550 5.1.1 b\r\n", "354 \r\r\n",
		"250-a\r\n550 b\r\n", "* OK\r\n", "HTTP/1.1 400\r\n", "\x15\x03\x01\x00\x02\x02\x0a", "250 \x1b[2J\xff\u2028\r\n", "421 4.4.2 5.5.5\r\n",
		strings.Repeat("250-x\r\n", 1030), "250 " + strings.Repeat("x", 4100) + "\r\n", "250 " + strings.Repeat("x", 4090) + "\r\n", "2", "",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r, rest, err := parse(bytes.NewReader(data))
		slow, slowRest, slowErr := parse(iotest.OneByteReader(bytes.NewReader(data)))
		require.Equal(t, err, slowErr)
		require.Equal(t, r, slow)
		if err != nil {
			require.Equal(t, Reply{}, r)
			require.True(t, printable(err.Error()), "%q", err)
			return
		}
		require.Equal(t, rest, slowRest)
		var before seen
		for range 3 { // as a session reads what it knows already
			known, err := readReplyOf(bufio.NewReaderSize(bytes.NewReader(data), MaxLine), MaxLine, &before, nil)
			require.NoError(t, err)
			require.Equal(t, r, known)
		}
		taken := data[:len(data)-len(rest)]
		require.Equal(t, byte('\n'), taken[len(taken)-1])
		require.LessOrEqual(t, len(taken), MaxReply)
		require.Equal(t, bytes.Count(taken, []byte("\n")), len(r.Lines))
		require.LessOrEqual(t, len(r.Lines), MaxLines)
		require.True(t, 200 <= r.Code && r.Code <= 599)
		require.Contains(t, []int{0, r.Class()}, r.Enhanced[0])
		require.True(t, printable(r.String()), "%q", r)
		require.True(t, printable(strings.ReplaceAll(r.Message(), "\n", "")), "%q", r)

		again, rest, err := parse(strings.NewReader(format(r)))
		require.NoError(t, err)
		require.Empty(t, rest)
		require.Equal(t, r, again)
	})
}

// format is a server's half: a reply in as few octets as there are.
func format(r Reply) string {
	var b strings.Builder
	for i, line := range r.Lines {
		last := i == len(r.Lines)-1
		switch {
		case !last:
			fmt.Fprintf(&b, "%d-%s", r.Code, line)
		case line == "":
			fmt.Fprint(&b, r.Code)
		default:
			fmt.Fprintf(&b, "%d %s", r.Code, line)
		}
		if strings.HasSuffix(line, "\r") {
			b.WriteByte('\r')
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// printable reports whether s is one line that does nothing to a terminal.
func printable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool {
		return r != ' ' && (unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || unicode.IsSpace(r))
	})
}

// FuzzEHLO: whatever a server offers, keywords are what RFC 5321, section
// 4.1.1.1, says, and reading what was read changes nothing.
func FuzzEHLO(f *testing.F) {
	for _, seed := range []string{
		"mx\nPIPELINING\nSIZE 1000\nAUTH PLAIN LOGIN\nAUTH=LOGIN", "mx\nauth= x\nAuth\n8bitmime", "\n\n \n=\n-\nAUTH=", "mx\nſtarttls\nAUTH=AUTH=AUTH=", "",
	} {
		f.Add(seed, "size")
	}
	f.Fuzz(func(t *testing.T, text, without string) {
		ext := ParseEHLO(Reply{Code: 250, Lines: strings.Split(text, "\n")})
		said := []string{"mx"}
		for keyword, params := range ext {
			require.NotEmpty(t, keyword)
			require.Empty(t, strings.Trim(keyword, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-"))
			require.NotEqual(t, byte('-'), keyword[0])
			require.Equal(t, strings.Join(strings.Fields(params), " "), params)
			said = append(said, keyword+" "+params)
		}
		require.Equal(t, ext, ParseEHLO(Reply{Code: 250, Lines: said}))
		seen := map[string]bool{}
		for _, m := range ext.Mechanisms() {
			require.Len(t, strings.Fields(m), 1)
			require.False(t, seen[m])
			seen[m] = true
		}
		masked := ParseEHLO(Reply{Code: 250, Lines: said}, without)
		for keyword, params := range ext {
			if strings.EqualFold(keyword, without) {
				require.False(t, masked.Has(keyword))
			} else {
				require.Equal(t, params, masked[keyword])
			}
		}
	})
}

// FuzzBody: promise 8, and that nothing but the end looks like an end, to any
// server, however the message comes in.
func FuzzBody(f *testing.F) {
	for _, seed := range []string{
		"", ".", "a", "\r\n.\r\n", "a\n.\nb", "a\r.\rb", "a\r\n..\r\n", ".\r\n.", "\r", "\r\r\n\n", "a\r", "a\r\n.\rb\n.\r\nc", strings.Repeat("line\r\n.", 50),
	} {
		for _, cut := range []byte{1, 2, 7} {
			f.Add([]byte(seed), []byte{cut, 3, 1})
		}
	}
	f.Fuzz(func(t *testing.T, message, cuts []byte) {
		whole := encode(string(message))
		requireSafe(t, string(message), whole)
		var pieces []string
		rest := string(message)
		for i := 0; rest != "" && len(cuts) > 0; i++ {
			n := min(len(rest), int(cuts[i%len(cuts)]))
			if n == 0 && i > 2*len(message) {
				break // nothing but empty pieces
			}
			pieces, rest = append(pieces, rest[:n]), rest[n:]
		}
		if got := encode(append(pieces, rest)...); got != whole {
			t.Fatalf("%q in pieces of %v: %q, want %q", message, cuts, got, whole)
		}
		enc := encoder{lineStart: true, sevenBit: true}
		_, err := enc.append(nil, message)
		high := bytes.ContainsFunc(message, func(r rune) bool { return r >= utf8.RuneSelf })
		require.Equal(t, high, err != nil)
	})
}

// FuzzPath: an address from outside that passes is one argument of one command,
// and to a server it is the mailbox that it was to us.
func FuzzPath(f *testing.F) {
	for _, seed := range []string{
		"toni@example.test", `"to ni"@example.test`, `"a\"b\\"@[192.0.2.1]`, "a..b@x", "jürgen@bücher.test", `""@x`, "t@[IPv6:2001:db8::1]",
		"toni> ORCPT=rfc822;z@x.test", `"toni> ORCPT=rfc822;z"@x.test`, `"toni\"> X="@x.test`, "a@b\r\nRSET", "<a@b>", `"\`, `"a\`, "@", `"@`, "a@b@c",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ParsePath(s)
		if err != nil {
			require.Equal(t, Path{}, p)
			require.True(t, printable(err.Error()) || !printable(s), "%q: %q", s, err)
			return
		}
		again, err := ParsePath(p.String())
		require.NoError(t, err)
		require.Equal(t, p, again)
		require.Equal(t, strings.ContainsFunc(s, func(r rune) bool { return r >= utf8.RuneSelf }), p.UTF8())

		out, err := appendCommand(nil, "RCPT", "TO:<"+p.String()+">", "NOTIFY=NEVER")
		if err != nil {
			require.Greater(t, 2*len(s)+100, MaxCommand, "only length is refused: %q", s)
			require.Error(t, new(Conn).QueueRcpt(p, []string{"NOTIFY=NEVER"}))
			return
		}
		var c Conn
		require.NoError(t, c.QueueRcpt(p, []string{"NOTIFY=NEVER"}))
		require.Equal(t, out, c.out, "said in two ways")
		line := string(out)
		require.Equal(t, len(line)-2, strings.IndexAny(line, "\r\n"))
		local, domain, rest := mailbox(t, strings.TrimPrefix(line, "RCPT TO:<"))
		require.Equal(t, p.local, local)
		require.Equal(t, p.domain, domain)
		require.Equal(t, " NOTIFY=NEVER\r\n", rest)
	})
}

// mailbox is a server's half of a path, RFC 5321, section 4.1.2, and shares
// nothing with ours. What follows the closing bracket is the rest.
func mailbox(t *testing.T, s string) (local, domain, rest string) {
	var b strings.Builder
	i := 0
	if s[0] == '"' {
		for i = 1; s[i] != '"'; i++ {
			if s[i] == '\\' {
				i++
			}
			require.True(t, s[i] >= ' ' && s[i] != 0x7f)
			b.WriteByte(s[i])
		}
		i++
	} else {
		for ; s[i] != '@'; i++ {
			require.NotContains(t, " \"(),:;<>[\\]", string(rune(s[i])))
			b.WriteByte(s[i])
		}
		for _, atom := range strings.Split(b.String(), ".") {
			require.NotEmpty(t, atom, "dots in odd places need quotes")
		}
	}
	require.Equal(t, byte('@'), s[i])
	end := i + strings.IndexByte(s[i:], '>')
	domain = s[i+1 : end]
	require.NotEmpty(t, domain)
	require.False(t, strings.ContainsAny(domain, " \"<@\\"))
	return b.String(), domain, s[end+1:]
}

// FuzzCommand: what passes the choke point is, to a server, one command with the
// arguments that were given, and no more.
func FuzzCommand(f *testing.F) {
	for _, seed := range [][3]string{
		{"NOOP", "a", "b"}, {"MAIL", "FROM:<a@b.test>", "SIZE=1"}, {"RCPT", `TO:<"a > b\" <"@b.test>`, "ORCPT=rfc822;a"}, {"MAIL", "FROM:<>", "AUTH=<>"},
		{"NOOP\r\nRSET", "", ""}, {"MAIL", "FROM:<a@b> X=Y", "<"}, {"RCPT", `TO:<"a> X="@b>`, `"`}, {"X", `"a b"`, "FROM:<<>>"}, {"X", `FROM:<"\`, `">`},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	f.Fuzz(func(t *testing.T, verb, a, b string) {
		before := "RSET\r\n"
		out, err := appendCommand([]byte(before), verb, a, b)
		line, ok := strings.CutPrefix(string(out), before)
		require.True(t, ok)
		if err != nil {
			require.Empty(t, line)
			return
		}
		require.LessOrEqual(t, len(line), MaxCommand)
		line, ok = strings.CutSuffix(line, "\r\n")
		require.True(t, ok)
		require.True(t, utf8.ValidString(line))
		require.False(t, strings.ContainsFunc(line, unicode.IsControl))
		require.Equal(t, []string{verb, a, b}, words(line))
	})
}

// words is a server's half of a command line: spaces part it, but those in quotes
// in a path.
func words(line string) (all []string) {
	word, path, quoted := "", false, false
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case quoted && c == '\\' && i+1 < len(line):
			word += line[i : i+1]
			i++
			c = line[i]
		case path && c == '"':
			quoted = !quoted
		case !quoted && c == '<':
			path = true
		case !quoted && c == '>':
			path = false
		case !quoted && c == ' ':
			all, word = append(all, word), ""
			continue
		}
		word += string([]byte{c})
	}
	return append(all, word)
}
