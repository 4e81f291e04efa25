package negotiate

import (
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"

	"github.com/mailport/mailport/submit"
)

// asciiHost is host as DNS and certificates have it: of an internationalised
// name the A-labels (RFC 5890, section 2.3.2.1), by way of UTS 46. Any other is
// returned as it is; whether it is a host at all, a transport's Check says.
func asciiHost(field, host string) (string, error) {
	beyond := strings.ContainsFunc(host, func(r rune) bool { return r >= utf8.RuneSelf })
	if !beyond || strings.ContainsAny(host, ":/[]@") { // of those Check speaks, and does not print a password
		return host, nil
	}
	ascii, err := idna.Lookup.ToASCII(host)
	if err != nil || !utf8.ValidString(host) { // of what is not UTF-8, ToASCII makes U+FFFD
		return "", &submit.InvalidError{Field: field, Value: host, Reason: "is no internationalised domain name (RFC 5891)"}
	}
	return ascii, nil
}
