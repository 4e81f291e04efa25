package wire

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// RFC 5321, section 4.1.2; RFC 6531, section 3.3. Want is what stands between the
// angle brackets: quotes only where they are needed.
func TestParsePath(t *testing.T) {
	long := strings.Repeat("x", 63)
	for _, test := range []struct{ in, want string }{
		{"toni@example.test", ""},
		{"toni@example", ""},
		{"t@x", ""},
		{"Toni.Maier+tag@EXAMPLE.test", ""},
		{"!#$%&'*+-/=?^_`{|}~@example.test", ""},
		{"1@2.3", ""},
		{"toni@my_host.example.test", ""},                // not a hostname, yet in use
		{strings.Repeat("l", 200) + "@example.test", ""}, // no limit where possible: section 4.5.3.1
		{"t@" + long + "." + long + "." + long + "." + long, ""},

		// Dots in odd places, known from Japanese mobile carriers, get quotes.
		{"toni.@example.test", `"toni."@example.test`},
		{".toni@example.test", `".toni"@example.test`},
		{"to..ni@example.test", `"to..ni"@example.test`},
		{".@example.test", `"."@example.test`},

		// Quotes stay where they are needed, and go where they are not.
		{`"toni"@example.test`, "toni@example.test"},
		{`"toni.maier"@example.test`, "toni.maier@example.test"},
		{`"toni maier"@example.test`, `"toni maier"@example.test`},
		{`""@example.test`, `""@example.test`},
		{`"a@b"@example.test`, `"a@b"@example.test`},
		{`"a@"@example.test`, `"a@"@example.test`},
		{`"a,b;c:<d>[e](f)"@example.test`, `"a,b;c:<d>[e](f)"@example.test`},
		{`"toni."@example.test`, `"toni."@example.test`},
		{`" "@example.test`, `" "@example.test`},

		// A quoted pair means its second half.
		{`"to\ni"@example.test`, "toni@example.test"},
		{`"a\"b"@example.test`, `"a\"b"@example.test`},
		{`"a\\b"@example.test`, `"a\\b"@example.test`},
		{`"a\ b"@example.test`, `"a b"@example.test`},
		{`"\\"@example.test`, `"\\"@example.test`},
		{`"\""@example.test`, `"\""@example.test`},
		{`"\é"@example.test`, `é@example.test`},

		{"jürgen@example.test", ""},
		{"jürgen@bücher.test", ""},
		{"用户@例子.test", ""},
		{`"jürgen maier"@example.test`, `"jürgen maier"@example.test`},

		// RFC 5321, section 4.1.3.
		{"toni@[192.0.2.1]", ""},
		{"toni@[IPv6:2001:db8::1]", ""},
		{"toni@[IPv6:::ffff:192.0.2.1]", ""},

		// It stays one path: nothing gets out of the quotes.
		{`"toni> ORCPT=rfc822;z"@x.test`, `"toni> ORCPT=rfc822;z"@x.test`},
		{`"toni\"> ORCPT=rfc822;z"@x.test`, `"toni\"> ORCPT=rfc822;z"@x.test`},
	} {
		if test.want == "" {
			test.want = test.in
		}
		p, err := ParsePath(test.in)
		require.NoError(t, err, test.in)
		require.Equal(t, test.want, p.String())
		again, err := ParsePath(p.String())
		require.NoError(t, err, test.in)
		require.Equal(t, p, again)
		line, err := appendCommand(nil, "RCPT", "TO:<"+p.String()+">")
		require.NoError(t, err, "what ParsePath returns passes the choke point")
		require.Equal(t, "RCPT TO:<"+test.want+">\r\n", string(line))
	}
}

