package wire

import (
	"maps"
	"slices"
	"strings"
)

// Extensions are what a server offers in its reply to EHLO, by keyword in upper
// case. They hold until the next EHLO, and are forgotten when TLS begins
// (RFC 3207, section 4.2).
type Extensions map[string]string

// ParseEHLO reads a reply to EHLO, RFC 5321, section 4.1.1.1. What does not
// parse is ignored: servers put all sorts of things there. The first line is a
// greeting. Without lists keywords to overlook.
func ParseEHLO(r Reply, without ...string) Extensions {
	ext := Extensions{}
	for _, line := range r.Lines[min(1, len(r.Lines)):] {
		keyword, params := splitKeyword(line)
		if keyword == "" || slices.ContainsFunc(without, func(w string) bool { return strings.EqualFold(w, keyword) }) {
			continue
		}
		if earlier := ext[keyword]; keyword == "AUTH" && earlier != "" {
			params = strings.TrimSpace(earlier + " " + params) // several lines: QQ, SendGrid
		}
		ext[keyword] = params
	}
	return ext
}

// splitKeyword also takes "AUTH=LOGIN PLAIN", the form of drafts before RFC
// 2554 that servers still send, for "AUTH LOGIN PLAIN". The keyword is "" if there
// is none.
func splitKeyword(line string) (keyword, params string) {
	fields := strings.Fields(line)
	if len(fields) == 0 {
		return "", ""
	}
	keyword, fields = fields[0], fields[1:]
	if before, after, ok := strings.Cut(keyword, "="); ok && strings.EqualFold(before, "AUTH") {
		keyword, fields = before, append(strings.Fields(after), fields...)
	}
	if !isKeyword(keyword) {
		return "", ""
	}
	return strings.ToUpper(keyword), strings.Join(fields, " ")
}

// isKeyword knows ASCII only: there are other letters whose upper case is "S".
func isKeyword(s string) bool {
	for i := range len(s) {
		c := s[i]
		alnum := 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' || isDigit(c)
		if !alnum && (c != '-' || i == 0) {
			return false
		}
	}
	return s != ""
}

// Has reports whether keyword, in upper case, is offered.
func (e Extensions) Has(keyword string) bool {
	_, ok := e[keyword]
	return ok
}

// Lines returns keywords with their parameters, in the order of the alphabet and
// fit to be printed.
func (e Extensions) Lines() []string {
	lines := make([]string, 0, len(e))
	for _, keyword := range slices.Sorted(maps.Keys(e)) {
		lines = append(lines, Printable(strings.TrimSpace(keyword+" "+e[keyword])))
	}
	return lines
}

// Mechanisms returns those of AUTH in the server's order, upper case, each once.
func (e Extensions) Mechanisms() []string {
	var list []string
	for _, m := range strings.Fields(strings.ToUpper(e["AUTH"])) {
		if !slices.Contains(list, m) {
			list = append(list, m)
		}
	}
	return list
}
