package wire

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

// parse reads one reply as a Conn does, and returns what is left.
func parse(r io.Reader) (Reply, string, error) {
	br := bufio.NewReaderSize(r, MaxLine)
	reply, err := readReply(br)
	rest, _ := io.ReadAll(br)
	return reply, string(rest), err
}

// RFC 5321, section 4.2, and what servers make of it.
func TestReadReply(t *testing.T) {
	for _, test := range []struct {
		name, in string
		want     Reply
		rest     string
	}{
		{"usual", "250 ok\r\n", Reply{Code: 250, Lines: []string{"ok"}}, ""},
		{"code alone", "250\r\n", Reply{Code: 250, Lines: []string{""}}, ""},
		{"code and space", "250 \r\n", Reply{Code: 250, Lines: []string{""}}, ""},
		{"two spaces", "334  \r\n", Reply{Code: 334, Lines: []string{" "}}, ""},
		{"lines", "250-a\r\n250-\r\n250 c\r\n", Reply{Code: 250, Lines: []string{"a", "", "c"}}, ""},
		{"last line bare", "250-a\r\n250\r\n", Reply{Code: 250, Lines: []string{"a", ""}}, ""},
		{"bare LF", "250-a\n250 b\n", Reply{Code: 250, Lines: []string{"a", "b"}}, ""},
		{"CR within", "250 a\rb\r\n", Reply{Code: 250, Lines: []string{"a\rb"}}, ""},
		{"two CR", "250 a\r\r\n", Reply{Code: 250, Lines: []string{"a\r"}}, ""},
		{"binary", "250 \x00\xff\x1b[2J\r\n", Reply{Code: 250, Lines: []string{"\x00\xff\x1b[2J"}}, ""},
		{"what follows stays", "250 a\r\n550 b\r\n", Reply{Code: 250, Lines: []string{"a"}}, "550 b\r\n"},
		{"unknown codes", "299 a\r\n", Reply{Code: 299, Lines: []string{"a"}}, ""},
		{"more unknown codes", "567 a\r\n", Reply{Code: 567, Lines: []string{"a"}}, ""},
		{"hyphen in text", "250 -a\r\n", Reply{Code: 250, Lines: []string{"-a"}}, ""},

		// RFC 2034, section 4, and RFC 3463, section 2.
		{"enhanced on every line", "550-5.1.1 a\r\n550 5.1.1 b\r\n", Reply{550, [3]int{5, 1, 1}, []string{"5.1.1 a", "5.1.1 b"}}, ""},
		{"enhanced on the first", "550-5.1.1 a\r\n550 b\r\n", Reply{550, [3]int{5, 1, 1}, []string{"5.1.1 a", "b"}}, ""},
		{"enhanced on the last", "550-a\r\n550 5.1.1 b\r\n", Reply{550, [3]int{5, 1, 1}, []string{"a", "5.1.1 b"}}, ""},
		{"enhanced differ", "550-5.1.1 a\r\n550 5.7.1 b\r\n", Reply{550, [3]int{5, 1, 1}, []string{"5.1.1 a", "5.7.1 b"}}, ""},
		{"enhanced alone", "250 2.0.0\r\n", Reply{250, [3]int{2, 0, 0}, []string{"2.0.0"}}, ""},
		{"enhanced of three digits", "550 5.7.139 a\r\n", Reply{550, [3]int{5, 7, 139}, []string{"5.7.139 a"}}, ""},
		{"enhanced of class 4", "451 4.4.2 a\r\n", Reply{451, [3]int{4, 4, 2}, []string{"4.4.2 a"}}, ""},
		{"class mismatch", "550 4.1.1 a\r\n", Reply{Code: 550, Lines: []string{"4.1.1 a"}}, ""},
		{"class mismatch, then match", "550-2.1.1 a\r\n550 5.1.1 b\r\n", Reply{550, [3]int{5, 1, 1}, []string{"2.1.1 a", "5.1.1 b"}}, ""},
		{"no class 3", "354 3.0.0 a\r\n", Reply{Code: 354, Lines: []string{"3.0.0 a"}}, ""},
		{"two parts", "550 5.1 a\r\n", Reply{Code: 550, Lines: []string{"5.1 a"}}, ""},
		{"four parts", "550 5.1.1.1 a\r\n", Reply{Code: 550, Lines: []string{"5.1.1.1 a"}}, ""},
		{"four digits", "550 5.1.1000 a\r\n", Reply{Code: 550, Lines: []string{"5.1.1000 a"}}, ""},
		{"four digits, small", "550 5.1.0001 a\r\n", Reply{Code: 550, Lines: []string{"5.1.0001 a"}}, ""},
		{"not a number", "550 5.1.x a\r\n", Reply{Code: 550, Lines: []string{"5.1.x a"}}, ""},
		{"signs", "550 5.+1.1 a\r\n", Reply{Code: 550, Lines: []string{"5.+1.1 a"}}, ""},
		{"empty part", "550 5..1 a\r\n", Reply{Code: 550, Lines: []string{"5..1 a"}}, ""},
		{"no space", "550 5.1.1: a\r\n", Reply{Code: 550, Lines: []string{"5.1.1: a"}}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, rest, err := parse(strings.NewReader(test.in))
			require.NoError(t, err)
			require.Equal(t, test.want, got)
			require.Equal(t, test.rest, rest)

			got, _, err = parse(iotest.OneByteReader(strings.NewReader(test.in)))
			require.NoError(t, err)
			require.Equal(t, test.want, got)
		})
	}
}

