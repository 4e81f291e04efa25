//go:build interop && linux

package interop

import (
	"bytes"
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/emersion/go-smtp"

	"github.com/mailport/mailport/submit"
)

// A letter is a message of these tests: a name is in its first line, by which it is
// known in a mailbox.
type letter struct {
	id   string
	to   []string
	data []byte
	want []byte // in the mailbox, from the line with the name on
	from string

	partial bool
	options *smtp.MailOptions
	rcpts   map[string]*smtp.RcptOptions
}

// mark is the header field with the letter's name. It comes first.
const mark = "X-Interop: "

var serial atomic.Int64 // of letters

// write makes a letter with some body, to ann unless it is to others.
func write(body string, to ...string) *letter {
	id := fmt.Sprintf("letter-%d", serial.Add(1))
	return headed(id, "From: Bob <"+user+">\nTo: Ann <ann@example.net>\nDate: Mon, 23 Nov 2026 12:00:00 +0000\nMessage-ID: <"+id+"@example.com>\nSubject: interop\n\n"+body, to...)
}

// headed makes a letter of a name and what comes after it.
func headed(id, rest string, to ...string) *letter {
	if len(to) == 0 {
		to = []string{"ann@example.net"}
	}
	l := &letter{id: id, from: user, to: to, data: []byte(mark + id + "\n" + rest)}
	l.want = canonical(l.data)
	return l
}

// message is the letter as it is submitted.
func (l *letter) message() submit.Message {
	return submit.Message{
		From: l.from, To: l.to, Body: bytes.NewReader(l.data),
		Partial: l.partial, Options: l.options, RcptOptions: l.rcpts,
	}
}

// canonical is what becomes of a message in a mailbox of the kind that has LF at
// the end of every line: CRLF is one line end, and so is a CR or an LF by itself,
// since the client makes CRLF of it.
func canonical(data []byte) []byte {
	data = bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n"))
	data = bytes.ReplaceAll(data, []byte("\r"), []byte("\n"))
	if !bytes.HasSuffix(data, []byte("\n")) {
		data = append(data, '\n')
	}
	return data
}

// difference says where two messages differ, on one line; "" is nowhere.
func difference(got, want []byte) string {
	if bytes.Equal(got, want) {
		return ""
	}
	n := 0
	for n < len(got) && n < len(want) && got[n] == want[n] {
		n++
	}
	return fmt.Sprintf("octet %d (line %d): %d octets arrived, %s; %d were expected, %s",
		n, 1+bytes.Count(want[:n], []byte("\n")), len(got), from(got, n), len(want), from(want, n))
}

func from(text []byte, n int) string {
	return fmt.Sprintf("%q", strings.ToValidUTF8(string(text[n:min(len(text), n+40)]), "�"))
}
