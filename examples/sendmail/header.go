package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/mailport/mailport/submit"
)

const (
	maxLine   = 64 << 10 // octets of a line of the header
	maxHeader = 1 << 20  // octets of the header
)

// readHeader reads the header of a message and the empty line that ends it. It
// refuses what cannot be a header by RFC 5322, section 2.2: programs take the
// first such line for the end of it, and show the rest to people as text.
func readHeader(r *bufio.Reader) ([]byte, error) {
	var header []byte
	for n := 1; ; n++ {
		line, err := r.ReadSlice('\n')
		header = append(header, line...)
		switch {
		case errors.Is(err, bufio.ErrBufferFull), len(header) > maxHeader:
			return nil, badHeader("longer than %d octets, or a line longer than %d", maxHeader, maxLine)
		case err != nil && err != io.EOF:
			return nil, err
		case len(header) == 0:
			return nil, badHeader("there is none: standard input is empty")
		}
		text := bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
		if len(text) == 0 && n > 1 { // or the message is a header alone
			return header, nil
		}
		if reason := wrongWith(text, n == 1); reason != "" {
			return nil, badHeader("line %d %s", n, reason)
		}
	}
}

func badHeader(format string, args ...any) error {
	return fmt.Errorf("%w: header: %s", submit.ErrInvalid, fmt.Sprintf(format, args...))
}

// wrongWith says why line cannot be in a header, or "".
func wrongWith(line []byte, first bool) string {
	if i := bytes.IndexFunc(line, isControl); i >= 0 {
		return fmt.Sprintf("has the control character %#02x", line[i])
	}
	if !utf8.Valid(line) {
		return "is neither ASCII nor UTF-8; RFC 2047 says how to encode it"
	}
	if !first && len(line) > 0 && (line[0] == ' ' || line[0] == '\t') {
		return "" // continues the line before
	}
	name, _, colon := bytes.Cut(line, []byte(":"))
	switch {
	case len(line) == 0:
		return "is empty; a message begins with its header"
	case !colon:
		return "has no colon"
	case len(name) == 0 || bytes.ContainsFunc(name, notInName):
		return fmt.Sprintf("has no field name before the colon: %.40q", name)
	}
	return ""
}

// isControl includes CR: only at the end of a line it ends it.
func isControl(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }

// notInName is for RFC 5322, section 3.6.8: printable ASCII, and no blank.
func notInName(r rune) bool { return r <= ' ' || r > '~' }
