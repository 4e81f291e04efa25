// Package injection holds what strangers can try with the data that a program hands
// to mailport: addresses, parameters, names and messages that want to be more than
// they are. There is nothing to import; its tests compare what a server reads.
//
// The server of the tests, a witness, does not decide what is harmless. It takes down
// every line to its last octet, and every message as it came. What a line means is
// asked of a grammar of its own (RFC 5321, section 4.1.2; RFC 6531, section 3.3),
// and what a message means of a reader that believes in every line end there ever was.
//
//   - envelope_test.go: addresses. An address is sent as itself or not at all.
//   - options_test.go: parameters of MAIL and RCPT.
//   - names_test.go: hosts, the name in EHLO, user names.
//   - smuggling_test.go: messages that want to end early.
//   - display_test.go: what is shown of all that in errors.
//   - advisories_test.go: what went wrong elsewhere, by its public name.
//
// # Header fields
//
// Mailport composes nothing: a message comes with its header, and a line break in a
// subject is two fields by the time it arrives here. That is for whoever composes.
// Should mailport ever have something that writes header fields, then what it writes
// has to be read back here, field by field, as the commands are.
package injection
