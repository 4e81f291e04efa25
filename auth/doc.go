// Package auth proves who is submitting.
//
// Most programs need one name of it, [Password]: a username and a password,
// for whatever the server can do with them.
//
//	config := submit.Config{Credentials: auth.Password("me@example.com", os.Getenv("SMTP_PASSWORD"))}
//
// [Token] is for servers that take OAuth 2.0 tokens, [External] for those that know
// a client certificate. [Only] narrows credentials to the mechanisms you name.
// [Credentials] and [Mechanism] are for those who bring a way of their own to
// authenticate; few programs need to look at them.
//
// Keep credentials as long as you use them: they keep what was costly to get.
//
// # Which mechanism is used
//
// The first of these that the server offers, whatever order the server gives. For a
// password:
//
//  1. SCRAM-SHA-512-PLUS, SCRAM-SHA-256-PLUS, SCRAM-SHA-1-PLUS: RFC 5802, RFC 7677
//  2. SCRAM-SHA-512, SCRAM-SHA-256, SCRAM-SHA-1
//  3. PLAIN, RFC 4616
//  4. LOGIN, draft-murchison-sasl-login
//
// CRAM-MD5 (RFC 2195) is used only if it is named with [Only]. For a token:
//
//  1. OAUTHBEARER, RFC 7628
//  2. XOAUTH2, which Google and Microsoft had before
//
// And for a client certificate EXTERNAL, RFC 4422, appendix A.
//
// Stronger ones come first: SCRAM does not show the password, and has the server
// prove that it knows it, too. PLAIN and LOGIN show the server the same password, so
// between them the order is a matter of standing: every server that takes
// passwords is meant to offer PLAIN over TLS (RFC 4954, section 4), it takes
// one round trip instead of three, and the draft that describes LOGIN asks
// clients to leave it alone where there is another. It is here for the servers,
// some of them large, that offer nothing else.
//
// If none of them is offered, the error is a *[MechanismError] with both lists.
//
// # SCRAM
//
// With -PLUS the authentication is bound to the TLS connection, so that nobody in
// between can pass it on: by tls-exporter (RFC 9266) with TLS 1.3, by tls-unique (RFC
// 5929) with TLS 1.2 and an extended master secret (RFC 7627). Other connections have
// nothing to bind to, and then -PLUS is out. Where only the server has none, it is
// told that it could have been bound (RFC 5802, section 6): one that did offer -PLUS
// knows that somebody took it from the list.
//
// A server chooses how costly it is to derive keys from the password: 4,096 rounds at
// least (RFC 7677, section 4), 10,000,000 at most, which is two seconds of one core
// with SHA-1 or SHA-256 and eight with SHA-512. The context ends it at any time. Keys
// are kept for the next session, which waits for nobody; one session at a time derives
// those that are missing. A server that comes with ever more salts has all dropped at
// 100.
//
// What SASLprep (RFC 4013) forbids, such as emoji, SCRAM cannot send: a password or
// username that has it goes by PLAIN or LOGIN if the server offers either, else the
// error wraps [ErrUnsendable].
//
// Some servers offer SCRAM and cannot use it: for a user whose password they have as a
// hash of another kind, or, as Dovecot 2.4 behind Postfix, because one half of the
// server has -PLUS and the other does not offer it. They refuse the right password
// before it was used, and the error says so. Nothing else is tried then, since a
// refusal is one; Only(credentials, "PLAIN", "LOGIN") is the way out, and for the
// latter case Only(credentials, "SCRAM-SHA-256").
//
// # Tokens
//
// A [TokenSource] is asked once for each mechanism that is tried, of which there is one
// in almost every session, and once more if the server refuses the token. Sessions that
// are refused the same token at the same time share what is asked for in its place. What
// the server says of the refusal is a *[TokenError].
//
// # What is never done
//
// Nothing here is used without TLS 1.2 or newer whose certificate was verified.
// Verifying it is the business of the connection, before credentials are asked
// at all; [Credentials] of this package refuse to start without a finished
// handshake, with an error that wraps [ErrInsecure].
//
// A server that says "success" is not believed before it has done what the mechanism
// asks of it; see [Mechanism].Complete and [ErrUnproven].
//
// A token is never shown by a mechanism for passwords, nor the other way round, and
// nothing is sent that a mechanism cannot express.
//
// Secrets cannot be printed. Neither credentials nor mechanisms show a password, a
// token or a key to fmt, log/slog, encoding/json or a panic, wherever in another
// value they are kept. A username is shown, unless it contains the secret.
//
// But for SCRAM, which has to prepare it, what is given is what is sent, octet for
// octet: a server compares with what it has stored, and it alone knows how that was
// prepared.
package auth
