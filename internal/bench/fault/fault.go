// Package fault has ports on which no mail can be submitted.
package fault

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"syscall"
	"time"
)

// A Port is one on the loopback interface. It must be closed.
type Port struct {
	Number int
	closes []io.Closer
	work   sync.WaitGroup
}

// Close frees the port.
func (p *Port) Close() error {
	for i := len(p.closes) - 1; i >= 0; i-- {
		p.closes[i].Close()
	}
	p.work.Wait()
	return nil
}

// Refused is a port where nobody listens, and which nobody else gets meanwhile.
func Refused() (*Port, error) {
	s, number, err := bind()
	if err != nil {
		return nil, err
	}
	return &Port{Number: number, closes: []io.Closer{s}}, nil
}

// Silent is a port that takes connections and never says a word.
func Silent(ctx context.Context) (*Port, error) {
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &Port{Number: l.Addr().(*net.TCPAddr).Port, closes: []io.Closer{l}}
	p.work.Go(func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			p.work.Go(func() {
				defer nc.Close()
				io.Copy(io.Discard, nc) //nolint:errcheck // until the client goes
			})
		}
	})
	return p, nil
}

// Dropping is a port where no SYN is answered: its queue of connections has room
// for one, and holds that one.
func Dropping(ctx context.Context) (*Port, error) {
	s, number, err := bind()
	if err != nil {
		return nil, err
	}
	p := &Port{Number: number, closes: []io.Closer{s}}
	if err := syscall.Listen(int(s), 0); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	if err := p.fill(ctx); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// fill connects until that takes too long.
func (p *Port) fill(ctx context.Context) error {
	const most, patience = 8, 200 * time.Millisecond
	dialer := net.Dialer{Timeout: patience}
	for range most {
		nc, err := dialer.DialContext(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", p.Number))
		if isTimeout(err) {
			return nil
		}
		if err != nil {
			return err
		}
		p.closes = append(p.closes, nc)
	}
	return errors.New("the queue of a port takes any number of connections")
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

// A socket is one that the net package does not know of.
type socket int

func (s socket) Close() error { return syscall.Close(int(s)) }

func bind() (s socket, number int, err error) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, 0, err
	}
	s = socket(fd)
	err = syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})
	if err != nil {
		return 0, 0, errors.Join(err, s.Close())
	}
	address, err := syscall.Getsockname(fd)
	if err != nil {
		return 0, 0, errors.Join(err, s.Close())
	}
	return s, address.(*syscall.SockaddrInet4).Port, nil
}
