// Package letter makes the messages that the benchmark sends, and tells whether
// they arrived intact.
//
// Some clients take a message that is ready, others compose it from parts and
// choose header fields, boundaries and encodings of their own. So a message says
// in its text what to look for in it: a line with a serial number, and with the
// length and the CRC-32C of the payload. The payload begins at a line that can be
// recognised, and passes unchanged through 7bit, 8bit and quoted-printable; or,
// in an attachment, it is what base64 makes of the attachment's content.
package letter

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"strings"
)

// Who writes to whom.
const (
	From = "bench@example.com"
	To   = "someone@example.net"
)

const (
	declaration = "#mail " // begins the line that says what to look for
	start       = "StartOfThePayload"
	blank       = "0000000000" // where a serial number goes
)

// A Letter is a small message, of which any number of copies can be made.
type Letter struct {
	whole  []byte
	text   int   // where its body begins
	blanks []int // where its serial number goes
}

// minimum is the size of a message whose payload is a line or two.
const minimum = 512

// New makes a message of size octets, header and all; there is a smallest size.
func New(size int) *Letter {
	size = max(size, minimum)
	head := header("Message-ID: <"+blank+"@bench.example.com>", "Content-Type: text/plain; charset=us-ascii")
	length := size - len(head) - len(declare(nil))
	l := &Letter{text: len(head)}
	paper := payload(length)
	l.whole = append([]byte(head), declare(paper)...)
	l.whole = append(l.whole, paper...)
	l.blanks = find(l.whole, blank)
	return l
}

func header(more ...string) string {
	lines := []string{
		"From: <" + From + ">",
		"To: <" + To + ">",
		"Subject: One of many",
		"Date: Mon, 02 Jan 2006 15:04:05 +0000",
		"MIME-Version: 1.0",
	}
	var b strings.Builder
	for _, line := range append(lines, more...) {
		b.WriteString(line + "\r\n")
	}
	b.WriteString("\r\n")
	return b.String()
}

// declare says what follows.
func declare(payload []byte) string {
	return declared(len(payload), checksum(0, payload))
}

func declared(length int, sum uint32) string {
	return fmt.Sprintf("%s%s %010d %08x\r\n", declaration, blank, length, sum)
}

// payload is text of n octets in lines that no encoding has a reason to break,
// some of which begin with a dot.
func payload(n int) []byte {
	const width, shortest = 72, 4
	text := make([]byte, 0, n)
	for i := 0; n > 0; i++ {
		line := min(n, width)
		if rest := n - line; rest > 0 && rest < shortest {
			line -= shortest
		}
		first := ""
		switch {
		case i == 0:
			first = start
		case i%8 == 7:
			first = "."
		}
		text = append(text, first...)
		for at := len(first); at < line-2; at++ {
			text = append(text, 'a'+byte((7*i+at)%26))
		}
		text = append(text, "\r\n"...)
		n -= line
	}
	return text
}

func find(b []byte, what string) (at []int) {
	for from := 0; ; {
		i := bytes.Index(b[from:], []byte(what))
		if i < 0 {
			return at
		}
		at = append(at, from+i)
		from += i + len(what)
	}
}

// Size returns how long a copy is.
func (l *Letter) Size() int { return len(l.whole) }

// Append appends a copy with a serial number to b: a message that is ready.
func (l *Letter) Append(b []byte, serial int) []byte {
	at := len(b)
	b = append(b, l.whole...)
	l.Stamp(b[at:], serial)
	return b
}

// Stamp gives a copy another serial number.
func (l *Letter) Stamp(message []byte, serial int) {
	for _, at := range l.blanks {
		stamp(message[at:], serial)
	}
}

func stamp(b []byte, serial int) {
	for i := len(blank) - 1; i >= 0; i-- {
		b[i] = '0' + byte(serial%10)
		serial /= 10
	}
}

// Text returns the body of a copy, for clients that make the header.
func (l *Letter) Text(serial int) string {
	return string(l.Append(nil, serial)[l.text:])
}

func checksum(sum uint32, b []byte) uint32 {
	return crc32.Update(sum, crc32.MakeTable(crc32.Castagnoli), b)
}
