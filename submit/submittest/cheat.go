package submittest

import (
	"slices"
	"strings"

	"github.com/emersion/go-sasl"

	"github.com/mailport/mailport/submit"
)

// maxChallenge is how long a line of an exchange may be, RFC 4954, section 4.
const maxChallenge = 12288

// appliesToMechanism reports whether a is possible in an exchange of mechanism.
func (a Action) appliesToMechanism(mechanism string) bool {
	switch a {
	case SkipSignature, WrongSignature, SignLate, ShortNonce, OtherNonce, FewIterations, ManyIterations:
		return hashOf(strings.ToUpper(mechanism)) != nil
	case OtherBinding:
		return hashOf(strings.ToUpper(mechanism)) != nil && isPlus(mechanism)
	}
	return true
}

// appliesToSome reports whether one of the mechanisms lets a happen, or none need.
func (a Action) appliesToSome(mechanisms []string) bool {
	return a.appliesToMechanism("") || slices.ContainsFunc(mechanisms, a.appliesToMechanism)
}

// authFault returns the fault that strikes an AUTH with mechanism.
func (d *dialogue) authFault(mechanism string) *Fault {
	var possible []Action
	for a := range Action(len(actionNames)) {
		if a.appliesToMechanism(mechanism) {
			possible = append(possible, a)
		}
	}
	return d.fault(submit.PhaseAuth, possible...)
}

// isCheat reports whether a happens within an exchange.
func (a Action) isCheat() bool {
	return a.appliesAt(submit.PhaseAuth) && !a.appliesAt(submit.PhaseSender) && a != Accept
}

// cheating is server with the cheats that any mechanism can have.
func (d *dialogue) cheating(server sasl.Server) sasl.Server {
	if d.cheat == nil {
		return server
	}
	switch d.cheat.Do {
	case AcceptEarly:
		return early{server}
	case AskForever, IgnoreCancel:
		return &endless{Server: server, challenge: d.cheat.Text}
	}
	return server
}

// early has seen enough when it has seen anything.
type early struct{ sasl.Server }

// Next belongs to [sasl.Server].
func (e early) Next(response []byte) (challenge []byte, done bool, err error) {
	if response != nil {
		return nil, true, nil
	}
	return e.Server.Next(response)
}

// endless goes through the exchange in good order, but comes to no end.
type endless struct {
	sasl.Server
	challenge string
	over      bool
}

// Next belongs to [sasl.Server].
func (e *endless) Next(response []byte) (challenge []byte, done bool, err error) {
	if !e.over {
		challenge, done, err = e.Server.Next(response)
		if !done && err == nil {
			return challenge, false, nil
		}
		e.over = true
	}
	return []byte(e.challenge), false, nil
}

// askBadly asks what cannot be answered, and takes no answer.
func (d *dialogue) askBadly(f *Fault) error {
	challenge := f.Text
	switch {
	case f.Do == HugeChallenge:
		challenge = strings.Repeat("QUFB", maxChallenge/4+1)
	case challenge == "":
		challenge = "this is no base64"
	}
	if err := d.say(reply{code: 334, lines: []string{challenge}}); err != nil {
		return err
	}
	line, err := d.response()
	if err != nil {
		return err
	}
	if line == "*" {
		return d.say(say(501, "5.7.0 cancelled"))
	}
	return d.say(say(501, "5.5.2 there was nothing to answer"))
}
