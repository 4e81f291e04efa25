// Package hostile holds what a client of mailport's can expect of servers, and of
// people in between, that mean harm. There is nothing to import: it is a table of
// cases, which its tests play.
//
// To add a case, add a line to one of the tables, each of which is a function in a
// file of its name; hostile_test.go lists them. A case has a name, the ports where it
// makes sense, what the server does in place of the usual, and what must come of that:
//
//	row{"refused for now", on587, does{starttls: says("454 not now")},
//		fails(implicitOnly, submit.PhaseStartTLS, submit.ErrNoSTARTTLS)}
//
// Crimes against several messages of one pool are in a table of their own, with how
// many of them must have which end.
//
// # The server
//
// It owns the raw connection, and does at every moment what the case says: before
// TLS, below it, in it and after it. What the case does not mention is done as a
// good server does. It shares no parser with the client.
//
// # What holds for every case
//
// A case says what comes of it when its port is all there is. The harness plays it
// under the policies of package negotiate too, with the other port honest, and with
// both ports hostile, where what must come of it follows from the table in that
// package's documentation. Each time it makes sure that
//
//   - what was said in cleartext is EHLO, STARTTLS and QUIT, and nowhere on the
//     wire is there a password, in any base64, or a part of the message;
//   - nor is there in what was said over TLS to a server that does not have the
//     right certificate;
//   - credentials were shown once, over one connection, and the message once; where a
//     case is of BDAT that is not known after all, over two of one port;
//   - there is a receipt or an error, and a receipt exactly if the server said so
//     to the end of the whole message;
//   - the outcome is uncertain only if the end of the message was sent, and nothing
//     was said to that;
//   - the call came back in time, by a virtual clock;
//   - the error is one line, not too long, without control characters, and means
//     what the case says; neither it nor a log or a trace has the password in it;
//   - no goroutine and no connection is left.
package hostile
