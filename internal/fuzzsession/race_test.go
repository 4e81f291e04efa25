//go:build race

package fuzzsession

// raced says that all takes four times as long: there are fewer seeds.
const raced = true
