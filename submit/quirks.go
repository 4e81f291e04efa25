package submit

import (
	"sync"
	"sync/atomic"
	"time"
)

// Quirks remember which servers do not do what they offer: for an hour, since servers
// are replaced; then it is tried again. Nothing in them is about security, and none of
// it is lost with them but a few round trips. The zero Quirks are empty and ready to
// use; they may be used by several transports and pools at once, and must not be
// copied.
type Quirks struct {
	servers sync.Map // *learnt by Endpoint
}

func (q *Quirks) of(e Endpoint) *learnt {
	if known, ok := q.servers.Load(e); ok {
		return known.(*learnt)
	}
	known, _ := q.servers.LoadOrStore(e, new(learnt))
	return known.(*learnt)
}

// learnt is what is known of a server by having tried.
type learnt struct {
	bits      atomic.Uint32
	strange   atomic.Int64 // when noChunks was noted
	alone     atomic.Int64 // when noAhead was noted
	suspected atomic.Int64 // when something went wrong behind the end of a message; 0 if nothing has since that worked
}

const (
	noChunks   = 1 << iota // BDAT is not known, although CHUNKING is offered
	chunksWork             // a chunk was taken
	noAhead                // what follows the end of a message in its flight is lost
	aheadWorks             // it is answered, as RFC 2920, section 3.1, has it
)

// quirkHolds is how long a server is believed not to do something.
const quirkHolds = time.Hour

func (l *learnt) is(bit uint32) bool {
	if l.bits.Load()&bit == 0 {
		return false
	}
	noted, _ := l.doubts(bit)
	return noted == nil || isRecent(noted.Load())
}

// isRecent reports whether what was noted at a time is still believed. A clock that
// was put back makes no difference but that it is tried again.
func isRecent(noted int64) bool {
	age := time.Since(time.Unix(0, noted))
	return 0 <= age && age < quirkHolds
}

// doubts returns when a bit was noted that says what a server cannot do, and the one
// that says that it can.
func (l *learnt) doubts(bit uint32) (noted *atomic.Int64, opposite uint32) {
	switch bit {
	case noChunks:
		return &l.strange, chunksWork
	case noAhead:
		return &l.alone, aheadWorks
	}
	return nil, 0
}

// note notes what a server does or does not do. When the latter is tried again, it is
// as if for the first time.
func (l *learnt) note(bit uint32) {
	if l.is(bit) {
		return
	}
	if noted, opposite := l.doubts(bit); noted != nil {
		noted.Store(time.Now().UnixNano())
		l.bits.And(^opposite)
	}
	l.bits.Or(bit)
}

// suspect is for a connection, opened at a time, that was lost when something had
// been sent behind the end of a message. Once is chance; twice in a row it is why. Of
// several connections that were lost at the same time, one counts.
func (l *learnt) suspect(opened time.Time) {
	now := time.Now().UnixNano()
	switch first := l.suspected.Load(); {
	case first == 0:
		l.suspected.CompareAndSwap(0, now)
	case opened.UnixNano() >= first:
		l.note(noAhead)
		l.suspected.Store(0)
	}
}

// clear is for something behind the end of a message that was answered.
func (l *learnt) clear() {
	if l.suspected.Load() != 0 {
		l.suspected.Store(0)
	}
	if !l.is(noAhead) {
		l.note(aheadWorks)
	}
}

// learntBy is where what is learnt of e is kept: with others, or with the
// transport.
func (c *Config) learntBy(e Endpoint, transport *learnt) *learnt {
	if c.Quirks != nil {
		return c.Quirks.of(e)
	}
	return transport
}
