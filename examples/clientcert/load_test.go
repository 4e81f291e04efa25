package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"software.sslmate.com/src/go-pkcs12"
)

// issued returns a certificate for clients that was changed before it was signed.
func issued(t *testing.T, key crypto.Signer, change func(*x509.Certificate)) tls.Certificate {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "me"},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	if change != nil {
		change(template)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	leaf, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

func ecKey(t *testing.T) *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return key
}

func put(t *testing.T, name string, data []byte) string {
	file := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(file, data, 0o600))
	return file
}

func block(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

// What a server would refuse is refused here, in words, from either kind of file.
func TestUnfit(t *testing.T) {
	for says, change := range map[string]func(*x509.Certificate){
		"certificate of CN=me expired 20": func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) },
		"certificate of CN=me is not valid before 20": func(c *x509.Certificate) {
			c.NotBefore = time.Now().Add(time.Minute)
		},
		"not issued for a client (extended key usage)": func(c *x509.Certificate) {
			c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		},
		"not issued for a client": func(c *x509.Certificate) {
			c.ExtKeyUsage, c.UnknownExtKeyUsage = nil, []asn1.ObjectIdentifier{{1, 3, 6, 1, 4, 1, 1}}
		},
		"not for signatures (key usage)": func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyEncipherment },
	} {
		kinds, err := write(t.TempDir(), issued(t, ecKey(t), change), "password")
		require.NoError(t, err)
		for _, kind := range kinds {
			_, err := load(kind.files, time.Now())
			require.ErrorContains(t, err, says)
			require.ErrorContains(t, err, "me.p") // the file's name
			require.NotContains(t, err.Error(), "\n")
		}
	}
}

// A certificate that says nothing about its use, or that it has any, is good for this.
func TestFit(t *testing.T) {
	for _, change := range []func(*x509.Certificate){
		nil,
		func(c *x509.Certificate) { c.KeyUsage, c.ExtKeyUsage = 0, nil },
		func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageAny} },
		func(c *x509.Certificate) {
			c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection, x509.ExtKeyUsageClientAuth}
		},
	} {
		kinds, err := write(t.TempDir(), issued(t, ecKey(t), change), "")
		require.NoError(t, err)
		for _, kind := range kinds {
			_, err := load(kind.files, time.Now())
			require.NoError(t, err)
		}
	}
}

// A key of another certificate is found out before a server finds it out.
func TestKeyOfAnother(t *testing.T) {
	mixed := issued(t, ecKey(t), nil)
	mixed.PrivateKey = ecKey(t)
	kinds, err := write(t.TempDir(), mixed, "")
	require.NoError(t, err)
	_, err = load(kinds[0].files, time.Now())
	require.ErrorContains(t, err, "me.key: tls: private key does not match public key")
	_, err = load(kinds[1].files, time.Now())
	require.ErrorContains(t, err, "the key in it is not the one of the certificate of CN=me")
}

// RFC 7292: whatever wrote the file, and whether or not it has a password.
func TestPKCS12(t *testing.T) {
	keys := []crypto.Signer{ecKey(t)}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	for _, key := range append(keys, rsaKey, edKey) {
		certificate := issued(t, key, nil)
		issuer := issued(t, ecKey(t), nil).Leaf
		for _, encoder := range []*pkcs12.Encoder{pkcs12.Modern2023, pkcs12.Modern2026, pkcs12.LegacyDES, pkcs12.LegacyRC2} {
			for _, password := range []string{"Pässwörd", ""} {
				data, err := encoder.Encode(certificate.PrivateKey, certificate.Leaf, []*x509.Certificate{issuer}, password)
				require.NoError(t, err)
				read, err := load(files{p12: put(t, "me.p12", data), password: password, hasPassword: true}, time.Now())
				require.NoError(t, err)
				require.Equal(t, [][]byte{certificate.Leaf.Raw, issuer.Raw}, read.Certificate, "with the intermediate one")
				require.Equal(t, certificate.PrivateKey, read.PrivateKey)
			}
		}
	}
}

func TestPKCS12Errors(t *testing.T) {
	certificate := issued(t, ecKey(t), nil)
	data, err := pkcs12.Modern.Encode(certificate.PrivateKey, certificate.Leaf, nil, "Pa55word")
	require.NoError(t, err)
	trust, err := pkcs12.Modern.EncodeTrustStore([]*x509.Certificate{certificate.Leaf}, "Pa55word")
	require.NoError(t, err)
	good := put(t, "me.p12", data)
	for says, f := range map[string]files{
		"me.p12: wrong password in MAILPORT_P12_PASSWORD":     {p12: good, password: "other", hasPassword: true},
		"me.p12: wrong password in":                           {p12: good, hasPassword: true},
		"me.p12: needs a password; set MAILPORT_P12_PASSWORD": {p12: good},
		"cut.p12: pkcs12: ":                                   {p12: put(t, "cut.p12", data[:len(data)/2]), password: "Pa55word", hasPassword: true},
		"me.pem: pkcs12: ":                                    {p12: put(t, "me.pem", block("CERTIFICATE", certificate.Leaf.Raw))},
		"trust.p12: pkcs12: ":                                 {p12: put(t, "trust.p12", trust), password: "Pa55word", hasPassword: true},
		"none.p12: no such file or directory":                 {p12: filepath.Join(t.TempDir(), "none.p12")},
	} {
		_, err := load(f, time.Now())
		require.ErrorContains(t, err, says)
		require.NotContains(t, err.Error(), "Pa55word")
	}
}

// RFC 7468, and the forms that openssl has for keys.
func TestPEM(t *testing.T) {
	key := ecKey(t)
	certificate := issued(t, key, nil)
	issuer := issued(t, ecKey(t), nil).Leaf
	sec1, err := x509.MarshalECPrivateKey(key)
	require.NoError(t, err)
	chain := append(block("CERTIFICATE", certificate.Leaf.Raw), block("CERTIFICATE", issuer.Raw)...)
	keyText := block("EC PRIVATE KEY", sec1)

	read, err := load(files{cert: put(t, "all.pem", append(keyText, chain...))}, time.Now())
	require.NoError(t, err)
	require.Equal(t, [][]byte{certificate.Leaf.Raw, issuer.Raw}, read.Certificate)

	certFile := put(t, "me.pem", chain)
	old := pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Headers: map[string]string{"Proc-Type": "4,ENCRYPTED", "DEK-Info": "AES-128-CBC,00"}, Bytes: sec1})
	for says, f := range map[string]files{
		"me.key: the key is encrypted":          {cert: certFile, key: put(t, "me.key", block("ENCRYPTED PRIVATE KEY", sec1))},
		"openssl pkey -in ":                     {cert: certFile, key: put(t, "old.key", old)},
		"me.pem: tls: failed to find PEM block": {cert: certFile},
		"me.key: tls: failed to find any PEM":   {cert: certFile, key: put(t, "me.key", []byte("none"))},
		"none.key: no such file":                {cert: certFile, key: filepath.Join(t.TempDir(), "none.key")},
		"none.pem: no such file":                {cert: filepath.Join(t.TempDir(), "none.pem")},
	} {
		_, err := load(f, time.Now())
		require.ErrorContains(t, err, says)
	}
}
