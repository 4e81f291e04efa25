//go:build race

package offsets

// raced says that all takes four times as long: every octet is fewer of them.
const raced = true
