package driver

import (
	"context"
	"crypto/tls"

	"github.com/mailport/mailport/auth"
	"github.com/mailport/mailport/internal/bench/letter"
	"github.com/mailport/mailport/submit"
)

// mailport submits one message after the other over each session of a pool.
type mailport struct {
	papers []*paper
	pool   *submit.Pool
}

func newMailport(t Target, config *tls.Config) Driver {
	return overPool(t, newPool(t, config))
}

// newSoak has a pool that replaces its sessions now and then, as pools do if
// nobody says otherwise.
func newSoak(t Target, config *tls.Config) Driver {
	return overPool(t, &submit.Pool{Transport: transport(t, config), MaxSessions: t.connections()})
}

func overPool(t Target, pool *submit.Pool) *mailport {
	d := &mailport{pool: pool}
	for range t.connections() {
		d.papers = append(d.papers, newPaper(t))
	}
	return d
}

// newPool is one that keeps its sessions for as long as the benchmark takes.
func newPool(t Target, config *tls.Config) *submit.Pool {
	return &submit.Pool{Transport: transport(t, config), MaxSessions: t.connections(), MaxMessages: -1, MaxAge: -1}
}

func transport(t Target, config *tls.Config) submit.Transport {
	c := submitConfig(t, config)
	if t.Upgrade {
		return &submit.STARTTLS{Host: Host, Port: t.STARTTLS, Config: c}
	}
	return &submit.ImplicitTLS{Host: Host, Port: t.Implicit, Config: c}
}

func submitConfig(t Target, config *tls.Config) submit.Config {
	return submit.Config{TLS: config, Credentials: auth.Password(t.User, t.Password)}
}

// Open does nothing: the pool connects when it has something to send.
func (d *mailport) Open(context.Context) error { return nil }

func (d *mailport) Send(ctx context.Context, first, n int) error {
	return concurrently(len(d.papers), func(i int) error {
		m := envelope()
		from, to := part(i, len(d.papers), n)
		for serial := first + from; serial < first+to; serial++ {
			m.Body = d.papers[i].read(serial)
			if _, err := d.pool.Submit(ctx, m); err != nil {
				return err
			}
		}
		return nil
	})
}

func envelope() submit.Message {
	return submit.Message{From: letter.From, To: []string{letter.To}}
}

func (d *mailport) SendLarge(ctx context.Context, l *letter.Large, serial int) error {
	m := envelope()
	m.Body = l.Ready(serial)
	_, err := d.pool.Submit(ctx, m)
	return err
}

func (d *mailport) Close() error { return d.pool.Close() }
