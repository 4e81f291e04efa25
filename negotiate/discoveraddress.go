package negotiate

import (
	"errors"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/mailport/mailport/submit"
)

// A mailbox is the address that servers are looked for.
type mailbox struct {
	address string // as given: what a user is called
	local   string // as given, quotes and all
	given   string // its domain, as given
	domain  string // in ASCII and lower case, without a final dot
}

const maxAddress = 1000 // octets; RFC 5321, section 4.5.3.1, has servers take 254

// parseMailbox takes an address apart, and refuses what is none before anybody is
// asked about it.
func parseMailbox(address string) (mailbox, error) {
	at := strings.LastIndexByte(address, '@')
	invalid := func(reason string) (mailbox, error) {
		shown := address
		if at > 0 && strings.Contains(address[:at], ":") { // a URL, or half of one, with a password in it
			shown = address[at+1:]
		}
		return mailbox{}, &submit.InvalidError{Field: "address", Value: shown, Reason: reason}
	}
	switch {
	case len(address) > maxAddress:
		return invalid("is longer than " + strconv.Itoa(maxAddress) + " octets")
	case !utf8.ValidString(address) || strings.ContainsFunc(address, isControl):
		return invalid("has a control character in it, or is not UTF-8")
	case at < 0:
		return invalid("has no @; the whole mail address is wanted")
	case strings.HasSuffix(address, "."):
		return invalid("ends in a dot")
	case at == 0:
		return invalid("has nothing before the @")
	case strings.HasSuffix(address, ">"):
		return invalid("has a display name or angle brackets; the address alone is wanted")
	case !isLocal(address[:at]):
		return invalid("has something before the @ that needs quotes; the address alone is wanted")
	}
	box := mailbox{address: address, local: address[:at], given: address[at+1:]}
	var err error
	if box.domain, err = domainName("address", box.given); err != nil {
		var why *submit.InvalidError
		errors.As(err, &why)
		return invalid(why.Reason)
	}
	return box, nil
}

func isControl(r rune) bool {
	return r < ' ' || 0x7f <= r && r < 0xa0 || r == '\u2028' || r == '\u2029'
}

// isLocal tells whether a local part is quoted if it needs to be (RFC 5321,
// section 4.1.2).
func isLocal(s string) bool {
	if len(s) > 2 && s[0] == '"' && s[len(s)-1] == '"' {
		return true
	}
	return !strings.ContainsAny(s, "\"(),:;<>@[\\] ")
}

// domainName returns a domain name in ASCII and in lower case, without a final
// dot, and an [*submit.InvalidError] for what is none, or is not a name of the
// world's: an address, or a name without a dot.
func domainName(field, name string) (string, error) {
	invalid := func(reason string) (string, error) {
		return "", &submit.InvalidError{Field: field, Value: name, Reason: reason}
	}
	ascii, err := asciiHost(field, strings.TrimSuffix(name, "."))
	if err != nil {
		return "", err
	}
	if err := (&submit.ImplicitTLS{Host: ascii}).Check(); err != nil {
		var why *submit.InvalidError
		errors.As(err, &why)
		return invalid(why.Reason)
	}
	if _, err := netip.ParseAddr(ascii); err == nil || isNumber(ascii[strings.LastIndexByte(ascii, '.')+1:]) {
		return invalid("is an IP address, where a domain name is wanted")
	}
	if !strings.Contains(ascii, ".") {
		return invalid("is no fully qualified domain name")
	}
	return strings.ToLower(ascii), nil
}

// isNumber tells whether a name that ends in this label could be taken for an
// IPv4 address, in one of the forms that C libraries read: 127.1, 0x7f.0x1.
func isNumber(label string) bool {
	_, err := strconv.ParseUint(label, 0, 64)
	return err == nil || strings.Trim(label, "0123456789") == ""
}

// autoconfigURL is the one that learns the address, so that a provider can send
// different users to different servers.
func (b *mailbox) autoconfigURL() string {
	return "https://autoconfig." + b.domain + "/mail/config-v1.1.xml?emailaddress=" + url.QueryEscape(b.address)
}

func (b *mailbox) wellKnownURL() string {
	return "https://" + b.domain + "/.well-known/autoconfig/mail/config-v1.1.xml"
}

func (b *mailbox) databaseURL(database string) string { return database + b.domain }

// expand replaces the placeholders of autoconfig files, once: what stands in
// their place is not looked at again. domain is how the domain is to be written.
func (b *mailbox) expand(text, domain string) string {
	return strings.NewReplacer(
		"%EMAILADDRESS%", b.local+"@"+domain,
		"%EMAILLOCALPART%", b.local,
		"%EMAILDOMAIN%", domain,
	).Replace(text)
}
