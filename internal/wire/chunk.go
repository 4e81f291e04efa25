package wire

import (
	"errors"
	"io"
	"slices"
	"strconv"
	"time"
)

// A Form is how a message has to be changed to be sent.
type Form int

// The forms of a message.
const (
	Text     Form = iota // line ends are made CRLF: RFC 5321, section 2.3.8
	SevenBit             // likewise, and octets above 127 are refused
	Verbatim             // nothing is changed: BINARYMIME, or a text known not to need it
)

// Chunks of a large message: large enough for the commands between to weigh
// nothing, small enough to be held. The first is as much as the caller can send
// again should the server turn out not to know BDAT.
const (
	FirstChunk = 64 << 10
	chunkSize  = 256 << 10
)

// chunksAhead is how many chunks may be under way that were not answered yet. It
// is less than the replies that the network holds between two programs, so that
// a server never has to wait for them to be read (RFC 3030, section 4.2).
const chunksAhead = 16

// QueueChunk adds BDAT with data, which is all of a message, to the next flight
// (RFC 3030, section 2). Without last, the message is not ended.
func (c *Conn) QueueChunk(data []byte, form Form, last bool) {
	if form != Verbatim {
		enc := encoder{lineStart: true, chunked: true}
		c.body, _ = enc.append(c.body[:0], data) // SevenBit is for those not known to their end
		c.body = enc.finish(c.body)
		data = c.body
	}
	c.out = append(appendBDAT(c.out, len(data), last), data...)
	c.queued++
	if cap(c.body) > keptBody {
		c.body = nil
	}
}

// QueueLast adds the end of a message, all of which was sent in chunks.
func (c *Conn) QueueLast() {
	c.out = appendBDAT(c.out, 0, true)
	c.queued++
}

func appendBDAT(dst []byte, size int, last bool) []byte {
	dst = append(dst, "BDAT "...)
	dst = strconv.AppendInt(dst, int64(size), 10)
	if last {
		dst = append(dst, " LAST"...)
	}
	return append(dst, "\r\n"...)
}

// ErrRefused says that the server refused a chunk: the message has not been
// ended, and the session is in step.
var ErrRefused = errors.New("chunk refused")

// WriteChunks sends a message as chunks, several of which are under way at a
// time (RFC 3030, section 4.2), and calls each with the reply to every one but
// the last, which is the verdict and is left to be read. A chunk that is refused
// ends it with ErrRefused, once the replies to all chunks under way are in; none is
// sent then that was not before. If a chunk cannot be written, each is called with
// what the server still said, of that chunk as well. The last chunk is written here
// and nowhere else but in [Conn.QueueChunk] and [Conn.QueueLast], and only after all
// of src was read.
//
// With probe, the reply to the first chunk, of [FirstChunk] octets of src, is
// waited for before anything else is read of src. Ended and Read are as for
// [Conn.WriteBody]. Limit is for each write, answer for each reply.
func (c *Conn) WriteChunks(src io.Reader, form Form, probe bool, limit, answer time.Duration, each func(Reply)) (ended bool, err error) {
	if err := c.ready(); err != nil {
		return false, err
	}
	w := chunks{c: c, enc: encoder{lineStart: true, chunked: true, sevenBit: form == SevenBit, raw: form == Verbatim},
		limit: limit, answer: answer, each: each}
	c.buffers()
	for size := FirstChunk; ; size = chunkSize {
		last, err := w.fill(src, size)
		switch {
		case err != nil:
			return false, err
		case last:
			return w.end()
		}
		if err := w.send(probe); err != nil {
			return false, err
		}
		if w.refused {
			return false, w.settle() // nothing more is read: src may be needed again
		}
		probe = false
	}
}

// chunks is a message on its way.
type chunks struct {
	c             *Conn
	enc           encoder
	out           []byte // the chunk
	limit, answer time.Duration
	each          func(Reply)
	unanswered    int
	refused       bool
}

// fill reads what makes a chunk of at least size octets, unless src ends.
func (w *chunks) fill(src io.Reader, size int) (last bool, err error) {
	w.out = slices.Grow(w.out[:0], size+size/32) // with some line ends to mend
	for read, idle := 0, 0; read < size; {
		n, rerr := w.c.read(src)
		if err := w.c.Broken(); err != nil {
			return false, err // the call has ended meanwhile
		}
		if w.out, err = w.enc.append(w.out, w.c.in[:n]); err != nil {
			return false, w.c.fail(&BodyError{err})
		}
		read += n
		switch {
		case rerr == io.EOF:
			w.out = w.enc.finish(w.out)
			return true, nil
		case rerr != nil:
			return false, w.c.fail(&BodyError{rerr})
		case n > 0:
			idle = 0
		default:
			if idle++; idle == 100 {
				return false, w.c.fail(&BodyError{io.ErrNoProgress})
			}
		}
	}
	return false, nil
}

// send writes a chunk that is not the last, and takes the replies that have come
// so far; all of them, if it is to wait.
func (w *chunks) send(wait bool) error {
	w.unanswered++
	if err := w.write(false); err != nil {
		return w.stopped(err)
	}
	for w.unanswered > 0 && (wait || w.unanswered >= chunksAhead || w.c.heardLine()) {
		if err := w.take(); err != nil {
			return err
		}
	}
	return nil
}

// write writes a chunk with its command in front, in full records.
func (w *chunks) write(last bool) error {
	head := appendBDAT(w.c.out[:0], len(w.out), last)
	n := min(len(w.out), max(0, recordSize-len(head)))
	head = append(head, w.out[:n]...)
	w.c.out = head[:0]
	if err := w.c.write(head, w.limit); err != nil {
		return err
	}
	return w.c.writeAll(w.out[n:], w.limit)
}

func (w *chunks) take() error {
	r, err := w.c.ReadReply(w.answer)
	if err != nil {
		return err
	}
	w.note(r)
	return nil
}

func (w *chunks) note(r Reply) {
	w.unanswered--
	w.refused = w.refused || r.Class() != 2
	w.each(r)
}

// stopped is for a server that no longer reads: what it said is of the chunks
// before, and then of the one that could not be written.
func (w *chunks) stopped(err error) error {
	w.c.hear(err, w.unanswered, w.limit, func(_ int, r Reply) { w.note(r) })
	return w.c.network(err, w.limit)
}

// settle reads what is still to come after a chunk was refused: the chunks behind
// it are refused as well.
func (w *chunks) settle() error {
	for w.unanswered > 0 {
		if err := w.take(); err != nil {
			return err
		}
	}
	return ErrRefused
}

// end writes the last chunk, once all the others were taken: a server may refuse
// one and take the end nevertheless.
func (w *chunks) end() (ended bool, err error) {
	for w.unanswered > 0 {
		if err := w.take(); err != nil {
			return false, err
		}
	}
	if w.refused {
		return false, ErrRefused
	}
	if err := w.c.unheard(true, w.limit); err != nil {
		return false, err
	}
	end := w.c.handed.Load() + int64(len(appendBDAT(nil, len(w.out), true))+len(w.out))
	w.unanswered++
	if err := w.write(true); err != nil {
		return w.c.Reached(end), w.stopped(err)
	}
	return true, nil
}

// heardLine reports whether a line of the server's is here already.
func (c *Conn) heardLine() bool {
	_ = c.glance() // what ends the connection comes up again
	return c.br.Buffered() > 0
}
