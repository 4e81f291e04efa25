package submittest

import (
	"errors"
	"io"
	"strconv"
	"strings"

	"github.com/mailport/mailport/submit"
)

// Pieces in which a body is handed on.
const pieceSize = 32 << 10

func (d *dialogue) data(line string) error {
	f := d.fault(submit.PhaseData)
	if f != nil {
		return d.misbehave(f)
	}
	switch {
	case line[len("DATA"):] != "":
		return d.say(say(501, "5.5.4 DATA takes no argument"))
	case d.chunked || d.binary:
		return d.say(say(503, "5.5.1 BDAT is to be used")) // RFC 3030, section 2
	case d.recipients == 0:
		return d.say(say(503, "5.5.1 no recipients"))
	}
	if err := d.say(say(354, "go ahead")); err != nil {
		return err
	}
	if err := d.disturb(); err != nil {
		return err
	}
	refusal, err := d.take(newDots(d.socket.in))
	if err != nil {
		return err
	}
	return d.verdict(refusal)
}

func (d *dialogue) bdat(arg string) error {
	size, last, err := parseChunk(arg)
	switch {
	case err != nil:
		return d.lost(say(501, "5.5.4 "+err.Error()))
	case !d.offers("CHUNKING"):
		return d.lost(say(502, "5.5.1 CHUNKING is not offered"))
	case d.recipients == 0:
		return d.refuse("BDAT", arg, say(503, "5.5.1 no recipients"))
	}
	if !d.chunked {
		if f := d.fault(submit.PhaseData); f != nil {
			return d.rejectChunk(f, arg)
		}
	}
	if size > 0 && !d.begun {
		d.begun = true
		if err := d.disturb(); err != nil {
			return err
		}
	}
	d.chunked = true
	refusal, err := d.take(&chunk{d.socket.in, size})
	switch {
	case err != nil:
		return err
	case last:
		return d.verdict(refusal)
	case refusal != nil:
		d.transaction = transaction{}
		if err := d.relay.abandon(); err != nil {
			return err
		}
		return d.say(*refusal)
	}
	return d.say(say(250, "2.0.0 "+strconv.FormatInt(size, 10)+" octets"))
}

// lost gives up a client after whose command it is not known what are commands
// and what is data.
func (d *dialogue) lost(r reply) error {
	if err := d.say(r); err != nil {
		return err
	}
	return errLeave
}

// rejectChunk does what fault f says to the first chunk of a message.
func (d *dialogue) rejectChunk(f *Fault, arg string) error {
	if f.Do == Stall || f.Do == Hangup {
		return d.misbehave(f)
	}
	if err := d.swallow(arg); err != nil {
		return err
	}
	if err := d.forget(); err != nil {
		return err
	}
	return d.misbehave(f)
}

// forget ends the transaction without a message. After a chunk was refused
// nothing but RSET is in order (RFC 3030, section 2): what comes is refused too.
func (d *dialogue) forget() error {
	d.transaction = transaction{}
	_, err := d.relay.ask("RSET")
	return err
}

// swallow reads the chunk that comes with a BDAT.
func (d *dialogue) swallow(arg string) error {
	size, _, err := parseChunk(arg)
	if err != nil {
		return nil //nolint:nilerr // the command is refused already
	}
	n, err := io.Copy(io.Discard, &chunk{d.socket.in, size})
	d.log.body(n, err == nil)
	return err
}

// disturb does what a fault in the middle of the body says.
func (d *dialogue) disturb() error {
	if _, err := d.socket.in.Peek(1); err != nil {
		return err
	}
	f := d.fault(submit.PhaseBody)
	if f == nil {
		return nil
	}
	if err := d.misbehave(f); err != nil {
		return err
	}
	return d.socket.flush()
}

// take hands on a body or a part of it. It returns the refusal, if there was
// one; the body was read all the same.
func (d *dialogue) take(body io.Reader) (refusal *reply, err error) {
	var total int64
	if d.piece == nil {
		d.piece = make([]byte, pieceSize)
	}
	for err == nil {
		var n int
		n, err = fill(body, d.piece)
		total += int64(n)
		if n == 0 || refusal != nil {
			continue
		}
		if most := d.server.MaxMessageBytes; most > 0 && d.size+total > most {
			got := say(552, "5.3.4 the message is too large")
			refusal = &got
			continue
		}
		got, askErr := d.relay.chunk(d.piece[:n])
		if askErr != nil {
			return nil, askErr
		}
		if got.code != 250 {
			refusal = &got
		}
	}
	d.size += total
	d.log.body(total, errors.Is(err, io.EOF))
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return refusal, err
}

// fill is io.ReadFull that leaves the error as it is.
func fill(r io.Reader, p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		var k int
		k, err = r.Read(p[n:])
		n += k
	}
	return n, err
}

// verdict replies to the end of a message.
func (d *dialogue) verdict(refusal *reply) error {
	f := d.fault(submit.PhaseVerdict)
	got, err := d.settle(f, refusal)
	if err != nil {
		return err
	}
	d.transaction = transaction{}
	switch {
	case f == nil || f.Do == Retire:
		return d.finish(f, got)
	case f.Do == Swallow:
		_, err := d.socket.in.Discard(d.socket.in.Buffered())
		return errors.Join(err, d.say(got))
	}
	return d.misbehave(f)
}

// settle lets go-smtp decide, unless the message is to be lost or was refused.
func (d *dialogue) settle(f *Fault, refusal *reply) (reply, error) {
	switch {
	case refusal != nil:
		return *refusal, d.relay.abandon()
	case f != nil && f.loses():
		return d.relay.ask("RSET")
	}
	return d.relay.end()
}

// parseChunk parses the argument of BDAT, RFC 3030, section 2.
func parseChunk(arg string) (size int64, last bool, err error) {
	words := strings.Fields(arg)
	if len(words) == 2 && strings.EqualFold(words[1], "LAST") {
		last, words = true, words[:1]
	}
	if len(words) != 1 {
		return 0, false, errors.New("BDAT takes a size and perhaps LAST")
	}
	n, err := strconv.ParseUint(words[0], 10, 63)
	if err != nil {
		return 0, false, errors.New("BDAT takes a size in octets")
	}
	return int64(n), last, nil
}

// A chunk is the data behind a BDAT.
type chunk struct {
	in   io.Reader
	left int64
}

// Read belongs to [io.Reader].
func (c *chunk) Read(p []byte) (int, error) {
	if c.left == 0 {
		return 0, io.EOF
	}
	if int64(len(p)) > c.left {
		p = p[:c.left]
	}
	n, err := c.in.Read(p)
	c.left -= int64(n)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}
