package negotiate

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// legible is a text that others had a part in, such as a server, a certificate or
// a transport of the caller's own, on one line: of what keep does not want there
// is the escape sequence of a Go string. So none of it can end a line, move a
// cursor, or turn the direction of writing around.
func legible(s string, keep func(rune) bool) string {
	var b strings.Builder
	for i, width := 0, 0; i < len(s); i += width {
		var r rune
		r, width = utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && width == 1:
			b.WriteString(`\x` + strconv.FormatUint(uint64(s[i]), 16))
		case keep(r):
			b.WriteRune(r)
		default:
			b.WriteString(escaped(r))
		}
	}
	return b.String()
}

// escaped is a rune in ASCII. The signs of good typography have a sign there too.
func escaped(r rune) string {
	switch r {
	case '…':
		return "..."
	case '–', '—':
		return "-"
	case '‘', '’':
		return "'"
	case '“', '”':
		return `"`
	}
	return strings.Trim(strconv.QuoteRuneToASCII(r), "'")
}

// isASCII is for logs and files.
func isASCII(r rune) bool { return ' ' <= r && r <= '~' }

// isNarrow is for terminals: what every one of them shows in one column, from left
// to right.
func isNarrow(r rune) bool {
	return isASCII(r) || strings.ContainsRune("…–—‘’“”§°·", r) ||
		unicode.IsLetter(r) && unicode.In(r, unicode.Latin, unicode.Greek, unicode.Cyrillic) && r < 0xff00 // from there on, wide forms
}

// Bounds of what others can fill a page or a log with, in characters: a reply may
// have 64 KiB, a certificate thousands of names, and an error of a transport of the
// caller's own has no bound at all.
const (
	maxText = 1500 // of a sentence; the errors of package submit are shorter
	maxItem = 300  // of a name, or what else there are many of
)

// clipped is s, or its first n characters if it has more.
func clipped(s string, n int) string {
	for i := range s {
		if n--; n < 0 {
			return s[:i] + "…"
		}
	}
	return s
}

// eachClipped bounds the items of a list.
func eachClipped(items []string) []string {
	all := make([]string, len(items))
	for i, item := range items {
		all[i] = clipped(item, maxItem)
	}
	return all
}

// printable is for errors, records and programs, which know Unicode.
func printable(s string) string {
	return clipped(legible(clipped(s, maxText), strconv.IsPrint), maxText) // an escape sequence is longer
}
