package main

import (
	"crypto"
	"crypto/tls"
	"errors"
	"fmt"
	"os"

	"software.sslmate.com/src/go-pkcs12"
)

// readPKCS12 reads what browsers and Windows hand out: certificate, key and intermediate
// certificates in one file with a password, RFC 7292.
func (f files) readPKCS12() (tls.Certificate, error) {
	data, err := os.ReadFile(f.p12)
	if err != nil {
		return tls.Certificate{}, err
	}
	key, leaf, others, err := pkcs12.DecodeChain(data, f.password)
	switch {
	case errors.Is(err, pkcs12.ErrIncorrectPassword) && !f.hasPassword:
		return tls.Certificate{}, fmt.Errorf("%s: needs a password; set %s", f.p12, passwordName)
	case errors.Is(err, pkcs12.ErrIncorrectPassword):
		return tls.Certificate{}, fmt.Errorf("%s: wrong password in %s", f.p12, passwordName)
	case err != nil:
		return tls.Certificate{}, fmt.Errorf("%s: %w", f.p12, err)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return tls.Certificate{}, fmt.Errorf("%s: a %T cannot sign", f.p12, key)
	}
	public, ok := signer.Public().(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !public.Equal(leaf.PublicKey) {
		return tls.Certificate{}, fmt.Errorf("%s: the key in it is not the one of the certificate of %s", f.p12, leaf.Subject)
	}
	certificate := tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: signer, Leaf: leaf}
	for _, other := range others {
		certificate.Certificate = append(certificate.Certificate, other.Raw)
	}
	return certificate, nil
}
