// Package fakenet is a network in memory, for tests: with latency, windows,
// deadlines and faults, and the same to the nanosecond each time under
// testing/synctest. Outside a bubble it runs by the real clock.
//
//	n := fakenet.New(100 * time.Millisecond) // round-trip time
//	defer n.Check(t)                         // no client connection is left open
//	l := n.Listen("smtp.example.com:465")    // a net.Listener
//	conn, err := n.DialContext(ctx, "tcp", "smtp.example.com:465")
//
// # The model
//
// Dialling takes one round trip. The server's Accept returns half a round trip
// later, with the third segment of the handshake, so what a server says first
// can be read two round trips after the dial began. Every octet can be read half a
// round trip after it was written. A name is resolved in no time. Nothing is
// lost, reordered or sent again unless a test says so.
//
// Each direction holds a window of octets that were written and not yet read. A
// writer blocks when it is full, and learns half a round trip later that the
// reader has made room.
//
// Close sends FIN: the peer reads io.EOF after what is in flight. What the peer
// writes to a closed connection seems to succeed; it is answered with RST, and
// one round trip after the first such octet writes fail with EPIPE. Octets that
// were unread, or on their way, when the connection was closed are answered with
// RST too, so that a writer that waits for room wakes up. The peer still reads
// io.EOF then: this is kinder than Linux, where unread octets turn the FIN into
// RST, because it spares tests a race between the two.
//
// Reset sends RST: the peer reads what is in flight, then ECONNRESET, which its
// writes fail with as soon as the RST has arrived.
//
// Errors are those of package net: *net.OpError with os.ErrDeadlineExceeded,
// net.ErrClosed, or a system call's number inside.
//
// # Bubbles
//
// All waiting is on channels and timers, which a bubble sees as durably blocked.
// A network may be made and configured outside of a bubble; a connection belongs
// to the bubble it was dialled in, and a listener to the one that first accepts.
package fakenet
