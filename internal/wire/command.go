package wire

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
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

// appendCommand appends one command line to dst. What is ever said to a server, but
// for messages, the lines of an authentication exchange, and MAIL, RCPT and BDAT, which
// are put together below from what has been read, goes through here: no argument can
// end the line, and none can become two.
func appendCommand(dst []byte, verb string, args ...string) ([]byte, error) {
	start := len(dst)
	dst, err := appendWord(dst, verb)
	for i := 0; i < len(args) && err == nil; i++ {
		dst, err = appendWord(append(dst, ' '), args[i])
	}
	if err != nil {
		return dst[:start], err
	}
	dst = append(dst, "\r\n"...)
	if n := len(dst) - start; n > MaxCommand {
		return dst[:start], fmt.Errorf("%s command of %d octets is longer than %d", verb, n, MaxCommand)
	}
	return dst, nil
}

// QueueMail adds MAIL to the next flight, with the parameter SIZE (RFC 1870) if
// size is not 0, and others.
func (c *Conn) QueueMail(from Path, size int64, params []string) error {
	out, err := appendFramed(c.out, "MAIL FROM:<", from)
	if err == nil && size > 0 {
		out = strconv.AppendInt(append(out, " SIZE="...), size, 10)
	}
	return c.queue(out, params, err)
}

// QueueRcpt adds RCPT to the next flight.
func (c *Conn) QueueRcpt(to Path, params []string) error {
	out, err := appendFramed(c.out, "RCPT TO:<", to)
	return c.queue(out, params, err)
}

// queue ends a command that stands behind what is queued, and begins with a path.
func (c *Conn) queue(out []byte, params []string, err error) error {
	start := len(c.out)
	for i := 0; i < len(params) && err == nil; i++ {
		out, err = appendWord(append(out, ' '), params[i])
	}
	if err != nil {
		return err
	}
	out = append(out, "\r\n"...)
	if n := len(out) - start; n > MaxCommand {
		return fmt.Errorf("%s command of %d octets is longer than %d", out[start:start+4], n, MaxCommand)
	}
	c.out = out
	c.queued++
	return nil
}

// appendFramed appends a command up to the bracket that closes its path. Paths are
// well formed before they come here, and are looked at once more.
func appendFramed(dst []byte, frame string, p Path) ([]byte, error) {
	dst = append(dst, frame...)
	start := len(dst)
	dst = p.append(dst)
	if word := dst[start:]; p != (Path{}) && !isPlainPath(word) {
		switch s := string(word); {
		case !IsText(s):
			return dst, errControl
		case !isOnePath(s):
			return dst, errMeaning
		}
	}
	return append(dst, '>'), nil
}

// isPlainPath reports whether b has nothing that could mean anything but itself.
func isPlainPath(b []byte) bool {
	for _, c := range b {
		if c <= ' ' || c >= 0x7f || c == '<' || c == '>' || c == '"' || c == '\\' {
			return false
		}
	}
	return len(b) > 0
}

var errMeaning = errors.New("space, angle bracket or quote in a command, where it means something")

// appendWord refuses what would be more, or something else, than one argument: a
// control character or half a character anywhere; a space or an angle bracket
// but around a path and, within it, in quotes, which mean nothing elsewhere.
// Paths and parameters are well formed before they come here; this is the second
// lock on the door.
func appendWord(dst []byte, word string) ([]byte, error) {
	inner, isPath := cutFrame(word)
	switch {
	case word == "":
		return dst, errors.New("empty word in a command")
	case !IsText(word):
		return dst, errControl
	case word == "FROM:<>", word == "AUTH=<>": // RFC 5321, section 4.5.5; RFC 4954, section 5
	case isPath && !isOnePath(inner), !isPath && strings.ContainsAny(word, " <>"):
		return dst, errMeaning
	}
	return append(dst, word...), nil
}

// cutFrame returns what stands between the angle brackets of MAIL or RCPT.
func cutFrame(word string) (inner string, ok bool) {
	if inner, ok = strings.CutPrefix(word, "FROM:<"); !ok {
		if inner, ok = strings.CutPrefix(word, "TO:<"); !ok {
			return "", false
		}
	}
	return strings.CutSuffix(inner, ">")
}

// IsText reports whether s is UTF-8 without control characters.
func IsText(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, isControl)
}

// isOnePath reports whether s is not empty, has no space or angle bracket but in
// quotes, and ends outside of them.
func isOnePath(s string) bool {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			quoted = !quoted
		case quoted && c == '\\':
			i++ // whatever follows means itself
		case !quoted && (c == ' ' || c == '<' || c == '>'):
			return false
		}
	}
	return s != "" && !quoted
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
	if !IsText(value) || strings.ContainsAny(value, " =<>") {
		return "", fmt.Errorf("character in the value of %s that no parameter can hold", keyword)
	}
	return keyword + "=" + value, nil
}

// Xtext encodes s as RFC 3461, section 4, says: what is not a printable ASCII
// character, and "+" and "=", become "+" and two hexadecimal digits. So do, as
// that section allows, the characters that mean something around a path.
func Xtext(s string) string {
	if s == "" {
		return ""
	}
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
// and so can be sent to any server. There a quote stands for itself, and strict
// servers refuse it encoded.
func Unitext(s string) string {
	if s == "" {
		return ""
	}
	var b strings.Builder
	for _, r := range s {
		if r <= ' ' || r >= 0x7f || strings.ContainsRune(`+=<>\`, r) {
			fmt.Fprintf(&b, `\x{%02X}`, r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}
