package submit

import (
	"sync"
	"sync/atomic"
)

// Quirks remember which servers do not do what they offer. Nothing in them is
// about security, and none of it is lost with them but a few round trips. The zero
// Quirks are empty and ready to use; they may be used by several transports and
// pools at once, and must not be copied.
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
	bits uint32
}

const (
	noChunks   = 1 << iota // BDAT is not known, although CHUNKING is offered
	chunksWork             // a chunk was taken
	noAhead                // what follows the end of a message in its flight is lost
	aheadWorks             // it is answered, as RFC 2920, section 3.1, has it
)

func (l *learnt) is(bit uint32) bool { return atomic.LoadUint32(&l.bits)&bit != 0 }

func (l *learnt) note(bit uint32) {
	if !l.is(bit) {
		atomic.OrUint32(&l.bits, bit)
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
