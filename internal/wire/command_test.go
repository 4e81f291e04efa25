package wire

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAppendCommand(t *testing.T) {
	for _, test := range []struct {
		words []string
		want  string
	}{
		{[]string{"NOOP"}, "NOOP"},
		{[]string{"EHLO", "[IPv6:2001:db8::1]"}, "EHLO [IPv6:2001:db8::1]"},
		{[]string{"MAIL", "FROM:<>"}, "MAIL FROM:<>"},
		{[]string{"MAIL", "FROM:<a@b.test>", "SIZE=10", "AUTH=<>"}, "MAIL FROM:<a@b.test> SIZE=10 AUTH=<>"},
		{[]string{"RCPT", `TO:<"a b"@b.test>`, "NOTIFY=NEVER"}, `RCPT TO:<"a b"@b.test> NOTIFY=NEVER`},
		{[]string{"RCPT", `TO:<"a > b\" < \\"@b.test>`}, `RCPT TO:<"a > b\" < \\"@b.test>`},
		{[]string{"RCPT", "TO:<jürgen@bücher.test>"}, "RCPT TO:<jürgen@bücher.test>"},
		{[]string{"BDAT", "0", "LAST"}, "BDAT 0 LAST"},
		{[]string{"AUTH", "PLAIN", "="}, "AUTH PLAIN ="},
		{[]string{"NOOP", strings.Repeat("x", MaxCommand-len("NOOP \r\n"))}, "NOOP " + strings.Repeat("x", MaxCommand-len("NOOP \r\n"))},
	} {
		dst, err := appendCommand([]byte("RSET\r\n"), test.words[0], test.words[1:]...)
		require.NoError(t, err, test.words)
		require.Equal(t, "RSET\r\n"+test.want+"\r\n", string(dst))
	}
}

