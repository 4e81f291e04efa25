package wire

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"unicode/utf8"
)

// maxPath is far beyond the 256 octets that RFC 5321, section 4.5.3.1.3, makes
// every server take, since it also asks for no limits where possible.
const maxPath = 1000

// maxQuoted is those 256 octets, without angle brackets, for who needs quotes: within
// them may stand what looks like a command, and there are servers that take what is
// beyond the 512th octet of a line for another one.
const maxQuoted = 254

// A Path is a mailbox as it stands between the angle brackets of MAIL and RCPT.
// The zero Path is the null reverse-path.
type Path struct {
	local, domain string // the local part without quotes and escapes
	quoted        bool   // the local part needs quotes
}

// ParsePath reads a bare address: local@domain, where the local part may be
// quoted and the domain an address literal, RFC 5321, section 4.1.2. What it
// returns cannot hold anything that ends or extends a command.
func ParsePath(s string) (Path, error) {
	switch {
	case s == "":
		return Path{}, errors.New("empty")
	case len(s) > maxPath:
		return Path{}, fmt.Errorf("longer than %d octets", maxPath)
	case !utf8.ValidString(s):
		return Path{}, errors.New("not UTF-8")
	case strings.ContainsFunc(s, isControl):
		return Path{}, errors.New("control character")
	case strings.HasSuffix(s, ">"):
		return Path{}, errors.New("display name or angle brackets: the address alone is wanted")
	}
	local, domain, err := splitPath(s)
	if err != nil {
		return Path{}, err
	}
	if err := checkDomain(domain); err != nil {
		return Path{}, err
	}
	p := Path{local, domain, !isDotAtom(local)}
	if p.quoted && len(p.String()) > maxQuoted {
		return Path{}, fmt.Errorf("longer than %d octets, with quotes (RFC 5321, section 4.5.3.1.3)", maxQuoted)
	}
	return p, nil
}

// isControl includes the C1 controls and the line separators of Unicode, which
// have no place in an address and might end a line somewhere.
func isControl(r rune) bool {
	return r < ' ' || 0x7f <= r && r < 0xa0 || r == '\u2028' || r == '\u2029'
}

func splitPath(s string) (local, domain string, err error) {
	if s[0] == '"' {
		return splitQuoted(s)
	}
	local, domain, ok := strings.Cut(s, "@")
	switch {
	case !ok:
		return "", "", errors.New("no @")
	case local == "":
		return "", "", errors.New("nothing before the @")
	}
	for _, r := range local {
		// A dot where dot-atom has none ("a..b@", "a.@") is known from the
		// field; it needs quotes, and gets them from String.
		if !isAtext(r) && r != '.' {
			return "", "", fmt.Errorf("%q before the @ needs quotes", r)
		}
	}
	return local, domain, nil
}

func splitQuoted(s string) (local, domain string, err error) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		case c == '"':
			if !strings.HasPrefix(s[i+1:], "@") {
				return "", "", errors.New("no @ behind the quotes")
			}
			return b.String(), s[i+2:], nil
		default:
			b.WriteByte(c)
		}
	}
	return "", "", errors.New("unbalanced quotes")
}

// isAtext is atext of RFC 5322, section 3.2.3, and, as RFC 6531, section 3.3,
// adds, everything beyond ASCII.
func isAtext(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' ||
		strings.ContainsRune("!#$%&'*+-/=?^_`{|}~", r) || r >= utf8.RuneSelf
}

// CheckDomain reports what keeps s from being a domain name or an address
// literal in ASCII, as EHLO wants it.
func CheckDomain(s string) error {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return errors.New("not ASCII")
		}
	}
	return checkDomain(s)
}

func checkDomain(s string) error {
	switch {
	case s == "":
		return errors.New("no domain")
	case s[0] == '[':
		return checkLiteral(s)
	case len(s) > 255:
		return errors.New("domain longer than 255 octets")
	}
	for label := range strings.SplitSeq(s, ".") {
		switch {
		case label == "":
			return errors.New("empty label in the domain")
		case len(label) > 63 && isASCII(label):
			return fmt.Errorf("label %q in the domain is longer than 63 octets", label)
		}
		for _, r := range label {
			if !isLabelRune(r) {
				return fmt.Errorf("%q in the domain", r)
			}
		}
	}
	return nil
}

// isLabelRune allows the underscore, which is no hostname character, and yet in
// names that people have. An internationalised label is for the server to check.
func isLabelRune(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' ||
		r == '-' || r == '_' || r >= utf8.RuneSelf
}

// checkLiteral knows the two kinds of address literal in use, RFC 5321, section
// 4.1.3.
func checkLiteral(s string) error {
	inner, ok := strings.CutSuffix(s[1:], "]")
	if !ok {
		return errors.New("unbalanced brackets")
	}
	v6, is6 := strings.CutPrefix(inner, "IPv6:")
	addr, err := netip.ParseAddr(v6)
	if err != nil || addr.Zone() != "" || addr.Is4() == is6 {
		return fmt.Errorf("%q is no address literal", s)
	}
	return nil
}

// String returns p with quotes around the local part where it needs them, and
// only there (RFC 5321, section 4.1.2).
func (p Path) String() string {
	return string(p.append(nil))
}

func (p Path) append(dst []byte) []byte {
	if p == (Path{}) {
		return dst
	}
	if !p.quoted {
		dst = append(dst, p.local...)
		dst = append(dst, '@')
		return append(dst, p.domain...)
	}
	dst = append(dst, '"')
	for i := range len(p.local) {
		if c := p.local[i]; c == '"' || c == '\\' {
			dst = append(dst, '\\')
		}
		dst = append(dst, p.local[i])
	}
	dst = append(dst, `"@`...)
	return append(dst, p.domain...)
}

func isDotAtom(s string) bool {
	dot := true // the last character was one, or there was none
	for _, r := range s {
		if r == '.' && dot || r != '.' && !isAtext(r) {
			return false
		}
		dot = r == '.'
	}
	return !dot
}

// UTF8 reports whether p needs SMTPUTF8, RFC 6531.
func (p Path) UTF8() bool { return !isASCII(p.local) || !isASCII(p.domain) }

// UTF8Domain reports whether p would do without SMTPUTF8 if its domain were
// written in ASCII, as RFC 5890 has it.
func (p Path) UTF8Domain() bool { return isASCII(p.local) && !isASCII(p.domain) }

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
