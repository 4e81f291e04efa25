package auth_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"

	"github.com/mailport/mailport/auth"
)

func ExamplePassword() {
	credentials := auth.Password("me@example.com", "correct horse battery staple")

	// They can be printed, and logged with all that holds them.
	fmt.Printf("%+v\n", credentials)
	// Output:
	// auth.Password("me@example.com", ***)
}

func ExampleOnly() {
	credentials := auth.Only(auth.Password("me@example.com", "correct horse battery staple"), "PLAIN")

	// A session does this, with what the server said over TLS.
	_, err := credentials.Exchange(context.Background(), auth.Server{
		Name:       "smtp.example.com",
		Mechanisms: []string{"LOGIN", "XOAUTH2"},
		TLS:        &tls.ConnectionState{Version: tls.VersionTLS13, HandshakeComplete: true},
	})
	fmt.Println(err)
	fmt.Println(errors.Is(err, auth.ErrNoMechanism))
	// Output:
	// no acceptable authentication mechanism: server offers LOGIN, XOAUTH2, credentials allow PLAIN
	// true
}
