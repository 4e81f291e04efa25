package submit

import (
	"math"
	"unicode/utf8"

	"github.com/mailport/mailport/internal/wire"
)

// A scan is what was found out of the beginning of a message, each part when it
// was first asked for.
type scan struct {
	counted bool // bare is known
	bare    int  // CR and LF that are no halves of a CRLF; each is sent as one

	heeded bool // orders is known
	orders bool // a line could be an order to take a message

	read       bool // the following are known
	eightBit   bool
	headerUTF8 bool
}

// bare returns how many octets are added to the head by making its line ends
// CRLF.
func (s *source) bare() int {
	if !s.scan.counted {
		s.scan.counted, s.scan.bare = true, wire.BareLineEnds(s.head)
	}
	return s.scan.bare
}

// orders reports whether a server that takes the head for commands could find one
// that orders it to take a message.
func (s *source) orders() bool {
	if !s.scan.heeded {
		s.scan.heeded, s.scan.orders = true, hasOrder(s.head)
	}
	return s.scan.orders
}

// octets looks for those above 127.
func (s *source) octets() *scan {
	if !s.scan.read {
		s.scan.read, s.scan.eightBit = true, wire.EightBit(s.head)
		if s.scan.eightBit { // or else the header has none, wherever it ends
			header := s.head[:headerEnd(s.head)]
			s.scan.headerUTF8 = wire.EightBit(header) && utf8.Valid(header)
		}
	}
	return &s.scan
}

// clean reports whether a message can be sent as it is where no dots are doubled:
// every line ends in CRLF, the last one too. It is false of a message whose end
// has not been seen.
func (s *source) clean() bool {
	return s.whole && s.head[len(s.head)-1] == '\n' && s.bare() == 0
}

// size returns how many octets SMTP counts: every line end as two, doubled dots
// and the end of data not at all (RFC 1870, section 5). Of a message whose end
// has not been seen, least is what is sure, if the reader says how much is left;
// the estimate takes the rest to be like the beginning, and is rather too large
// than too small, as section 6 there recommends.
func (s *source) size() (least, estimate int64) {
	if !s.whole && s.length < 0 {
		return 0, 0
	}
	head, last := int64(len(s.head)+s.bare()), s.head[len(s.head)-1]
	if s.whole {
		if last != '\n' && last != '\r' {
			head += 2
		}
		return head, head
	}
	if last == '\r' {
		head-- // its LF may be the next
	}
	rest := max(s.length-int64(len(s.head)), 0)
	growth := float64(head) / float64(len(s.head))
	return head + rest, head + int64(math.Ceil(growth*float64(rest))) + 2
}

// eightBit reports whether the message has an octet above 127. Of a message
// whose end has not been seen that is not known, unless there is one at its
// beginning.
func (s *source) eightBit() (found, known bool) {
	found = s.octets().eightBit
	return found, found || s.whole
}

// headerUTF8 reports whether the header is internationalised, RFC 6532: it has
// characters beyond ASCII, encoded in UTF-8. Octets that are no UTF-8 are not
// covered by SMTPUTF8; no standard covers them.
func (s *source) headerUTF8() bool { return s.octets().headerUTF8 }

// headerEnd returns where the first empty line is, or the length of b. Lines end
// in CR, LF or both, as they do for whoever encodes the message.
func headerEnd(b []byte) int {
	line := 0 // where it begins
	for i := 0; i < len(b); i++ {
		end := i
		switch {
		case b[i] == '\r' && i+1 < len(b) && b[i+1] == '\n':
			i++
		case b[i] != '\r' && b[i] != '\n':
			continue
		}
		if end == line {
			return line
		}
		line = i + 1
	}
	return len(b)
}
