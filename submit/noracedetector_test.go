//go:build !race

package submit_test

const raced = false // see racedetector_test.go
