package auth

import (
	"context"
	"crypto/tls"
	"errors"

	"github.com/emersion/go-sasl"
)

// Credentials choose how to authenticate to a server. They must be safe for
// concurrent use: every session starts exchanges of its own.
type Credentials interface {
	// Exchange picks one of the mechanisms the server offers and starts a
	// fresh exchange. It is called after TLS is in place and verified, once
	// per session; a second time only when the server said that it does not
	// support the mechanism after all (RFC 4954, section 4, replies 504 and
	// 534), then without that mechanism in server.Mechanisms.
	//
	// It returns an error that wraps [ErrNoMechanism] if none of them fits.
	Exchange(ctx context.Context, server Server) (Mechanism, error)
}

// Server is what credentials may know about the server before they commit.
type Server struct {
	Name       string               // the name its certificate was verified for
	Mechanisms []string             // as offered over TLS, upper case, in its order
	TLS        *tls.ConnectionState // for channel binding
}

// A Mechanism is the client side of one SASL exchange, RFC 4422.
type Mechanism interface {
	sasl.Client

	// Complete reports that the client is satisfied with what it has seen of
	// the server. A server that claims success before that is lying, and is
	// treated so.
	Complete() bool
}

// ErrNoMechanism means that the server offers nothing these credentials allow.
var ErrNoMechanism = errors.New("no acceptable authentication mechanism")
