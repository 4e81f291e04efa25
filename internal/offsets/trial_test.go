package offsets

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/mailport/mailport/internal/fakenet"
	"github.com/mailport/mailport/submit"
	"github.com/mailport/mailport/submit/submittest"
)

// A trial is one time that a conversation was had.
type trial struct {
	w     *world
	ctx   context.Context
	cut   *cut              // nil: it is left alone
	said  []answer          // what the client says, by message
	stats *submit.PoolStats // of the pool, when it is closed, if there is one
	now   int               // the message that is under way; in a batch, that was answered last

	mu    sync.Mutex // guards the fields below
	conns []*tapped
	first *fakenet.Link // the one that is cut
	ends  map[int]point // when the server had the end of a message, over the first

	seen marks // of a conversation that is left alone

	// What was, when it is over.
	left     int              // octets to the server that the client could get rid of
	open     int              // connections that the client left open
	taken    map[int][]string // by message
	attempts map[string]int   // to authenticate, by service
	all      [2]int           // octets
	writes   [2][]fakenet.Write
}

// A cut is what happens to the first connection.
type cut struct {
	way fakenet.Direction
	at  int // octets
	how fakenet.Manner
}

func (c cut) String() string {
	way := [...]string{fakenet.ToServer: "to the server", fakenet.ToClient: "to the client"}[c.way]
	how := [...]string{fakenet.FIN: "FIN", fakenet.RST: "RST", fakenet.Silence: "silence"}[c.how]
	return fmt.Sprintf("%s after %d octets %s", how, c.at, way)
}

// An answer is what the client says of a message.
type answer struct {
	said    bool
	receipt *submit.Receipt
	err     error
}

// have has the conversation, and returns when all that was on its way has arrived.
func (w *world) have(c *cut) *trial {
	x := &trial{w: w, cut: c, ends: map[int]point{}, taken: map[int][]string{}, attempts: map[string]int{}}
	letters := w.fresh()
	x.said = make([]answer, len(letters))
	w.current = x
	w.server.SetFaults(w.faults...)
	before := len(w.server.Messages())
	attempts := map[string]int{}
	for _, service := range services {
		attempts[service] = w.server.Attempts(service)
	}
	where := w.port()
	if w.each {
		where = fakenet.Anywhere
	}
	w.net.OnConnect(where, func(l *fakenet.Link) {
		x.mu.Lock()
		defer x.mu.Unlock()
		if c != nil && (x.first == nil || w.each) {
			l.CutAfter(c.way, c.at, c.how)
		}
		if x.first == nil {
			x.first = l
		}
	})
	x.ctx = w.t.Context()
	if c == nil {
		x.seen = newMarks(len(x.said))
		x.ctx = submit.WithTrace(x.ctx, x.watch)
	}
	send := w.send
	if send == nil {
		send = alone
	}
	send(x, letters)

	x.left, x.all = x.first.Octets(fakenet.ToServer), octets(x.first)
	x.writes = [2][]fakenet.Write{x.first.Writes(fakenet.ToServer), x.first.Writes(fakenet.ToClient)}
	for _, conn := range x.conns {
		if conn.Link().Open() {
			x.open++
		}
		conn.Link().Server().Close() // a server that was cut off in silence waits for ever
	}
	time.Sleep(2 * rtt)
	for _, m := range w.server.Messages()[before:] {
		i := indexOf(m)
		x.taken[i] = append(x.taken[i], fingerprint(m))
	}
	for _, service := range services {
		x.attempts[service] = w.server.Attempts(service) - attempts[service]
	}
	return x
}

var services = []string{submit.Submissions, submit.Submission}

// fresh are the messages, to be read.
func (w *world) fresh() []submit.Message {
	if w.letters == nil {
		return plain(w)
	}
	return w.letters(w)
}

// fingerprint is all of a message that the client had a say in.
func fingerprint(m submittest.Message) string {
	return fmt.Sprintf("%q %q %+v %d %x", m.From, m.To, *m.Options, len(m.RcptOptions), m.Sum)
}

func octets(l *fakenet.Link) point {
	return point{l.Octets(fakenet.ToServer), l.Octets(fakenet.ToClient)}
}

func (x *trial) connected(c *tapped) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.conns = append(x.conns, c)
}

// arrived notes that the server has all of a message.
func (x *trial) arrived(i int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.conns) == 1 {
		x.ends[i] = octets(x.first)
	}
}

// tell notes what the client says of message i.
func (x *trial) tell(i int, receipt *submit.Receipt, err error) {
	if x.said[i].said {
		x.w.t.Errorf("two answers for message %d", i)
	}
	x.said[i] = answer{true, receipt, err}
	if !x.w.batch {
		x.now = i + 1
	}
}

// watch takes the measures of a conversation that is left alone.
func (x *trial) watch(_ context.Context, e submit.Event) {
	x.mu.Lock()
	defer x.mu.Unlock()
	here := octets(x.first)
	switch e.Phase {
	case submit.PhaseHello, submit.PhaseHelloAgain:
		x.seen.ready = here
	case submit.PhaseAuth:
		x.seen.auth, x.seen.hint = here, x.conns[0].last
	}
	if x.now == len(x.said) {
		return
	}
	var said *submit.Error
	refused := errors.As(e.Err, &said) && said.Reply != nil
	if refused && e.Phase >= submit.PhaseBody {
		x.seen.unknown = here
	}
	if refused || e.Phase == submit.PhaseVerdict {
		x.seen.decided[x.now] = here
	} else if e.Phase == submit.PhaseAuth && e.Err != nil { // the server has said it in a challenge
		x.seen.decided[x.now] = x.seen.hint
	}
	if e.Phase != submit.PhaseVerdict {
		return
	}
	arrived, ok := x.ends[x.now]
	if !ok { // refused unread
		arrived = here
	}
	x.seen.ends[x.now] = append(x.seen.ends[x.now], end{arrived[fakenet.ToServer], here})
	if x.w.batch {
		x.now++
	}
}
