package negotiate_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"strings"

	"github.com/mailport/mailport/auth"
	"github.com/mailport/mailport/negotiate"
	"github.com/mailport/mailport/submit"
)

// One environment variable is all the configuration.
func ExampleOpen() {
	example := exampleServer() // a server of the example's own
	defer example.Close()      // a server of the example's own
	ctx := context.Background()
	config := example.Config() // submit.Config{} in the real world
	data := []byte("From: me@example.com\r\nTo: you@example.net\r\nSubject: Hello\r\n\r\nHello!\r\n")

	os.Setenv("SUBMIT_URL", "submit://me@example.com:sesame@smtp.example.com")

	server, err := negotiate.Open(os.Getenv("SUBMIT_URL"), config)
	if err != nil {
		log.Fatal(err)
	}
	receipt, err := submit.Send(ctx, server, "me@example.com", []string{"you@example.net"}, data)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("taken by", receipt.Endpoint)
	fmt.Println(server.Credentials)
	// Output:
	// taken by submissions://smtp.example.com:465
	// auth.Password("me@example.com", ***)
}

// An error says what to do, and shows nothing that may be secret.
func ExampleOpen_errors() {
	for _, rawURL := range []string{
		"",
		"smtp://me@example.com:sesame@smtp.example.com",
		"submit://me@example.com:open/sesame@smtp.example.com",
		"submission://me@example.com:sesame@smtp.example.com?prefer=starttls",
	} {
		_, err := negotiate.Open(rawURL, submit.Config{})
		fmt.Println(err)
	}
	// Output:
	// invalid URL: is empty; is the variable set that it comes from?
	// invalid URL: scheme smtp is not known here; submit:// finds out which TLS there is, submission:// is STARTTLS or nothing
	// invalid URL: has an @ behind the host; in a user name or password / is %2F, ? is %3F and # is %23
	// invalid URL: parameter prefer is for submit:// alone: with submission:// there is no choice
}

// The URL says where and who; the password is kept in a file.
func ExampleOpen_passwordElsewhere() {
	example := exampleServer() // a server of the example's own
	defer example.Close()      // a server of the example's own
	config := example.Config() // submit.Config{} in the real world

	password := []byte("sesame\n") // os.ReadFile("/run/secrets/smtp")
	config.Credentials = auth.Password("me@example.com", strings.TrimSuffix(string(password), "\n"))
	server, err := negotiate.Open("submit://me@example.com@smtp.example.com", config)
	if err != nil {
		log.Fatal(err)
	}
	session, err := server.Dial(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	defer session.Close()
	fmt.Println(session.Auth(context.Background()))
	// Output: <nil>
}
