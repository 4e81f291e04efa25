//go:build race

package injection

// raced says that all takes several times as long: what is many of a kind is fewer.
const raced = true
