package injection

import (
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// The grammar of what may be read: RFC 5321, section 4.1.2, with what RFC 6531,
// section 3.3, adds. It is written anew, in another manner than the client's.
const (
	beyond  = `[^\x00-\x{9F}\x{2028}\x{2029}]`
	atext   = "(?:[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]|" + beyond + ")"
	atoms   = `(?:` + atext + `+(?:\.` + atext + `+)*)`
	qtext   = `(?:[ !#-\[\]-~]|\\[ -~]|` + beyond + `)`
	quoted  = `(?:"` + qtext + `*")`
	label   = `(?:[A-Za-z0-9_-]|` + beyond + `)+`
	literal = `\[(?:IPv6:[0-9A-Fa-f:.]+|[0-9.]+)\]`
	mailbox = `(?:` + atoms + `|` + quoted + `)@(?:` + label + `(?:\.` + label + `)*|` + literal + `)`
	params  = `((?: [A-Z0-9][A-Z0-9-]*(?:=(?:[!-;?-~]+|<>))?)*)` // stricter than esmtp-value: brackets are around paths alone, but for AUTH=<>
)

var (
	mailLine = regexp.MustCompile(`^MAIL FROM:<(` + mailbox + `)?>` + params + `$`)
	rcptLine = regexp.MustCompile(`^RCPT TO:<(` + mailbox + `)>` + params + `$`)
	ehloLine = regexp.MustCompile(`^EHLO (?:` + label + `(?:\.` + label + `)*|` + literal + `)$`)
	inQuotes = regexp.MustCompile(`(?s)^"((?:\\.|[^"\\])*)"@(.*)$`)
	escaped  = regexp.MustCompile(`(?s)\\(.)`)
)

// meaning returns the mailbox that an address stands for, however it is written.
func meaning(address string) [2]string {
	if m := inQuotes.FindStringSubmatch(address); m != nil {
		return [2]string{escaped.ReplaceAllString(m[1], "$1"), m[2]}
	}
	local, domain, _ := strings.Cut(address, "@")
	return [2]string{local, domain}
}

// parse returns the path and the parameters of MAIL or RCPT, or fails.
func parse(t *testing.T, grammar *regexp.Regexp, line string) (path string, parameters map[string]string) {
	t.Helper()
	require.True(t, utf8.ValidString(line), "%q", line)
	m := grammar.FindStringSubmatch(line)
	require.NotNil(t, m, "no such command: %q", line)
	parameters = make(map[string]string)
	for _, word := range strings.Fields(m[2]) {
		keyword, value, _ := strings.Cut(word, "=")
		require.NotContains(t, parameters, keyword, "twice in %q", line)
		parameters[keyword] = value
	}
	return m[1], parameters
}

// The grammar itself knows what is more than one command.
func TestGrammar(t *testing.T) {
	for _, line := range []string{
		"RCPT TO:<a@example.com>", `RCPT TO:<"a b"@example.com>`, `RCPT TO:<"a\"> SIZE=1"@example.com> NOTIFY=NEVER`,
		"RCPT TO:<ä@bücher.example>", "RCPT TO:<a@[192.0.2.1]>", "RCPT TO:<a@[IPv6:2001:db8::1]> ORCPT=rfc822;a@example.com",
	} {
		require.Regexp(t, rcptLine, line)
	}
	for _, line := range []string{
		"RCPT TO:<a@example.com> SIZE=1> SIZE=2", "RCPT TO:<a b@example.com>", "RCPT TO:<a@example.com", "RCPT TO:<a@example.com>  X",
		"RCPT TO:<a@example.com>\r", "RCPT TO:<a\n@example.com>", "RCPT TO:<\"a\n\"@example.com>", "RCPT TO:<\"a\u2028\"@example.com>",
		"RCPT TO:<a@example.com> X=a=b", "RCPT TO:<a@example.com> X=<", "RCPT TO:<a@b@example.com>", `RCPT TO:<"a"b"@example.com>`,
		"RCPT TO:<\u0085@example.com>", "RCPT TO:<a@example.com\x00>", "RCPT TO:<.a@example.com>",
	} {
		require.NotRegexp(t, rcptLine, line)
	}
}
