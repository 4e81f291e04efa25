package submit

import (
	"crypto/tls"
	"sync/atomic"
)

// kept is what a transport keeps from one session to the next. It may be copied
// with its transport, and then is that of both: an [atomic.Value] has no lock.
type kept struct{ v atomic.Value } // *memory

// A memory is what is in there.
type memory struct {
	learnt   learnt
	sessions tls.ClientSessionCache
}

func (k *kept) get() *memory {
	if m, ok := k.v.Load().(*memory); ok {
		return m
	}
	k.v.CompareAndSwap(nil, &memory{sessions: tls.NewLRUClientSessionCache(0)})
	return k.v.Load().(*memory)
}

// resume has TLS sessions resumed (RFC 8446, section 2.2), which spares both sides
// most of the work of a handshake, unless the caller has said what is to be kept,
// or verifies certificates in a way that a resumed session goes past. That a
// session was verified is not asked again of RootCAs: it must not be seen by
// transports that have others.
func (m *memory) resume(t *tls.Config) {
	if t.ClientSessionCache == nil && t.VerifyPeerCertificate == nil {
		t.ClientSessionCache = m.sessions // not used if SessionTicketsDisabled
	}
}
