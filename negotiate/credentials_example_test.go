package negotiate_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/mailport/mailport/auth"
	"github.com/mailport/mailport/negotiate"
	"github.com/mailport/mailport/submit"
	"github.com/mailport/mailport/submit/submittest"
)

// strictServer knows people in the one way that it is told.
func strictServer(users map[string]string, mechanisms ...string) *submittest.Server {
	example := &submittest.Server{Host: "smtp.example.com", Users: users, Mechanisms: mechanisms}
	if err := example.Start(); err != nil {
		log.Fatal(err)
	}
	return example
}

// The certificate belongs into the TLS configuration; it does on either port.
func Example_clientCertificate() {
	example := strictServer(map[string]string{"me@example.com": ""}, "EXTERNAL")
	defer example.Close()
	folder, certFile, keyFile := certificateFiles(example)
	defer os.RemoveAll(folder)
	ctx := context.Background()
	data := []byte("Subject: Hello\r\n\r\nHello!\r\n")

	certificate, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		log.Fatal(err)
	}
	server := &negotiate.Negotiator{
		Host: "smtp.example.com",
		Config: submit.Config{
			TLS:         &tls.Config{Certificates: []tls.Certificate{certificate}},
			Credentials: auth.External(""), // the server derives from the certificate who it is
		},
	}
	server.TLS.RootCAs, server.DialContext = example.CertPool(), example.Config().DialContext
	for _, prefer := range []negotiate.Mode{negotiate.ImplicitTLS, negotiate.STARTTLS} {
		server.Policy.Prefer = prefer
		receipt, err := submit.Send(ctx, server, "me@example.com", []string{"you@example.net"}, data)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println("taken by", receipt.Endpoint)
	}
	for _, taken := range example.Messages() {
		fmt.Println(taken.User)
	}
	// Output:
	// taken by submissions://smtp.example.com:465
	// taken by submission://smtp.example.com:587
	// me@example.com
	// me@example.com
}

// certificateFiles are those that somebody handed out.
func certificateFiles(example *submittest.Server) (folder, certFile, keyFile string) {
	folder, err := os.MkdirTemp("", "certificate")
	if err != nil {
		log.Fatal(err)
	}
	certFile, keyFile = filepath.Join(folder, "me.pem"), filepath.Join(folder, "me.key")
	certificate := example.ClientCertificate("me@example.com")
	key, err := x509.MarshalPKCS8PrivateKey(certificate.PrivateKey)
	err = errors.Join(err,
		os.WriteFile(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Certificate[0]}), 0o600),
		os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}), 0o600))
	if err != nil {
		log.Fatal(err)
	}
	return folder, certFile, keyFile
}

// A password is not shown to a server that would have to see it as it is.
func Example_onlySCRAM() {
	example := strictServer(map[string]string{"me@example.com": "sesame"}, "PLAIN", "LOGIN")
	defer example.Close()
	os.Setenv("SMTP_PASSWORD", "sesame")
	config := example.Config()

	password := auth.Password("me@example.com", os.Getenv("SMTP_PASSWORD"))
	config.Credentials = auth.Only(password, "SCRAM-SHA-256-PLUS", "SCRAM-SHA-256")

	server := &negotiate.Negotiator{Host: "smtp.example.com", Config: config}
	_, err := submit.Send(context.Background(), server, "me@example.com", []string{"you@example.net"}, []byte("\r\n"))
	fmt.Println(errors.Is(err, auth.ErrNoMechanism), example.Attempts(""))
	// Output: true 0
}

// A token is replaced once in a session if the server refuses it.
func Example_token() {
	example := strictServer(map[string]string{"me@example.com": "fresh"}, "XOAUTH2")
	defer example.Close()
	config := example.Config()
	fetch := func(_ context.Context, refused string) (string, error) {
		if refused == "" {
			return "kept", nil
		}
		return "fresh", nil
	}

	config.Credentials = auth.Token("me@example.com", func(ctx context.Context, refused string) (string, error) {
		return fetch(ctx, refused) // a token that you have kept; if it was refused, another one
	})

	server := &negotiate.Negotiator{Host: "smtp.example.com", Config: config}
	_, err := submit.Send(context.Background(), server, "me@example.com", []string{"you@example.net"}, []byte("\r\n"))
	fmt.Println(err, example.Attempts(""), example.Connections(""))
	// Output: <nil> 2 1
}
