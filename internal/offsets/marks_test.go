package offsets

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/internal/fakenet"
	"github.com/mailport/mailport/submit"
)

// A point is a moment of the conversation, in octets by direction: when something
// that the server said was read.
type point [2]int

// never is in no conversation.
func never() point { return point{math.MaxInt, math.MaxInt} }

// before reports whether p was before the cut. What the client writes, it writes
// after it has read.
func (p point) before(c cut) bool {
	if c.way == fakenet.ToServer {
		return p[c.way] < c.at
	}
	return p[c.way] <= c.at
}

// Marks are when things happened in a conversation that was left alone.
type marks struct {
	ready   point   // EHLO was answered over TLS
	auth    point   // authentication was
	hint    point   // what made the client say its last word to authenticate was read
	unknown point   // BDAT was refused, if it was
	ends    [][]end // by message
	decided []point // by message: what it was to be had been said

	kinds   []kind // by message
	taken   map[int][]string
	all     [2]int
	writes  [2][]int // where one ends
	hinted  bool     // as of the conversation
	records [][2]int // to the server
}

// An end of a message was handed over, and answered. If the answer is that BDAT is
// not known after all, there is another.
type end struct {
	handed int
	read   point
}

func newMarks(messages int) marks {
	m := marks{ready: never(), auth: never(), hint: never(), unknown: never(), ends: make([][]end, messages)}
	for range messages {
		m.decided = append(m.decided, never())
	}
	return m
}

// measure has the conversation until it is always the same.
func (w *world) measure() *marks {
	w.have(nil) // for the ticket
	x := w.have(nil)
	m, again := x.measured(), w.have(nil).measured()
	require.Equal(w.t, m, again, "one conversation is like the other")
	m.hinted = w.hinted
	if w.batch {
		w.refine(m)
	}
	for i, a := range x.said {
		require.True(w.t, a.said)
		require.Equal(w.t, max(w.want, receipt), m.kinds[i], "message %d: %v", i, a.err)
		require.Equal(w.t, a.err == nil, len(m.taken[i]) == 1)
		if a.err == nil {
			data, err := io.ReadAll(w.fresh()[i].Body)
			require.NoError(w.t, err)
			require.Contains(w.t, m.taken[i][0], fmt.Sprintf("%x", sha256.Sum256(data)))
		}
	}
	return m
}

// refine tells apart what leaves at one moment: the ends of messages are in records
// of TLS, and a server that gets no more than some of these has what is in them.
func (w *world) refine(m *marks) {
	for _, r := range slices.Backward(m.records) {
		x := w.have(&cut{fakenet.ToServer, r[1], fakenet.Silence})
		for i := range x.ends {
			m.ends[i][0].handed = r[1]
		}
	}
}

func (x *trial) measured() *marks {
	m := &x.seen
	for _, a := range x.said {
		m.kinds = append(m.kinds, kindOf(a))
	}
	m.taken, m.all, m.records = x.taken, x.all, x.conns[0].records()
	for way, writes := range x.writes {
		at := 0
		for _, write := range writes {
			at += write.Octets
			m.writes[way] = append(m.writes[way], at)
		}
	}
	if x.w.batch {
		for i, here := range x.ends { // the verdict is in what the server writes next
			next, _ := slices.BinarySearch(m.writes[fakenet.ToClient], here[fakenet.ToClient]+1)
			m.decided[i][fakenet.ToClient] = m.writes[fakenet.ToClient][next]
			m.ends[i][0].read = m.decided[i]
		}
	}
	return m
}

// A kind of outcome.
type kind int

const (
	contradiction kind = iota // a receipt and an error, or neither
	receipt
	partly    // a receipt, but some recipients were refused
	refusal   // the server's word
	uncertain // whether it was taken
	notSent
	kinds
)

var kindNames = [...]string{"a contradiction", "a receipt", "a receipt for some", "a refusal", "doubt", "not sent"}

func (k kind) String() string { return kindNames[k] }

func kindOf(a answer) kind {
	var said *submit.Error
	switch {
	case (a.receipt == nil) == (a.err == nil):
		return contradiction
	case a.err == nil && len(a.receipt.Refused) > 0:
		return partly
	case a.err == nil:
		return receipt
	case errors.Is(a.err, submit.ErrUncertain):
		return uncertain
	case errors.As(a.err, &said) && said.Reply != nil,
		errors.Is(a.err, submit.ErrRejected), errors.Is(a.err, submit.ErrCredentials):
		return refusal
	}
	return notSent
}

// expect is what must come of a message.
func (m *marks) expect(i int, c cut, left int) kind {
	switch {
	case m.decided[i].before(c):
		return m.kinds[i]
	case m.hinted && m.hint.before(c) && !m.auth.before(c):
		return refusal
	}
	for _, e := range m.ends[i] {
		if left >= e.handed && !e.read.before(c) {
			return uncertain
		}
	}
	return notSent
}

// decisive reports whether an octet is next to one that decides: something is
// handed over or read there.
func (m *marks) decisive(way fakenet.Direction, at int) bool {
	near := func(mark int) bool { return at == mark || !few() && mark-1 <= at && at <= mark+1 }
	if near(m.ready[way]) || near(m.auth[way]) {
		return true
	}
	for i, ends := range m.ends {
		if near(m.decided[i][way]) {
			return true
		}
		for _, e := range ends {
			if near(e.read[way]) || way == fakenet.ToServer && near(e.handed) {
				return true
			}
		}
	}
	return false
}

// seam reports whether an octet is the last of a write, or the one before.
func (m *marks) seam(way fakenet.Direction, at int) bool {
	for _, end := range m.writes[way] {
		if end-1 <= at && at <= end {
			return true
		}
	}
	return false
}

// filling reports whether an octet is amid a record that only fills a large
// message, and neither one of few that stand for it.
func (m *marks) filling(way fakenet.Direction, at int) bool {
	const margin, stride = 32, 613
	if way == fakenet.ToClient {
		return false
	}
	for _, r := range m.records {
		if r[0]+margin < at && at < r[1]-margin && r[1]-r[0] > 2048 {
			return (at-r[0])%stride != 0
		}
	}
	return false
}
