//go:build race

package submit_test

// raced tells that the race detector looks on. It makes everything several times
// slower, and what it is there for shows in a sample as well: sweeps over every octet
// and the like take one then.
const raced = true
