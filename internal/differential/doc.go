// Package differential holds that it makes no difference how a message is sent. There
// is nothing to import; its test has the same random messages sent by several voices,
// to several servers, and compares what comes of each: the same delivery, to the octet,
// or the same refusal.
//
// Mailport's own voices are the ways in which it hands over a message: in one flight
// with DATA or in chunks, without the end until all recipients are accepted, command by
// command, and many in a window. One more voice is go-smtp's client, which shares
// nothing with mailport; where that is known to do something else, voice_test.go
// evens it out and says why.
//
// A message is made from a seed and its number, so what fails can be had again:
//
//	go test ./internal/differential -seed 7 -letters 5000
package differential
