package main

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/mailport/mailport/negotiate"
	"github.com/mailport/mailport/submit"
)

// Exit codes of sysexits.h; the package comment says what they mean here.
const (
	exitOK          = 0
	exitUsage       = 64
	exitData        = 65
	exitUnavailable = 69
	exitTemporary   = 75
	exitProtocol    = 76
	exitCredentials = 77
)

// exitCode says which exit code err is. An error can mean several things; the
// first case that fits decides.
func exitCode(err error) int {
	is := func(targets ...error) bool {
		return slices.ContainsFunc(targets, func(target error) bool { return errors.Is(err, target) })
	}
	switch {
	case err == nil:
		return exitOK
	case isUsage(err):
		return exitUsage
	case is(submit.ErrUncertain):
		return exitTemporary // whatever it was that hides the verdict
	case is(submit.ErrInsecure, submit.ErrProtocol):
		return exitProtocol
	case is(submit.ErrCredentials):
		return exitCredentials
	case is(context.Canceled, context.DeadlineExceeded):
		return exitTemporary // also where it was the message that did not come in time
	case is(submit.ErrInvalid):
		return exitData
	case slices.ContainsFunc(decisive(err), saysLater):
		return exitTemporary
	case is(submit.ErrRejected, submit.ErrUnreachable):
		return exitUnavailable
	}
	return exitTemporary // when in doubt, the message is worth another try
}

// isUsage finds what is wrong with the command line, here or by package submit:
// whatever is invalid and not part of the message.
func isUsage(err error) bool {
	var (
		usage   *usageError
		invalid *submit.InvalidError
	)
	return errors.As(err, &usage) ||
		errors.As(err, &invalid) && !strings.HasPrefix(invalid.Field, "Message")
}

// decisive are the errors to go by: there is one for each port if none of them
// could be used.
func decisive(err error) []error {
	var none *negotiate.Error
	if errors.As(err, &none) {
		return none.Unwrap()
	}
	return []error{err}
}

// saysLater tells a server that asks for another try from one that cannot be
// reached, which is temporary too, but not here.
func saysLater(err error) bool {
	return errors.Is(err, submit.ErrTemporary) && !errors.Is(err, submit.ErrUnreachable)
}
