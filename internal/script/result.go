package script

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"time"

	"github.com/mailport/mailport/auth"
	"github.com/mailport/mailport/submit"
)

// sentinels are what errors.Is is asked about an error, by name.
var sentinels = [...]struct {
	name string
	err  error
}{
	{"ErrInvalid", submit.ErrInvalid},
	{"ErrUnreachable", submit.ErrUnreachable},
	{"ErrInsecure", submit.ErrInsecure},
	{"ErrCredentials", submit.ErrCredentials},
	{"ErrRejected", submit.ErrRejected},
	{"ErrTemporary", submit.ErrTemporary},
	{"ErrTooLarge", submit.ErrTooLarge},
	{"ErrUncertain", submit.ErrUncertain},
	{"ErrProtocol", submit.ErrProtocol},
	{"ErrClosed", submit.ErrClosed},
	{"ErrCertificate", submit.ErrCertificate},
	{"ErrInjection", submit.ErrInjection},
	{"ErrNoSTARTTLS", submit.ErrNoSTARTTLS},
	{"ErrAuthNotOffered", submit.ErrAuthNotOffered},
	{"auth.ErrNoMechanism", auth.ErrNoMechanism},
	{"auth.ErrUnproven", auth.ErrUnproven},
	{"auth.ErrUnsendable", auth.ErrUnsendable},
	{"errors.ErrUnsupported", errors.ErrUnsupported},
	{"context.Canceled", context.Canceled},
	{"context.DeadlineExceeded", context.DeadlineExceeded},
	{"ECONNREFUSED", syscall.ECONNREFUSED},
	{"the reader's own", errUnreadable},
}

// Result tells what became of a message and when, as the section want has it:
//
//	receipt of submissions://smtp.example.com:465: 250 queued
//	error submission://smtp.example.com:587: auth: 535 no
//	    is ErrCredentials
//	after 500ms
func (c *Client) Result(r *submit.Receipt, err error) string {
	var b strings.Builder
	switch {
	case (r == nil) == (err == nil):
		fmt.Fprintf(&b, "RECEIPT AND ERROR, OR NEITHER: %v, %v\n", r, err)
	case err != nil:
		b.WriteString(describe(err))
	default:
		fmt.Fprintf(&b, "receipt of %v: %v\n", r.Endpoint, r.Reply)
		for _, refused := range r.Refused {
			fmt.Fprintf(&b, "    refused %v\n", withoutEndpoint(refused))
		}
	}
	fmt.Fprintf(&b, "after %v\n", time.Since(c.began))
	return b.String()
}

func describe(err error) string {
	var b strings.Builder
	fmt.Fprintf(&b, "error %v\n", err)
	if names := meanings(err); names != nil {
		fmt.Fprintf(&b, "    is %s\n", strings.Join(names, ", "))
	}
	if names := causes(err); names != nil {
		fmt.Fprintf(&b, "    as %s\n", strings.Join(names, ", "))
	}
	var e *submit.Error
	if errors.As(err, &e) {
		for _, refused := range e.Refused {
			fmt.Fprintf(&b, "    refused %v\n", withoutEndpoint(refused))
		}
	}
	return b.String()
}

func meanings(err error) (names []string) {
	for _, s := range sentinels {
		if errors.Is(err, s.err) {
			names = append(names, s.name)
		}
	}
	return names
}

// causes names what errors.As finds.
func causes(err error) (names []string) {
	var (
		verify *tls.CertificateVerificationError
		port   *submit.PortError
	)
	if errors.As(err, &verify) {
		names = append(names, "CertificateVerificationError")
	}
	if errors.As(err, &port) {
		names = append(names, "PortError")
	}
	return names
}

// withoutEndpoint is the text of an error beside its endpoint.
func withoutEndpoint(err *submit.Error) string {
	short := *err
	short.Endpoint = submit.Endpoint{}
	return short.Error()
}

func (c *scene) submitEndpoint() submit.Endpoint {
	return submit.Endpoint{Service: c.service, Host: c.host, Port: c.port}
}
