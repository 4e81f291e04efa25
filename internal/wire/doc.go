// Package wire speaks SMTP as bytes, from the client's side: replies, commands,
// flights, bodies. It has no policy: it knows neither ports nor TLS nor what an
// outcome means, but it knows exactly what was handed to the network.
//
// The invariants, which its tests hold:
//
//   - A [Conn] is broken from the first I/O error, malformed reply or reply
//     that nobody asked for. A broken Conn sends nothing more: no command, no
//     final dot, no QUIT.
//   - Every command passes [appendCommand]: no control character reaches the
//     network in a command, whatever the caller was given.
//   - A body is ended in one place only ([Conn.WriteBody]), and only after all
//     of it was read.
//   - Memory is bounded by [MaxLine], [MaxAuthLine], [MaxReply] and [MaxLines] whatever the
//     server sends, and by a fixed buffer however large the body is.
package wire
