package submit

import (
	"strings"

	"github.com/mailport/mailport/internal/wire"
)

// masked is r without anything of what was sent: some servers quote the line
// they did not like, and errors end up in logs.
func (x *exchange) masked(r wire.Reply) Reply {
	masked := Reply{Code: r.Code, Enhanced: r.Enhanced}
	for _, line := range r.Lines {
		masked.Lines = append(masked.Lines, maskedLine(line, x.sent))
	}
	return masked
}

// secretsIn are the parts of a response that are to be kept, where it is known which
// they are by the name of the mechanism: a username and the host are none, and to mask
// them would maim the text. Where they are the password, too, they are masked as that.
func secretsIn(name string, first bool, response string) []string {
	switch {
	case name == "EXTERNAL", name == "LOGIN" && first:
		return nil
	case name == "PLAIN": // RFC 4616, section 2
		response = response[strings.LastIndexByte(response, 0)+1:]
	case name == "CRAM-MD5": // RFC 2195, section 2
		response = response[strings.LastIndexByte(response, ' ')+1:]
	case strings.HasPrefix(name, "SCRAM-") && first: // RFC 5802, section 7: a nonce
		_, response, _ = strings.Cut(response, ",r=")
	}
	var secrets []string
	for _, part := range strings.FieldsFunc(response, func(r rune) bool { return r <= 1 }) {
		if name != "OAUTHBEARER" && name != "XOAUTH2" {
			secrets = append(secrets, part)
		}
		_, token, _ := strings.Cut(part, "Bearer ") // RFC 7628, section 3.1
		secrets = append(secrets, token)
	}
	return secrets
}

// maskedLine is line without the secrets, and without any run of octets of one, which
// may have been cut at both ends. It takes time in proportion to what it looks at, and
// memory in proportion to line.
func maskedLine(line string, secrets []string) string {
	const (
		least = 3 // octets: to mask less would spare nothing and maim the text
		run   = 8 // likewise, of a part
	)
	masked := make([]bool, len(line))
	mask := func(at, n int) {
		for i := range n {
			masked[at+i] = true
		}
	}
	runs := make(map[string]bool) // all in line, and whether one of a secret is the same
	for i := range len(line) - run + 1 {
		runs[line[i:i+run]] = false
	}
	for _, secret := range secrets {
		for i := range len(secret) - run + 1 {
			if _, ok := runs[secret[i:i+run]]; ok {
				runs[secret[i:i+run]] = true
			}
		}
		for i := range len(line) {
			if least <= len(secret) && len(secret) < run && strings.HasPrefix(line[i:], secret) {
				mask(i, len(secret))
			}
		}
	}
	for i := range len(line) - run + 1 {
		if runs[line[i:i+run]] {
			mask(i, run)
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
