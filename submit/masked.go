package submit

import (
	"strconv"
	"strings"

	"github.com/mailport/mailport/auth"
	"github.com/mailport/mailport/internal/wire"
)

// A mask returns lines of a server's without anything in them of what was shown to
// authenticate: some servers quote the line they did not like, then or when they refuse
// a message, and errors end up in logs. Lines without any of it are returned as they
// are; others are copied.
//
// It is a function, since fmt prints what is in anything else, and may be called by
// several goroutines. One that is nil hides nothing.
type mask func(lines []string) []string

const (
	leastSecret = 3 // octets of a secret: to mask less would spare nothing and maim the text
	leastPart   = 8 // likewise, of a part
)

// newMask is a mask of secrets, none of which is too short.
func newMask(secrets []string) mask {
	if len(secrets) == 0 {
		return nil
	}
	sieve := newSieve(secrets)
	return func(lines []string) []string {
		for _, line := range lines {
			if sieve.holds(line) {
				return masked(lines, secrets)
			}
		}
		return lines
	}
}

// hide is lines, masked.
func (m mask) hide(lines []string) []string {
	if m == nil {
		return lines
	}
	return m(lines)
}

// unquoted is err with what it quotes of a server masked.
func (m mask) unquoted(err error) error {
	if m == nil {
		return err
	}
	switch e := err.(type) { //nolint:errorlint // what is said in each is its own; what callers bring along is left alone
	case *wire.LostError:
		return &wire.LostError{Err: m.unquoted(e.Err)}
	case *wire.UnaskedError:
		r := e.Reply
		r.Lines = m.hide(r.Lines)
		return &wire.UnaskedError{Reply: r}
	case *wire.ProtocolError:
		return &wire.ProtocolError{Reason: m.excerpt(e.Reason)}
	case *auth.TokenError:
		fields := m.hide([]string{e.Status, e.Scope, e.Config})
		return &auth.TokenError{Status: fields[0], Scope: fields[1], Config: fields[2]}
	}
	return err
}

// excerpt is a text with what it has of a server's masked. That is, at its end, a string
// of Go's, where a secret may look different. One that was cut off may have the
// beginning of a secret at its end, which no search would find.
func (m mask) excerpt(text string) string {
	at := max(0, strings.IndexByte(text, '"'))
	quoted, err := strconv.QuotedPrefix(text[at:])
	rest := text[at+len(quoted):]
	if err != nil || rest != "" && rest != "…" {
		return m.hide([]string{text})[0]
	}
	said, _ := strconv.Unquote(quoted)
	said = m.hide([]string{said})[0]
	if rest != "" && !strings.HasSuffix(said, "***") {
		said = said[:max(0, len(said)-leastPart+1)]
	}
	return text[:at] + strconv.Quote(said) + rest
}

// masked is lines without the secrets, and without any run of octets of one, which may
// have been cut at both ends. It takes time in proportion to what it looks at, and
// memory in proportion to lines.
func masked(lines, secrets []string) []string {
	runs := make(map[string]bool) // all in lines, and whether one of a secret is the same
	for _, line := range lines {
		for i := range len(line) - leastPart + 1 {
			runs[line[i:i+leastPart]] = false
		}
	}
	for _, secret := range secrets {
		for i := range len(secret) - leastPart + 1 {
			if _, ok := runs[secret[i:i+leastPart]]; ok {
				runs[secret[i:i+leastPart]] = true
			}
		}
	}
	all := make([]string, len(lines))
	for i, line := range lines {
		all[i] = maskedLine(line, secrets, runs)
	}
	return all
}

func maskedLine(line string, secrets []string, runs map[string]bool) string {
	masked := make([]bool, len(line))
	mask := func(at, n int) {
		for i := range n {
			masked[at+i] = true
		}
	}
	for _, secret := range secrets {
		for i := range len(line) {
			if len(secret) < leastPart && strings.HasPrefix(line[i:], secret) {
				mask(i, len(secret))
			}
		}
	}
	for i := range len(line) - leastPart + 1 {
		if runs[line[i:i+leastPart]] {
			mask(i, leastPart)
		}
	}
	var b strings.Builder
	for i := range len(line) {
		switch {
		case !masked[i]:
			b.WriteByte(line[i])
		case i == 0 || !masked[i-1]:
			b.WriteString("***")
		}
	}
	return b.String()
}
