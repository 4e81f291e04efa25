package submit

// The commands that a message can be taken by: DATA (RFC 5321, section 4.1.1.4), BDAT
// (RFC 3030, section 2) and BURL (RFC 4468, section 3).
const (
	orderDATA = 'd'<<24 | 'a'<<16 | 't'<<8 | 'a'
	orderBDAT = 'b'<<24 | 'd'<<16 | 'a'<<8 | 't'
	orderBURL = 'b'<<24 | 'u'<<16 | 'r'<<8 | 'l'
)

// uncutLine is how much of a line no server cuts off, to take the rest for a line of
// its own: RFC 5321, section 4.5.3.1.4, has room for 512 octets, with the line's end.
const uncutLine = 500

// hasOrder reports whether b has a line that a server might take for DATA, BDAT or
// BURL. It is meant to be wrong at times, and never to overlook one: lines end in CR
// as well as in LF, only the first four letters count, in any case, and what is not
// printable ASCII does not, since servers pass over blanks and some over NUL. Far into
// a line, such letters count wherever they stand.
func hasOrder(b []byte) bool {
	word, letters, at := uint32(0), 0, 0
	for _, c := range b {
		switch {
		case c == '\n' || c == '\r':
			word, letters, at = 0, 0, 0
			continue
		case c <= ' ' || c >= 0x7f:
		case letters < 4 || at >= uncutLine:
			word = word<<8 | uint32(c|0x20) // in lower case
			letters++
			if letters >= 4 && (word == orderDATA || word == orderBDAT || word == orderBURL) {
				return true
			}
		}
		at++
	}
	return false
}
