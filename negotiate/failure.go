package negotiate

import (
	"context"
	"errors"

	"github.com/mailport/mailport/submit"
)

// A failure is what went wrong, as far as it matters for what may follow.
type failure int

const (
	unreachable    failure = iota // refused, no route, timed out, connection lost
	noSuchName                    // the name does not resolve
	speaksSMTP                    // TLS was wanted, and the server spoke SMTP
	otherService                  // the server spoke something else
	expectsTLS                    // a greeting was wanted, and the server spoke TLS
	handshake                     // protocol version, alert
	certificate                   // the certificate or its name is not valid
	unwelcome                     // greeting or EHLO refused, or not understood
	noSTARTTLS                    // not offered, or refused
	injection                     // cleartext after the reply to STARTTLS
	authNotOffered                // although there are credentials
	authRefused                   // or no common mechanism
	transaction                   // MAIL and everything after
	ended                         // the context
	invalid                       // what the caller gave
	failures                      // how many there are
)

func (f failure) String() string {
	return [...]string{
		unreachable:    "unreachable",
		noSuchName:     "no such name",
		speaksSMTP:     "speaks SMTP without TLS",
		otherService:   "another service",
		expectsTLS:     "expects TLS",
		handshake:      "TLS handshake",
		certificate:    "certificate",
		unwelcome:      "greeting or EHLO",
		noSTARTTLS:     "no STARTTLS",
		injection:      "injection",
		authNotOffered: "AUTH not offered",
		authRefused:    "AUTH refused",
		transaction:    "transaction",
		ended:          "context ended",
		invalid:        "invalid input",
	}[f]
}

// classify tells failures apart, by type and never by text.
func classify(err error) failure {
	var port *submit.PortError
	switch {
	case errors.Is(err, submit.ErrInvalid):
		return invalid
	case errors.Is(err, submit.ErrUncertain): // whatever ended the connection
		return transaction
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return ended
	case errors.Is(err, submit.ErrInjection):
		return injection
	case errors.Is(err, submit.ErrCertificate):
		return certificate
	case errors.Is(err, submit.ErrNoSTARTTLS):
		return noSTARTTLS
	case errors.Is(err, submit.ErrAuthNotOffered):
		return authNotOffered
	case errors.As(err, &port):
		return classifyPort(port)
	}
	return classifyPhase(err)
}

func classifyPort(e *submit.PortError) failure {
	switch e.Speaks {
	case submit.SpeaksSMTP:
		return speaksSMTP
	case submit.SpeaksTLS:
		return expectsTLS
	}
	return otherService
}

func classifyPhase(err error) failure {
	var e *submit.Error
	if !errors.As(err, &e) {
		return unreachable // a transport of the caller's own: Dial comes before authentication
	}
	switch e.Phase {
	case submit.PhaseResolve:
		return noSuchName
	case submit.PhaseConnect:
		return unreachable
	case submit.PhaseHandshake:
		if errors.Is(err, submit.ErrInsecure) {
			return handshake
		}
		return unreachable
	case submit.PhaseGreeting, submit.PhaseHello, submit.PhaseStartTLS, submit.PhaseHelloAgain:
		return unwelcome
	case submit.PhaseAuth:
		return authRefused
	case submit.PhaseSender, submit.PhaseRecipient, submit.PhaseData, submit.PhaseBody, submit.PhaseVerdict:
		return transaction
	}
	return transaction // when in doubt, the one after which nothing may follow
}
