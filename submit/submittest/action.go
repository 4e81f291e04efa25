package submittest

import (
	"fmt"

	"github.com/mailport/mailport/submit"
)

// An Action is what a server does wrong.
type Action int

// The actions; the package documentation says to which phases they apply.
const (
	Refuse            Action = iota + 1 // say no, for good
	RefuseTemporarily                   // say no, for now
	Stall                               // say nothing from then on
	Hangup                              // cut the connection
	Garbage                             // say what is no SMTP reply, or no TLS
	WrongName                           // show a certificate for another host
	Expired                             // show a certificate of long ago
	Untrusted                           // show a certificate that an unknown authority signed
	OtherMode                           // speak as the other port should
	Strip                               // do not offer Text: STARTTLS or, if that is not to be had, AUTH
	Inject                              // say more than the reply to STARTTLS, in cleartext
	Accept                              // say that authentication succeeded, unseen
	Swallow                             // drop the commands that came with the end of the message
	Retire                              // reply in good order, then close; with Code, after a further reply

	AcceptEarly   // say that authentication succeeded as soon as the client has responded once
	AskForever    // ask on, with Text, where the outcome of authentication should be
	IgnoreCancel  // likewise, and when the client cancels, too
	NotBase64     // ask with what is no base64: Text
	HugeChallenge // ask with more than a line may have

	SkipSignature  // SCRAM: take any proof, and give none
	WrongSignature // SCRAM: take any proof, and give a wrong one
	SignLate       // SCRAM: give the signature with the 235, not before it
	ShortNonce     // SCRAM: add nothing to the client's nonce
	OtherNonce     // SCRAM: come with another nonce than the client's
	FewIterations  // SCRAM: ask for one iteration
	ManyIterations // SCRAM: ask for 2,147,483,648 iterations
	OtherBinding   // SCRAM -PLUS: be bound to another connection, as if somebody stood in between
)

var actionNames = [...]string{
	Refuse:            "refuse",
	RefuseTemporarily: "refuse temporarily",
	Stall:             "stall",
	Hangup:            "hang up",
	Garbage:           "garbage",
	WrongName:         "wrong name",
	Expired:           "expired",
	Untrusted:         "untrusted",
	OtherMode:         "other mode",
	Strip:             "strip",
	Inject:            "inject",
	Accept:            "accept",
	Swallow:           "swallow",
	Retire:            "retire",
	AcceptEarly:       "accept early",
	AskForever:        "ask forever",
	IgnoreCancel:      "ignore cancel",
	NotBase64:         "not base64",
	HugeChallenge:     "huge challenge",
	SkipSignature:     "skip signature",
	WrongSignature:    "wrong signature",
	SignLate:          "sign late",
	ShortNonce:        "short nonce",
	OtherNonce:        "other nonce",
	FewIterations:     "few iterations",
	ManyIterations:    "many iterations",
	OtherBinding:      "other binding",
}

// String returns the name of a in lower case.
func (a Action) String() string {
	if a <= 0 || int(a) >= len(actionNames) {
		return fmt.Sprintf("action %d", int(a))
	}
	return actionNames[a]
}

// appliesAt reports whether there is something that a could mean at phase.
func (a Action) appliesAt(phase submit.Phase) bool {
	if phase < submit.PhaseResolve || phase > submit.PhaseVerdict {
		return false
	}
	switch a {
	case Refuse, RefuseTemporarily, Stall:
		return true
	case Hangup:
		return phase >= submit.PhaseConnect
	case Garbage:
		return phase >= submit.PhaseHandshake
	case WrongName, Expired, Untrusted:
		return phase == submit.PhaseHandshake
	case OtherMode:
		return phase == submit.PhaseConnect
	case Strip:
		return phase == submit.PhaseHello || phase == submit.PhaseHelloAgain
	case Inject:
		return phase == submit.PhaseStartTLS
	case Accept, AcceptEarly, AskForever, IgnoreCancel, NotBase64, HugeChallenge, SkipSignature, WrongSignature,
		SignLate, ShortNonce, OtherNonce, FewIterations, ManyIterations, OtherBinding:
		return phase == submit.PhaseAuth
	case Swallow:
		return phase == submit.PhaseVerdict
	case Retire:
		return retires(phase)
	}
	return false
}

// retires reports whether a client has nothing to expect for the moment when it
// has the reply of phase.
func retires(phase submit.Phase) bool {
	switch phase {
	case submit.PhaseGreeting, submit.PhaseHello, submit.PhaseHelloAgain, submit.PhaseAuth,
		submit.PhaseSender, submit.PhaseRecipient, submit.PhaseVerdict:
		return true
	}
	return false
}

func (a Action) isCertificate() bool { return a == WrongName || a == Expired || a == Untrusted }

// hidesReply reports whether the client does not see how the server decided.
func (a Action) hidesReply() bool { return a == Stall || a == Hangup || a == Garbage }

// misbehave does what f says where a reply should be.
func (d *dialogue) misbehave(f *Fault) error {
	switch f.Do {
	case Refuse, RefuseTemporarily:
		return d.turnDown(f)
	case Garbage:
		return d.babble(f)
	case Stall:
		return d.stall(f)
	case Retire:
		return d.retire(f)
	default: // Hangup
		if err := d.socket.flush(); err != nil {
			return err
		}
		d.log.note("the server hangs up")
		return errHangUp
	}
}

func (d *dialogue) turnDown(f *Fault) error {
	r := f.reply()
	if err := d.say(r); err != nil {
		return err
	}
	// Who is refused in the middle of a message cannot be understood any
	// longer; 421 means that the connection ends, RFC 5321, section 3.8.
	if f.Phase == submit.PhaseBody || r.code == 421 {
		return errLeave
	}
	return nil
}

func (d *dialogue) babble(f *Fault) error {
	err := d.socket.say([]byte(f.text()))
	if err != nil || f.Phase != submit.PhaseHandshake {
		return err
	}
	return d.stall(f) // not knowing TLS, the server waits for something it knows
}

func (d *dialogue) stall(f *Fault) error {
	if err := d.socket.flush(); err != nil {
		return err
	}
	d.log.note("the server stalls")
	if f.Phase == submit.PhaseBody {
		<-d.server.done // does not even read: the client's writes stall too
	} else {
		d.socket.drain()
	}
	return errHangUp
}

func (d *dialogue) retire(f *Fault) error {
	if f.Code != 0 {
		if err := d.say(f.reply()); err != nil {
			return err
		}
	}
	return errLeave
}
