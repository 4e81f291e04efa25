package negotiate

import (
	"cmp"
	"net"
	"slices"
)

// shuffle orders the records of one service as RFC 2782 says: by priority, and
// where that is equal at random, each the more likely to be next the higher its
// weight. random returns a number from 0 to less than its argument.
func shuffle(records []*net.SRV, random func(int) int) []*net.SRV {
	// Those of no weight stand first, to be chosen very seldom instead of never.
	records = slices.SortedStableFunc(slices.Values(records), func(a, b *net.SRV) int {
		return cmp.Or(cmp.Compare(a.Priority, b.Priority), cmp.Compare(min(a.Weight, 1), min(b.Weight, 1)))
	})
	for rest := records; len(rest) > 0; rest = rest[1:] {
		chosen := draw(rest, random)
		r := rest[chosen]
		copy(rest[1:], rest[:chosen]) // the others keep their order
		rest[0] = r
	}
	return records
}

// draw chooses one of the records that have the first one's priority.
func draw(records []*net.SRV, random func(int) int) int {
	sum, n := 0, 0
	for _, r := range records {
		if r.Priority != records[0].Priority {
			break
		}
		sum += int(r.Weight)
		n++
	}
	left := random(sum + 1)
	for i, r := range records[:n] {
		if left -= int(r.Weight); left <= 0 {
			return i
		}
	}
	return n - 1
}
