package wire

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// A Conn is an SMTP connection seen from the client. It serves one call at a
// time, but for [Conn.Cut].
type Conn struct {
	raw     *meter        // the network; under TLS, once that is spoken
	nc      net.Conn      // what is spoken over: raw, or TLS over it
	br      *bufio.Reader // of nc
	out     []byte        // commands queued for the next flight
	queued  int           // how many
	look    *looker       // at raw; nil if there is no way to
	looked  time.Time     // when something was last read; zero without a looker
	records uint          // of messages that were written
	handed  atomic.Int64  // octets that may have reached the network, of all that was said; read beside the writing
	secret  bool          // what was said last is, and may be quoted in what comes next

	limit   time.Duration // of the reply that is being waited for
	waiting bool          // for a reply, and nothing has been read from the network yet
	seen    seen

	mu  sync.Mutex // guards err: with [Conn.Push], one goroutine writes and one reads
	err error      // why the connection is broken, or nil

	in, body []byte // buffers for messages, kept for the next one

	ctx    context.Context // of the call that is being served, or nil
	stop   func() bool     // ends the watch over ctx, or nil
	onEnd  func()          // what happens when ctx ends
	ended  chan struct{}   // and that it has happened
	parked chan struct{}   // closed when the watch over an idle connection ended
	heard  error           // what ended it; nil if the server spoke
	waking atomic.Bool     // Unpark is ending it
}

// NewConn speaks SMTP over nc.
func NewConn(nc net.Conn) *Conn {
	raw := &meter{Conn: nc}
	return newConn(raw, raw)
}

// NewTLSConn speaks SMTP over a TLS connection of the caller's making. Where a
// write to it fails, it cannot be known what reached the network.
func NewTLSConn(t *tls.Conn) *Conn {
	return newConn(&meter{Conn: t.NetConn(), blind: true}, t)
}

func newConn(raw *meter, nc net.Conn) *Conn {
	c := &Conn{raw: raw, nc: nc, look: newLooker(raw.Conn)}
	c.br = bufio.NewReaderSize((*timed)(c), MaxLine)
	return c
}

// A timed Conn is read from with the time limit of the reply that is due. The
// limit begins when there is need to wait for the network at all.
type timed Conn

func (t *timed) Read(p []byte) (int, error) {
	if t.waiting {
		t.waiting = false // once for a reply: a server may send it octet by octet
		t.nc.SetReadDeadline(deadline(t.limit))
	}
	n, err := t.nc.Read(p)
	if t.look != nil && n > 0 {
		t.looked = time.Now()
	}
	return n, err
}

// A meter watches what is handed to the network.
type meter struct {
	net.Conn
	blind bool        // neither writes nor reads come this way
	idle  bool        // reads find nothing, whatever has arrived
	whole atomic.Bool // the last write since it was reset was taken whole; TLS may write while it reads
	cut   atomic.Bool
}

func (m *meter) Read(b []byte) (int, error) {
	if m.idle {
		return 0, os.ErrDeadlineExceeded // which TLS takes for what it is: not for good
	}
	return m.Conn.Read(b)
}

func (m *meter) Write(b []byte) (int, error) {
	n, err := m.Conn.Write(b)
	m.whole.Store(n == len(b))
	return n, err
}

// Guard cuts the connection when ctx ends, until [Conn.Release] is called; errors
// of the calls in between are then those of ctx.
func (c *Conn) Guard(ctx context.Context) {
	c.ctx = ctx
	if ctx.Done() == nil {
		return
	}
	if c.onEnd == nil {
		c.ended = make(chan struct{}, 1)
		c.onEnd = func() {
			c.Cut()
			c.ended <- struct{}{}
		}
	}
	c.stop = context.AfterFunc(ctx, c.onEnd)
}

// Release ends the last Guard. When it returns, nothing that Guard started is
// running. It may be called again, to no effect.
func (c *Conn) Release() {
	ctx, stop := c.ctx, c.stop
	c.ctx, c.stop = nil, nil
	if stop != nil && !stop() {
		<-c.ended
		c.fail(&LostError{ContextError(ctx)})
	}
}

