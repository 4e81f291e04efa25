package wire

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// An encoder makes a message fit for DATA, RFC 5321, sections 2.3.8 and 4.5.2,
// or for BDAT, RFC 3030. Its state lives across the pieces that a message comes
// in.
type encoder struct {
	lineStart bool // nothing of the current line was written yet
	cr        bool // a CR was read whose LF, if there is one, is in the next piece
	sevenBit  bool // refuse octets above 127
	chunked   bool // for BDAT: what ends is counted, so dots are single and no dot ends it
	raw       bool // for BODY=BINARYMIME, RFC 3030, section 3: octets are sent as they are
}

// append encodes a piece of the message. A CR or LF alone becomes CRLF, so that
// no server further on can see an end of data where there is none.
func (e *encoder) append(dst, src []byte) ([]byte, error) {
	if e.sevenBit {
		if i := indexEightBit(src); i >= 0 {
			return dst, fmt.Errorf("%w (%#x)", ErrEightBit, src[i])
		}
	}
	if e.raw {
		return append(dst, src...), nil
	}
	if e.cr && len(src) > 0 {
		e.cr, e.lineStart = false, true
		dst = append(dst, "\r\n"...)
		if src[0] == '\n' {
			src = src[1:]
		}
	}
	done, lf := 0, -1 // what was copied, and where the next LF is
	for i := 0; i < len(src); {
		if e.lineStart && !e.chunked && src[i] == '.' {
			dst = append(append(dst, src[done:i]...), '.')
			done = i
		}
		if lf < i { // not for every CR: that would take squares
			if lf = bytes.IndexByte(src[i:], '\n'); lf >= 0 {
				lf += i
			} else {
				lf = len(src)
			}
		}
		end, next := lf, lf+1
		if cr := bytes.IndexByte(src[i:lf], '\r'); cr >= 0 {
			end, next = i+cr, i+cr+1
		}
		switch {
		case end == len(src): // the piece ends within a line
			e.lineStart = false
			return append(dst, src[done:]...), nil
		case src[end] == '\r' && next == len(src): // or within what may be a CRLF
			e.cr, e.lineStart = true, false
			return append(dst, src[done:end]...), nil
		case src[end] == '\r' && src[next] == '\n': // CRLF, as it should be
			next++
		default:
			dst = append(append(dst, src[done:end]...), "\r\n"...)
			done = next
		}
		i, e.lineStart = next, true
	}
	return append(dst, src[done:]...), nil
}

// finish ends the last line, if it is not, and the message, but for BDAT, which
// tells the end by itself.
func (e *encoder) finish(dst []byte) []byte {
	if e.raw {
		return dst
	}
	if !e.lineStart { // also after a CR
		dst = append(dst, "\r\n"...)
	}
	if e.chunked {
		return dst
	}
	return append(dst, ".\r\n"...)
}

// indexEightBit returns where the first octet above 127 is, or -1.
func indexEightBit(b []byte) int {
	i := 0
	for ; i+8 <= len(b); i += 8 {
		if binary.LittleEndian.Uint64(b[i:])&0x8080808080808080 != 0 {
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
