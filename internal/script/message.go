package script

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/mailport/mailport/submit"
)

// A message is what a message section describes.
type message struct {
	from       string
	to         []string
	partial    bool
	body       string
	filler     int
	unreadable bool
}

const (
	defaultFrom = "a@example.com"
	defaultTo   = "b@example.net"
	defaultBody = "Subject: hi\n"
)

func parseMessage(s section) (*message, error) {
	m := &message{from: defaultFrom, body: defaultBody}
	for i, line := range s.lines {
		if line == "" && i+1 < len(s.lines) {
			m.body = strings.Join(s.lines[i+1:], "\n") + "\n"
			break
		}
		if skipped(line) {
			continue
		}
		if err := m.add(line); err != nil {
			return nil, fmt.Errorf("%d: %w", s.line+i, err)
		}
	}
	if m.to == nil {
		m.to = []string{defaultTo}
	}
	return m, nil
}

func (m *message) add(line string) (err error) {
	word, rest, _ := strings.Cut(line, " ")
	switch word {
	case "from":
		m.from = rest
	case "to":
		m.to = append(m.to, rest)
	case "partial":
		m.partial = true
	case "body":
		m.body, err = strconv.Unquote(rest)
	case "filler":
		m.filler, err = strconv.Atoi(rest)
	case "unreadable":
		m.unreadable = true
	default:
		err = fmt.Errorf("%q is nothing that a message has", line)
	}
	return err
}

// message is what the client gets, with a body to be read once.
func (m *message) message() submit.Message {
	return submit.Message{From: m.from, To: m.to, Partial: m.partial, Body: m.reader()}
}

// errUnreadable is what reading a message fails with.
var errUnreadable = errors.New("disk on fire")

func (m *message) reader() io.Reader {
	const line = "This line is here to take some room, and says nothing else.\n"
	text := m.body + strings.Repeat(line, m.filler/len(line))
	if !m.unreadable {
		return bytes.NewReader([]byte(text))
	}
	return io.MultiReader(strings.NewReader(text), failingReader{})
}

type failingReader struct{}

func (failingReader) Read([]byte) (int, error) { return 0, errUnreadable }
