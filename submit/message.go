package submit

import (
	"io"

	"github.com/emersion/go-smtp"
)

// A Message is an envelope and what is in it.
type Message struct {
	From string   // the bare address, without a display name; "" is the null reverse-path, <>
	To   []string // bare addresses, at least one

	// Body is the whole message: its header, an empty line, its body. Lines may
	// end in CRLF or LF; what is neither is made CRLF (RFC 5321, section 2.3.8),
	// and nothing else is changed; with BINARYMIME in Options not even those. It is
	// read once, from where it stands; if it is an [io.Seeker] it can be read
	// again, should a connection turn out to be dead before the message was taken
	// or several transactions be needed. Up to 64 KiB are read before anything is
	// sent, and need not be read again. Read should not block for long: a
	// context that ends cuts the connection at once, but cannot interrupt Read.
	Body io.Reader

	// Partial accepts delivery to some recipients when others are refused; the
	// receipt names those. By default a message goes to everyone in To or to
	// no one.
	//
	// With it, a message for more recipients than the server takes at once goes in
	// several transactions, all over one session. If that has then carried as many as
	// the server allows (MAILMAX, RFC 9422), in a [Pool] those before counted, the
	// recipients that are left are refused with [ErrTemporary], and have to be
	// submitted again.
	Partial bool

	// Options are parameters of the MAIL command. What is zero in them, or all
	// of them if nil, is set to what the message needs: 8BITMIME, SMTPUTF8,
	// SIZE. What the server does not offer is an error, never left out.
	Options *smtp.MailOptions

	// RcptOptions are parameters of RCPT by recipient, spelled as in To: DSN
	// and the like. DeliverBy and MTPriority are parameters of MAIL (RFC 2852,
	// RFC 6710), so recipients that set them must agree.
	RcptOptions map[string]*smtp.RcptOptions
}
