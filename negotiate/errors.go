package negotiate

import "strings"

// Error is returned when no transport could be used. Its report has every
// attempt, and its text the error of each, so that the failure of one does not
// hide another's. What [errors.Is] and [errors.As] see is what decided.
type Error struct{ Report *Report }

// Error returns one line: why each transport that was tried could not be used.
// Whatever those say, it has no control characters in it, and an end.
func (e *Error) Error() string {
	var texts []string
	for _, a := range e.attempts() {
		if a.Outcome != NotTried {
			texts = append(texts, printable(a.reason()))
		}
	}
	if texts == nil {
		return "no session"
	}
	return strings.Join(texts, "; ")
}

// attempts are none in an Error that somebody else made, without a report.
func (e *Error) attempts() []Attempt {
	if e.Report == nil {
		return nil
	}
	return e.Report.Attempts
}

// Unwrap returns what decided: the error of the attempt that ended the
// negotiation or, if none did, or the context, the errors of all of them.
func (e *Error) Unwrap() []error {
	var fatal, all []error
	cut := false // by the context
	for _, a := range e.attempts() {
		if a.Err == nil {
			continue
		}
		all = append(all, a.Err)
		if a.Outcome == Fatal {
			fatal = append(fatal, a.Err)
			cut = cut || classify(a.Err) == ended
		}
	}
	if fatal != nil && !cut {
		return fatal
	}
	return all
}
