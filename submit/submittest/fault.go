package submittest

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/mailport/mailport/submit"
)

// A Fault is something that the server does wrong. The package documentation
// has a table of what can go wrong when.
type Fault struct {
	Service string       // the port: submit.Submissions, submit.Submission; empty means both
	Phase   submit.Phase // when
	Do      Action       // what

	Code int // of the reply, for Refuse, RefuseTemporarily and Retire; 0 means a usual one

	// Text is what is said; for Strip it is the keyword, for AskForever and
	// IgnoreCancel the challenge before base64. Empty means something fitting.
	Text string

	After int // how many times the phase is passed in good order first
	Times int // how many times things go wrong then; 0 means always

	// Lose throws the message away, with Stall, Hangup and Garbage at
	// submit.PhaseVerdict. Without it the message has been taken by then, and
	// the client alone does not know.
	Lose bool
}

// SetFaults replaces the faults of a running server; without arguments it is
// well again. Connections that a fault has stalled or ended stay so. It panics
// if a fault makes no sense.
func (s *Server) SetFaults(faults ...Fault) {
	fresh, err := s.count(faults)
	if err != nil {
		panic(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = fresh
}

// A counted fault knows how often it was passed and how often it struck.
type counted struct {
	Fault
	passed, struck int
}

func (s *Server) count(faults []Fault) ([]*counted, error) {
	var all []*counted
	for i, f := range faults {
		err := f.check()
		if err == nil && !f.Do.appliesToSome(s.mechanisms()) {
			err = fmt.Errorf("%v does not apply to the mechanisms %v", f.Do, s.mechanisms())
		}
		if err != nil {
			return nil, fmt.Errorf("submittest: fault %d: %w", i, err)
		}
		all = append(all, &counted{Fault: f})
	}
	return all, nil
}

// fault returns the fault that strikes as phase is passed on the port of
// service, or nil. Only faults that do one of the actions are asked, unless none
// is named.
func (s *Server) fault(service string, phase submit.Phase, actions ...Action) *Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.faults {
		if f.Phase != phase || f.Service != "" && f.Service != service {
			continue
		}
		if len(actions) > 0 && !slices.Contains(actions, f.Do) {
			continue
		}
		if f.strikes() {
			found := f.Fault
			return &found
		}
	}
	return nil
}

func (d *dialogue) fault(phase submit.Phase, actions ...Action) *Fault {
	return d.server.fault(d.port.service, phase, actions...)
}

func (f *counted) strikes() bool {
	if f.passed < f.After {
		f.passed++
		return false
	}
	if f.Times > 0 && f.struck >= f.Times {
		return false
	}
	f.struck++
	return true
}

func (f *Fault) check() error {
	switch {
	case f.Service != "" && f.Service != submit.Submissions && f.Service != submit.Submission:
		return fmt.Errorf("no such service: %q", f.Service)
	case !f.Do.appliesAt(f.Phase):
		return fmt.Errorf("%v does not apply to phase %v", f.Do, f.Phase)
	case f.Service == submit.Submissions && (f.Phase == submit.PhaseStartTLS || f.Phase == submit.PhaseHelloAgain):
		return fmt.Errorf("phase %v does not apply to %s", f.Phase, f.Service)
	case f.Code != 0 && (f.Code < 200 || f.Code > 599):
		return fmt.Errorf("no reply has the code %d", f.Code)
	case f.After < 0 || f.Times < 0:
		return errors.New("a number of times is negative")
	case f.Lose && (f.Phase != submit.PhaseVerdict || !f.Do.hidesReply()):
		return fmt.Errorf("nothing is lost by %v in phase %v", f.Do, f.Phase)
	}
	return nil
}

// loses reports whether a message that came to its end is thrown away.
func (f *Fault) loses() bool {
	return f.Lose || f.Do == Refuse || f.Do == RefuseTemporarily
}

// reply returns how f refuses.
func (f *Fault) reply() reply {
	code, enhanced := f.usual()
	if f.Code != 0 && f.Code != code {
		code, enhanced = f.Code, fmt.Sprintf("%d.0.0", f.Code/100)
	}
	if f.Text == "" {
		return reply{code, enhanced, []string{"as the test wants it"}}
	}
	r := say(code, f.Text)
	if r.enhanced == "" && f.spoken() {
		r.enhanced = enhanced
	}
	return r
}

// spoken reports whether enhanced status codes have their place in the phase:
// RFC 2034, section 4, leaves the greeting and the reply to EHLO out.
func (f *Fault) spoken() bool {
	return f.Phase > submit.PhaseHello && f.Phase != submit.PhaseHelloAgain
}

// text returns the octets of Garbage and Inject.
func (f *Fault) text() string {
	switch {
	case f.Do == Inject && f.Text == "":
		return "250 AUTH PLAIN\r\n"
	case f.Do == Inject:
		return f.Text
	case f.Text == "":
		return "this is no reply\r\n"
	case strings.HasSuffix(f.Text, "\n"):
		return f.Text
	}
	return f.Text + "\r\n"
}

// usual returns the code that real servers refuse with.
func (f *Fault) usual() (code int, enhanced string) {
	permanent := f.Do == Refuse
	choose := func(code int, enhanced string, temporary int, enhancedTemporary string) (int, string) {
		if permanent {
			return code, enhanced
		}
		return temporary, enhancedTemporary
	}
	if f.Do == Retire {
		return 421, "4.3.2"
	}
	switch f.Phase {
	case submit.PhaseGreeting:
		return choose(554, "", 421, "")
	case submit.PhaseHello, submit.PhaseHelloAgain:
		return choose(550, "", 421, "")
	case submit.PhaseStartTLS:
		return choose(502, "5.5.1", 454, "4.7.0")
	case submit.PhaseAuth:
		return choose(535, "5.7.8", 454, "4.7.0")
	case submit.PhaseSender:
		return choose(550, "5.7.1", 451, "4.3.0")
	case submit.PhaseRecipient:
		return choose(550, "5.1.1", 450, "4.2.1")
	case submit.PhaseBody:
		return choose(552, "5.3.4", 452, "4.3.1")
	default:
		return choose(554, "5.6.0", 451, "4.3.0")
	}
}
