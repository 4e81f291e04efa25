package submit

import "math/bits"

// A sieve knows of nearly every line that nothing in it is to be masked, without
// looking for any secret: the replies to all messages go through it. It has a bit for
// each three octets in a row that a secret has; nothing is masked but where there are
// some of those in a row. It may be used by several goroutines.
type sieve struct {
	bits  []uint64
	shift int // of a hash, to be the number of a bit
	row   int // how many come in a row wherever there is anything to be masked
}

// gram is how many octets have a bit.
const gram = 3

// newSieve makes a sieve of secrets, none of which is too short.
func newSieve(secrets []string) *sieve {
	const (
		sparse   = 4       // bits, or more, for each gram: then a row of six is hardly ever there by chance
		smallest = 1 << 13 // bits, for a row that is shorter: then any of them is hardly ever there
	)
	grams, row := 0, leastPart
	for _, secret := range secrets {
		grams += len(secret)
		row = min(row, len(secret))
	}
	size := bits.Len(uint(max(smallest, sparse*grams) - 1)) //nolint:gosec // is positive
	s := &sieve{bits: make([]uint64, 1<<size/64), shift: 32 - size, row: row - gram + 1}
	for _, secret := range secrets {
		for i := range len(secret) - gram + 1 {
			at := s.at(secret, i)
			s.bits[at/64] |= 1 << (at % 64)
		}
	}
	return s
}

// at is the number of the bit of the gram at i in line.
func (s *sieve) at(line string, i int) uint32 {
	return (uint32(line[i])<<16 | uint32(line[i+1])<<8 | uint32(line[i+2])) * 0x9e3779b1 >> s.shift
}

// has reports whether there is a bit for the gram at i in line, if there is a gram.
func (s *sieve) has(line string, i int) bool {
	if i < 0 || i+gram > len(line) {
		return false
	}
	at := s.at(line, i)
	return s.bits[at/64]>>(at%64)&1 != 0
}

// holds reports whether there may be anything to be masked in line. If there is, it
// does. There is no row without the last place of every so many.
func (s *sieve) holds(line string) bool {
	for i := s.row - 1; i+gram <= len(line); i += s.row {
		if !s.has(line, i) {
			continue
		}
		from := i
		for from > i-s.row+1 && s.has(line, from-1) {
			from--
		}
		for i-from+1 < s.row && s.has(line, i+1) {
			i++
		}
		if i-from+1 >= s.row {
			return true
		}
		i++ // which is in no row
	}
	return false
}
