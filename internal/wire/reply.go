package wire

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of what a server may say at once. RFC 5321, section 4.5.3.1.5, allows
// 512 octets a line; real servers say more.
const (
	MaxLine  = 4096     // octets of a reply line, with its end; amid authentication MaxAuthLine
	MaxReply = 64 << 10 // octets of a reply, with its line ends
	MaxLines = 1024     // lines of a reply
)

// A Reply is what a server says to one command, RFC 5321, section 4.2.
type Reply struct {
	Code     int
	Enhanced [3]int   // RFC 3463; zero if the server gave none
	Lines    []string // as sent, without code and line end
}

// Class returns the first digit of the code, which decides what a reply means.
func (r Reply) Class() int { return r.Code / 100 }

// Message returns the text without enhanced codes, lines joined by a line break.
func (r Reply) Message() string {
	lines := make([]string, len(r.Lines))
	for i, line := range r.Lines {
		if _, rest, ok := cutEnhanced(line, r.Class()); ok {
			line = rest
		}
		lines[i] = line
	}
	return Printable(strings.Join(lines, "\n"))
}

// String returns r on one line, with control characters and what is not UTF-8
// made visible, so that a server cannot write into a log what it likes.
func (r Reply) String() string {
	text := strings.ReplaceAll(Printable(strings.Join(r.Lines, " / ")), "\n", " / ")
	if text == "" {
		return strconv.Itoa(r.Code)
	}
	return strconv.Itoa(r.Code) + " " + text
}

// Printable returns s with what could act on a terminal or forge a log line
// made visible.
func Printable(s string) string {
	ok := func(r rune) bool { return r == '\n' || strconv.IsPrint(r) && r != utf8.RuneError }
	for _, r := range s {
		if !ok(r) {
			return strings.Map(func(r rune) rune {
				switch {
				case ok(r):
					return r
				case r == '\t', unicode.Is(unicode.Zs, r):
					return ' '
				}
				return utf8.RuneError
			}, s)
		}
	}
	return s
}

// A ProtocolError is a violation of the protocol by the server, after which
// nothing it says can be told apart from anything else.
type ProtocolError struct{ Reason string }

func (e *ProtocolError) Error() string { return e.Reason }

func malformed(format string, args ...any) error {
	return &ProtocolError{fmt.Sprintf(format, args...)}
}

// readReply reads one reply of one or more lines. The reader's buffer must hold
// MaxLine octets.
func readReply(br *bufio.Reader) (Reply, error) { return readReplyOf(br, MaxLine, nil, nil) }

// readReplyOf is readReply for lines of up to longest octets. What was seen
// before, if not nil, need not be taken apart once more. The lines are appended to
// lines, which is empty and may be nil.
func readReplyOf(br *bufio.Reader, longest int, before *seen, lines []string) (Reply, error) {
	r := Reply{Lines: lines}
	size := 0
	for {
		line, err := readLine(br, longest)
		if err != nil {
			return Reply{}, err
		}
		if size == 0 && before != nil {
			if known, ok := before.find(line); ok {
				return known, nil
			}
		}
		code, text, last, err := parseLine(line)
		if err != nil {
			return Reply{}, err
		}
		size += len(line)
		switch {
		case len(r.Lines) > 0 && code != r.Code:
			return Reply{}, malformed("reply mixes the codes %d and %d", r.Code, code)
		case size > MaxReply || len(r.Lines) == MaxLines:
			return Reply{}, malformed("reply longer than %d octets or %d lines", MaxReply, MaxLines)
		}
		r.Code = code
		r.Lines = append(r.Lines, text)
		if r.Enhanced == ([3]int{}) {
			// RFC 2034, section 4, wants it on each line; some put it on one.
			if enhanced, _, ok := cutEnhanced(text, code/100); ok {
				r.Enhanced = enhanced
			}
		}
		if last {
			if before != nil && len(r.Lines) == 1 {
				before.note(line, r)
			}
			return r, nil
		}
	}
}

// readLine returns the next line with its end, valid until the next read. A
// bare LF ends a line too: the reply is the same, and no command of ours can be
// mistaken for it.
func readLine(br *bufio.Reader, longest int) ([]byte, error) {
	line, err := br.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		line, err = readOn(br, line, longest)
	}
	switch {
	case err == nil && len(line) <= longest:
		return line, nil
	case err == nil || errors.Is(err, bufio.ErrBufferFull):
		return nil, malformed("reply line longer than %d octets", longest)
	default:
		return nil, err
	}
}

// readOn reads the rest of a line that began with what fills the buffer.
func readOn(br *bufio.Reader, line []byte, longest int) ([]byte, error) {
	err := bufio.ErrBufferFull
	line = bytes.Clone(line) // the next read overwrites it
	for errors.Is(err, bufio.ErrBufferFull) && len(line) < longest {
		var piece []byte
		piece, err = br.ReadSlice('\n')
		line = append(line, piece...)
	}
	return line, err
}

// parseLine takes apart "250-text", "250 text" and the bare "250", which RFC
// 5321, section 4.2, asks clients to accept.
func parseLine(line []byte) (code int, text string, last bool, err error) {
	line = line[:len(line)-1]
	if n := len(line); n > 0 && line[n-1] == '\r' {
		line = line[:n-1]
	}
	if len(line) < 3 || line[0] < '2' || line[0] > '5' || !isDigit(line[1]) || !isDigit(line[2]) {
		return 0, "", false, malformed("not an SMTP reply: %s", excerpt(line))
	}
	code = int(line[0]-'0')*100 + int(line[1]-'0')*10 + int(line[2]-'0')
	if len(line) == 3 {
		return code, "", true, nil
	}
	switch line[3] {
	case ' ':
		last = true
	case '-':
	default:
		return 0, "", false, malformed("not an SMTP reply: %s", excerpt(line))
	}
	return code, string(line[4:]), last, nil
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// excerpt quotes the beginning of what a server said, for an error.
func excerpt(b []byte) string {
	if len(b) > 60 {
		return strconv.Quote(string(b[:60])) + "…"
	}
	return strconv.Quote(string(b))
}

// cutEnhanced takes "5.1.1 text" apart if its class is that of the reply, as
// RFC 2034, section 4, requires. Replies of other classes than 2, 4 and 5 have
// no such code.
func cutEnhanced(text string, class int) (enhanced [3]int, rest string, ok bool) {
	if class == 3 || len(text) < 5 || text[0] != byte('0'+class) || text[1] != '.' {
		return enhanced, "", false
	}
	word, rest, _ := strings.Cut(text, " ")
	for i := range enhanced {
		part, more, dot := strings.Cut(word, ".")
		n, err := strconv.ParseUint(part, 10, 16)
		if err != nil || len(part) > 3 || dot != (i < 2) { // RFC 3463, section 2
			return [3]int{}, "", false
		}
		enhanced[i], word = int(n), more
	}
	return enhanced, rest, true
}
