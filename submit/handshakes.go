package submit

import (
	"context"
	"sync"
	"syscall"
	"time"
)

// handshakes notes when the TCP handshake with each address of a host began: a
// dialer resolves the name first, and may try one address while another has not
// answered yet (RFC 8305).
type handshakes struct {
	began time.Time
	since sync.Map // by address
}

// note is for net.Dialer.ControlContext.
func (h *handshakes) note(_ context.Context, _, address string, _ syscall.RawConn) error {
	h.since.Store(address, time.Since(h.began))
	return nil
}

// with returns when that with address began, if that is known.
func (h *handshakes) with(address string) (since time.Duration, ok bool) {
	at, _ := h.since.Load(address)
	since, ok = at.(time.Duration)
	return since, ok
}
