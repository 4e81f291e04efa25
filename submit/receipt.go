package submit

import (
	"crypto/tls"
	"strings"

	"github.com/mailport/mailport/internal/wire"
)

// A Receipt records that a server took a message.
type Receipt struct {
	Endpoint Endpoint             // who took it, and how it got there
	Reply    Reply                // to the end of data; usually names the queue entry
	Refused  []*Error             // recipients left out; only with Message.Partial
	TLS      *tls.ConnectionState // never nil; read only

	// Further are the replies to the ends of further transactions, if there were
	// too many recipients for one: only with Message.Partial. Recipients of a
	// transaction that failed are in Refused with that failure, which may be
	// [ErrUncertain].
	Further []Reply
}

// A Reply is what a server says to one command, RFC 5321, section 4.2.
//
// The text comes from the server and has not been cleaned of control
// characters; [Reply.String] and the errors of this package do so. Where it quotes
// a credential of the session, stars stand in place of that.
type Reply struct {
	Code     int      // three digits
	Enhanced [3]int   // RFC 3463; zero if the server gave none
	Lines    []string // the text of each line, without the code and the line end
}

// String returns r on one line, fit for a log.
func (r Reply) String() string { return wire.Reply(r).String() }

// Text returns what the server wrote behind the code, its lines joined.
func (r Reply) Text() string { return strings.Join(r.Lines, "\n") }
