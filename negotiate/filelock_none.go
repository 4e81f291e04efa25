//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package negotiate

const openCarefully = 0

// tryFlock locks nothing: the standard library offers no lock here that ends with
// its process. One that does not would outlive a crash, and there would be no
// memory from then on.
func tryFlock(string) (release func(), err error) { return func() {}, nil }
