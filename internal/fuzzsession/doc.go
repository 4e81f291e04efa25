// Package fuzzsession has whole sessions of mailport's with servers that say anything
// at any time. There is nothing to import: it is the fuzz target FuzzSession.
//
// An input is a setting, in bits, and for each of the two ports a script of what the
// server does there. Any string is a script. Its printable characters are said as they
// are, "\n" as CRLF; the control characters are marks, such as "wait for the client's
// next line and answer it as a good server does" or "hang up". They are listed in
// script_test.go. So a script can be good for as long as it takes to get deep into a
// conversation, and then be as bad as can be:
//
//	\x14          a good server, over TLS or STARTTLS, to the end
//	\x13\x13\x13250-\n!  TLS, a greeting, EHLO, and then noise in place of a reply
//
// All happens in virtual time, over a network in memory and real TLS. What holds for
// every input is in check_test.go. What the server is known to have heard and said is
// taken apart there by a reader of its own, that shares nothing with the client's.
package fuzzsession
