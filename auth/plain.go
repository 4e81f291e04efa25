package auth

import (
	"github.com/emersion/go-sasl"
)

// plain is the client side of PLAIN, RFC 4616: one message, and no word from the
// server but the outcome.
type plain struct {
	shown
	client func() sasl.Client // a closure, since the fields of go-sasl's client can be printed
	sent   bool
	broken bool
}

// startPlain sends no authorization identity: the server derives it from the
// username. It refuses what the grammar of RFC 4616, section 2, cannot express,
// an empty password among it. The 255 octets there are what every server must
// take; some take more, so that a longer password is theirs to judge.
func startPlain(s secret) (Mechanism, error) {
	username, password := s()
	if err := sendable("PLAIN", "username", username, empty, nul, notUTF8); err != nil {
		return nil, err
	}
	if err := sendable("PLAIN", "password", password, empty, nul, notUTF8); err != nil {
		return nil, err
	}
	client := sasl.NewPlainClient("", username, password)
	return &plain{
		shown:  shown{"PLAIN as " + s.name()},
		client: func() sasl.Client { return client },
	}, nil
}

// Start returns the whole message as the initial response.
func (p *plain) Start() (mechanism string, response []byte, err error) {
	p.sent = true
	return p.client().Start()
}

// Next refuses any challenge: what was to be said was said.
func (p *plain) Next([]byte) ([]byte, error) {
	p.broken = true
	return nil, unexpected("PLAIN", "after the message")
}

// Complete reports that the message was handed out and nothing else was asked.
func (p *plain) Complete() bool { return p.sent && !p.broken }
