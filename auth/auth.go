package auth

import (
	"context"
	"crypto/tls"
	"errors"
	"slices"
	"strings"

	"github.com/emersion/go-sasl"
)

// Credentials choose how to authenticate to a server. They must be safe for
// concurrent use: every session starts exchanges of its own.
type Credentials interface {
	// Exchange picks one of the mechanisms the server offers and starts a
	// fresh exchange. It is called after TLS is in place and verified, once
	// per session; a second time only when the server said that it does not
	// support the mechanism after all (RFC 4954, section 4, reply 504; and 534,
	// if nothing secret was said by then), then without that mechanism in
	// server.Mechanisms.
	//
	// It returns an error that wraps [ErrNoMechanism] if none of them fits. The
	// context is that of the whole exchange, and may be kept until its end.
	Exchange(ctx context.Context, server Server) (Mechanism, error)
}

// Server is what credentials may know about the server before they commit.
type Server struct {
	Name       string               // the name its certificate was verified for
	Mechanisms []string             // as offered over TLS, upper case, in its order
	TLS        *tls.ConnectionState // for channel binding

	// Offered are all that the server offers, where Mechanisms are fewer: without
	// those that it did not support after all, or that are not wanted. Nil means
	// that Mechanisms are all. Who can bind an authentication to the connection
	// and does not has to say whether the server could (RFC 5802, section 6).
	Offered []string

	// ClientCertificate is whether the server asked for a client certificate and
	// got one.
	ClientCertificate bool

	named []string // mechanisms that somebody asked for by name
}

func (s Server) offersPlus() bool {
	offered := s.Offered
	if offered == nil {
		offered = s.Mechanisms
	}
	return slices.ContainsFunc(offered, func(m string) bool { return isPlus(strings.ToUpper(m)) })
}

// wantsPlus reports whether -PLUS would be used if it were offered: who allows none by
// name is, to the server, a client that cannot bind (RFC 5802, section 6, "n").
func (s Server) wantsPlus() bool {
	return s.named == nil || slices.ContainsFunc(s.named, func(m string) bool { return isPlus(strings.ToUpper(m)) })
}

// A Mechanism is the client side of one SASL exchange, RFC 4422.
type Mechanism interface {
	sasl.Client

	// Complete reports that the client is satisfied with what it has seen of
	// the server. A server that claims success before that is lying, and is
	// treated so.
	Complete() bool
}

// A Renewer is a Mechanism whose secret may have expired without anybody's fault.
type Renewer interface {
	Mechanism

	// Renew returns a fresh exchange with another secret. It is called once per
	// session at most, after the server refused this one. An error of a network
	// (net.OpError, net.DNSError but for a host that does not exist, a timeout, a
	// connection that ended early, or one whose Temporary method says so) is taken
	// for temporary; any other means that there is no other secret, that the refusal
	// stands and that the owner has to act.
	Renew(ctx context.Context) (Mechanism, error)
}

// A Refuser is a Mechanism in which a server says why it refuses, beside the reply.
type Refuser interface {
	Mechanism

	// Refusal returns what it said, or nil.
	Refusal() error
}

// ErrNoMechanism means that the server offers nothing these credentials allow.
var ErrNoMechanism = errors.New("no acceptable authentication mechanism")
