package main

import (
	"context"
	"errors"
	"slices"

	"github.com/mailport/mailport/negotiate"
	"github.com/mailport/mailport/submit"
)

// Exit codes of sysexits.h; the package comment says what they mean here.
const (
	exitOK          = 0
	exitUsage       = 64
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
	var (
		usage   *usageError
		nowhere *negotiate.DiscoveryError
	)
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &usage), is(submit.ErrInvalid):
		return exitUsage
	case is(errNobodyVouches):
		return exitUnavailable
	case errors.As(err, &nowhere) && !is(context.Canceled, context.DeadlineExceeded):
		return exitUnavailable // whatever DNS and the web said
	case is(submit.ErrInsecure, submit.ErrProtocol):
		return exitProtocol
	case is(submit.ErrCredentials):
		return exitCredentials
	case is(context.Canceled, context.DeadlineExceeded):
		return exitTemporary
	case slices.ContainsFunc(decisive(err), saysLater):
		return exitTemporary
	case is(submit.ErrRejected, submit.ErrUnreachable):
		return exitUnavailable
	}
	return exitTemporary // when in doubt, it is worth another try
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
