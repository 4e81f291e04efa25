package submit

import (
	"context"
	"crypto/tls"
	"time"
)

// An Event is one finished step of a session: a connection made, a handshake,
// an answer to a command. It holds no credential and no part of a message but
// the address of a refused recipient. Fields may be added.
type Event struct {
	Endpoint Endpoint
	Phase    Phase
	Address  string               // the peer's, host:port; once connected
	Took     time.Duration        // for PhaseConnect, the TCP handshake alone where that is known
	TLS      *tls.ConnectionState // for PhaseHandshake, if it succeeded; read only
	Err      error                // nil if the step succeeded

	// Extensions are, for PhaseHello and PhaseHelloAgain, what the server offers:
	// EHLO keywords with their parameters, such as "SIZE 10485760", sorted. What
	// PhaseHello of a STARTTLS session has was said in cleartext, by anybody.
	Extensions []string
}

type traceKey struct{}

// WithTrace returns a context that has trace called for every step of the calls
// it is given to, beside what [Config].Trace says. Calls may come concurrently,
// but all have returned when the traced call returns.
func WithTrace(ctx context.Context, trace func(context.Context, Event)) context.Context {
	if outer := perCall(ctx); outer != nil {
		inner := trace
		trace = func(ctx context.Context, e Event) {
			inner(ctx, e)
			outer(ctx, e)
		}
	}
	return context.WithValue(ctx, traceKey{}, trace)
}
