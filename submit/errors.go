package submit

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/mailport/mailport/internal/wire"
)

// Answers to what a caller asks about an error, for [errors.Is].
//
// Of ErrCredentials, auth.ErrNoMechanism is one of the causes and is to be asked first:
// no other password helps then. ErrTemporary is also the answer if credentials could not
// be had for a network's failure, or since who issues them is busy: nobody has refused
// them.
var (
	ErrInvalid     = errors.New("invalid input")                             // nothing was sent; see [InvalidError]
	ErrUnreachable = errors.New("server not reachable")                      // no session could be had; also ErrTemporary, unless the name does not exist
	ErrInsecure    = errors.New("connection could not be secured")           // tell someone
	ErrCredentials = errors.New("credentials not accepted")                  // ask for the password, or for one
	ErrRejected    = errors.New("message rejected")                          // for good: do not send it there again
	ErrTemporary   = errors.New("temporary failure")                         // try again later
	ErrTooLarge    = errors.New("message too large for the server")          // also ErrRejected
	ErrUncertain   = errors.New("message may or may not have been accepted") // and nothing else; do not send again unasked
	ErrProtocol    = errors.New("server does not follow the protocol")       // or is no submission server at all
	ErrClosed      = errors.New("closed")                                    // the session or pool, by its owner
)

// Why an error is what it is, beyond what most callers ask. Each of these goes
// with one of the errors above; they decide whether another port may be tried.
var (
	// ErrCertificate: the server's certificate, or its name, is not valid. It
	// goes with ErrInsecure; [errors.As] finds the *[tls.CertificateVerificationError].
	ErrCertificate = errors.New("certificate not accepted")

	// ErrInjection: cleartext followed the reply to STARTTLS, put there by
	// somebody who wants it to be taken for a reply over TLS. It goes with
	// ErrInsecure.
	ErrInjection = errors.New("possible response injection")

	// ErrNoSTARTTLS: STARTTLS was not offered, or refused. Either the server
	// speaks in cleartext only, or somebody in between would like it to. It goes
	// with ErrInsecure.
	ErrNoSTARTTLS = errors.New("server offers no STARTTLS: stripped, or a cleartext-only server")

	// ErrAuthNotOffered: credentials are given, and the server offers no way to
	// authenticate. It goes with ErrCredentials.
	ErrAuthNotOffered = errors.New("credentials are given, but the server offers no authentication")
)

// Error is what goes wrong while talking to a server. [errors.Is] tells what it
// means, by the sentinel errors of this package; [errors.As] reaches the causes:
// *[smtp.SMTPError] where the server replied, *[tls.CertificateVerificationError],
// *[net.OpError], *[PortError]; a context that ended is found by [errors.Is].
type Error struct {
	Endpoint  Endpoint
	Phase     Phase
	Recipient string   // for PhaseRecipient
	Reply     *Reply   // nil if the server said nothing
	Refused   []*Error // every recipient that was refused, if it was more than Recipient
	Err       error    // cause

	authenticated bool // the session was, when the server said so
}

// maxSaid is how many octets of what others say are in an error's text: a
// reply may have 64 KiB, and a log has other lines than this one.
const maxSaid = 500

// Error returns one line without secrets: where, when, why. Of a long reply it has
// the first 500 octets; Reply has it all.
func (e *Error) Error() string {
	var b strings.Builder
	if e.Endpoint != (Endpoint{}) {
		b.WriteString(e.Endpoint.String())
		b.WriteString(": ")
	}
	b.WriteString(e.Phase.String())
	if e.Recipient != "" {
		fmt.Fprintf(&b, " <%s>", e.Recipient)
	}
	b.WriteString(": ")
	switch {
	case e.Reply != nil:
		b.WriteString(clipped(e.Reply.String(), maxSaid))
		if n := e.otherRefused(); n > 0 {
			fmt.Fprintf(&b, " (and %d more refused)", n)
		}
		var said *cause
		if errors.As(e.Err, &said) && said.text != "" {
			fmt.Fprintf(&b, " (%s)", said.text)
		}
	case e.Err != nil:
		b.WriteString(clipped(oneLine(e.Err.Error()), 2*maxSaid)) // it may have a reply in it, and what is ours around that
	default:
		b.WriteString("failed")
	}
	return oneLine(b.String())
}

// clipped is s, or its first characters, in n octets, if it has more.
func clipped(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}

// oneLine keeps a text that others had a part in, such as a reader or a
// certificate, on one line of a log.
func oneLine(s string) string {
	return strings.ReplaceAll(wire.Printable(strings.ReplaceAll(s, "\r\n", "\n")), "\n", " / ")
}

