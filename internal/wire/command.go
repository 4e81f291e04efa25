package wire

import (
	"errors"
	"fmt"
	"strings"
)

// Limits of what we say in one line, with its end. RFC 5321, section 4.5.3.1.4,
// has 512 octets for a command without parameters, which its extensions raise;
// RFC 4954, section 4, has 12,288 for a line of an authentication exchange.
const (
	MaxCommand  = 2048
	MaxAuthLine = 12288
)

// errControl is what keeps a caller's string from becoming a command of its own.
var errControl = errors.New("control character in a command")

// appendCommand appends one command line to dst. Everything that is ever said
// to a server, but for the message and the lines of an authentication exchange,
// goes through here: no argument can end the line, and none can become two.
func appendCommand(dst []byte, verb string, args ...string) ([]byte, error) {
	start := len(dst)
	for i, word := range append([]string{verb}, args...) {
		if err := checkWord(word); err != nil {
			return dst[:start], err
		}
		if i > 0 {
			dst = append(dst, ' ')
		}
		dst = append(dst, word...)
	}
	dst = append(dst, "\r\n"...)
	if n := len(dst) - start; n > MaxCommand {
		return dst[:start], fmt.Errorf("%s command of %d octets is longer than %d", verb, n, MaxCommand)
	}
	return dst, nil
}

// checkWord refuses what would be more, or something else, than one argument: a
// control character anywhere; a space or an angle bracket outside of quotes,
// but for the brackets around a path. Paths and parameters are well formed
// before they come here; this is the second lock on the door.
func checkWord(word string) error {
	inner := word
	for _, frame := range []string{"FROM:<", "TO:<"} {
		if rest, ok := strings.CutPrefix(word, frame); ok && strings.HasSuffix(rest, ">") {
			inner = rest[:len(rest)-1]
		}
	}
	if inner == "" || word == "AUTH=<>" { // the null path; RFC 4954, section 5
		return nil
	}
	quoted := false
	for i := 0; i < len(inner); i++ {
		switch c := inner[i]; {
		case c < ' ' || c == 0x7f:
			return errControl
		case c == '"':
			quoted = !quoted
		case quoted && c == '\\' && i+1 < len(inner) && inner[i+1] >= ' ' && inner[i+1] != 0x7f:
			i++
		case !quoted && (c == ' ' || c == '<' || c == '>'):
			return fmt.Errorf("unquoted %q in a command", c)
		}
	}
	if quoted {
		return errors.New("unbalanced quote in a command")
	}
	return nil
}

// appendAuthLine appends a line of an authentication exchange: base64, or "*".
func appendAuthLine(dst []byte, line string) ([]byte, error) {
	if len(line)+2 > MaxAuthLine {
		return dst, fmt.Errorf("authentication line of %d octets is longer than %d", len(line)+2, MaxAuthLine)
	}
	for i := range len(line) {
		if line[i] <= ' ' || line[i] >= 0x7f {
			return dst, errControl
		}
	}
	return append(append(dst, line...), "\r\n"...), nil
}

// Parameter returns a parameter of MAIL or RCPT, RFC 5321, section 4.1.2. An
// empty value stands for none. Octets that are not ASCII need SMTPUTF8.
func Parameter(keyword, value string) (string, error) {
	if value == "" {
		return keyword, nil
	}
	for i := range len(value) {
		if c := value[i]; c <= ' ' || c == 0x7f || c == '=' {
			return "", fmt.Errorf("character %q in the value of %s", c, keyword)
		}
	}
	return keyword + "=" + value, nil
}

// Xtext encodes s as RFC 3461, section 4, says: what is not a printable ASCII
// character, and "+" and "=", become "+" and two hexadecimal digits. So do, as
// that section allows, the characters that mean something around a path.
func Xtext(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(`+="<>\`, c) >= 0 {
			fmt.Fprintf(&b, "+%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// Unitext encodes s as utf-8-addr-xtext of RFC 6533, section 3, which is ASCII
// and so can be sent to any server.
func Unitext(s string) string {
	var b strings.Builder
	for _, r := range s {
		if r <= ' ' || r >= 0x7f || strings.ContainsRune(`+="<>\`, r) {
			fmt.Fprintf(&b, `\x{%02X}`, r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}
