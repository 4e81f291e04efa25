// Package submit hands messages to a mail submission server, over one transport
// at a time: [ImplicitTLS] (port 465, RFC 8314) or [STARTTLS] (port 587, RFC
// 6409, RFC 3207). Which of the two a server wants is what package negotiate
// finds out; its Negotiator is a [Transport] and a [Submitter] like these.
//
// Most programs need three names: a [Config] with credentials from package auth,
// something that is a [Submitter], and [Send]:
//
//	server := &submit.ImplicitTLS{
//		Host:   "smtp.example.com",
//		Config: submit.Config{Credentials: auth.Password("me@example.com", os.Getenv("SMTP_PASSWORD"))},
//	}
//	receipt, err := submit.Send(ctx, server, "me@example.com", []string{"you@example.net"}, data)
//
// A transport opens a session for each message. A [Pool] keeps sessions between
// messages, and is what a service wants. For DSN, SMTPUTF8, REQUIRETLS and other
// parameters use a [Message] and its options. Middleware is a function from
// Submitter to Submitter; see [SubmitterFunc].
//
// # What a call means
//
// A [Receipt] says that the server has taken responsibility for the message.
// An error says that it has not, unless it is [ErrUncertain]: then the connection
// was lost after all of the message was handed to the network and before the
// server's verdict came, and there is no way to ask. Only the caller can decide
// whether to risk a second copy. [ErrTemporary], [ErrRejected], [ErrCredentials],
// [ErrInsecure] and others answer what to do about an error; they are decided by
// types and reply codes, never by text.
//
// A message goes to all of its recipients or to none, unless Message.Partial is
// set. Nothing is added to it and nothing taken away; line ends become CRLF.
//
// # How it speaks
//
// With PIPELINING (RFC 2920) the commands of a transaction are one flight, so
// that a message takes two round trips on an open session, and three if it is
// for several recipients and all of them. Without, each command waits for the
// reply to the one before. 8BITMIME, SMTPUTF8 and SIZE are asked for when the
// message needs them; if the server does not offer what a message needs, it is
// not sent.
//
// Each step has its time limit, see [Timeouts], and the context bounds the whole.
//
// # Promises
//
//  1. No byte of a message and no credential leaves without TLS 1.2 or later
//     whose certificate was verified for the host's name. (Where the address
//     dialled is a loopback address, a TLS configuration may switch verification
//     off.)
//  2. Credentials are shown to one session, once. Dial shows none, so who dials
//     several endpoints and keeps one session has shown them to that one.
//  3. A receipt or an error, never both. ErrUncertain is returned exactly when
//     the connection was lost after the last byte of the message was handed to
//     the network and before the verdict was read. Nothing here retries it.
//  4. If reading the body fails or the context ends before the end of the body,
//     the connection is cut and the server discards the message. The end of a
//     message is written in one place only, after all of the body was read.
//  5. Falling back to another port happens before authentication, never after.
//     (This package never does; package negotiate does.)
//  6. When a call returns, every goroutine and connection it started has ended,
//     but for the session Dial returns and what a Pool keeps. An idle pool has
//     one goroutine a session, which waits in a read; closing it leaves none.
//  7. Cancelling a context ends any call at once, in any phase, whatever the
//     server does; the error is the context's. Only a Body whose Read blocks
//     can hold a call up, with the connection cut already.
//  8. What is delivered is what was given, octet for octet but for line ends: a
//     bare CR or LF becomes CRLF.
//  9. Secrets cannot be printed: not by %+v of any value, not in logs, traces or
//     errors.
//  10. Memory is bounded whatever a server sends and however large a message is.
package submit
