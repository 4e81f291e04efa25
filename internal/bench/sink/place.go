// Package sink is the server that the benchmark sends to. It takes messages as
// cheaply as it can, and sees to it that each arrives once and intact, from a
// client that keeps to the rules.
//
// It shares no code with mailport.
package sink

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/mailport/mailport/internal/bench/delay"
)

// A Setting says what a server offers, and how far away it is.
type Setting struct {
	Pipelining bool
	Chunking   bool
	RTT        time.Duration
}

// A Place is a server with two ports, on the loopback interface.
type Place struct {
	setting Setting
	config  *tls.Config
	ports   [2]net.Listener
	work    sync.WaitGroup
	tally   tally

	mu     sync.Mutex
	closed bool
	open   map[net.Conn]struct{}
}

// Open starts a server that shows certificate. It must be closed.
func Open(ctx context.Context, certificate tls.Certificate, setting Setting) (*Place, error) {
	p := &Place{
		setting: setting,
		config:  &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS13},
		open:    make(map[net.Conn]struct{}),
	}
	var listen net.ListenConfig
	for i := range p.ports {
		var err error
		if p.ports[i], err = listen.Listen(ctx, "tcp", "127.0.0.1:0"); err != nil {
			return nil, errors.Join(err, p.Close())
		}
	}
	for i, port := range p.ports {
		p.work.Go(func() { p.accept(port, i == 0) })
	}
	return p, nil
}

// Implicit is the number of the port where TLS begins at once.
func (p *Place) Implicit() int { return number(p.ports[0]) }

// STARTTLS is the number of the port where it has to be asked for.
func (p *Place) STARTTLS() int { return number(p.ports[1]) }

func number(l net.Listener) int { return l.Addr().(*net.TCPAddr).Port }

// Close ends all connections.
func (p *Place) Close() error {
	p.mu.Lock()
	p.closed = true
	for nc := range p.open {
		nc.Close()
	}
	p.mu.Unlock()
	for _, port := range p.ports {
		if port != nil {
			port.Close()
		}
	}
	p.work.Wait()
	return nil
}

func (p *Place) accept(port net.Listener, implicit bool) {
	for {
		nc, err := port.Accept()
		if err != nil {
			return
		}
		if !p.keep(nc) {
			nc.Close()
			return
		}
		p.work.Go(func() {
			p.serve(nc, implicit)
			p.drop(nc)
		})
	}
}

func (p *Place) keep(nc net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.open[nc] = struct{}{}
	}
	return !p.closed
}

func (p *Place) drop(nc net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, nc)
}

func (p *Place) serve(nc net.Conn, implicit bool) {
	if p.setting.RTT > 0 {
		far := delay.New(nc, p.setting.RTT)
		defer func() { p.tally.turned(far.Turns()) }()
		far.Arrive()
		nc = far
	}
	defer nc.Close()
	s := newSession(p, nc)
	if implicit {
		s.secure()
	}
	if err := s.run(); err != nil {
		p.tally.wrong(err)
	}
	s.conn.Close()
}

// Tally returns what was taken since the last call, and begins anew.
func (p *Place) Tally() Tally { return p.tally.take() }
