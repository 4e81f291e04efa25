package auth

import (
	"crypto/tls"
	"fmt"
)

// secure refuses a connection that must not see a secret. Whether the
// certificate was verified cannot be seen from here: a connection with its own
// VerifyConnection has no verified chains either.
func secure(state *tls.ConnectionState) error {
	switch {
	case state == nil:
		return fmt.Errorf("%w: there is none", ErrInsecure)
	case !state.HandshakeComplete:
		return fmt.Errorf("%w: the handshake is not complete", ErrInsecure)
	case state.Version < tls.VersionTLS12:
		return fmt.Errorf("%w: %s is too old", ErrInsecure, tls.VersionName(state.Version))
	}
	return nil
}