// What is not a reply breaks the connection, since nothing after it can be told
// apart from anything else.
func TestReadReplyMalformed(t *testing.T) {
	for _, in := range []string{
		"\r\n", "\n", " \r\n", "2\r\n", "25\r\n", "2500 ok\r\n", "250ok\r\n", "250\tok\r\n", "250_ok\r\n", "250\r\r\n",
		"050 ok\r\n", "150 ok\r\n", "650 ok\r\n", "999 ok\r\n", "2x0 ok\r\n", "25x ok\r\n", "-50 ok\r\n", "+250 ok\r\n", "²50 ok\r\n",
		" 250 ok\r\n", "* OK IMAP4rev1 ready\r\n", "+OK POP3 ready\r\n", "HTTP/1.1 400 Bad Request\r\n", "\x15\x03\x01\x00\x02\x02\n",
		"250-a\r\n251 b\r\n", "250-a\r\n550 b\r\n", "250-a\r\n550-b\r\n250 c\r\n", "250-a\r\nb\r\n", "250-a\r\n\r\n250 c\r\n",
		"250-a\r\n650 b\r\n", "250-a\r\n250_b\r\n",
	} {
		got, _, err := parse(strings.NewReader(in))
		var malformed *ProtocolError
		require.ErrorAs(t, err, &malformed, "%q", in)
		require.Equal(t, Reply{}, got)
		require.NotContains(t, err.Error(), "\n")
	}
}

// A connection that ends within a reply has not replied.
func TestReadReplyCutOff(t *testing.T) {
	const whole = "250-a\r\n250 b\r\n"
	for i := range len(whole) {
		_, _, err := parse(strings.NewReader(whole[:i]))
		require.ErrorIs(t, err, io.EOF, "%q", whole[:i])
	}
}

// Promise 10: the limits, and one octet or line beyond each.
func TestReadReplyLimits(t *testing.T) {
	line := func(octets int) string { return "250-" + strings.Repeat("x", octets-len("250-\r\n")) + "\r\n" }
	const last = "250 end\r\n"
	for _, test := range []struct {
		name, in string
		ok       bool
	}{
		{"longest line", line(MaxLine) + last, true},
		{"longest line, last", strings.Replace(line(MaxLine), "-", " ", 1), true},
		{"longest line, bare LF", "250 " + strings.Repeat("x", MaxLine-5) + "\n", true},
		{"longer line", line(MaxLine+1) + last, false},
		{"longer line, second", line(20) + line(MaxLine+1) + last, false},
		{"endless line", strings.Repeat("2", 1<<20), false},
		{"longest reply", strings.Repeat(line(MaxLine), 15) + line(MaxLine-len(last)) + last, true},
		{"longer reply", strings.Repeat(line(MaxLine), 15) + line(MaxLine-len(last)+1) + last, false},
		{"most lines", strings.Repeat("250-\r\n", MaxLines-1) + last, true},
		{"more lines", strings.Repeat("250-\r\n", MaxLines) + last, false},
		{"endless lines", strings.Repeat("250-\r\n", 1<<16), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			counted := &counter{r: strings.NewReader(test.in)}
			_, err := readReply(bufio.NewReaderSize(counted, MaxLine))
			require.Equal(t, test.ok, err == nil, err)
			require.LessOrEqual(t, counted.n, MaxReply+MaxLine, "no more is read than the limits say")
			if !test.ok {
				var malformed *ProtocolError
				require.ErrorAs(t, err, &malformed)
				require.Less(t, len(err.Error()), 200)
			}
		})
	}
}

// A counter counts what was read.
type counter struct {
	r io.Reader
	n int
}

func (c *counter) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n += n
	return n, err
}

// What a server says is shown on one line, and can neither move a cursor nor
// forge a line of a log.
func TestReplyString(t *testing.T) {
	for _, test := range []struct {
		r               Reply
		string, message string
	}{
		{Reply{Code: 250}, "250", ""},
		{Reply{Code: 250, Lines: []string{""}}, "250", ""},
		{Reply{Code: 250, Lines: []string{"ok"}}, "250 ok", "ok"},
		{Reply{550, [3]int{5, 1, 1}, []string{"5.1.1 no", "5.1.1 such user"}}, "550 5.1.1 no / 5.1.1 such user", "no\nsuch user"},
		{Reply{550, [3]int{5, 1, 1}, []string{"4.1.1 no"}}, "550 4.1.1 no", "4.1.1 no"},
		{Reply{Code: 250, Lines: []string{"a\tb", "grüß 字 💌"}}, "250 a b / grüß 字 💌", "a b\ngrüß 字 💌"},
		{Reply{Code: 250, Lines: []string{"a\u00a0b\u3000c"}}, "250 a b c", "a b c"},
		{Reply{Code: 250, Lines: []string{"a\x1b[2J\rb\x00\x7f\u0085\u2028\u202e"}}, "250 a�[2J�b�����", "a�[2J�b�����"},
		{Reply{Code: 250, Lines: []string{"\xff\xc3"}}, "250 ��", "��"},
		{Reply{Code: 250, Lines: []string{"made elsewhere\n235 forged"}}, "250 made elsewhere / 235 forged", "made elsewhere\n235 forged"},
	} {
		require.Equal(t, test.string, test.r.String())
		require.Equal(t, test.message, test.r.Message())
	}
}

func TestReplyClass(t *testing.T) {
	for code := 200; code < 600; code++ {
		require.Equal(t, int(fmt.Sprint(code)[0]-'0'), Reply{Code: code}.Class())
	}
}