// The choke point: no argument ends the command, and none
// becomes two, wherever it stands and wherever in it the octet is.
func TestAppendCommandRefuses(t *testing.T) {
	refuses := func(words ...string) {
		t.Helper()
		dst, err := appendCommand([]byte("RSET\r\n"), words[0], words[1:]...)
		require.Error(t, err, "%q", words)
		require.Equal(t, "RSET\r\n", string(dst), "nothing of a refused command is left")
	}
	controls := []string{"\x7f", "\u0080", "\u0085", "\u009f", "\u2028", "\u2029", "\xff", "\xc3"}
	for c := range byte(' ') {
		controls = append(controls, string(rune(c)))
	}
	for _, c := range controls {
		for _, word := range [][2]string{{"", ""}, {"", "x"}, {"x", ""}, {"x", "x"}, {`"`, `"`}, {`"\`, `"`}, {`"x`, ""}} {
			word := word[0] + c + word[1]
			refuses(word)
			refuses("NOOP", word)
			refuses("NOOP", "x", word)
			refuses("MAIL", "FROM:<"+word+">")
			refuses("RCPT", "TO:<a@b.test>", "ORCPT=rfc822;"+word)
		}
	}
	for _, word := range []string{
		"", " ", "a b", "<", ">", "a<b", "<a@b.test>", `"a b"`, `"a" b`, `"a"<`, `"<"`,
		`FROM:<"a>`, `FROM:<a"b>`, `FROM:<"a\">`, `FROM:<"a\>`, `FROM:<"a" b>`, `FROM:<"a"<>`, "FROM:<a b@b.test>",
		"FROM:<a@b.test> SIZE=1", "FROM:<a@b.test>>", "FROM:<<a@b.test>", `FROM:<"a@b.test>`, "FROM:<", "FROM:>", "from:<a@b.test>",
		"TO:<>", // RFC 5321, section 4.1.1.3
		"AUTH=<a@b.test>", `TO:<toni> ORCPT=rfc822;z@x.test>`, `TO:<"toni"> ORCPT=rfc822;"z"@x.test>`,
	} {
		refuses("NOOP", word)
	}
	refuses("")
	refuses("NO OP")
	refuses("NOOP", strings.Repeat("x", MaxCommand-len("NOOP \r\n")+1))
}

// No command is queued in part, and what was queued before goes as it was.
func TestQueueRefuses(t *testing.T) {
	bubble(t, func(s *peer) {
		s.want("NOOP a")
		s.want("NOOP b")
		s.say("250 a\r\n250 b\r\n")
	}, func(t *testing.T, c *Conn) {
		require.NoError(t, c.Queue("NOOP", "a"))
		require.ErrorIs(t, c.Queue("NOOP", "x\r\nRSET"), errControl)
		require.NoError(t, c.Queue("NOOP", "b"))
		got := record{t: t}
		require.NoError(t, c.Send(limit, got.each))
		require.Len(t, got.replies, 2)
		_, err := c.Command(limit, "NOOP", "x\r\nRSET")
		require.ErrorIs(t, err, errControl)
		require.NoError(t, c.Broken())
	})
}

// RFC 4954, section 4: base64, "*", an empty line, and nothing else.
func TestAppendAuthLine(t *testing.T) {
	for _, line := range []string{"", "*", "=", "dGVzdAB0ZXN0+/==", strings.Repeat("A", MaxAuthLine-2)} {
		dst, err := appendAuthLine(nil, line)
		require.NoError(t, err)
		require.Equal(t, line+"\r\n", string(dst))
	}
	for c := range 256 {
		if c <= ' ' || c >= 0x7f {
			_, err := appendAuthLine(nil, "AA"+string([]byte{byte(c)})+"AA")
			require.Error(t, err, c)
		}
	}
	_, err := appendAuthLine(nil, strings.Repeat("A", MaxAuthLine-1))
	require.Error(t, err)
}

// What was sent of a secret does not stay in the buffer.
func TestSecretsCleared(t *testing.T) {
	bubble(t, func(s *peer) {
		s.want("AUTH PLAIN c2VjcmV0")
		s.say("334 \r\n")
		s.want("c2VjcmV0")
		s.say("235 ok\r\n")
	}, func(t *testing.T, c *Conn) {
		_, err := c.Command(limit, "AUTH", "PLAIN", "c2VjcmV0")
		require.NoError(t, err)
		require.NotContains(t, string(c.out[:cap(c.out)]), "c2VjcmV0")
		_, err = c.AuthLine(limit, "c2VjcmV0")
		require.NoError(t, err)
		require.NotContains(t, string(c.out[:cap(c.out)]), "c2VjcmV0")
	})
}

func TestParameter(t *testing.T) {
	for _, test := range []struct{ keyword, value, want string }{
		{"SMTPUTF8", "", "SMTPUTF8"},
		{"SIZE", "100", "SIZE=100"},
		{"BY", "120;R", "BY=120;R"},
		{"ENVID", `6"x4"x2"`, `ENVID=6"x4"x2"`},
		{"ORCPT", "utf-8;jürgen@bücher.test", "ORCPT=utf-8;jürgen@bücher.test"},
	} {
		got, err := Parameter(test.keyword, test.value)
		require.NoError(t, err)
		require.Equal(t, test.want, got)
	}
	bad := []string{"a=b", "=", "a b", " ", "\x7f", "a\r\nb", "\u0085", "\u2028", "\xff", "a>b", "<a"}
	for c := range byte(' ' + 1) {
		bad = append(bad, "a"+string(rune(c))+"b")
	}
	for _, value := range bad {
		_, err := Parameter("ENVID", value)
		require.Error(t, err, "%q", value)
	}
}

// RFC 3461, section 4: other octets may be encoded as well; what a command has no
// room for unquoted, is.
func TestXtext(t *testing.T) {
	for s, want := range map[string]string{
		"":                 "",
		"abc@example.net":  "abc@example.net",
		"a+b=c":            "a+2Bb+3Dc",
		"a b":              "a+20b",
		"\x00\r\n\x7f":     "+00+0D+0A+7F",
		"ü":                "+C3+BC",
		"<1.2@host>":       "+3C1.2@host+3E",
		`"a b\"c"@x.test`:  `+22a+20b+5C+22c+22@x.test`,
		"!#$%&'()*,-./:;?": "!#$%&'()*,-./:;?",
	} {
		got := Xtext(s)
		require.Equal(t, want, got)
		require.Equal(t, s, fromXtext(t, got))
		if s != "" {
			param, err := Parameter("ENVID", got)
			require.NoError(t, err)
			_, err = appendCommand(nil, "MAIL", param)
			require.NoError(t, err, "what Xtext returns passes the choke point")
		}
	}
}

// RFC 6533, section 3.
func TestUnitext(t *testing.T) {
	for s, want := range map[string]string{
		"":                    "",
		"a@b.test":            "a@b.test",
		"jürgen@bücher.test":  `j\x{FC}rgen@b\x{FC}cher.test`,
		"漢@字.test":            `\x{6F22}@\x{5B57}.test`,
		"💌@x.test":            `\x{1F48C}@x.test`,
		"a+b=c@x.test":        `a\x{2B}b\x{3D}c@x.test`,
		"\"a b\\\"c\"@ü.test": `"a\x{20}b\x{5C}"c"@\x{FC}.test`,
		"\x01\x7f":            `\x{01}\x{7F}`,
	} {
		got := Unitext(s)
		require.Equal(t, want, got)
		_, err := appendCommand(nil, "RCPT", "ORCPT=utf-8;"+got)
		require.NoError(t, err)
	}
}

// fromXtext is the server's half of Xtext.
func fromXtext(t *testing.T, s string) string {
	var out []byte
	for i := 0; i < len(s); i++ {
		if s[i] != '+' {
			require.True(t, '!' <= s[i] && s[i] <= '~' && s[i] != '=', "%q is no xtext", s)
			out = append(out, s[i])
			continue
		}
		var c byte
		_, err := fmt.Sscanf(s[i+1:i+3], "%02X", &c)
		require.NoError(t, err)
		out = append(out, c)
		i += 2
	}
	return string(out)
}
