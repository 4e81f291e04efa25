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
// ms sees one connection only.
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
//	another service: IMAP, POP3, HTTP, SSH, ...             next
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
// # What it tells
//
// Every negotiation has a [Report]: each attempt with its times, outcome, and
// reason, and a diagnosis in one sentence. A negotiation that fails returns it
// in an [*Error], where [errors.Is] sees what decided, and the text has it all.
package negotiate
