// Package negotiate decides how to reach a submission server: by implicit TLS
// on port 465 (RFC 8314) or by STARTTLS on port 587 (RFC 6409, RFC 3207).
//
// Give a [Negotiator] a host and credentials, and call [submit.Send] with it, or
// put it into a [submit.Pool] to keep sessions between messages:
//
//	server := &negotiate.Negotiator{
//		Host:   "smtp.example.com",
//		Config: submit.Config{Credentials: auth.Password("me@example.com", os.Getenv("SMTP_PASSWORD"))},
//	}
//	receipt, err := submit.Send(ctx, server, "me@example.com", []string{"you@example.net"}, data)
//
// # What is raced
//
// The transports are tried in the order of the [Policy], each with a head start
// of [DefaultHeadStart] to connect, and then of six times the connect time, 300
// ms at least, to be ready. A transport that fails lets the next one start at
// once. The finish line is TLS verified and EHLO answered, so that only the
// winner is shown credentials. A healthy server up to a round-trip time of 250
// ms sees one connection only; one whose name takes long to resolve, or has an
// address that does not answer, may see two until it is remembered. If two are ready at the same time the preferred one
// is taken; the others have ended when Dial returns, and one that was ready has
// heard QUIT.
//
// With [Negotiator].Port both modes are tried on that one port, since people do
// not know which it speaks. What speaks the other is recognised by what it says
// first, or by its silence.
//
// # What a failure means
//
// Before authentication any failure lets the next transport try, but for a sign
// of attack. From authentication on nothing does: a password is shown to one
// port, and a message is offered to one port.
//
//	what happened                                           next transport?
//	------------------------------------------------------  ---------------------------
//	unreachable: refused, no route, timed out, lost         next
//	no such name: the host does not resolve                 stop
//	speaks SMTP without TLS, where TLS was wanted           next
//	another service: IMAP, POP3, HTTP, SSH, FTP, NNTP, ...  next
//	expects TLS, where a greeting was wanted                next
//	TLS handshake: version, alert                           next
//	certificate, or its name, not valid                     stop
//	greeting or EHLO refused, or not understood             next
//	no STARTTLS: not offered, or refused                    next, implicit TLS only
//	injection: cleartext after the reply to STARTTLS        stop
//	AUTH not offered, though there are credentials          next
//	AUTH refused, or no common mechanism                    stop
//	transaction: MAIL, RCPT, DATA, message, verdict         stop
//	context ended                                           stop
//	invalid input                                           stop
//
// With Policy.FailClosed there is no next transport. No policy means cleartext,
// and none goes on after a bad certificate.
//
// # What is remembered
//
// What won is tried first for the next ten minutes, see [Policy].Remember, with a
// head start of three times the connect time that it had: so a server that is far
// away sees one connection, too. A choice is forgotten when it fails, at the latest
// in authentication. Concurrent calls with nothing to remember negotiate once.
//
// A [Memory] keeps it: by default the Negotiator does, a [ProcessMemory] serves
// several of them, and a [FileMemory] programs that run for a moment. Whatever a
// memory holds, it only says which of the Negotiator's own transports is first.
//
// # Where settings come from
//
// [Open] makes a Negotiator of a URL, for configuration by one environment
// variable. [Discover] finds the servers of a mail address, and says of each
// whether it can be trusted. [Negotiator.Probe] tests settings without submitting
// anything.
//
// # What it tells
//
// Every negotiation has a [Report]: each attempt with its times, outcome, and
// reason, and a diagnosis in one sentence. A negotiation that fails returns it
// in an [*Error], where [errors.Is] sees what decided, and the text has it all.
// [Report.Print] writes it for people, with all that servers and certificates said.
package negotiate
