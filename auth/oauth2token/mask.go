package oauth2token

import (
	"encoding/base64"
	"net/url"
	"strings"
	"unicode"
)

// masked is text without secrets, as they are or as a form has them.
func masked(text string, secrets []string) string {
	for _, secret := range secrets {
		text = without(text, secret)
		text = without(text, url.QueryEscape(secret))
	}
	return text
}

// without takes a secret out of text, and the beginning of it too: servers cut short
// what they quote. It takes what follows along as far as that could belong to it, spelled
// in another way.
func without(text, secret string) string {
	const (
		least  = 4 // less would spare nothing and maim the text
		enough = 8 // to know it by
	)
	if len(secret) < least {
		return text
	}
	var b strings.Builder
	for head := secret[:min(len(secret), enough)]; ; {
		before, after, found := strings.Cut(text, head)
		b.WriteString(before)
		if !found {
			return b.String()
		}
		for rest := secret[len(head):]; rest != "" && after != "" && rest[0] == after[0]; {
			rest, after = rest[1:], after[1:]
		}
		b.WriteString("***")
		text = strings.TrimLeft(after, tokenChars)
	}
}

// tokenChars are those of RFC 6750, section 2.1, and of what they look like in a URL.
const tokenChars = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/=%"

// basic is how a client shows its secret in a header, RFC 6749, section 2.3.1.
func basic(id, secret string) string {
	return base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(id) + ":" + url.QueryEscape(secret)))
}

// legible is a text by others on one line, and its first n characters if it has more.
func legible(s string, n int) string {
	s = strings.Join(strings.Fields(strings.ToValidUTF8(s, "?")), " ")
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
	for i := range s {
		if n--; n < 0 {
			return s[:i] + "..."
		}
	}
	return s
}
