package submit

import "io"

func newSource(r io.Reader) (*source, error) {
	s := new(source)
	return s, s.open(r)
}