// ContextError returns the error of a context that ended, with its cause if
// that says more.
func ContextError(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if errors.Is(cause, err) {
		return cause
	}
	return fmt.Errorf("%w: %w", err, cause)
}

// Cut ends the connection at once and without a word. It may be called at any
// time. TLS is not closed first: that can block, and a server must discard what
// was not ended anyway (RFC 5321, section 4.1.1.10).
func (c *Conn) Cut() {
	c.raw.cut.Store(true)
	c.raw.Close()
}

// Abandon breaks the connection and cuts it: replies are out of step, or the
// server waits for what it must not get.
func (c *Conn) Abandon() { c.fail(ErrBroken) }

// Broken returns why nothing more can be said on this connection, or nil.
func (c *Conn) Broken() error {
	err := c.broke()
	switch {
	case err != nil:
		return err
	case c.ctx != nil && c.ctx.Err() != nil:
		c.fail(&LostError{ContextError(c.ctx)})
		return c.broke()
	case c.raw.cut.Load():
		return &LostError{net.ErrClosed} // not kept: Unpark may know more
	}
	return nil
}

// broke returns the first error of the connection.
func (c *Conn) broke() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// fail breaks and cuts the connection. The first error is the one that counts.
func (c *Conn) fail(err error) error {
	if c.secret {
		err = unquoted(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.err = err
		c.Cut()
	}
	return err
}

// network breaks the connection with an error of the network, told apart by
// what caused it: the context, the time limit, or the peer.
func (c *Conn) network(err error, limit time.Duration) error {
	var op *net.OpError
	switch {
	case c.ctx != nil && c.ctx.Err() != nil:
		err = ContextError(c.ctx)
	case limit >= 0 && errors.Is(err, os.ErrDeadlineExceeded):
		// The system has timeouts of its own (ETIMEDOUT), which are not ours.
		err = &TimeLimitError{limit}
	case errors.As(err, &op):
		err = op // crypto/tls wraps what ends a write, to say that it is for good
	}
	return c.fail(&LostError{err})
}

// deadline is when a step that begins now must end; none if limit is negative.
func deadline(limit time.Duration) time.Time {
	if limit < 0 {
		return time.Time{}
	}
	return time.Now().Add(limit)
}

func (c *Conn) write(b []byte, limit time.Duration) error {
	c.nc.SetWriteDeadline(deadline(limit - reserve(limit)))
	c.raw.whole.Store(false)
	n, err := c.nc.Write(b)
	c.handed.Add(int64(n)) // in TLS, of records that were taken whole
	if err == nil {
		return nil
	}
	if c.raw.whole.Load() || c.raw.blind { // and of the one that failed, it is not known
		c.handed.Add(int64(min(len(b)-n, recordSize)))
	}
	return err
}

// Mark returns a mark at the end of what is queued, for [Conn.Reached].
func (c *Conn) Mark() int64 { return c.handed.Load() + int64(len(c.out)) }

// Reached reports whether what was said up to a mark may have reached the
// network. Of what has not, a server knows nothing.
func (c *Conn) Reached(mark int64) bool { return c.handed.Load() >= mark }

// ReadReply reads the next reply, within limit. A 421 ends the connection.
func (c *Conn) ReadReply(limit time.Duration) (Reply, error) { return c.ReadReplyTo(nil, limit) }

// ReadReplyTo is ReadReply for a reply that is to be kept: if there is room for
// its lines in lines, which is empty, that is where they are.
func (c *Conn) ReadReplyTo(lines []string, limit time.Duration) (Reply, error) {
	if err := c.broke(); err != nil {
		return Reply{}, err
	}
	r, err := c.receive(lines, limit)
	if err == nil && r.Code == 421 {
		c.fail(&LostError{io.EOF})
	}
	return r, c.broken(err, limit)
}

func (c *Conn) receive(lines []string, limit time.Duration) (Reply, error) {
	c.limit, c.waiting = limit, true
	defer func() { c.waiting = false }()
	if c.secret {
		return readReplyOf(c.br, MaxAuthLine, nil, lines) // may be a challenge: RFC 4954, section 4
	}
	return readReplyOf(c.br, MaxLine, &c.seen, lines)
}

// broken breaks the connection with what ended a read or a write, if anything.
func (c *Conn) broken(err error, limit time.Duration) error {
	if err == nil {
		return nil
	}
	var (
		protocol *ProtocolError
		lost     *LostError
	)
	switch {
	case errors.As(err, &protocol), errors.As(err, &lost):
		return c.fail(err)
	default:
		return c.network(err, limit)
	}
}

// First waits for the server to speak first and returns the beginning of what
// it says, without taking it from the next reply: one octet at least, and five,
// which tell services apart, if that one is no digit.
func (c *Conn) First(limit time.Duration) ([]byte, error) {
	if err := c.broke(); err != nil {
		return nil, err
	}
	c.nc.SetReadDeadline(deadline(limit))
	first, err := c.br.Peek(1)
	if err != nil {
		return nil, c.network(err, limit)
	}
	for n := 2; n <= 5 && !isDigit(first[0]) && first[len(first)-1] != '\n'; n++ {
		if more, err := c.br.Peek(n); err == nil { // if there are no more, those have to do
			first = more
		}
	}
	first, _ = c.br.Peek(min(16, c.br.Buffered()))
	return first, nil
}

// ErrInjected says that something in cleartext followed the reply to STARTTLS.
var ErrInjected = errors.New("cleartext after the reply to STARTTLS")

// Secure starts TLS. Nothing that was said in cleartext is left over: if there
// is anything, it has been put there to be taken for a reply over TLS.
func (c *Conn) Secure(config *tls.Config, limit time.Duration) (*tls.ConnectionState, error) {
	if err := c.broke(); err != nil {
		return nil, err
	}
	if _, ok := c.nc.(*tls.Conn); ok {
		return nil, errors.New("TLS is spoken already") // RFC 3207, section 4.2: never twice
	}
	if c.br.Buffered() > 0 {
		return nil, c.fail(ErrInjected)
	}
	t := tls.Client(c.raw, config)
	c.raw.SetDeadline(deadline(limit))
	if err := t.Handshake(); err != nil {
		return nil, c.handshake(err, limit)
	}
	c.raw.SetDeadline(time.Time{})
	c.nc = t
	c.br.Reset((*timed)(c))
	state := t.ConnectionState()
	return &state, nil
}

// handshake breaks the connection with err, which is the network's unless TLS
// has something to say.
func (c *Conn) handshake(err error, limit time.Duration) error {
	var (
		ne    net.Error
		op    *net.OpError
		alert = errors.As(err, &op) && (op.Op == "remote error" || op.Op == "local error")
	)
	switch {
	case c.ctx != nil && c.ctx.Err() != nil, isClosing(err), errors.As(err, &ne) && !alert:
		return c.network(err, limit)
	}
	return c.fail(err)
}

// isClosing reports errors by which a peer that hangs up is known.
func isClosing(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, net.ErrClosed) || errors.Is(err, io.ErrClosedPipe)
}

// Quit says goodbye without waiting for an answer (success was decided long
// before), and closes the connection. One that is broken, or where the server
// has spoken unasked, is only closed. If the connection is parked, the watch ends
// first.
func (c *Conn) Quit() {
	if c.parked != nil {
		c.Unpark()
	}
	if c.ready() == nil {
		late := time.AfterFunc(time.Second, c.Cut) // closing TLS may wait for five
		defer late.Stop()
		if t, ok := c.nc.(*tls.Conn); c.write([]byte("QUIT\r\n"), -1) == nil && ok {
			t.CloseWrite() // close_notify: RFC 8314, section 3.4
		}
	}
	c.fail(ErrBroken)
}

// RemoteAddr returns the address of the server.
func (c *Conn) RemoteAddr() net.Addr { return c.raw.RemoteAddr() }

// LocalAddr returns our own address.
func (c *Conn) LocalAddr() net.Addr { return c.raw.LocalAddr() }
