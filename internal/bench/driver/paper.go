package driver

import (
	"bytes"

	"github.com/mailport/mailport/internal/bench/letter"
)

// A paper holds one message at a time, ready to be sent, so that making it costs
// next to nothing.
type paper struct {
	letter *letter.Letter
	text   []byte
	reader bytes.Reader
}

func newPaper(t Target) *paper {
	l := letter.New(t.Size)
	return &paper{letter: l, text: l.Append(nil, 0)}
}

// write returns a message with a serial number. It is good until the next.
func (p *paper) write(serial int) []byte {
	p.letter.Stamp(p.text, serial)
	return p.text
}

// read returns one as a reader.
func (p *paper) read(serial int) *bytes.Reader {
	p.reader.Reset(p.write(serial))
	return &p.reader
}
