package submit

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/mailport/mailport/internal/wire"
)

// A cause gives an error the meaning of a sentinel of this package, and a text
// that says what to do about it.
type cause struct {
	meaning error
	text    string // in place of the original's, or in front of it if that is to be said too
	err     error  // the original, or nil
	whole   bool   // the text says all
}

func (c *cause) Error() string {
	switch {
	case c.text == "":
		return c.err.Error()
	case c.err == nil || c.whole:
		return c.text
	}
	return c.text + ": " + c.err.Error()
}

func (c *cause) Is(target error) bool { return target == c.meaning }
func (c *cause) Unwrap() error        { return c.err }

func isUncertain(err error) bool { return errors.Is(err, ErrUncertain) }

// uncertain is the cause of what was lost between the last octet of a message
// and the verdict.
func uncertain(err error) error { return &doubt{err} }

// A doubt matches no other sentinel of this package than [ErrUncertain], whatever
// it came from: in doubt nothing else is certain.
type doubt struct{ err error }

func (d *doubt) Error() string { return ErrUncertain.Error() + ": " + d.err.Error() }

func (d *doubt) Is(target error) bool {
	return target == ErrUncertain || !isSentinel(target) && errors.Is(d.err, target)
}

func (d *doubt) As(target any) bool { return errors.As(d.err, target) }

func isSentinel(err error) bool {
	return slices.Contains([]error{
		ErrInvalid, ErrUnreachable, ErrInsecure, ErrCredentials, ErrRejected, ErrTemporary, ErrTooLarge, ErrUncertain,
		ErrProtocol, ErrClosed, ErrCertificate, ErrInjection, ErrNoSTARTTLS, ErrAuthNotOffered,
	}, err)
}

// connectCause tells a connection attempt that took too long from one whose
// context ended, and both from what the network says. Dialing is ctx with the
// limit.
func connectCause(ctx, dialing context.Context, err error, limit time.Duration) error {
	switch {
	case hasEnded(ctx):
		return wire.ContextError(ctx)
	case hasEnded(dialing):
		return &wire.TimeLimitError{Limit: limit}
	}
	return &cause{text: connectText(err), err: err, whole: true}
}

// connectText says what went wrong without what stands beside it anyway: that it
// was a dial, and where to.
func connectText(err error) string {
	var (
		op  *net.OpError
		sys *os.SyscallError
		dns *net.DNSError
	)
	switch {
	case errors.As(err, &dns):
		return dns.Error()
	case !errors.As(err, &op):
		return err.Error()
	}
	text := op.Err.Error()
	if errors.As(op.Err, &sys) {
		text = sys.Err.Error()
	}
	if tcp, ok := op.Addr.(*net.TCPAddr); ok {
		text += " (" + tcp.String() + ")"
	}
	return text
}

// hasEnded is ctx.Err() != nil for a context that a dialer was given: dialers look
// at the deadline themselves, and can be faster than the context's own timer.
func hasEnded(ctx context.Context) bool {
	if deadline, ok := ctx.Deadline(); ok && !time.Now().Before(deadline) {
		<-ctx.Done() // at any moment
	}
	return ctx.Err() != nil
}

func isDNS(err error) bool {
	var dns *net.DNSError
	return errors.As(err, &dns)
}

func isNoSuchHost(err error) bool {
	var dns *net.DNSError
	return errors.As(err, &dns) && dns.IsNotFound
}

func isContext(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

func isLost(err error) bool {
	var lost *wire.LostError
	return errors.As(err, &lost)
}

// wireCause gives an error of the wire its meaning.
func wireCause(err error) error {
	var (
		malformed *wire.ProtocolError
		unasked   *wire.UnaskedError
	)
	switch {
	case errors.Is(err, wire.ErrInjected):
		return injected(err)
	case isLost(err):
		return err
	case errors.As(err, &malformed), errors.As(err, &unasked):
		return &cause{meaning: ErrProtocol, text: ErrProtocol.Error(), err: err}
	}
	return err
}

func injected(err error) error {
	return &cause{meaning: ErrInsecure, text: "cleartext followed the reply to STARTTLS: " + ErrInjection.Error(),
		err: errors.Join(ErrInjection, err), whole: true}
}

// replyOf returns what a server said unasked, if that is why it is gone or why
// it wants no more of a body. Before, it is no judgement of a message.
func replyOf(phase Phase, err error) (Reply, bool) {
	var unasked *wire.UnaskedError
	if errors.As(err, &unasked) && unasked.Reply.Class() >= 4 && (phase >= PhaseBody || isLost(err)) {
		return Reply(unasked.Reply), true
	}
	return Reply{}, false
}

// smtpError is r as the rest of the ecosystem knows it.
func smtpError(r Reply) error {
	return &smtp.SMTPError{
		Code:         r.Code,
		EnhancedCode: smtp.EnhancedCode(r.Enhanced),
		Message:      wire.Reply(r).Message(),
	}
}

// handshakeCause says in words why TLS did not come about. In cleartext before,
// a record that is none is an injection, not a port of another kind.
func handshakeCause(err error, upgraded bool, name string, port int) error {
	var (
		record tls.RecordHeaderError
		verify *tls.CertificateVerificationError
		own    *notAccepted
		op     *net.OpError
	)
	switch {
	case errors.As(err, &own):
		return own.cause(name)
	case isLost(err) && !upgraded:
		return noTLS(wireCause(err), port)
	case isLost(err) || errors.Is(err, wire.ErrInjected):
		return wireCause(err)
	case errors.As(err, &record) && upgraded:
		return injected(err)
	case errors.As(err, &record) && !isRecord(record.RecordHeader):
		return &PortError{Speaks: speaks(record.RecordHeader[:]), Got: string(record.RecordHeader[:]), port: port}
	case errors.As(err, &verify), isOfCertificate(err), isUnreadable(err):
		return (&notAccepted{err: err}).cause(name)
	case errors.As(err, &op) && op.Op == "remote error":
		return &cause{meaning: ErrInsecure, text: "server broke off the TLS handshake: " + op.Err.Error(), err: err, whole: true}
	}
	return &cause{meaning: ErrInsecure, err: err}
}

// isNetwork tells a connection that failed in a handshake from a handshake that
// did.
func isNetwork(err error) bool {
	if isAlert(err) {
		return false
	}
	var ne net.Error
	return errors.As(err, &ne) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed)
}

// isTampered reports whether TLS, once it is spoken, has refused what came: it was not
// what the other end of TLS had sent, or that does not know its part.
func isTampered(err error) bool {
	var (
		op     *net.OpError
		record tls.RecordHeaderError
	)
	return errors.As(err, &op) && op.Op == "local error" || errors.As(err, &record)
}

// isAlert knows what TLS has to say, RFC 8446, section 6.
func isAlert(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && (op.Op == "remote error" || op.Op == "local error")
}
