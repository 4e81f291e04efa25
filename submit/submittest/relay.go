package submittest

import (
	"bufio"
	"errors"
	"io"
	"net"
	"strconv"
	"sync"
)

// A relay is the connection of one dialogue to go-smtp's server. It is used in
// lock-step: one line or chunk, then the reply to it.
type relay struct {
	conn    net.Conn
	replies chan reply // closed when go-smtp has closed the connection
	out     []byte     // reused
	begun   bool       // a body is being handed on
	lost    bool       // and it is not to be kept
}

// newRelay connects to go-smtp's server and takes its greeting.
func newRelay(d *dialogue) (*relay, reply, error) {
	near, far := net.Pipe()
	if !d.server.inside.offer(&end{far, d}) {
		return nil, reply{}, errClosed
	}
	r := &relay{conn: near, replies: make(chan reply, 8)}
	// It ends when either side closes the pipe, and Server.Close waits for it.
	d.server.wg.Go(r.listen)
	greeting, err := r.reply()
	if err != nil {
		_ = near.Close()
		return nil, reply{}, err
	}
	return r, greeting, nil
}

// listen reads replies while the dialogue may still be writing: go-smtp refuses
// a chunk before it has read it, and the pipe has no buffer.
func (r *relay) listen() {
	defer close(r.replies)
	in := bufio.NewReader(r.conn)
	for {
		reply, err := readReply(in)
		if err != nil {
			return
		}
		r.replies <- reply
	}
}

// ask hands on a command and returns what go-smtp says to it.
func (r *relay) ask(line string) (reply, error) {
	if err := r.abandon(); err != nil {
		return reply{}, err
	}
	r.out = append(append(r.out[:0], line...), "\r\n"...)
	return r.exchange()
}

// chunk hands on a piece of a body. It is never marked as the last one, since
// go-smtp takes a last chunk that was cut off for a whole one.
func (r *relay) chunk(octets []byte) (reply, error) {
	r.out = append(r.out[:0], "BDAT "...)
	r.out = strconv.AppendInt(r.out, int64(len(octets)), 10)
	r.out = append(r.out, "\r\n"...)
	r.out = append(r.out, octets...)
	got, err := r.exchange()
	r.begun = got.code == 250
	return got, err
}

// end ends the body and returns the verdict.
func (r *relay) end() (reply, error) {
	r.begun = false
	r.out = append(r.out[:0], "BDAT 0 LAST\r\n"...)
	return r.exchange()
}

// abandon ends a body that is not to be kept. To go-smtp it looks whole: at RSET
// go-smtp does not wait for who reads the body, and could take the verdict on it
// for that on the next one.
func (r *relay) abandon() error {
	if !r.begun {
		return nil
	}
	r.lost = true
	_, err := r.end()
	r.lost = false
	return err
}

func (r *relay) exchange() (reply, error) {
	if _, err := r.conn.Write(r.out); err != nil {
		return reply{}, err
	}
	return r.reply()
}

func (r *relay) reply() (reply, error) {
	got, ok := <-r.replies
	if !ok {
		return reply{}, io.EOF
	}
	return got, nil
}

func (r *relay) close() {
	_ = r.conn.Close() // a pipe
	for range r.replies {
		// listen may be waiting to hand over what nobody asked for.
	}
}

// An end is go-smtp's end of a relay; it knows whose it is.
type end struct {
	net.Conn
	dialogue *dialogue
}

// Read reads as from a network: go-smtp goes on reading what it has closed
// itself, and logs errors that it does not know.
func (e *end) Read(p []byte) (int, error) {
	n, err := e.Conn.Read(p)
	if errors.Is(err, io.ErrClosedPipe) {
		err = net.ErrClosed
	}
	return n, err
}

// A backlog is the listener that go-smtp's server serves.
type backlog struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newBacklog() *backlog {
	return &backlog{conns: make(chan net.Conn), done: make(chan struct{})}
}

// offer hands over a connection, or reports that nobody takes it any more.
func (b *backlog) offer(c net.Conn) bool {
	select {
	case b.conns <- c:
		return true
	case <-b.done:
		return false
	}
}

// Accept belongs to [net.Listener].
func (b *backlog) Accept() (net.Conn, error) {
	select {
	case c := <-b.conns:
		return c, nil
	case <-b.done:
		return nil, net.ErrClosed
	}
}

// Close belongs to [net.Listener].
func (b *backlog) Close() error {
	b.once.Do(func() { close(b.done) })
	return nil
}

// Addr belongs to [net.Listener].
func (b *backlog) Addr() net.Addr { return target("inside") }
