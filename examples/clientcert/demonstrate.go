package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"software.sslmate.com/src/go-pkcs12"

	"github.com/mailport/mailport/auth"
	"github.com/mailport/mailport/negotiate"
	"github.com/mailport/mailport/submit"
	"github.com/mailport/mailport/submit/submittest"
)

const me = "me@example.com"

// demonstrate submits to a server of our own, from each kind of file over each port.
func demonstrate(ctx context.Context, out io.Writer) (err error) {
	mailbox := &submittest.Server{Users: map[string]string{me: ""}, Mechanisms: []string{"EXTERNAL"}}
	if err := mailbox.Start(); err != nil {
		return err
	}
	defer mailbox.Close()
	folder, err := os.MkdirTemp("", "clientcert")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()

	fmt.Fprintf(out, "A server on the loopback interface that knows people by their certificates, and %s.\n\n", me)
	kinds, err := write(folder, mailbox.ClientCertificate(me), "demonstration")
	if err != nil {
		return err
	}
	for _, kind := range kinds {
		certificate, err := load(kind.files, time.Now())
		if err != nil {
			return err
		}
		config := withCertificate(mailbox.Config(), certificate, "")
		for _, transport := range []negotiate.Mode{negotiate.ImplicitTLS, negotiate.STARTTLS} {
			if err := show(ctx, mailbox, config, transport, kind.name, out); err != nil {
				return fmt.Errorf("%s: %w", kind.name, err)
			}
		}
	}
	return showNone(ctx, mailbox, out)
}

// show submits over one transport, and checks for whom the server took us.
func show(ctx context.Context, mailbox *submittest.Server, config submit.Config, prefer negotiate.Mode, name string, out io.Writer) error {
	server := &negotiate.Negotiator{
		Host: "mail.example.com", Config: config,
		Policy: negotiate.Policy{Prefer: prefer, FailClosed: true}, // only here, to see each port at work
	}
	to := []string{"you@example.net"}
	had := len(mailbox.Messages())
	receipt, err := submit.Send(ctx, server, me, to, message(me, to))
	if err != nil {
		return err
	}
	arrived := mailbox.Messages()[had:]
	if len(arrived) != 1 || arrived[0].User != me {
		return fmt.Errorf("server does not take us for %s: %d messages", me, len(arrived))
	}
	fmt.Fprintf(out, "%-8s %v: %v, as %s\n", name, receipt.Endpoint, receipt.Reply, arrived[0].User)
	return nil
}

// showNone leaves the certificate out: then there is nothing that EXTERNAL could mean.
func showNone(ctx context.Context, mailbox *submittest.Server, out io.Writer) error {
	config := mailbox.Config()
	config.Credentials = auth.External("")
	server := &negotiate.Negotiator{Host: "mail.example.com", Config: config}
	to := []string{"you@example.net"}
	_, err := submit.Send(ctx, server, me, to, message(me, to))
	if !errors.Is(err, auth.ErrNoCertificate) {
		return fmt.Errorf("without a certificate: %w", err)
	}
	fmt.Fprintf(out, "%-8s %v\n", "neither", err)
	return nil
}

// A kind is one of the ways to keep a certificate.
type kind struct {
	name  string
	files files
}

// write makes files as they are handed out to people.
func write(folder string, certificate tls.Certificate, password string) ([]kind, error) {
	in := func(name string) string { return filepath.Join(folder, name) }
	key, err := x509.MarshalPKCS8PrivateKey(certificate.PrivateKey)
	if err != nil {
		return nil, err
	}
	p12, err := pkcs12.Modern.Encode(certificate.PrivateKey, certificate.Leaf, nil, password)
	if err != nil {
		return nil, err
	}
	kinds := []kind{
		{"PEM", files{cert: in("me.pem"), key: in("me.key")}},
		{"PKCS#12", files{p12: in("me.p12"), password: password, hasPassword: true}},
	}
	return kinds, errors.Join(
		os.WriteFile(in("me.pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Leaf.Raw}), 0o600),
		os.WriteFile(in("me.key"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}), 0o600),
		os.WriteFile(in("me.p12"), p12, 0o600),
	)
}
