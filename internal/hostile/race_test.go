//go:build race

package hostile

// raced says that all takes four times as long: what is many of a kind is fewer.
const raced = true
