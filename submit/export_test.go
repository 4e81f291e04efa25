package submit

import (
	"context"
	"syscall"
	"time"
)

// SetHostname has c believe that this machine is called so.
func SetHostname(c *Config, name string) { c.hostname = func() string { return name } }

// Handshakes is what notes when TCP handshakes began.
type Handshakes struct{ handshakes }

func NewHandshakes() *Handshakes { return &Handshakes{handshakes{began: time.Now()}} }

func (h *Handshakes) Note(ctx context.Context, network, address string, c syscall.RawConn) error {
	return h.note(ctx, network, address, c)
}

func (h *Handshakes) With(address string) (time.Duration, bool) { return h.with(address) }
