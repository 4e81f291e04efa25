package main

import (
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"os"
)

// readPEM reads what begins with -----BEGIN, and may have text between: RFC 7468. A key
// may have any of the forms that openssl writes.
func (f files) readPEM() (tls.Certificate, error) {
	keyFile := f.key
	if keyFile == "" {
		keyFile = f.cert
	}
	cert, err := os.ReadFile(f.cert)
	if err != nil {
		return tls.Certificate{}, err
	}
	key, err := os.ReadFile(keyFile)
	if err != nil {
		return tls.Certificate{}, err
	}
	if isEncrypted(key) {
		return tls.Certificate{}, fmt.Errorf("%s: the key is encrypted; put it into a PKCS#12 file, or decrypt it: openssl pkey -in %[1]s", keyFile)
	}
	certificate, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("%s with the key in %s: %w", f.cert, keyFile, err)
	}
	return certificate, nil
}

// isEncrypted knows keys that take a password: RFC 7468, section 11, and what openssl
// wrote before.
func isEncrypted(text []byte) bool {
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			return false
		}
		if block.Type == "ENCRYPTED PRIVATE KEY" || block.Headers["DEK-Info"] != "" {
			return true
		}
	}
}
