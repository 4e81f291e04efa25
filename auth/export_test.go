package auth

// WithNonce has SCRAM say a nonce that is known, as the examples of RFC 5802 and
// RFC 7677 do.
func WithNonce(c Credentials, nonce string) Credentials {
	c.(*passwordCredentials).keys.nonce = func() string { return nonce }
	return c
}
