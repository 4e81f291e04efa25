package main

import (
	"crypto/tls"
	"fmt"
	"time"

	"github.com/mailport/mailport/auth"
	"github.com/mailport/mailport/submit"
)

// withCertificate returns a copy of config with which the client is whom the
// certificate names. The certificate is shown in the TLS handshake, to a server whose
// own has been verified; EXTERNAL then says: take me for that one.
func withCertificate(config submit.Config, certificate tls.Certificate, identity string) submit.Config {
	t := new(tls.Config)
	if config.TLS != nil {
		t = config.TLS.Clone()
	}
	t.Certificates = []tls.Certificate{certificate}
	config.TLS = t
	config.Credentials = auth.External(identity)
	return config
}

// files say where a certificate and its key are: in cert and key, or in p12.
type files struct {
	cert, key string

	p12         string
	password    string
	hasPassword bool // an empty one is one, too
}

// load reads a certificate and its key, and checks whether a server can be expected to
// take it: what a server says of one that it does not like is mostly "bad certificate",
// and with TLS 1.3 it says so after the handshake.
func load(f files, now time.Time) (tls.Certificate, error) {
	read, name := f.readPEM, f.cert
	if f.p12 != "" {
		read, name = f.readPKCS12, f.p12
	}
	certificate, err := read()
	if err != nil {
		return tls.Certificate{}, err
	}
	if err = inTime(certificate.Leaf, now); err == nil {
		err = forClients(certificate.Leaf)
	}
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("%s: %w", name, err)
	}
	return certificate, nil
}
