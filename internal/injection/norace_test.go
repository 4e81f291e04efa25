//go:build !race

package injection

const raced = false
