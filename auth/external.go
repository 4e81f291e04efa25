package auth

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/emersion/go-sasl"
)

// ErrNoCertificate means that EXTERNAL was to be used, and the server has not seen
// a client certificate: it did not ask for one, or none was configured that it
// would take.
var ErrNoCertificate = errors.New("no client certificate was presented")

// External returns credentials that are a client certificate: EXTERNAL, RFC 4422,
// appendix A. The certificate belongs into the TLS configuration of the session;
// what it says is who is submitting. Identity is who to act for, and mostly empty:
// then the server derives it from the certificate.
func External(identity string) Credentials {
	return &externalCredentials{shown: shown{fmt.Sprintf("auth.External(%q)", identity)}, identity: identity}
}

type externalCredentials struct {
	shown
	identity string
}

// Exchange starts EXTERNAL if the server offers it and has seen a certificate.
func (e *externalCredentials) Exchange(_ context.Context, server Server) (Mechanism, error) {
	if err := secure(server.TLS); err != nil {
		return nil, err
	}
	if err := sendable(sasl.External, "identity", e.identity, nul, notUTF8); err != nil {
		return nil, err
	}
	switch {
	case !contains(server.Mechanisms, sasl.External):
		return nil, &MechanismError{Offered: slices.Clone(server.Mechanisms), Allowed: []string{sasl.External}}
	case !server.ClientCertificate:
		return nil, ErrNoCertificate
	}
	return &external{shown: shown{fmt.Sprintf("EXTERNAL as %q", e.identity)}, client: sasl.NewExternalClient(e.identity)}, nil
}

// external is one message, and no word from the server but the outcome.
type external struct {
	shown
	client       sasl.Client
	sent, broken bool
}

// Start returns the identity as the initial response.
func (e *external) Start() (mechanism string, response []byte, err error) {
	e.sent = true
	return e.client.Start()
}

// Next refuses any challenge: there is nothing else to say.
func (e *external) Next([]byte) ([]byte, error) {
	e.broken = true
	return nil, unexpected(sasl.External, "after the identity")
}

// Complete reports that the identity was handed out and nothing else was asked.
func (e *external) Complete() bool { return e.sent && !e.broken }
