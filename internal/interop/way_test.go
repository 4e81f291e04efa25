//go:build interop && linux

package interop

import (
	"context"
	"crypto/tls"
	"net"
	"time"

	"github.com/mailport/mailport/auth"
	"github.com/mailport/mailport/submit"
)

// A way is a transport by name.
type way string

const (
	implicit way = "implicit"
	starttls way = "starttls"
)

var ways = [...]way{implicit, starttls}

// A transport is what package submit has of them.
type transport interface {
	submit.Transport
	submit.Submitter
}

// over returns a way to a port.
func (w way) over(port int, c submit.Config) transport {
	if w == implicit {
		return &submit.ImplicitTLS{Host: host, Port: port, Config: c}
	}
	return &submit.STARTTLS{Host: host, Port: port, Config: c}
}

// over returns a way to the server.
func (s *server) over(w way, c submit.Config) transport {
	return w.over(s.box.ports[string(w)], c)
}

// config is what a client needs that knows the password.
func (s *server) config() submit.Config {
	return submit.Config{
		Credentials: auth.Password(user, password),
		TLS:         &tls.Config{RootCAs: s.house.ca.Pool()},
		DialContext: dial,
		Timeouts:    submit.Timeouts{Connect: 10 * time.Second, Handshake: 20 * time.Second, Greeting: 20 * time.Second, Command: 30 * time.Second, Verdict: time.Minute},
	}
}

// dial takes every name for this machine's.
func dial(ctx context.Context, network, address string) (net.Conn, error) {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	var d net.Dialer
	return d.DialContext(ctx, network, net.JoinHostPort(loopback, port))
}
