package script

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A step is one thing that one side does.
type step struct {
	act    act
	line   int           // in the file; the first, if it takes several
	lines  []said        // hear: what the client says
	octets string        // say: what the server says
	words  []string      // handshake: version and certificate
	alert  string        // alert: its name; none if the client hangs up instead
	wait   time.Duration // pause
}

// said is a line that the client says.
type said struct {
	line int // in the file
	text string
}

type act int

const (
	say       act = iota // the server's
	hear                 // the client's
	handshake            // both sides'
	alert                // the client does not like the handshake
	perhaps              // the client's, or it is gone by then
	anything             // the client says what it likes, but no end of a message
	pause                // the server does nothing
	stall                // for good
	deaf                 // and does not read either
	hangup
	reset
)

func parseStep(number int, line string) (step, error) {
	s := step{line: number}
	word, rest, _ := strings.Cut(line, " ")
	var err error
	switch word {
	case "S:":
		s.act = say
		s.octets, err = expand(rest)
		s.octets += "\r\n"
	case "C:":
		err = s.client(rest)
	case "C?":
		s.act, s.lines = perhaps, []said{{number, rest}}
	case "raw":
		s.act = say
		s.octets, err = raw(rest)
	case "TLS":
		s.act, s.words = handshake, strings.Fields(rest)
		_, err = parseCertificate(s.words)
	case "wait":
		s.act = pause
		s.wait, err = time.ParseDuration(rest)
	case "stall", "deaf", "hangup", "reset":
		s.act = map[string]act{"stall": stall, "deaf": deaf, "hangup": hangup, "reset": reset}[line]
		if s.act == say {
			err = fmt.Errorf("%q is not understood", line)
		}
	default:
		err = fmt.Errorf("%q is not understood", line)
	}
	return s, err
}

// client reads what the client does.
func (s *step) client(rest string) error {
	if name, ok := strings.CutPrefix(rest, "alert "); ok {
		s.act, s.alert = alert, name
		return nil
	}
	switch rest {
	case "hangup":
		s.act = alert
		return nil
	case "...":
		s.act = anything
		return nil
	}
	line, err := expand(rest)
	s.act, s.lines = hear, []said{{s.line, line}}
	return err
}

// join makes one step of s and next, if they are: a segment or a flight.
func (s *step) join(next step) bool {
	switch {
	case s.act != next.act:
		return false
	case s.act == say:
		s.octets += next.octets
		return true
	case s.act == hear:
		s.lines = append(s.lines, next.lines...)
		return true
	}
	return false
}

// expand puts base64 in place of what is in braces.
func expand(text string) (string, error) {
	var b strings.Builder
	for {
		before, after, ok := strings.Cut(text, "{")
		b.WriteString(before)
		if !ok {
			return b.String(), nil
		}
		inner, rest, ok := strings.Cut(after, "}")
		if !ok {
			return "", fmt.Errorf("brace is not closed")
		}
		plain, err := strconv.Unquote(`"` + inner + `"`)
		if err != nil {
			return "", fmt.Errorf("{%s}: %w", inner, err)
		}
		b.WriteString(base64.StdEncoding.EncodeToString([]byte(plain)))
		text = rest
	}
}

// raw reads a quoted string, and how many times it is meant.
func raw(text string) (string, error) {
	quoted, err := strconv.QuotedPrefix(text)
	if err != nil {
		return "", fmt.Errorf("%s is not quoted as in Go", text)
	}
	octets, err := strconv.Unquote(quoted)
	if err != nil {
		return "", err
	}
	rest := text[len(quoted):]
	if rest == "" {
		return octets, nil
	}
	n, err := strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(rest, " "), " times"))
	if err != nil || !strings.HasSuffix(rest, " times") {
		return "", fmt.Errorf("%q is not understood", rest)
	}
	return strings.Repeat(octets, n), nil
}
