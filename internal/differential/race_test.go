//go:build race

package differential

// usual is how many letters there are: under the race detector all takes longer.
const usual = 120
