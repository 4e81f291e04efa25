// Package script plays the servers of a transcript: a text file that shows, line
// by line, what a client and its servers say to each other, and what the client
// makes of it. It runs in virtual time, over a network in memory, with real TLS.
//
// Use [Player.Run] in a test; what the client does is the test's business. The
// package shares no parser with the client, and only tests import it.
//
// # The file
//
// A transcript is a txtar archive about one thing that happens. The first line
// of its comment says what it is and why it matters. Then come sections.
//
//	An expired certificate ends it all: no password, and no other port.
//
//	-- client --
//	password me sesame
//	-- submissions://smtp.example.com:465 --
//	TLS expired
//	C: alert bad certificate
//	-- submission://smtp.example.com:587 --
//	not dialled
//	-- want --
//	error submissions://smtp.example.com:465: handshake: certificate of …
//
// # What happens at an endpoint
//
// A section that is named like an endpoint is one connection to it; the second
// section for the same address is the second connection. What has no section
// must not be dialled. These lines tell what happens, in order:
//
//	S: 250 ok             the server says a line; consecutive ones leave in one segment
//	C: DATA               the client says a line; consecutive ones are one flight
//	raw "220 x"           the server says just these octets, quoted as in Go
//	raw "x" 5000 times    the same, so many times
//	wait 2s               the server does nothing for a while; what it says next is another segment
//	TLS smtp.example.com  a handshake, with a certificate for these names, or with one that is
//	                      expired, early, untrusted or self-signed; TLS 1.2 in front is the
//	                      highest version that the server has
//	C: alert unknown CA   the client refuses the handshake before, with this alert
//	C: hangup             the client leaves the handshake before, without one
//	C? QUIT               the client says this as the last thing, or is gone already; for what
//	                      happens in the same instant
//	C: ...                anything, in which there is no end of a message, until the client is gone
//	stall                 the server says nothing any more, until the client is gone
//	deaf                  nor does it read
//	hangup                the server closes the connection; what the client says then is still compared
//	reset                 the server breaks the connection
//
// Text in braces stands for its base64: {\x00me\x00sesame}. A line that begins
// with # is for the reader. After the last line the client must hang up.
//
// Instead of a connection a section can say why there is none: refused, black
// hole, no such host, not dialled. Where the way is of another length it begins
// with a line such as "rtt 20ms".
//
// # What is checked
//
// The server answers once it has the whole flight, and looks at the clock: all
// lines of a flight arrive in the same instant, and none sooner than one round
// trip after what it answers. So a client that stops pipelining fails, and so
// does one that does not wait, or says more than the transcript.
//
// These hold for every transcript, and it is not accepted otherwise: nothing is said
// in cleartext but EHLO, STARTTLS and QUIT; several commands are a flight only
// where PIPELINING was offered; one endpoint at most sees AUTH.
//
// When all is over no connection may be open and no goroutine running, and the
// password must be neither in an error, nor in a log, nor in a trace.
//
// # What the client is given
//
// The section client has settings, one a line:
//
//	rtt 100ms                the round-trip time, as it is without this line
//	password me sesame       credentials
//	credentials NAME         credentials of the test's own
//	without PIPELINING       extensions not to use
//	name client.example.com  for EHLO; [192.0.2.1] if there is no such line
//	hostname pc.example.com  this machine's name, in place of a name for EHLO
//	cancel after 1s          the context
//	deadline 1s              the context
//
// and what else a test knows. Each section message is a message: lines for the
// envelope (from, to, partial), then an empty line, then what is in it; what is
// left out is from a@example.com to b@example.net with the subject "hi", and
// nothing in it. In place of text there can be: body "quoted as in Go". A line
// such as "filler 100000" adds so many octets, and "unreadable" an error where the
// message would end.
//
// # What is wanted
//
// The section want is what the test tells about the result. If the test's package
// has a flag -update and that is given, the section is written anew; read the
// difference. The dialogue is written by hand.
package script
