package submit

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/mailport/mailport/internal/wire"
)

// The registered ports of submission, RFC 8314, section 7.3, and RFC 6409,
// section 3.1.
const (
	implicitPort = 465
	starttlsPort = 587
)

// A PortError says that a port speaks something else than the transport does.
// It is recognised from the first octets that the server sent.
type PortError struct {
	// Speaks is SpeaksSMTP, SpeaksTLS, or the name of a service: "IMAP", "POP3",
	// "HTTP", "SSH", "NNTP", "FTP"; "" if it is unknown.
	Speaks string
	Got    string // the first octets, 32 at most

	overTLS bool // it says so over verified TLS
	port    int  // 0 if not known
}

// Values of PortError.Speaks that have a meaning of their own.
const (
	SpeaksSMTP = "SMTP without TLS"
	SpeaksTLS  = "TLS from the first byte"
)

// Error says on one line what the port speaks and what to do about it.
func (e *PortError) Error() string {
	switch {
	case e.overTLS && (e.Speaks == "" || e.Speaks == SpeaksTLS):
		return "server speaks TLS on this port, but not SMTP" + e.quoted()
	case e.Speaks == SpeaksSMTP:
		return "server speaks SMTP without TLS on this port; " + useSTARTTLS(e.port)
	case e.Speaks == SpeaksTLS:
		return "server expects TLS from the first byte on this port; " + useImplicitTLS(e.port)
	case e.Speaks == "":
		return "server speaks neither TLS nor SMTP on this port" + e.quoted()
	case e.overTLS:
		return "server speaks " + e.Speaks + " over TLS on this port, not mail submission" + usualPorts(e.port)
	}
	return "server speaks " + e.Speaks + " on this port, not mail submission" + usualPorts(e.port)
}

// quoted is how the server began, for who knows more services than this package.
func (e *PortError) quoted() string {
	if e.Got == "" {
		return ""
	}
	return fmt.Sprintf(": it began with %+q", e.Got[:min(32, len(e.Got))])
}

// Is makes e match [ErrProtocol] and, unless TLS was spoken or is what the
// server waits for, [ErrInsecure].
func (e *PortError) Is(target error) bool {
	return target == ErrProtocol || target == ErrInsecure && e.Speaks != SpeaksTLS && !e.overTLS
}

func useSTARTTLS(port int) string {
	if port == starttlsPort {
		return "port 587 is registered for STARTTLS, so use that (submission)"
	}
	return "it may take STARTTLS (submission)"
}

func useImplicitTLS(port int) string {
	if port == implicitPort {
		return "port 465 is registered for that, so use implicit TLS (submissions)"
	}
	return "use implicit TLS (submissions)"
}

// usualPorts reminds who gave another port of those of submission.
func usualPorts(port int) string {
	if port == 0 || port == implicitPort || port == starttlsPort {
		return ""
	}
	return ", which usually is on 465 or 587"
}

// noTLS says what it may mean that a server did not answer when TLS began, or
// hung up. Few that speak SMTP without TLS do: their greeting is there before.
func noTLS(err error, port int) error {
	text := "server does not complete the TLS handshake"
	switch {
	case isCanceled(err):
		return err
	case port == starttlsPort:
		text += "; " + useSTARTTLS(port)
	case port != implicitPort:
		text += "; it may want STARTTLS (submission), or be another service"
	}
	return &cause{text: text, err: err}
}

// noGreeting says what it may mean that a server did not speak first, as RFC
// 5321, section 4.3.1, wants it to, or hung up.
func noGreeting(err error, port int, overTLS bool) error {
	if isCanceled(err) || isAlert(err) || overTLS && isTampered(err) {
		return err
	}
	text := "server does not greet; it may expect TLS from the first byte (submissions)"
	switch {
	case overTLS && hungUp(err):
		text = "server speaks TLS on this port, but does not greet; it may be busy, or another service"
	case overTLS:
		text = "server speaks TLS on this port, but does not greet; a web server (HTTPS) waits like this"
	case port == implicitPort:
		text = "server does not greet; port 465 is registered for TLS from the first byte, so use implicit TLS (submissions)"
	case hungUp(err):
		text += ", or refuse this client"
	}
	return &cause{text: text, err: err}
}

func isCanceled(err error) bool { return errors.Is(err, context.Canceled) }

// hungUp reports whether the server, and neither a time limit nor the context,
// ended the wait.
func hungUp(err error) bool {
	var limit *wire.TimeLimitError
	return !isContext(err) && !errors.As(err, &limit)
}

// refusedInClear returns the code with which a server turned a connection away
// before TLS: servers at the limit of their connections do so (Exim), and it is
// their answer, not that of a port without TLS. A 554 is: Postfix from 3.9 on says so
// to who speaks before the greeting has come, as TLS does.
func refusedInClear(err error) int {
	var record tls.RecordHeaderError
	if !errors.As(err, &record) {
		return 0
	}
	code, err := strconv.Atoi(string(record.RecordHeader[:3]))
	if err != nil || code < 400 || code > 599 || code == 554 {
		return 0
	}
	return code
}

// isRecord reports whether a header that TLS could not use is one of TLS
// nevertheless: then the handshake went wrong, and the port is right.
func isRecord(header [5]byte) bool {
	return 0x14 <= header[0] && header[0] <= 0x17 && header[1] == 3 // RFC 8446, section 5.1
}

// speaks names the service by what its server says first.
func speaks(first []byte) string {
	s := string(first)
	switch {
	case s == "":
		return ""
	case strings.HasPrefix(s, "200 ") || strings.HasPrefix(s, "201 "):
		return "NNTP"
	case '2' <= s[0] && s[0] <= '5':
		return SpeaksSMTP
	case s[0] == 0x15 || s[0] == 0x16: // alert and handshake records, RFC 8446, section 5.1
		return SpeaksTLS
	}
	for prefix, service := range map[string]string{"* ": "IMAP", "+OK": "POP3", "HTTP/": "HTTP", "SSH-": "SSH"} {
		if strings.HasPrefix(s, prefix) {
			return service
		}
	}
	return ""
}

// isNNTP knows a greeting of which there was one octet to see at first, RFC 3977,
// section 5.1.1. No mail server greets with these codes.
func isNNTP(greeting wire.Reply) bool { return greeting.Code == 200 || greeting.Code == 201 }

// isFTP reports whether a server that greets with 220, as SMTP has it too, is one
// of FTP, RFC 959: it says so in words, says nothing of SMTP, and does not know
// EHLO, or wants USER first. That a host is called so does not count.
func isFTP(greeting, ehlo wire.Reply) bool {
	if ehlo.Code != 500 && ehlo.Code != 502 && ehlo.Code != 530 {
		return false
	}
	text := strings.ToUpper(strings.Join(greeting.Lines, " "))
	if strings.Contains(text, "SMTP") {
		return false
	}
	for _, word := range strings.Fields(text) {
		if strings.Contains(word, "FTP") && !strings.Contains(strings.TrimRight(word, "."), ".") {
			return true
		}
	}
	return false
}
