package submit

// A PortError says that a port speaks something else than the transport does.
// It is recognised from the first bytes that the server sent.
type PortError struct {
	Speaks string // "SMTP without TLS", "TLS from the first byte", "IMAP", "POP3", "HTTP", "SSH"
	Got    string // the first bytes, as far as they were seen
}

// Error says what to do about it where that is known.
func (e *PortError) Error() string {
	switch e.Speaks {
	case SpeaksSMTP:
		return "the port speaks SMTP without TLS; it may take STARTTLS"
	case SpeaksTLS:
		return "the port expects TLS from the first byte"
	}
	return "the port speaks " + e.Speaks + ", it is no submission server"
}

// Is makes e match [ErrProtocol] and, where TLS was wanted and not spoken,
// [ErrInsecure].
func (e *PortError) Is(target error) bool {
	return target == ErrProtocol || target == ErrInsecure && e.Speaks != SpeaksTLS
}

// Values of PortError.Speaks that have a meaning of their own.
const (
	SpeaksSMTP = "SMTP without TLS"
	SpeaksTLS  = "TLS from the first byte"
)
