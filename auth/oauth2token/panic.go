package oauth2token

import (
	"fmt"
	"runtime/debug"
)

// A panicError is what a function of the program has panicked with on the keeper's
// goroutine, where nobody could recover. It is panicked with again by who waits, and
// brings the stack along: that of who waits does not show where it began.
type panicError struct {
	value any
	stack []byte
}

// Error is what is printed if nobody recovers.
func (p *panicError) Error() string { return fmt.Sprintf("%v\n\n%s", p.value, p.stack) }

// Unwrap returns what was panicked with, if that is an error.
func (p *panicError) Unwrap() error {
	err, _ := p.value.(error)
	return err
}

// catch is to be deferred.
func (r *request) catch() {
	if value := recover(); value != nil {
		r.panicked = &panicError{value: value, stack: debug.Stack()}
	}
}
