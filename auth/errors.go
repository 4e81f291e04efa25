package auth

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/emersion/go-sasl"
)

// ErrInsecure means that credentials were asked for without TLS that is fit to
// carry them: RFC 4954, section 14, and RFC 4616, section 5, ask for TLS, and
// RFC 9325, section 3.1.1, for version 1.2 at least.
var ErrInsecure = errors.New("credentials are sent over TLS alone")

// ErrUnsendable means that the mechanism has no way to send this username or
// this password: nothing was sent, and no server was asked. The text says what
// is wrong with which of them, and shows neither.
var ErrUnsendable = errors.New("credentials cannot be sent")

// A MechanismError says that no mechanism which the server offers is one that
// the credentials allow. It matches [ErrNoMechanism].
type MechanismError struct {
	Offered []string // by the server, in its order
	Allowed []string // by the credentials, strongest first

	unbound bool // a -PLUS was offered, and this connection has nothing to bind to
}

// Error returns one line with both lists, since either may be the one to change. Of a
// list it has no more than ten names; the fields have all.
func (e *MechanismError) Error() string {
	text := fmt.Sprintf("%v: server offers %s, credentials allow %s", ErrNoMechanism, list(e.Offered), list(e.Allowed))
	if e.unbound {
		text += ", and no -PLUS: this connection has nothing to bind to (RFC 7627, RFC 9266)"
	}
	return text
}

// Unwrap returns [ErrNoMechanism].
func (e *MechanismError) Unwrap() error { return ErrNoMechanism }

// list names mechanisms, as many as leave room for what comes after them. A server may
// have written any number of them, and anything.
func list(mechanisms []string) string {
	const (
		most    = 10 // one more than a password is good for
		longest = 20 // RFC 4422, section 3.1
	)
	if len(mechanisms) == 0 {
		return "nothing"
	}
	var names []string
	for _, m := range mechanisms[:min(most, len(mechanisms))] {
		name := escaped(m)
		if len(name) > longest {
			name = name[:longest] + "..."
		}
		names = append(names, name)
	}
	if more := len(mechanisms) - most; more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(names, ", ")
}

// escaped is what a server wrote, which must not write into a log what it likes: control
// characters become escapes.
func escaped(s string) string { return strings.Trim(strconv.QuoteToASCII(s), `"`) }

// ErrUnproven means that a server claimed success before it had proved that it
// knows the credentials too, or before they were shown to it; or that it sees
// another connection, or another list of mechanisms, than this side does. It is not
// who it says it is, or not in its right mind; see [Mechanism].Complete.
var ErrUnproven = errors.New("server claims success without having proved itself")

// ErrChallenge means that a server asked for something that must not be answered:
// SCRAM with too few iterations, which would give the password away, or with too
// many, or what does not belong to the mechanism.
var ErrChallenge = errors.New("server's challenge is not acceptable")

// unexpected is the error of a challenge where an exchange was over.
func unexpected(mechanism, when string) error {
	return fmt.Errorf("%s: %w: %w %s", mechanism, ErrChallenge, sasl.ErrUnexpectedServerChallenge, when)
}