// An address from outside can inject neither a command nor a parameter, and who
// made a mistake is told which.
func TestParsePathRefuses(t *testing.T) {
	for _, test := range []struct{ in, why string }{
		{"", "empty"},
		{"toni", "no @"},
		{`"toni"`, "no @ behind the quotes"},
		{"@example.test", "nothing before the @"},
		{"toni@", "no domain"},
		{`"toni"@`, "no domain"},

		{"<toni@example.test>", "angle brackets"},
		{"Toni <toni@example.test>", "display name"},
		{`"Toni M." <toni@example.test>`, "display name"},
		{"<>", "angle brackets"},
		{"toni@example.test ", "' ' in the domain"},
		{" toni@example.test", "' ' before the @"},
		{"toni@example.test, eva@example.test", "',' in the domain"},
		{"mailto:toni@example.test", "':' before the @"},
		{"toni@eva@example.test", "'@' in the domain"},
		{"@relay.test:toni@example.test", "nothing before the @"}, // source routes: RFC 5321, appendix C
		{"toni@example.test.", "empty label"},
		{"toni@.example.test", "empty label"},
		{"toni@example..test", "empty label"},
		{"toni@" + strings.Repeat("x", 64) + ".test", "longer than 63"},
		{"toni@" + strings.Repeat("x.", 128) + "xx", "longer than 255"},
		{strings.Repeat("x", maxPath) + "@x.test", "longer than 1000"},

		// RFC 5321, section 4.5.3.1.3, where something else could stand within.
		{`"` + strings.Repeat("x ", 123) + `"@x.test`, "longer than 254"},
		{`"` + strings.Repeat(`\"`, 123) + `"@x.test`, "longer than 254"},
		{`"` + strings.Repeat("x", 480) + `RCPT TO:<y@x.test>"@x.test`, "longer than 254"},
		{strings.Repeat("x.", 124) + "@x.test", "longer than 254"}, // it would get quotes

		{`"toni@example.test`, "unbalanced"},
		{`"toni\"@example.test`, "unbalanced"},
		{`"toni\`, "unbalanced"},
		{`"`, "unbalanced"},
		{`to"ni@example.test`, `'"' before the @`},
		{`toni"@example.test`, `'"' before the @`},
		{`"a".b@example.test`, "no @ behind the quotes"},
		{`"a"b"@example.test`, "no @ behind the quotes"},
		{`a\@b@example.test`, `'\\' before the @`},
		{"to ni@example.test", "' ' before the @"},
		{"to(ni)@example.test", "'(' before the @"},

		{"toni@[192.0.2.1", "unbalanced brackets"},
		{"toni@[192.0.2]", "no address literal"},
		{"toni@[2001:db8::1]", "no address literal"},
		{"toni@[IPv6:192.0.2.1]", "no address literal"},
		{"toni@[IPv6:fe80::1%eth0]", "no address literal"},
		{"toni@[]", "no address literal"},
		{"toni@[192.0.2.1]x]", "no address literal"},
		{"toni@[x-tag:data]", "no address literal"},

		{"toni@example.test\r\nRCPT TO:<eva@example.test", "control character"},
		{"toni@example.test\n", "control character"},
		{"to\x00ni@example.test", "control character"},
		{"\"to\r\nni\"@example.test", "control character"},
		{"\"to\\\r\\\nni\"@example.test", "control character"},
		{"toni\x7f@example.test", "control character"},
		{"toni\u0085@example.test", "control character"},
		{"toni\u2028@example.test", "control character"},
		{"toni@example\u2029.test", "control character"},
		{"toni\xff@example.test", "not UTF-8"},
		{"toni@x.test\xe2\x80", "not UTF-8"},

		{"toni> ORCPT=rfc822;z@x.test", "'>' before the @"},
		{"toni>ORCPT=rfc822;z@x.test", "'>' before the @"},
		{"toni@x.test> ORCPT=rfc822;z@x.test", "'>' in the domain"},
		{"toni@x.test> NOTIFY=NEVER", "'>' in the domain"},
		{`"toni"@x.test> ORCPT=rfc822;"z"@x.test`, "'>' in the domain"},
		{`"toni"> ORCPT=rfc822;"z"@x.test`, "no @ behind the quotes"},
	} {
		_, err := ParsePath(test.in)
		require.Error(t, err, "%q", test.in)
		require.ErrorContains(t, err, test.why, "%q", test.in)
		require.NotContains(t, err.Error(), "\n")
	}
}

func TestNullPath(t *testing.T) {
	require.Empty(t, Path{}.String())
	require.False(t, Path{}.UTF8())
	p, err := ParsePath(`""@x`)
	require.NoError(t, err)
	require.NotEqual(t, Path{}, p)
}

// RFC 6531, section 3.4: SMTPUTF8 is asked for when it is needed, and only then.
func TestPathUTF8(t *testing.T) {
	for in, want := range map[string]bool{
		"toni@example.test": false, `"to ni"@example.test`: false, "toni@xn--bcher-kva.test": false,
		"jürgen@example.test": true, "toni@bücher.test": true, `"jürgen m"@example.test`: true,
	} {
		p, err := ParsePath(in)
		require.NoError(t, err)
		require.Equal(t, want, p.UTF8(), in)
	}
}

// RFC 6531, section 3.7.1: the argument of EHLO is ASCII.
func TestCheckDomain(t *testing.T) {
	for _, good := range []string{"example.test", "localhost", "[192.0.2.1]", "[IPv6:2001:db8::1]", "xn--bcher-kva.test", "my_pc"} {
		require.NoError(t, CheckDomain(good), good)
	}
	for _, bad := range []string{"", "bücher.test", "a b", "a\r\nb", "a.", ".a", "a..b", "[]", "[192.0.2.1", "a@b", "<a>", "a>b", `"a"`, "a\x00b", "\xff"} {
		require.Error(t, CheckDomain(bad), "%q", bad)
	}
}
