// Package driver has the clients that are compared, each in the way that its
// documentation shows. All of them do the same: authenticate over TLS, and send
// messages whose arrival the server can check.
package driver

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"

	"github.com/mailport/mailport/internal/bench/letter"
)

// Host is where all servers are. Each shows a certificate for it.
const Host = "127.0.0.1"

// A Driver is a client.
type Driver interface {
	// Open makes the client ready, connected if that is something that its user
	// does.
	Open(ctx context.Context) error

	// Send sends messages with serial numbers from first on, and returns when
	// the server has taken all of them.
	Send(ctx context.Context, first, n int) error

	// SendLarge sends one message with an attachment.
	SendLarge(ctx context.Context, l *letter.Large, serial int) error

	// Close says goodbye.
	Close() error
}

// A Target says whom to send to, and how.
type Target struct {
	Implicit int    // port
	STARTTLS int    // port
	Upgrade  bool   // use STARTTLS; or prefer it, where there is a choice
	CA       string // who vouches for the server, in PEM

	User, Password string

	Connections int // at once; 0: 1
	Size        int // octets of a message, roughly
}

func (t Target) port() int {
	if t.Upgrade {
		return t.STARTTLS
	}
	return t.Implicit
}

func (t Target) address() string { return net.JoinHostPort(Host, strconv.Itoa(t.port())) }

func (t Target) connections() int { return max(1, t.Connections) }

func (t Target) tls() (*tls.Config, error) {
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(t.CA)) {
		return nil, errors.New("the authority is no certificate in PEM")
	}
	return &tls.Config{RootCAs: roots, ServerName: Host}, nil
}

// A kind is a client that is written in Go.
type kind struct {
	name string
	pool bool // it has one, and is told how many connections to use; of others there are as many as needed
	make func(Target, *tls.Config) Driver
}

var kinds = [...]kind{
	{"floor", false, newFloor},
	{"mailport", true, newMailport},
	{"mailport-all", true, newSubmitAll},
	{"mailport-unbounded", true, newUnbounded},
	{"mailport-negotiate", true, newNegotiate},
	{"mailport-soak", true, newSoak},
	{"go-mail", false, newGoMail},
	{"go-smtp", false, newGoSMTP},
	{"net-smtp", false, newNetSMTP},
	{"gomail", false, newGomail},
	{"email", false, newEmail},
	{"mox", false, newMox},
}

// New makes a client. It is not safe for concurrent use.
func New(name string, t Target) (Driver, error) {
	config, err := t.tls()
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(kinds[:], func(k kind) bool { return k.name == name })
	switch {
	case i < 0:
		return nil, fmt.Errorf("no client is called %q", name)
	case kinds[i].pool || t.connections() == 1:
		return kinds[i].make(t, config), nil
	}
	all := make(several, t.connections())
	t.Connections = 1
	for k := range all {
		all[k] = kinds[i].make(t, config)
	}
	return all, nil
}
