package auth_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log"

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

func ExampleToken() {
	// A source keeps a token, and fetches another when it is told that the server
	// refused it. Those of golang.org/x/oauth2 know by the clock when to.
	source := func(_ context.Context, refused string) (string, error) {
		if refused == "" {
			return "ya29.kept", nil
		}
		return "ya29.fresh", nil
	}
	credentials := auth.Token("me@example.com", source)
	fmt.Println(credentials)

	// A session does this, with what the server said over TLS.
	ctx := context.Background()
	mechanism, err := credentials.Exchange(ctx, auth.Server{
		Name:       "smtp.example.com",
		Mechanisms: []string{"PLAIN", "XOAUTH2", "OAUTHBEARER"},
		TLS:        &tls.ConnectionState{Version: tls.VersionTLS13, HandshakeComplete: true},
	})
	if err != nil {
		log.Fatal(err)
	}
	name, response, _ := mechanism.Start()
	fmt.Printf("%s %q\n", name, response)

	// The server refuses the token, and says why; so another is asked for.
	_, _ = mechanism.Next([]byte(`{"status":"invalid_token","scope":"mail"}`))
	fmt.Println(mechanism.(auth.Refuser).Refusal())
	mechanism, err = mechanism.(auth.Renewer).Renew(ctx)
	if err != nil {
		log.Fatal(err)
	}
	_, response, _ = mechanism.Start()
	fmt.Printf("%q\n", response)
	// Output:
	// auth.Token("me@example.com", ***)
	// OAUTHBEARER "n,a=me@example.com,\x01host=smtp.example.com\x01auth=Bearer ya29.kept\x01\x01"
	// server refuses the token: invalid_token (it wants the scope mail)
	// "n,a=me@example.com,\x01host=smtp.example.com\x01auth=Bearer ya29.fresh\x01\x01"
}

func ExampleExternal() {
	// The certificate belongs into the TLS configuration; the server derives from it
	// who is submitting.
	credentials := auth.External("")

	// A session does this, with what the server said over TLS.
	server := auth.Server{
		Name:       "smtp.example.com",
		Mechanisms: []string{"EXTERNAL", "PLAIN"},
		TLS:        &tls.ConnectionState{Version: tls.VersionTLS13, HandshakeComplete: true},
	}
	_, err := credentials.Exchange(context.Background(), server)
	fmt.Println(err)

	server.ClientCertificate = true // the server asked for it and got it
	mechanism, err := credentials.Exchange(context.Background(), server)
	if err != nil {
		log.Fatal(err)
	}
	name, response, _ := mechanism.Start()
	fmt.Printf("%s %q\n", name, response)
	// Output:
	// no client certificate was presented
	// EXTERNAL ""
}
