package letter

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
)

const (
	boundary = "next-part-of-the-benchmark"
	width    = 76 // of a line of base64, RFC 2045, section 6.8
	raw      = width / 4 * 3
	cycle    = 1024 // lines, after which they repeat
)

// A Large is a message with a large attachment, which is never in memory as a
// whole.
type Large struct {
	text    string // says what the payload is
	encoded []byte // the lines that repeat
	content []byte // what they encode
	lines   int
}

// NewLarge makes a message whose attachment takes about size octets in base64.
func NewLarge(size int) *Large {
	l := &Large{lines: max(1, size/(width+2))}
	for i := range cycle {
		l.encoded = append(l.encoded, line64(i)...)
	}
	for i := range cycle {
		from := i * (width + 2)
		decoded, err := base64.StdEncoding.DecodeString(string(l.encoded[from : from+width]))
		if err != nil {
			panic(err) // the line was made here
		}
		l.content = append(l.content, decoded...)
	}
	sum, length := uint32(0), l.lines*(width+2)
	for left := length; left > 0; left -= len(l.encoded) {
		sum = checksum(sum, l.encoded[:min(left, len(l.encoded))])
	}
	l.text = declared(length, sum)
	return l
}

// line64 is a line that is valid base64, and different from its neighbours.
func line64(i int) string {
	return fmt.Sprintf("%s/%05d/%0*d\r\n", start, i, width-len(start)-7, i*7919)
}

// Text returns the first part's body, for clients that compose a message.
func (l *Large) Text(serial int) string {
	text := []byte(l.text)
	stamp(text[len(declaration):], serial)
	return string(text)
}

// Content returns the attachment, before it is encoded.
func (l *Large) Content() io.ReadSeeker { return &repeated{block: l.content, size: l.lines * raw} }

// Cycle is the number of octets after which the attachment repeats itself.
func (l *Large) Cycle() int { return len(l.content) }

// Size returns the length of the message that Ready returns.
func (l *Large) Size() int { return len(l.before(0)) + l.lines*(width+2) + len(after) }

// Ready returns a message that is ready to be sent.
func (l *Large) Ready(serial int) io.Reader {
	return io.MultiReader(
		&repeated{block: l.before(serial), size: len(l.before(serial))},
		&repeated{block: l.encoded, size: l.lines * (width + 2)},
		&repeated{block: []byte(after), size: len(after)},
	)
}

const after = "--" + boundary + "--\r\n"

func (l *Large) before(serial int) []byte {
	return []byte(header(`Content-Type: multipart/mixed; boundary="`+boundary+`"`) +
		"--" + boundary + "\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n" + l.Text(serial) +
		"--" + boundary + "\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n" +
		"Content-Disposition: attachment; filename=\"large\"\r\n\r\n")
}

// repeated reads a block again and again, up to a size.
type repeated struct {
	block []byte
	size  int
	at    int
}

func (r *repeated) Read(p []byte) (int, error) {
	if r.at >= r.size {
		return 0, io.EOF
	}
	from := r.at % len(r.block)
	n := copy(p[:min(len(p), r.size-r.at)], r.block[from:])
	r.at += n
	return n, nil
}

func (r *repeated) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += int64(r.at)
	case io.SeekEnd:
		offset += int64(r.size)
	}
	if offset < 0 {
		return 0, errors.New("seek to before the beginning")
	}
	r.at = int(offset)
	return offset, nil
}
