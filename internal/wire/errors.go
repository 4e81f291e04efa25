package wire

import (
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// A LostError is a connection that ended, stalled or was cut while it was
// needed. Err is the cause: the network's error, a [TimeLimitError], or the
// error of the context that ended.
type LostError struct{ Err error }

func (e *LostError) Error() string {
	switch e.Err.(type) {
	case *net.OpError:
		return "connection lost: " + e.Err.Error()
	}
	switch e.Err {
	case io.EOF, io.ErrUnexpectedEOF: // the latter amid a record of TLS
		return "server closed the connection"
	}
	return e.Err.Error()
}

// Unwrap returns the cause.
func (e *LostError) Unwrap() error { return e.Err }

// A TimeLimitError says that the server did not answer, or did not read, for
// as long as the time limit of a step.
type TimeLimitError struct{ Limit time.Duration }

func (e *TimeLimitError) Error() string { return fmt.Sprintf("no answer within %v", e.Limit) }

// Timeout makes e a timeout in the sense of [net.Error].
func (e *TimeLimitError) Timeout() bool { return true }

// Temporary belongs to [net.Error].
func (e *TimeLimitError) Temporary() bool { return true }

// unquoted is err without words of the server's. They may quote a secret, cut off
// or in escapes, where no search would find it.
func unquoted(err error) error {
	var (
		malformed *ProtocolError
		unasked   *UnaskedError
		lost      *LostError
	)
	switch {
	case errors.As(err, &malformed):
		return &ProtocolError{"what came amid authentication is not the SMTP reply that was due"}
	case errors.As(err, &unasked):
		bare := &UnaskedError{Reply{Code: unasked.Reply.Code, Enhanced: unasked.Reply.Enhanced}}
		if errors.As(err, &lost) {
			return &LostError{bare}
		}
		return bare
	}
	return err
}

// ErrBroken is the error of using a connection after its first error.
var ErrBroken = errors.New("connection is out of step")