// otherRefused counts the refused recipients beside the one that is named.
func (e *Error) otherRefused() (n int) {
	for _, r := range e.Refused {
		if r.Recipient != e.Recipient {
			n++
		}
	}
	return n
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Is reports whether e means target, one of the sentinel errors of this package.
func (e *Error) Is(target error) bool {
	if errors.Is(e.Err, ErrUncertain) {
		return target == ErrUncertain // in doubt, nothing else is certain
	}
	if errors.Is(e.Err, ErrClosed) {
		return false // what its owner ended has not failed
	}
	switch target {
	case ErrTemporary:
		return e.temporary()
	case ErrRejected:
		return e.rejected()
	case ErrUnreachable:
		return e.unreachable()
	case ErrCredentials:
		return e.credentials()
	case ErrTooLarge:
		return e.tooLarge()
	}
	return false // ErrInsecure, ErrProtocol and ErrClosed are in the chain of causes
}

func (e *Error) temporary() bool {
	switch {
	case e.Reply != nil:
		// RFC 5321, section 4.5.3.1.10: a 552 to RCPT means "too many
		// recipients" and is to be treated as if it were a 452.
		return e.Reply.Code/100 == 4 || e.Phase == PhaseRecipient && e.Reply.Code == 552
	case e.Phase == PhaseResolve:
		return !isNoSuchHost(e.Err)
	default:
		return e.unreachable() || isLost(e.Err) && !isContext(e.Err)
	}
}

func (e *Error) rejected() bool {
	if errors.Is(e.Err, errors.ErrUnsupported) || errors.Is(e.Err, ErrTooLarge) {
		return true // what the message needs, this server cannot do, and has said so
	}
	return e.Reply != nil && e.Reply.Code/100 == 5 && !e.temporary() && !e.credentials() && !errors.Is(e.Err, ErrInsecure)
}

func (e *Error) unreachable() bool {
	switch {
	case e.Reply != nil || isContext(e.Err) || errors.Is(e.Err, ErrInvalid):
		return false
	case e.Phase == PhaseResolve || e.Phase == PhaseConnect:
		return true
	default:
		return e.Phase < PhaseAuth && isLost(e.Err)
	}
}

func (e *Error) credentials() bool {
	if e.Reply == nil || e.Phase < PhaseAuth {
		return false // what auth itself says is in the chain of causes
	}
	switch e.Reply.Code {
	case 530, 535: // RFC 4954, section 6; servers say so to MAIL and RCPT as well
		return !e.authenticated // OpenSMTPD says 530 to a sender who may not use that address
	}
	return e.Phase == PhaseAuth && e.Reply.Code/100 == 5
}

func (e *Error) tooLarge() bool {
	if e.Reply == nil || e.Reply.Code/100 != 5 || e.Phase == PhaseRecipient {
		return false
	}
	switch e.Reply.Enhanced {
	case [3]int{5, 3, 4}, [3]int{5, 2, 3}: // RFC 3463: message too big for system; length exceeds limit
		return true
	case [3]int{}:
		return e.Reply.Code == 552 // RFC 1870, section 6
	}
	return false
}

// An InvalidError is bad input, found before anything was sent. It matches
// [ErrInvalid].
type InvalidError struct {
	Field  string // what is invalid, such as "Message.To[2]"
	Value  string // as given
	Reason string
	Err    error // cause, or nil: what reading Message.Body returned
}

// maxValue is how many octets of a value are in an error's text.
const maxValue = 100

// Error returns one line: the field, its value, what is wrong with it.
func (e *InvalidError) Error() string {
	var b strings.Builder
	b.WriteString("invalid ")
	b.WriteString(e.Field)
	if e.Value != "" {
		fmt.Fprintf(&b, " %q", clipped(e.Value, maxValue))
	}
	b.WriteString(": ")
	b.WriteString(e.Reason)
	if e.Err != nil {
		b.WriteString(": ")
		b.WriteString(e.Err.Error())
	}
	return oneLine(b.String())
}

// Is makes e match [ErrInvalid].
func (e *InvalidError) Is(target error) bool { return target == ErrInvalid }

// Unwrap returns the cause, if there is one.
func (e *InvalidError) Unwrap() error { return e.Err }

// A Phase is a step of a session.
type Phase int

// The phases, in their order over implicit TLS. With STARTTLS the handshake
// comes between PhaseStartTLS and PhaseHelloAgain.
const (
	PhaseResolve    Phase = iota + 1 // the host's name is looked up
	PhaseConnect                     // TCP
	PhaseHandshake                   // TLS
	PhaseGreeting                    // the server speaks first
	PhaseHello                       // EHLO
	PhaseStartTLS                    // STARTTLS
	PhaseHelloAgain                  // EHLO over TLS, after STARTTLS
	PhaseAuth                        // AUTH
	PhaseSender                      // MAIL
	PhaseRecipient                   // RCPT
	PhaseData                        // DATA
	PhaseBody                        // the message
	PhaseVerdict                     // the reply to its end
)

var phaseNames = [...]string{
	PhaseResolve:    "resolve",
	PhaseConnect:    "connect",
	PhaseHandshake:  "handshake",
	PhaseGreeting:   "greeting",
	PhaseHello:      "hello",
	PhaseStartTLS:   "starttls",
	PhaseHelloAgain: "hello again",
	PhaseAuth:       "auth",
	PhaseSender:     "sender",
	PhaseRecipient:  "recipient",
	PhaseData:       "data",
	PhaseBody:       "body",
	PhaseVerdict:    "verdict",
}

// String returns the name of p in lower case.
func (p Phase) String() string {
	if p <= 0 || int(p) >= len(phaseNames) {
		return "before connecting"
	}
	return phaseNames[p]
}

// MarshalText returns the name of p, for JSON.
func (p Phase) MarshalText() ([]byte, error) { return []byte(p.String()), nil }
