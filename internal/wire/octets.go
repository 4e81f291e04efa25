package wire

import (
	"encoding/binary"
	"math/bits"
)

// Octets are looked at eight at a time where there are many, as one number whose
// lowest octet is the first.
const (
	inEach  = 0x0101010101010101 // times an octet: that octet in every place
	topBits = 0x80 * inEach
)

// BareLineEnds returns how many CR and LF in b are no halves of a CRLF in b. As
// many octets are added by sending b.
func BareLineEnds(b []byte) (n int) {
	for {
		b = b[indexUnfit(b, false):]
		if len(b) == 0 {
			return n
		}
		n++
		b = b[1:]
	}
}

// EightBit reports whether b has an octet above 127.
func EightBit(b []byte) bool { return indexEightBit(b) >= 0 }

// indexUnfit returns where the first octet of b is that cannot be sent as it is,
// or the length of b. That is a CR or LF which is no half of a CRLF in b and, if
// dots are doubled, a dot behind a CRLF in b.
func indexUnfit(b []byte, dots bool) int {
	for i := 0; ; {
		i = skipText(b, i)
		switch {
		case i == len(b):
			return i
		case b[i] == '\r' && i+1 < len(b) && b[i+1] == '\n':
			i += 2
			if dots && i < len(b) && b[i] == '.' {
				return i
			}
		case b[i] == '\r' || b[i] == '\n':
			return i
		default: // a form feed, say
			i++
		}
	}
}

// isBare reports whether b begins with a CR or LF that is no half of a CRLF. Of a
// CR that is all of b nobody knows yet.
func isBare(b []byte) bool {
	return len(b) > 0 && b[0] == '\n' || len(b) > 1 && b[0] == '\r' && b[1] != '\n'
}

// skipText returns where at i or behind it the first octet is that may be a CR or
// LF, or the length of b: one from 10 to 15.
func skipText(b []byte, i int) int {
	for ; i+16 <= len(b); i += 16 {
		block := b[i : i+16]
		first, second := maybeEnds(binary.LittleEndian.Uint64(block)), maybeEnds(binary.LittleEndian.Uint64(block[8:]))
		if first != 0 {
			return i + bits.TrailingZeros64(first)/8
		}
		if second != 0 {
			return i + 8 + bits.TrailingZeros64(second)/8
		}
	}
	for i < len(b) && (b[i] < 10 || b[i] > 15) {
		i++
	}
	return i
}

// maybeEnds sets the top bit of the lowest octet from 10 to 15, and none if there
// is none: those and no others are below 6 with their lowest four bits turned.
// So CR and LF are found at once, and neither a tabulator nor a zero, of which
// there may be many, with them. Above the lowest other bits may be set, since
// taking away may borrow from the next octet.
func maybeEnds(w uint64) uint64 {
	w ^= 15 * inEach
	return (w - 6*inEach) &^ w & topBits
}

// indexEightBit returns where the first octet above 127 is, or -1.
func indexEightBit(b []byte) int {
	i := 0
	for ; i+32 <= len(b); i += 32 {
		block := b[i : i+32]
		if (binary.LittleEndian.Uint64(block)|binary.LittleEndian.Uint64(block[8:])|
			binary.LittleEndian.Uint64(block[16:])|binary.LittleEndian.Uint64(block[24:]))&topBits != 0 {
			break
		}
	}
	for ; i < len(b); i++ {
		if b[i] >= 0x80 {
			return i
		}
	}
	return -1
}
