//go:build race

package wire

// raced tells that the race detector looks on, which asks for memory of its own.
const raced = true
