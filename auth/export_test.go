package auth

import "reflect"

// WithNonce has SCRAM say a nonce that is known, as the examples of RFC 5802 and
// RFC 7677 do.
func WithNonce(c Credentials, nonce string) Credentials {
	c.(*passwordCredentials).keys.nonce = func() string { return nonce }
	return c
}

// Deriving reports that keys are being derived that take long.
func Deriving(c Credentials) bool { return c.(*passwordCredentials).keys.current.Load() != nil }

// TakeTurn keeps all from deriving keys until it is given back.
func TakeTurn(c Credentials) (giveBack func()) {
	turn := c.(*passwordCredentials).keys.turn
	turn <- struct{}{}
	return func() { <-turn }
}

// Kept returns how many keys are kept.
func Kept(c Credentials) (n int) {
	keys := c.(*passwordCredentials).keys
	keys.mu.Lock()
	defer keys.mu.Unlock()
	for _, client := range keys.clients() {
		n += reflect.ValueOf(client.Client).Elem().FieldByName("cache").Len()
	}
	return n
}
