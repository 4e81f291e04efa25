//go:build !race

package offsets

const raced = false // see race_test.go
