//go:build !race

package fuzzsession

const raced = false
