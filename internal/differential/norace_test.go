//go:build !race

package differential

const usual = 300
