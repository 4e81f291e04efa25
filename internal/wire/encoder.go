package wire

import "fmt"

// An encoder makes a message fit for DATA, RFC 5321, sections 2.3.8 and 4.5.2,
// or for BDAT, RFC 3030. Its state lives across the pieces that a message comes
// in.
type encoder struct {
	lineStart bool // nothing of the current line was written yet
	cr        bool // a CR was read whose LF, if there is one, is in the next piece
	sevenBit  bool // refuse octets above 127
	chunked   bool // for BDAT, which counts octets: dots stay single, and none ends the message
	raw       bool // for BODY=BINARYMIME, RFC 3030, section 3: octets stay what they are
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
	for { // what can be sent as it is, and then what cannot
		if e.lineStart && !e.chunked && len(src) > 0 && src[0] == '.' {
			dst = append(dst, '.')
		}
		if n := indexUnfit(src, !e.chunked); n > 0 {
			dst = append(dst, src[:n]...)
			e.lineStart = src[n-1] == '\n'
			src = src[n:]
		}
		switch {
		case len(src) == 0:
			return dst, nil
		case src[0] == '.': // it begins a line
			continue
		case len(src) == 1 && src[0] == '\r': // it may be half of a CRLF
			e.cr, e.lineStart = true, false
			return dst, nil
		}
		for isBare(src) { // where there is one, there may be more
			dst = append(dst, "\r\n"...)
			src = src[1:]
		}
		e.lineStart = true
	}
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
