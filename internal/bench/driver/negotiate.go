package driver

import (
	"context"
	"crypto/tls"

	"github.com/mailport/mailport/internal/bench/letter"
	"github.com/mailport/mailport/negotiate"
)

// negotiated finds out which port to use, and remembers it. Every message has a
// session of its own.
type negotiated struct {
	negotiator *negotiate.Negotiator
	paper      *paper
}

func newNegotiate(t Target, config *tls.Config) Driver {
	n := &negotiate.Negotiator{Host: Host, ImplicitPort: t.Implicit, STARTTLSPort: t.STARTTLS, Config: submitConfig(t, config)}
	if t.Upgrade {
		n.Policy.Prefer = negotiate.STARTTLS
	}
	return &negotiated{negotiator: n, paper: newPaper(t)}
}

func (d *negotiated) Open(context.Context) error { return nil }

func (d *negotiated) Send(ctx context.Context, first, n int) error {
	m := envelope()
	for serial := first; serial < first+n; serial++ {
		m.Body = d.paper.read(serial)
		if _, err := d.negotiator.Submit(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

func (d *negotiated) SendLarge(ctx context.Context, l *letter.Large, serial int) error {
	m := envelope()
	m.Body = l.Ready(serial)
	_, err := d.negotiator.Submit(ctx, m)
	return err
}

func (d *negotiated) Close() error { return nil }
