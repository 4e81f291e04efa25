//go:build !race

package negotiate_test

const raced = false // see racedetector_test.go
