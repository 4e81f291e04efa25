// Package oauth2token lets golang.org/x/oauth2 provide the tokens that package
// auth shows to a server.
//
// Use [Refresh] for somebody who has granted access, and [ClientCredentials] for
// a program with an identity of its own:
//
//	tokens := oauth2token.Refresh(ctx, config, saved, func(t *oauth2.Token) { store(t) })
//	credentials := auth.Token("me@example.com", tokens)
//
// [Fetch] is for whatever else brings a fresh token whenever it is called, such as
// a service account. [Source] takes any [oauth2.TokenSource], and can do less.
//
// It is a module of its own, so that who sends with a password does not need
// golang.org/x/oauth2.
//
// # When a token is renewed
//
// A token is shown until it expires, by the clock of this machine less the ten
// seconds that golang.org/x/oauth2 allows, or until a mail server refuses it: it may
// have been revoked. Then it is renewed, and the session that was refused goes on
// with what came instead, once. However many sessions want a token at the same time,
// one request is made for all of them.
//
// Whose context ends stops waiting at once. The request goes on without it: the
// server may have put another refresh token in place of the old one already (RFC
// 6749, section 6; RFC 9700, section 4.14.2), and who does not hear of that has lost
// access. So it is the one thing that may go on after a call has returned: for 30
// seconds at most, and no longer than the context that the source was made with.
//
// If a function of yours panics meanwhile, the calls that wait for it panic, or the
// next one if none does, with an error that wraps the value and has the stack in its
// text.
//
// # What goes over the network
//
// [Refresh] and [ClientCredentials] talk to a token endpoint over https alone (RFC
// 6749, section 3.2), but for loopback addresses; and they follow no redirection,
// which would hand the secrets to somebody else, unless the HTTP client has a
// CheckRedirect of its own. To bring a client put it into the context that the
// source is made with, under [oauth2.HTTPClient].
//
// Set AuthStyle. Without it golang.org/x/oauth2 tries two ways to show the client's
// secret until one has worked, and after any failure makes the request again: where
// refresh tokens are replaced, using an old one twice looks like theft.
//
// # When there is no token
//
// The error is an [*Error]. Its text is one line without secrets, whatever the endpoint
// has quoted. If it matches [ErrGrant], somebody has to grant access again; if it is
// [Error.Temporary], the next session may have more luck. A failure is not kept: each
// session that wants a token asks again.
//
// # What it takes at some providers
//
// A scope that IMAP or a web API is content with may not do for submission:
//
//   - Google: the scope https://mail.google.com/, with server smtp.gmail.com
//     (Google, "OAuth 2.0 Mechanism", developers.google.com/workspace/gmail/imap/xoauth2-protocol).
//     There is a refresh token only if AuthCodeURL was called with
//     [oauth2.AccessTypeOffline].
//   - Microsoft 365 and Outlook.com: the scopes https://outlook.office.com/SMTP.Send
//     and offline_access, with server smtp.office365.com or smtp-mail.outlook.com,
//     which have port 587 alone; in Microsoft 365 a program without a user asks for
//     https://outlook.office365.com/.default (Microsoft, "Authenticate an IMAP, POP or SMTP connection using OAuth",
//     learn.microsoft.com). Submission has to be allowed for the mailbox, too.
//
// The username is the mailbox's address.
package oauth2token
