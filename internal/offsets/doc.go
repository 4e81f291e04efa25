// Package offsets has conversations with a submission server, cuts each of them
// after every octet, in either direction and in every manner, and compares what
// the client says of the messages with what the server took. There is nothing to
// import.
//
// To add a conversation, add a line to a table in conversations_test.go: what the
// server is like, what is sent, and how.
//
// What must come of a cut is not written down but measured, in a conversation that
// is not cut: when the end of each message was handed to the network, as the server
// has it, and when what the server says of that message was read. So a message's
// outcome is
//
//   - what it would have been, a receipt or the server's refusal, exactly if that
//     was read before the cut;
//   - else [submit.ErrUncertain], exactly if its end was handed over;
//   - else an error that says nothing of a refusal; or, where there is another
//     session or port to be had, a receipt from there, as the conversation says.
//
// And whatever was measured, and where each connection is cut, not only the first: a receipt is for a message that was taken once, an
// error for one that was not, doubt for one that was not taken twice; what was
// taken is what was sent, octet by octet; no connection is left open; nothing secret
// is on the wire but in TLS; and a password is not shown to a second port.
//
// The usual run takes samples, and every octet next to one that decides.
// -everyoctet takes all, with two exceptions: amid a record that only fills a large
// message it is every 613th; and before the server is ready every 13th, in
// conversations that open like one of which all are taken.
package offsets
