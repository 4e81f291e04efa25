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

func failedAt(phase submit.Phase, err error) error { return &submit.Error{Phase: phase, Err: err} }

func said(phase submit.Phase, code int) error {
	return &submit.Error{Phase: phase, Reply: &submit.Reply{Code: code}, Err: errors.New("refused")}
}

// failed is the error of a probe in which every port failed so.
func failed(outcome negotiate.Outcome, errs ...error) error {
	report := &negotiate.Report{}
	for _, err := range errs {
		report.Attempts = append(report.Attempts, negotiate.Attempt{Outcome: outcome, Err: err})
	}
	return &negotiate.Error{Report: report}
}

func notFound(errs ...error) error {
	e := &negotiate.DiscoveryError{}
	for _, err := range errs {
		e.Sources = append(e.Sources, negotiate.SourceError{Err: err})
	}
	return e
}

func TestExitCode(t *testing.T) {
	var (
		refused     = failedAt(submit.PhaseConnect, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED})
		noSuchHost  = failedAt(submit.PhaseResolve, &net.DNSError{IsNotFound: true})
		certificate = failedAt(submit.PhaseHandshake, fmt.Errorf("%w: %w", submit.ErrInsecure, &tls.CertificateVerificationError{Err: io.EOF}))
		imap        = failedAt(submit.PhaseGreeting, &submit.PortError{Speaks: "IMAP"})
		noAUTH      = failedAt(submit.PhaseAuth, fmt.Errorf("%w: %w", submit.ErrCredentials, submit.ErrAuthNotOffered))
	)
	for _, c := range []struct {
		name string
		want int
		err  error
	}{
		{"works", exitOK, nil},
		{"flag", exitUsage, wrongUsage("no")},
		{"URL", exitUsage, &submit.InvalidError{Field: "URL"}},

		{"connection refused", exitUnavailable, failed(negotiate.Failed, refused, refused)},
		{"no such host", exitUnavailable, failed(negotiate.Fatal, noSuchHost)},
		{"greeting 554", exitUnavailable, failed(negotiate.Failed, refused, said(submit.PhaseGreeting, 554))},
		{"not found", exitUnavailable, notFound(&net.DNSError{IsNotFound: true})},
		{"not found for a bad certificate", exitUnavailable, notFound(&tls.CertificateVerificationError{Err: io.EOF})},
		{"nobody vouches", exitUnavailable, errNobodyVouches},

		{"greeting 421 and refused", exitTemporary, failed(negotiate.Failed, refused, said(submit.PhaseGreeting, 421))},
		{"time ran out", exitTemporary, failed(negotiate.Fatal, failedAt(submit.PhaseGreeting, context.DeadlineExceeded))},
		{"interrupted", exitTemporary, failedAt(0, context.Canceled)},
		{"search took too long", exitTemporary, notFound(context.DeadlineExceeded)},
		{"search interrupted", exitTemporary, notFound(context.Canceled)},
		{"who knows", exitTemporary, errors.New("who knows")},

		{"certificate", exitProtocol, failed(negotiate.Fatal, certificate)},
		{"refused and IMAP", exitProtocol, failed(negotiate.Failed, refused, imap)},
		{"no AUTH and IMAP", exitProtocol, failed(negotiate.Failed, noAUTH, imap)},

		{"auth 535", exitCredentials, failed(negotiate.Fatal, said(submit.PhaseAuth, 535))},
		{"refused and no AUTH", exitCredentials, failed(negotiate.Failed, refused, noAUTH)},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.Equal(t, c.want, exitCode(c.err), "%v", c.err)
		})
	}
}
