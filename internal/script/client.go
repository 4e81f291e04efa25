package script

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/mailport/mailport/auth"
	"github.com/mailport/mailport/internal/fakenet"
	"github.com/mailport/mailport/internal/testcert"
	"github.com/mailport/mailport/submit"
)

// A Client is what the test's own part of a transcript is made of.
type Client struct {
	Endpoint submit.Endpoint  // the first in the file
	Config   submit.Config    // what the section client says, for the transcript's network
	Messages []submit.Message // at least one

	settings map[string]string
	began    time.Time
	secrets  []string
	heard    recorder
}

// localName is what EHLO says: the address of fakenet's clients, and not what
// the machine is called that the test runs on.
const localName = "[192.0.2.1]"

// newClient makes a client for network.
func (p Player) newClient(t *transcript, settings map[string]string, n *fakenet.Network, ca *testcert.CA) (*Client, error) {
	c := &Client{settings: settings, began: time.Now(), Endpoint: t.scenes[0].submitEndpoint()}
	c.Config = submit.Config{
		TLS:         &tls.Config{RootCAs: ca.Pool(), CurvePreferences: []tls.CurveID{tls.CurveP256}}, // fast
		DialContext: n.DialContext,
		Without:     strings.Fields(settings["without"]),
		LocalName:   localName,
		Logger:      slog.New(slog.NewTextHandler(&c.heard, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Trace:       func(_ context.Context, e submit.Event) { fmt.Fprintf(&c.heard, "%+v\n", e) },
	}
	if name, ok := settings["name"]; ok {
		c.Config.LocalName = name
	}
	if name, ok := settings["hostname"]; ok {
		if p.Hostname == nil {
			return nil, errors.New("the test cannot give the machine a name")
		}
		c.Config.LocalName = ""
		p.Hostname(&c.Config, name)
	}
	for _, m := range t.messages {
		c.Messages = append(c.Messages, m.message())
	}
	if c.Messages == nil {
		m, _ := parseMessage(section{})
		c.Messages = []submit.Message{m.message()}
	}
	return c, p.authenticate(c)
}

// authenticate sets the credentials.
func (p Player) authenticate(c *Client) error {
	if both, ok := c.settings["password"]; ok {
		username, password, _ := strings.Cut(both, " ")
		c.Config.Credentials = auth.Password(username, password)
		c.secrets = []string{password, encode(password), encode("\x00" + username + "\x00" + password)}
	}
	if name, ok := c.settings["credentials"]; ok {
		if c.Config.Credentials = p.Credentials[name]; c.Config.Credentials == nil {
			return fmt.Errorf("the test has no credentials named %q", name)
		}
	}
	return nil
}

func encode(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

// Setting returns a setting of the test's own, and whether there is one.
func (c *Client) Setting(key string) (value string, ok bool) {
	value, ok = c.settings[key]
	return value, ok
}

// context is what the client's call is given.
func (c *Client) context(ctx context.Context) (context.Context, context.CancelFunc, error) {
	if after, ok := c.settings["deadline"]; ok {
		d, err := time.ParseDuration(after)
		ctx, cancel := context.WithTimeout(ctx, d)
		return ctx, cancel, err
	}
	ctx, cancel := context.WithCancel(ctx)
	after, ok := c.settings["cancel after"]
	if !ok {
		return ctx, cancel, nil
	}
	d, err := time.ParseDuration(after)
	timer := time.AfterFunc(d, cancel)
	return ctx, func() { timer.Stop(); cancel() }, err
}

// leaked returns the secret that is in what the client has told, if one is.
func (c *Client) leaked(told string) string {
	for _, secret := range c.secrets {
		if strings.Contains(told, secret) || strings.Contains(c.heard.String(), secret) {
			return secret
		}
	}
	return ""
}

// A recorder keeps what is logged, from any goroutine.
type recorder struct {
	mu   sync.Mutex // guards text
	text bytes.Buffer
}

func (r *recorder) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(p)
}

func (r *recorder) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}
