package negotiate

import (
	"context"
	"net"
	"sync"
)

// connections are those that one call opened, by way of others: a resolver and
// an HTTP transport. Both may leave a connection to a goroutine of their own when
// a context ends, to time out some day. These end with the call.
type connections struct {
	ctx context.Context // of the call

	mu    sync.Mutex // guards ended, and that open does not grow after it
	ended bool
	open  sync.WaitGroup // being dialled, or open
}

type dialFunc = func(ctx context.Context, network, address string) (net.Conn, error)

// keep returns a dial function whose connections are closed when the call ends.
func (c *connections) keep(dial dialFunc) dialFunc {
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		if !c.enter() {
			return nil, context.Cause(c.ctx)
		}
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		stop := context.AfterFunc(c.ctx, cancel)
		defer stop()
		conn, err := dial(ctx, network, address)
		if err != nil {
			c.open.Done()
			return nil, err
		}
		context.AfterFunc(c.ctx, func() {
			_ = conn.Close() // most are closed by now
			c.open.Done()
		})
		return conn, nil
	}
}

// abandonable makes a dial function that knows of no context return when one ends.
// What it dials then is closed as soon as it is there.
func abandonable(dial func(network, address string) (net.Conn, error)) dialFunc {
	type dialled struct {
		conn net.Conn
		err  error
	}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		done := make(chan dialled)
		go func() { // ends when dial does, which nobody can hasten
			conn, err := dial(network, address)
			select {
			case done <- dialled{conn, err}:
			case <-ctx.Done():
				if conn != nil {
					_ = conn.Close()
				}
			}
		}()
		select {
		case d := <-done:
			return d.conn, d.err
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

func (c *connections) enter() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return false
	}
	c.open.Add(1)
	return true
}

// wait returns when every connection is closed. The call's context has ended.
func (c *connections) wait() {
	c.mu.Lock()
	c.ended = true
	c.mu.Unlock()
	c.open.Wait()
}

// resolver returns one like r whose connections are closed when the call ends.
// Go's resolver minds deadlines and no other end of a context.
func (c *connections) resolver(r *net.Resolver) *net.Resolver {
	if r == nil {
		r = net.DefaultResolver
	}
	kept := &net.Resolver{PreferGo: r.PreferGo, StrictErrors: r.StrictErrors}
	kept.Dial = c.keep(r.Dial)
	return kept
}
