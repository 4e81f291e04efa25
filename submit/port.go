package submit

import (
	"crypto/tls"
	"errors"
	"strconv"
	"strings"
)

// A PortError says that a port speaks something else than the transport does.
// It is recognised from the first octets that the server sent.
type PortError struct {
	Speaks string // SpeaksSMTP, SpeaksTLS, or the name of a service: "IMAP", "POP3", "HTTP", "SSH"; "" if unknown
	Got    string // the first octets

	overTLS bool // it says so over verified TLS
}

// Values of PortError.Speaks that have a meaning of their own.
const (
	SpeaksSMTP = "SMTP without TLS"
	SpeaksTLS  = "TLS from the first byte"
)

// Error says what to do about it where that is known.
func (e *PortError) Error() string {
	switch e.Speaks {
	case SpeaksSMTP:
		return "server speaks SMTP without TLS on this port; it may take STARTTLS"
	case SpeaksTLS:
		return "server expects TLS from the first byte on this port"
	case "":
		if e.overTLS {
			return "server speaks TLS on this port, but not SMTP"
		}
		return "server speaks neither TLS nor SMTP on this port"
	}
	return "server speaks " + e.Speaks + " on this port, not mail submission"
}

// Is makes e match [ErrProtocol] and, unless TLS was spoken or is what the
// server waits for, [ErrInsecure].
func (e *PortError) Is(target error) bool {
	return target == ErrProtocol || target == ErrInsecure && e.Speaks != SpeaksTLS && !e.overTLS
}

// refusedInClear returns the code with which a server turned a connection away
// before TLS: servers at the limit of their connections do so (Exim), and it is
// their answer, not that of a port without TLS.
func refusedInClear(err error) int {
	var record tls.RecordHeaderError
	if !errors.As(err, &record) {
		return 0
	}
	code, err := strconv.Atoi(string(record.RecordHeader[:3]))
	if err != nil || code < 400 || code > 599 {
		return 0
	}
	return code
}

// speaks names the service by what its server says first.
func speaks(first []byte) string {
	s := string(first)
	switch {
	case s == "":
		return ""
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
