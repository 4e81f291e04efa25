package oauth2token_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/mailport/mailport/auth"
	"github.com/mailport/mailport/auth/oauth2token"
	"github.com/mailport/mailport/submit"
	"github.com/mailport/mailport/submit/submittest"
)

// world is an authorization server and a mail server that takes its tokens.
type world struct {
	*authority
	folder string
}

func newWorld() *world {
	mail := &submittest.Server{Users: map[string]string{}, Mechanisms: []string{"OAUTHBEARER"}}
	folder, err := os.MkdirTemp("", "oauth2token")
	if err = errors.Join(err, mail.Start()); err != nil {
		log.Fatal(err)
	}
	a := &authority{mail: mail, lifetime: time.Hour}
	a.Server = httptest.NewTLSServer(a)
	return &world{authority: a, folder: folder}
}

func (w *world) Close() {
	w.Server.Close()
	w.mail.Close()
	_ = os.RemoveAll(w.folder)
}

func (w *world) client() context.Context {
	return context.WithValue(context.Background(), oauth2.HTTPClient, w.Client())
}

func ExampleRefresh() {
	w := newWorld()
	defer w.Close()
	ctx, file := w.client(), filepath.Join(w.folder, "token.json")
	saved := w.expired()

	config := &oauth2.Config{
		ClientID:     "mailer",
		ClientSecret: os.Getenv("OAUTH_SECRET"),
		Endpoint:     oauth2.Endpoint{TokenURL: "https://login.example.com/token", AuthStyle: oauth2.AuthStyleInHeader},
	}
	config.Endpoint.TokenURL, config.ClientSecret = w.URL+"/token", clientSecret // a server of the example's own
	tokens := oauth2token.Refresh(ctx, config, saved, func(t *oauth2.Token) {
		text, err := json.Marshal(t)
		if err == nil {
			err = os.WriteFile(file, text, 0o600)
		}
		if err != nil {
			log.Print("the new token is lost with this process: ", err)
		}
	})
	smtp := w.mail.Config() // a server of the example's own
	smtp.Credentials = auth.Token("me@example.com", tokens)
	server := &submit.ImplicitTLS{Host: "mail.example.com", Config: smtp}

	data := []byte("Subject: hello\r\n\r\nHello.\r\n")
	_, err := submit.Send(ctx, server, "me@example.com", []string{"you@example.net"}, data)
	if errors.Is(err, oauth2token.ErrGrant) {
		fmt.Println("log in again")
	}
	fmt.Println(err)
	_, err = os.Stat(file)
	fmt.Println(err)
	// Output:
	// <nil>
	// <nil>
}

func ExampleClientCredentials() {
	w := newWorld()
	defer w.Close()
	ctx := w.client()

	config := &clientcredentials.Config{
		ClientID:     "mailer",
		ClientSecret: os.Getenv("OAUTH_SECRET"),
		TokenURL:     "https://login.example.com/token",
		AuthStyle:    oauth2.AuthStyleInHeader,
	}
	config.TokenURL, config.ClientSecret = w.URL+"/token", clientSecret // a server of the example's own
	credentials := auth.Token("me@example.com", oauth2token.ClientCredentials(ctx, config))

	smtp := w.mail.Config()
	smtp.Credentials = credentials
	server := &submit.ImplicitTLS{Host: "mail.example.com", Config: smtp}
	fmt.Println(send(ctx, server))
	fmt.Println(credentials)
	// Output:
	// <nil>
	// auth.Token("me@example.com", ***)
}
