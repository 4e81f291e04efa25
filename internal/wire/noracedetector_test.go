//go:build !race

package wire

// raced tells that the race detector looks on.
const raced = false
