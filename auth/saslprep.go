package auth

import (
	"fmt"
	"strings"

	"github.com/xdg-go/scram"
)

// prepared refuses what SASLprep (RFC 4013) forbids, and what it leaves nothing of:
// RFC 5802, section 5.1, has nobody send an empty username.
func prepared(mechanism string, values ...string) error {
	for _, value := range values {
		client, err := scram.SHA256.NewClient(value, "", "") // as a username, which it shows as prepared
		if err != nil {                                      // its text shows the value
			return &unpreparedError{mechanism, "the username or the password has characters that SASLprep (RFC 4013) forbids"}
		}
		if first, err := client.NewConversation().Step(""); err != nil || strings.HasPrefix(first, "n,,n=,") {
			return &unpreparedError{mechanism, "SASLprep (RFC 4013) leaves nothing of the username or the password"}
		}
	}
	return nil
}

// An unpreparedError is what SASLprep alone has against credentials: a mechanism that
// does without may send them. It matches [ErrUnsendable], and shows neither of them.
type unpreparedError struct{ mechanism, what string }

func (e *unpreparedError) Error() string {
	return fmt.Sprintf("%v by %s: %s", ErrUnsendable, e.mechanism, e.what)
}

func (*unpreparedError) Unwrap() error { return ErrUnsendable }
