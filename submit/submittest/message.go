package submittest

import (
	"crypto/tls"
	"slices"

	"github.com/emersion/go-smtp"

	"github.com/mailport/mailport/submit"
)

// A Message is what a [Server] took or a [Recorder] was given. It is shared with
// everyone who asked for it: read only.
type Message struct {
	From string   // without angle brackets, and quotes removed; "" is the null reverse-path
	To   []string // likewise; those recipients that were not refused

	// Options and RcptOptions are parameters of MAIL and RCPT, in the form that
	// [submit.Message] has them: what BY and MT-PRIORITY in MAIL say (RFC 2852,
	// RFC 6710) stands with each recipient. Recipients without parameters are
	// not in the map.
	Options     *smtp.MailOptions
	RcptOptions map[string]*smtp.RcptOptions

	Data []byte   // octet for octet, without dot-stuffing; nil with Server.Discard
	Size int64    // octets of the data
	Sum  [32]byte // SHA-256 of the data

	Via  submit.Endpoint      // with the service that was spoken and port 465 or 587
	TLS  *tls.ConnectionState // nil if it came in cleartext
	User string               // who had authenticated; empty if no one
}

// Messages returns the messages that the server has taken, in their order.
func (s *Server) Messages() []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.messages)
}

func (s *Server) store(m Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.messages = append(s.messages, m)
}
