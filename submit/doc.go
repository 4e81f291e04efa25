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
// messages, and is what a service wants; its SubmitAll takes a sequence of
// messages of any length. For DSN, SMTPUTF8, REQUIRETLS and other
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
// On an open session a message takes so many round trips:
//
//	server offers                   one recipient,   several,       each of
//	                                or Partial       all of them    many
//	------------------------------  --------------   ------------   -----------
//	PIPELINING and CHUNKING         1                2              1 in a window
//	PIPELINING (RFC 2920)           2                3              1
//	CHUNKING (RFC 3030)             3                2 and one each
//	neither                         4                3 and one each
//
// With CHUNKING a message of up to 64 KiB leaves with its envelope in one flight;
// for all or none of several recipients it leaves without its end, which follows
// when all were accepted. So does a message on a session that had been silent for
// two seconds: what is sent whole into a dead connection is in doubt. Larger ones
// wait for the recipients, and then stream. A server that offers CHUNKING and does
// not know BDAT gets DATA, and [Quirks] remember that; until it is known to know it, a
// message with a line that it might take for DATA, and so send, goes by DATA as well.
// Config.Without masks what a server offers.
//
// A [Pool] that has more messages than sessions does not wait for one to be settled
// before it begins the next: the next envelope is in the flight that ends the
// message before, and with CHUNKING up to Pool.Window whole messages are under way.
// That goes for messages of up to 64 KiB and twelve recipients; in a window are those
// with one, and those with up to a hundred that are Partial.
// Servers that offer PIPELINING and lose what comes behind the end of a message are
// found out by the first one, at no risk, and remembered for an hour. Those that break
// the connection instead, before a verdict, are found out when they do so twice in a
// row, and leave those two messages in doubt.
//
// 8BITMIME, SMTPUTF8 and SIZE are asked for when the message needs them, BINARYMIME
// when Message.Options does; if the server does not offer what a message needs, it
// is not sent. What the server says of its limits is heard (LIMITS, RFC 9422): a
// message for more recipients than it takes at once goes in several transactions
// if it is Partial.
//
// Each step has its time limit, see [Timeouts], and the context bounds the whole.
//
// # Promises
//
//  1. No byte of a message and no credential leaves without TLS 1.2 or later
//     whose certificate was verified for the host's name. (Where the address
//     dialled is a loopback address, a TLS configuration may switch verification
//     off.)
//  2. A call shows credentials on one port, and once if they are refused (a token
//     may be replaced, once). Those that were accepted may be shown again to the same
//     port, where a call needs a second connection: a server turned out not to know
//     the BDAT it offers, or a session of a Pool was dead when it was needed. Dial
//     shows none, so who dials several endpoints and keeps one session has shown
//     them to that one.
//  3. A receipt or an error, never both. ErrUncertain is returned exactly when
//     the connection was lost after the last byte of the message was handed to
//     the network and before the verdict was read; or what was read cannot be told
//     from it, since replies are out of step; or the caller no longer waited for a
//     message that was on its way together with others. Nothing here retries it.
//  4. If reading the body fails or the context ends before the end of the body,
//     the connection is cut and the server discards the message. The end of a
//     message is written only after all of the body was read.
//  5. Falling back to another port happens before authentication, never after.
//     (This package never does; package negotiate does.)
//  6. When a call returns, every goroutine and connection it started has ended,
//     but for the session Dial returns and what a Pool keeps. An idle pool has
//     one goroutine a session at most, which waits in a read; closing it leaves
//     none.
//  7. Cancelling a context ends any call at once, in any phase, whatever the
//     server does; the error is the context's. Only a Body whose Read blocks
//     can hold a call up, with the connection cut already.
//  8. What is delivered is what was given, octet for octet but for line ends: a
//     bare CR or LF becomes CRLF, unless BINARYMIME was asked for.
//  9. Secrets cannot be printed: not by %+v of any value, not in logs, traces or
//     errors. What a server quotes of them is masked in all that it says in that
//     session.
//  10. Memory is bounded whatever a server sends and however large a message is.
package submit
