package submittest

import (
	"bufio"
	"fmt"
	"strconv"
	"strings"
)

// A reply is what the server says to one command. The parser below is meant for
// go-smtp's replies and for them only; it shares nothing with the client's.
type reply struct {
	code     int
	enhanced string // as in "5.7.1"; empty if there is none
	lines    []string
}

// say returns a reply of one line; text may begin with an enhanced status code.
func say(code int, text string) reply {
	enhanced, rest := cutEnhanced(text)
	return reply{code, enhanced, strings.Split(rest, "\n")}
}

// readReply reads a reply. go-smtp gives the enhanced status code in the last
// line only.
func readReply(in *bufio.Reader) (reply, error) {
	var r reply
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return reply{}, err
		}
		line = strings.TrimRight(line, "\r\n")
		if len(line) < 3 {
			return reply{}, fmt.Errorf("short reply %q", line)
		}
		if r.code, err = strconv.Atoi(line[:3]); err != nil {
			return reply{}, err
		}
		more, text := strings.HasPrefix(line[3:], "-"), strings.TrimLeft(line[3:], " -")
		if more {
			r.lines = append(r.lines, text)
			continue
		}
		if r.code/100 != 3 { // what follows a 334 is the challenge
			r.enhanced, text = cutEnhanced(text)
		}
		r.lines = append(r.lines, text)
		return r, nil
	}
}

// cutEnhanced separates an enhanced status code (RFC 3463) from the text behind
// it.
func cutEnhanced(text string) (enhanced, rest string) {
	first, rest, _ := strings.Cut(text, " ")
	parts := strings.Split(first, ".")
	if len(parts) != 3 {
		return "", text
	}
	for _, part := range parts {
		if _, err := strconv.ParseUint(part, 10, 10); err != nil {
			return "", text
		}
	}
	return first, rest
}

// append appends r as it goes over the wire. RFC 2034, section 4, wants the
// enhanced status code in every line.
func (r reply) append(dst []byte, enhanced bool) []byte {
	for i, line := range r.lines {
		dst = strconv.AppendInt(dst, int64(r.code), 10)
		if i < len(r.lines)-1 {
			dst = append(dst, '-')
		} else {
			dst = append(dst, ' ')
		}
		if enhanced && r.enhanced != "" {
			dst = append(append(dst, r.enhanced...), ' ')
		}
		dst = append(append(dst, line...), "\r\n"...)
	}
	return dst
}

// corrected returns the reply that a server by the book gives to verb where
// go-smtp gives another one.
func (r reply) corrected(verb string) reply {
	switch {
	case r.code == 502 && r.enhanced == "5.5.1" && ordered(verb):
		r.code = 503 // RFC 5321, section 4.2.3: bad sequence of commands
	case r.enhanced == "5.5.4" && (r.code == 500 || r.code == 504) && (verb == "MAIL" || verb == "RCPT"):
		r.code = 555 // RFC 5321, section 4.1.1.11: parameters not recognised
	case r.code == 454 && verb == "AUTH":
		r.code, r.enhanced = 501, "5.5.2" // RFC 4954, section 4: not base64
	}
	return r
}

// ordered reports whether verb is right at some times and wrong at others.
func ordered(verb string) bool {
	switch verb {
	case "AUTH", "MAIL", "RCPT", "DATA", "BDAT":
		return true
	}
	return false
}
