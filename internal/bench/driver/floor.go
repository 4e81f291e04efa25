package driver

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"

	"github.com/mailport/mailport/internal/bench/letter"
)

// floor shows how far the others are from what can be done at all. It writes as
// far ahead as SMTP allows, and of replies only counts lines: with CHUNKING all
// messages at once, without it each together with the envelope of the next. A
// message that is refused, or one that fails, would be its undoing; only the
// server knows whether all went well.
type floor struct {
	target   Target
	tls      *tls.Config
	letter   *letter.Letter
	conn     net.Conn
	in       [8 << 10]byte
	out      []byte
	chunking bool
}

// batch is how much is written at once: a few TLS records.
const batch = 64 << 10

func newFloor(t Target, config *tls.Config) Driver {
	return &floor{target: t, tls: config, letter: letter.New(t.Size), out: make([]byte, 0, batch+2*t.Size)}
}

// Open takes the steps that cannot be taken together.
func (d *floor) Open(ctx context.Context) (err error) {
	if d.conn, err = (&net.Dialer{}).DialContext(ctx, "tcp", d.target.address()); err != nil {
		return err
	}
	if d.target.Upgrade {
		if err := d.converse("", "EHLO localhost", "STARTTLS"); err != nil {
			return err
		}
	}
	config := d.tls.Clone()
	config.DynamicRecordSizingDisabled = true
	d.conn = tls.Client(d.conn, config)
	plain := base64.StdEncoding.EncodeToString([]byte("\x00" + d.target.User + "\x00" + d.target.Password))
	if d.target.Upgrade {
		return d.converse("EHLO localhost", "AUTH PLAIN "+plain)
	}
	return d.converse("", "EHLO localhost", "AUTH PLAIN "+plain)
}

// converse says one line after the other, each after the reply to the last; an
// empty one is for listening.
func (d *floor) converse(lines ...string) error {
	for _, line := range lines {
		if line != "" {
			if _, err := io.WriteString(d.conn, line+"\r\n"); err != nil {
				return err
			}
		}
		n, err := d.conn.Read(d.in[:]) // the server writes a reply at once
		if err != nil {
			return err
		}
		reply := d.in[:n]
		if reply[0] > '3' || reply[n-1] != '\n' {
			return fmt.Errorf("to %q: %q", line, reply)
		}
		if bytes.Contains(reply, []byte("CHUNKING")) {
			d.chunking = true
		}
	}
	return nil
}

// lines waits for n lines of replies.
func (d *floor) lines(n int) error {
	for n > 0 {
		got, err := d.conn.Read(d.in[:])
		if err != nil {
			return err
		}
		n -= bytes.Count(d.in[:got], []byte("\n"))
	}
	if n < 0 {
		return errors.New("more replies than commands")
	}
	return nil
}

const (
	mailRcpt     = "MAIL FROM:<" + letter.From + ">\r\nRCPT TO:<" + letter.To + ">\r\n"
	mailRcptData = mailRcpt + "DATA\r\n"
)

func (d *floor) Send(_ context.Context, first, n int) error {
	switch {
	case n == 0:
		return nil
	case d.chunking:
		return d.sendChunks(first, n)
	}
	return d.sendData(first, n)
}

// sendChunks writes everything while it counts replies.
func (d *floor) sendChunks(first, n int) error {
	replies := make(chan error, 1)
	go func() { replies <- d.lines(3 * n) }()
	envelope := mailRcpt + "BDAT " + strconv.Itoa(d.letter.Size()) + " LAST\r\n"
	b := d.out[:0]
	for serial := first; serial < first+n; serial++ {
		b = append(b, envelope...)
		b = d.letter.Append(b, serial)
		if len(b) >= batch || serial == first+n-1 {
			if _, err := d.conn.Write(b); err != nil {
				return err
			}
			b = b[:0]
		}
	}
	return <-replies
}

// sendData cannot go on before the server has said 354.
func (d *floor) sendData(first, n int) error {
	b := append(d.out[:0], mailRcptData...)
	answers := 3
	for serial := first; serial < first+n; serial++ {
		if err := d.exchange(b, answers); err != nil {
			return err
		}
		b = d.data(b[:0], serial)
		answers = 1
		if serial < first+n-1 {
			b = append(b, mailRcptData...)
			answers = 4
		}
	}
	return d.exchange(b, answers)
}

// data appends a message with dots doubled, and the final one.
func (d *floor) data(b []byte, serial int) []byte {
	at := len(b)
	b = d.letter.Append(b, serial)
	for {
		i := bytes.Index(b[at:], []byte("\r\n."))
		if i < 0 {
			return append(b, ".\r\n"...)
		}
		at += i + len("\r\n.")
		b = append(b, 0)
		copy(b[at:], b[at-1:])
		at++
	}
}

func (d *floor) exchange(b []byte, answers int) error {
	if _, err := d.conn.Write(b); err != nil {
		return err
	}
	return d.lines(answers)
}

// SendLarge knows that no line of the message begins with a dot.
func (d *floor) SendLarge(_ context.Context, l *letter.Large, serial int) error {
	before, after, answers := mailRcptData, ".\r\n", 1
	if d.chunking {
		before, after, answers = mailRcpt+"BDAT "+strconv.Itoa(l.Size())+" LAST\r\n", "", 3
	}
	if _, err := io.WriteString(d.conn, before); err != nil {
		return err
	}
	if !d.chunking {
		if err := d.lines(3); err != nil {
			return err
		}
	}
	if _, err := io.CopyBuffer(struct{ io.Writer }{d.conn}, struct{ io.Reader }{l.Ready(serial)}, d.out[:batch]); err != nil {
		return err
	}
	if _, err := io.WriteString(d.conn, after); err != nil {
		return err
	}
	return d.lines(answers)
}

// Close hangs up after a last word.
func (d *floor) Close() error {
	if err := d.converse("QUIT"); err != nil {
		return err
	}
	return d.conn.Close()
}
