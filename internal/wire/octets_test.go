package wire

import (
	"bytes"
	"strings"
	"testing"
)

// Octets are looked at in blocks of 16, one by one at the end: what is searched
// for is found anywhere in either, and nothing else is, whatever is beside it.
func TestSkipText(t *testing.T) {
	for _, filler := range []byte{'a', 0, 9, 16, 0x7f, 0x8a, 0x8f, 0xff} {
		b := bytes.Repeat([]byte{filler}, 40)
		for _, c := range []byte{0, 8, 9, 10, 11, 12, 13, 14, 15, 16, 26, 29, '.', 0x7f, 0x8a, 0x8d, 0xff} {
			for at := range b {
				b[at] = c
				want := len(b)
				if 10 <= c && c <= 15 {
					want = at
				}
				for from := 0; from <= at && from < 20; from++ {
					if got := skipText(b, from); got != want {
						t.Fatalf("%#x at %d among %#x, from %d: %d, want %d", c, at, filler, from, got, want)
					}
				}
				if got := skipText(b, at+1); got != len(b) {
					t.Fatalf("%#x at %d among %#x, from behind it: %d", c, at, filler, got)
				}
				b[at] = filler
			}
		}
	}
}

// The lowest octet that is marked is one that is searched for, whatever the one
// below it did to it; and one is marked if there is one.
func TestMaybeEnds(t *testing.T) {
	for pair := range 1 << 16 {
		low, high := byte(pair), byte(pair>>8)
		searched := func(c byte) bool { return 10 <= c && c <= 15 }
		for shift := 0; shift <= 48; shift += 8 {
			marks := maybeEnds(0x6161616161616161&^(0xffff<<shift) | uint64(pair)<<shift)
			want := uint64(0)
			switch {
			case searched(low):
				want = 0x80 << shift
			case searched(high):
				want = 0x8000 << shift
			}
			if marks&-marks != want {
				t.Fatalf("%#x and %#x, shifted by %d: %#x", low, high, shift, marks)
			}
		}
	}
}

// TestEncoder and its like have messages that are shorter than a block. Here what
// matters stands before, across and behind the bounds of blocks, and as a rest.
func TestEncoderInBlocks(t *testing.T) {
	var middles []string
	for _, a := range []string{"", "a", ".", "\r", "\n", "\t", "\v"} {
		for _, b := range []string{"", "\r", "\n", "\r\n"} {
			for _, c := range []string{"", ".", "\r", "\n", "\r\n", ".\r\n", "\x00", "\xe2\x80\x8d\x8a"} {
				middles = append(middles, a+b+c)
			}
		}
	}
	for before := range 18 {
		for _, middle := range middles {
			for _, after := range []int{0, 1, 15, 16} {
				m := strings.Repeat("x", before) + middle + strings.Repeat("y", after)
				whole := encode(m)
				requireSafe(t, m, whole)
				cut := before + len(middle)/2
				if got := encode(m[:cut], m[cut:]); got != whole {
					t.Fatalf("%q cut at %d: %q, want %q", m, cut, got, whole)
				}
				if got := encodeWith(encoder{chunked: true}, m[:cut], m[cut:]); got != normal(m) {
					t.Fatalf("%q cut at %d: %q, want %q", m, cut, got, normal(m))
				}
				if got, want := BareLineEnds([]byte(m)), bare(m); got != want {
					t.Fatalf("%q: %d bare line ends, want %d", m, got, want)
				}
			}
		}
	}
}

// bare counts by taking away.
func bare(s string) int {
	s = strings.ReplaceAll(s, "\r\n", "")
	return strings.Count(s, "\r") + strings.Count(s, "\n")
}
