// Package auth proves who is submitting.
//
// Most programs need one name of it, [Password]: a username and a password,
// for whatever the server can do with them.
//
//	config := submit.Config{Credentials: auth.Password("me@example.com", os.Getenv("SMTP_PASSWORD"))}
//
// [Only] narrows credentials to the mechanisms you name. [Credentials] and
// [Mechanism] are for those who bring a way of their own to authenticate; few
// programs need to look at them.
//
// # Which mechanism is used
//
// The first of these that the server offers, whatever order the server gives:
//
//  1. PLAIN, RFC 4616
//  2. LOGIN, draft-murchison-sasl-login
//
// Stronger ones come first. These two show the server the same password, so
// between them the order is a matter of standing: every server that takes
// passwords is meant to offer PLAIN over TLS (RFC 4954, section 4), it takes
// one round trip instead of three, and the draft that describes LOGIN asks
// clients to leave it alone where there is another. It is here for the servers,
// some of them large, that offer nothing else.
//
// If none of them is offered, the error is a *[MechanismError] with both lists.
//
// # What is never done
//
// Nothing here is used without TLS 1.2 or newer whose certificate was verified.
// Verifying it is the business of the connection, before credentials are asked
// at all; [Credentials] of this package refuse to start without a finished
// handshake, with an error that wraps [ErrInsecure].
//
// Secrets cannot be printed. Neither credentials nor mechanisms show a password
// to fmt, log/slog, encoding/json or a panic, wherever in another value they
// are kept. A username is shown, unless it contains the password.
//
// What is given is what is sent, octet for octet: a server compares with what
// it has stored, and it alone knows how that was prepared.
package auth
