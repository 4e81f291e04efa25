package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/negotiate"
	"github.com/mailport/mailport/submit"
)

// said is the error of a reply. That of a phase before AUTH is as temporary or
// permanent as any other.
func said(phase submit.Phase, code int) error {
	return &submit.Error{Phase: phase, Reply: &submit.Reply{Code: code}, Err: errors.New("refused")}
}

func at(phase submit.Phase, err error) error { return &submit.Error{Phase: phase, Err: err} }

// failed is the error of a negotiation in which every port failed so.
func failed(outcome negotiate.Outcome, errs ...error) error {
	report := &negotiate.Report{}
	for _, err := range errs {
		report.Attempts = append(report.Attempts, negotiate.Attempt{Outcome: outcome, Err: err})
	}
	return &negotiate.Error{Report: report}
}

func TestExitCode(t *testing.T) {
	var (
		refused     = at(submit.PhaseConnect, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED})
		noSuchHost  = at(submit.PhaseResolve, &net.DNSError{IsNotFound: true})
		noResolver  = at(submit.PhaseResolve, &net.DNSError{IsTemporary: true})
		certificate = at(submit.PhaseHandshake, fmt.Errorf("%w: %w", submit.ErrInsecure, &tls.CertificateVerificationError{Err: io.EOF}))
		noSTARTTLS  = at(submit.PhaseStartTLS, fmt.Errorf("%w: %w", submit.ErrInsecure, submit.ErrNoSTARTTLS))
		imap        = at(submit.PhaseGreeting, &submit.PortError{Speaks: "IMAP"})
		noAUTH      = at(submit.PhaseAuth, fmt.Errorf("%w: %w", submit.ErrCredentials, submit.ErrAuthNotOffered))
		late        = at(submit.PhaseGreeting, context.DeadlineExceeded)
		busy        = said(submit.PhaseGreeting, 421)
		away        = said(submit.PhaseGreeting, 554)
	)
	for _, c := range []struct {
		name string
		want int
		err  error
	}{
		{"accepted", exitOK, nil},

		{"flag", exitUsage, wrongUsage("no")},
		{"host", exitUsage, failed(negotiate.Fatal, &submit.InvalidError{Field: "Host"})},
		{"address", exitData, &submit.InvalidError{Field: "Message.To[0]"}},
		{"header", exitData, badHeader("no")},
		{"body breaks off", exitData, at(submit.PhaseBody, fmt.Errorf("%w: %w", submit.ErrInvalid, io.ErrUnexpectedEOF))},

		{"connection refused", exitUnavailable, failed(negotiate.Failed, refused, refused)},
		{"no such host", exitUnavailable, failed(negotiate.Fatal, noSuchHost)},
		{"name server fails", exitUnavailable, failed(negotiate.Fatal, noResolver)},
		{"greeting 554", exitUnavailable, failed(negotiate.Failed, refused, away)},
		{"recipient 550", exitUnavailable, said(submit.PhaseRecipient, 550)},
		{"verdict 554", exitUnavailable, said(submit.PhaseVerdict, 554)},
		{"too large", exitUnavailable, said(submit.PhaseSender, 552)},
		{"known to be too large", exitUnavailable, at(submit.PhaseSender, submit.ErrTooLarge)},
		{"extension missing", exitUnavailable, at(submit.PhaseSender, errors.ErrUnsupported)},

		{"greeting 421", exitTemporary, failed(negotiate.Failed, busy, busy)},
		{"greeting 421 and refused", exitTemporary, failed(negotiate.Failed, refused, busy)},
		{"greeting 421 and 554", exitTemporary, failed(negotiate.Failed, busy, away)},
		{"auth 454", exitTemporary, said(submit.PhaseAuth, 454)},
		{"recipient 450", exitTemporary, said(submit.PhaseRecipient, 450)},
		{"too many recipients", exitTemporary, said(submit.PhaseRecipient, 552)},
		{"time ran out", exitTemporary, failed(negotiate.Fatal, late)},
		{"time ran out over the message", exitTemporary, &submit.InvalidError{Field: "Message.Body", Err: context.DeadlineExceeded}},
		{"interrupted", exitTemporary, at(0, context.Canceled)},
		{"uncertain", exitTemporary, at(submit.PhaseVerdict, fmt.Errorf("%w: %w", submit.ErrUncertain, submit.ErrProtocol))},
		{"who knows", exitTemporary, errors.New("who knows")},

		{"certificate", exitProtocol, failed(negotiate.Fatal, certificate)},
		{"refused, then no STARTTLS", exitProtocol, failed(negotiate.Fatal, noSTARTTLS)},
		{"refused and IMAP", exitProtocol, failed(negotiate.Failed, refused, imap)},
		{"IMAP and 421", exitProtocol, failed(negotiate.Failed, imap, busy)},

		{"auth 535", exitCredentials, said(submit.PhaseAuth, 535)},
		{"sender 530", exitCredentials, said(submit.PhaseSender, 530)},
		{"no AUTH", exitCredentials, failed(negotiate.Failed, noAUTH, noAUTH)},
		{"refused and no AUTH", exitCredentials, failed(negotiate.Failed, refused, noAUTH)},
		{"no AUTH and IMAP", exitProtocol, failed(negotiate.Failed, noAUTH, imap)},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.Equal(t, c.want, exitCode(c.err), "%v", c.err)
		})
	}
}
