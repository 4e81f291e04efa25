package submit_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/auth"
	"github.com/mailport/mailport/submit"
	"github.com/mailport/mailport/submit/submittest"
)

// forms are a password and what it looks like wherever it is sent or printed.
func forms(user, password string) map[string]string {
	plain := "\x00" + user + "\x00" + password
	forms := map[string]string{
		"the password": password,
		"in base64":    base64.StdEncoding.EncodeToString([]byte(password)),
		"in PLAIN":     base64.StdEncoding.EncodeToString([]byte(plain)),
	}
	// Base64 of the password within something longer, whatever comes before it.
	for i := range 3 {
		encoded := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", i) + password + "xx"))
		forms[fmt.Sprint("in base64, shifted by ", i)] = encoded[4 : len(encoded)-8]
	}
	// The ways in which fmt shows octets.
	forms["in numbers"] = strings.Trim(fmt.Sprint([]byte(password)), "[]")
	forms["in hexadecimal"] = fmt.Sprintf("%x", password)
	forms["in Go's hexadecimal"] = strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%#v", []byte(password)), "[]byte{"), "}")
	for form, secret := range forms {
		forms[form] = secret[:min(len(secret), 60)] // to look for more takes far longer
	}
	return forms
}

// usersForms are made once: they are looked for in thousands of texts.
var usersForms = sync.OnceValue(func() map[string]string { return forms(user, password) })

// prints is everything that a value can be made to show; text shows no more than it
// says.
func prints(v any) map[string]string {
	if text, ok := v.(string); ok {
		return map[string]string{"it is": text}
	}
	all := make(map[string]string)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%t"} {
		all[verb] = fmt.Sprintf(verb, v)
	}
	var texts, structured bytes.Buffer
	slog.New(slog.NewTextHandler(&texts, &slog.HandlerOptions{Level: slog.LevelDebug})).Debug("", "value", v)
	slog.New(slog.NewJSONHandler(&structured, &slog.HandlerOptions{Level: slog.LevelDebug})).Debug("", "value", v)
	all["slog, text"], all["slog, JSON"] = texts.String(), structured.String()
	if encoded, err := json.Marshal(v); err == nil {
		all["JSON"] = string(encoded)
	}
	for err, _ := v.(error); err != nil; err = errors.Unwrap(err) {
		all[fmt.Sprintf("%T", err)] = fmt.Sprintf("%v %+v %#v %q", err, err, err, err.Error())
	}
	return all
}

// mustNotShow fails if v can be made to show the password.
func mustNotShow(t *testing.T, what string, v any) {
	t.Helper()
	for way, shown := range prints(v) {
		for form, secret := range usersForms() {
			if at := strings.Index(shown, secret); at >= 0 {
				t.Errorf("%s, printed as %s, shows %s: …%.100q", what, way, form, shown[max(0, at-50):])
				return // once is enough
			}
		}
	}
}

// A diary is told everything: by Trace, by Logger, and by what calls return.
type diary struct {
	mu     sync.Mutex // guards the fields below
	logs   bytes.Buffer
	events []submit.Event
}

func (d *diary) Write(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.logs.Write(p)
}

func (d *diary) note(_ context.Context, e submit.Event) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.events = append(d.events, e)
}

func (d *diary) keep(c *submit.Config) {
	c.Trace = d.note
	options := &slog.HandlerOptions{Level: slog.LevelDebug}
	c.Logger = slog.New(twice{slog.NewTextHandler(d, options), slog.NewJSONHandler(d, options)})
}

// twice logs in two ways.
type twice struct {
	slog.Handler
	other slog.Handler
}

func (h twice) Handle(ctx context.Context, r slog.Record) error {
	return errors.Join(h.Handler.Handle(ctx, r), h.other.Handle(ctx, r))
}

func (d *diary) check(t *testing.T) {
	t.Helper()
	require.NotEmpty(t, d.logs.String())
	mustNotShow(t, "log", d.logs.String())
	require.NotEmpty(t, d.events)
	for i, e := range d.events {
		if !raced || i%2 == 0 {
			mustNotShow(t, fmt.Sprintf("event of %v", e.Phase), e)
		}
		if !raced || i%2 == 1 {
			mustNotShow(t, fmt.Sprintf("event of %v", e.Phase), &e)
		}
	}
}

// secretive are mechanisms, one of each kind that is made of a secret.
var secretive = []string{"SCRAM-SHA-256-PLUS", "SCRAM-SHA-1", "PLAIN", "LOGIN", "CRAM-MD5", "OAUTHBEARER", "XOAUTH2"}

// Promise 9: whatever goes wrong with authentication, and whatever the server
// says about it, no error, event or log record shows the password in any form.
func TestSecretsInFailures(t *testing.T) {
	faults := map[string]submittest.Fault{
		"refused":      {Do: submittest.Refuse},
		"later":        {Do: submittest.RefuseTemporarily},
		"unsupported":  {Do: submittest.Refuse, Code: 504},
		"too weak":     {Do: submittest.Refuse, Code: 534},
		"shut down":    {Do: submittest.Refuse, Code: 421},
		"out of step":  {Do: submittest.Refuse, Code: 250},
		"not base64":   {Do: submittest.Refuse, Code: 334},
		"stall":        {Do: submittest.Stall},
		"hang up":      {Do: submittest.Hangup},
		"garbage":      {Do: submittest.Garbage},
		"unseen":       {Do: submittest.Accept},
		"then retires": {Do: submittest.Retire},
		"early":        {Do: submittest.AcceptEarly},
		"endless":      {Do: submittest.IgnoreCancel},
		"odd":          {Do: submittest.NotBase64},
		"huge":         {Do: submittest.HugeChallenge},
	}
	for i, mechanism := range secretive {
		t.Run(mechanism, func(t *testing.T) {
			t.Parallel()
			inWorld(t, everyMechanism, func(t *testing.T, w *world) {
				var d diary
				d.keep(&w.config)
				for name, fault := range faults {
					fault.Phase = submit.PhaseAuth
					w.server.SetFaults(fault)
					w.by(mechanism, password)
					_, err := w.transport(services[i%2]).Submit(t.Context(), letter())
					if fault.Do != submittest.Accept && fault.Do != submittest.Retire && fault.Do != submittest.AcceptEarly {
						require.Error(t, err, name)
					}
					mustNotShow(t, "error", err)
				}
				d.check(t)
				mustNotShow(t, "conversation", w.server.Conversation())
			})
		})
	}
}

func offering(mechanisms ...string) func(*submittest.Server) {
	return func(s *submittest.Server) { s.Mechanisms = mechanisms }
}

// Promise 9, against servers that quote what they heard, all or part of it, in
// one line or several, as a reply of any sort or as none.
func TestSecretsEchoed(t *testing.T) {
	echo := func(form string, args ...string) string {
		if strings.Contains(form, "%s") {
			return strings.ReplaceAll(form, "%s", strings.Join(args, " "))
		}
		return form
	}
	for _, mechanism := range []string{"PLAIN", "LOGIN", "CRAM-MD5", "OAUTHBEARER", "XOAUTH2"} {
		for _, form := range []string{
			"535 5.7.8 bad credentials: %s",
			"535-5.7.8 bad credentials\r\n535 5.7.8 you said %s",
			"535-%s\r\n535-%s\r\n535 %s",
			"501 5.5.2 cannot decode '%s'",
			"500 unknown command \"%s\"",
			"454 4.7.0 try %s later",
			"421 4.7.0 no %s here",
			"504 5.5.4 %s?",
			"534 5.7.9 %s?",
			"250 %s",
			"334 %s",
			"%s",
			"535x%s",
			"999 %s",
			"535-%s\r\n250 %s",
			"235 2.7.0 welcome, %s",
			"235 2.7.0 welcome\r\n%s",
			"235 2.7.0 welcome\r\n421 4.7.0 no %s here",
			"235 2.7.0 welcome\r\n550 5.7.0 no %s here",
		} {
			t.Run(mechanism+"/"+form, func(t *testing.T) {
				t.Parallel()
				withActor(t, func(a *actor) {
					a.say("220 " + host)
					a.hear()
					a.say("250-"+host, "250 AUTH "+mechanism)
					switch mechanism {
					case "LOGIN":
						a.hear()
						a.say("334 ")
						a.hear()
						a.say("334 ")
					case "CRAM-MD5":
						a.hear()
						a.say("334 " + base64Of("<4711@example.com>"))
					}
					heard := a.hear()
					a.say(echo(form, heard))
					// In clear text, for servers that mean well.
					if words := strings.Fields(heard); len(words) > 0 {
						if octets, err := base64.StdEncoding.DecodeString(words[len(words)-1]); err == nil {
							text := strings.NewReplacer("\x00", " ", "\x01", " ").Replace(string(octets))
							a.say(echo(form, string(octets)), echo(form, text))
						}
					}
					a.listen()
				}, func(t *testing.T, w *world) {
					w.config.Credentials = credentialsFor(mechanism, password)
					var d diary
					d.keep(&w.config)
					s := w.dial(submit.Submissions)
					err := s.Auth(t.Context())
					mustNotShow(t, "error", err)
					_, err = s.Submit(t.Context(), letter()) // with what the server says unasked
					mustNotShow(t, "error", err)
					d.check(t)
				})
			})
		}
	}
}

// Promise 2: a refused password is shown once, whatever is tried then.
func TestPasswordIsShownOnce(t *testing.T) {
	inWorld(t, offering("PLAIN", "LOGIN"), func(t *testing.T, w *world) {
		w.config.Credentials = auth.Password(user, "not "+password)
		s := w.dial(submit.Submissions)
		first := s.Auth(t.Context())
		require.ErrorIs(t, first, submit.ErrCredentials)
		require.Equal(t, first, s.Auth(t.Context()))
		_, err := s.Submit(t.Context(), letter())
		require.Equal(t, first, err)
		require.Equal(t, 1, w.server.Attempts(""))
		require.Empty(t, w.settled())
	})
}

// Promise 9: what holds the credentials can be printed all the same.
func TestSecretsInValues(t *testing.T) {
	t.Parallel()
	inWorld(t, nil, func(t *testing.T, w *world) {
		var d diary
		d.keep(&w.config)
		mustNotShow(t, "config", w.config)
		mustNotShow(t, "config", &w.config)
		mustNotShow(t, "credentials", w.config.Credentials)
		for _, service := range services {
			transport := w.transport(service)
			mustNotShow(t, "transport", transport)
			pool := &submit.Pool{Transport: transport}
			mustNotShow(t, "pool", pool)
			receipt, err := pool.Submit(t.Context(), letter())
			require.NoError(t, err)
			mustNotShow(t, "receipt", receipt)
			mustNotShow(t, "receipt", *receipt)
			mustNotShow(t, "pool with a session", pool)
			mustNotShow(t, "statistics", pool.Stats())
			require.NoError(t, pool.Close())

			s := w.dial(service)
			mustNotShow(t, "session", s)
			require.NoError(t, s.Auth(t.Context()))
			mustNotShow(t, "session after AUTH", s)
			_, err = s.Submit(t.Context(), letter())
			require.NoError(t, err)
			mustNotShow(t, "session after a message", s)
		}
		mustNotShow(t, "transport", *w.transport(submit.Submissions).(*submit.ImplicitTLS))
		mustNotShow(t, "transport", *w.transport(submit.Submission).(*submit.STARTTLS))
		d.check(t)
	})
}

// Promise 9: nothing that a session keeps after it has authenticated shows the secret,
// nor what was made of it on the way; nor do credentials, before and after.
func TestSecretsOfEveryMechanism(t *testing.T) {
	t.Parallel()
	inWorld(t, everyMechanism, func(t *testing.T, w *world) {
		for i, mechanism := range secretive {
			var d diary
			d.keep(&w.config)
			w.by(mechanism, password)
			transport := w.transport(services[i%2])
			mustNotShow(t, mechanism, w.config.Credentials)
			s, err := transport.Dial(t.Context())
			require.NoError(t, err)
			require.NoError(t, s.Auth(t.Context()))
			_, err = s.Submit(t.Context(), letter())
			require.NoError(t, err)
			for what, v := range map[string]any{
				"session": s, "TLS": s.TLS(), "transport": transport, "config": w.config, "credentials": w.config.Credentials,
				"pool": &submit.Pool{Transport: transport}, "in a struct": struct{ c any }{w.config.Credentials},
			} {
				mustNotShow(t, mechanism+", "+what, v)
			}
			require.NoError(t, s.Close())
			d.check(t)
		}
		mustNotShow(t, "conversation", w.server.Conversation())
	})
}

// Nothing that was said in an exchange is in a log, an event or an error, whatever it
// is made of: with the proof and the signature of SCRAM, or a digest, anyone could try
// passwords at leisure.
func TestSecretsOnTheWire(t *testing.T) {
	t.Parallel()
	for _, mechanism := range []string{"SCRAM-SHA-1", "PLAIN", "LOGIN", "CRAM-MD5", "OAUTHBEARER", "XOAUTH2"} {
		for _, last := range []string{"235 2.7.0 ok", "535 5.7.8 no", "334 " + base64Of("v=AAAA"), "501 5.5.2 '%s'?", "454 4.7.0 %s"} {
			var signature string
			instruct := all(only("AUTH "+mechanism), dialogue(last, "501 5.7.0 %s", "501"))
			switch mechanism {
			case "SCRAM-SHA-1":
				instruct = proving(func(s string) []string { signature = s; return []string{last, "501 5.7.0 %s", "501"} })
			case "LOGIN":
				instruct = all(only("AUTH "+mechanism), dialogue("334 ", "334 ", last, "501 5.7.0 %s", "501"))
			case "CRAM-MD5":
				instruct = all(only("AUTH "+mechanism), dialogue("334 "+base64Of("<4711@example.com>"), last, "501 5.7.0 %s", "501"))
			}
			withClerk(t, instruct, func(t *testing.T, c *clerk) {
				answer := c.answer
				c.answer = func(d *desk, line string) string {
					return strings.ReplaceAll(answer(d, line), "%s", lastWord(line))
				}
				var d diary
				config := c.config()
				d.keep(&config)
				config.Credentials = credentialsFor(mechanism, password)
				s := c.session(config)
				err := s.Auth(t.Context())
				said := d.logs.String() + fmt.Sprintf("%+v %#v", d.events, d.events)
				for _, v := range []any{err, s, config} {
					for _, shown := range prints(v) {
						said += shown
					}
				}
				secrets := []string{signature}
				for _, line := range c.heard()[1:] {
					secret := lastWord(line)
					octets, _ := base64.StdEncoding.DecodeString(secret)
					secrets = append(secrets, secret, string(octets))
				}
				for _, secret := range secrets {
					if len(secret) > 8 && secret != mechanism && secret != user {
						require.NotContains(t, said, secret, "%s, %s", mechanism, last)
					}
				}
			})
		}
	}
}

func lastWord(line string) string { return line[strings.LastIndexByte(line, ' ')+1:] }

// Promise 1: over STARTTLS, EHLO and STARTTLS are all that is said in cleartext,
// whatever the server offers and however it goes on (RFC 3207, section 4), and
// over implicit TLS nothing is. What is observed here is the network.
func TestNothingInCleartext(t *testing.T) {
	const ehlo, starttls = "EHLO client.example.org\r\n", "STARTTLS\r\n"
	fault := func(phase submit.Phase, do submittest.Action, text string) func(*submittest.Server) {
		return faulty(submittest.Fault{Phase: phase, Do: do, Text: text})
	}
	noSTARTTLS := func(s *submittest.Server) { s.Without = append(s.Without, "STARTTLS") }
	for _, test := range []struct {
		name, service string
		setup         func(*submittest.Server)
		want          string // in cleartext
	}{
		{"good", submit.Submissions, nil, ""},
		{"good", submit.Submission, nil, ehlo + starttls},
		{"no STARTTLS", submit.Submission, noSTARTTLS, ehlo},
		{"stripped", submit.Submission, fault(submit.PhaseHello, submittest.Strip, ""), ehlo},
		{"refused", submit.Submission, fault(submit.PhaseStartTLS, submittest.Refuse, ""), ehlo + starttls},
		{"refused for now", submit.Submission, fault(submit.PhaseStartTLS, submittest.RefuseTemporarily, ""), ehlo + starttls},
		{"injected", submit.Submission, fault(submit.PhaseStartTLS, submittest.Inject, ""), ehlo + starttls},
		{"no TLS", submit.Submissions, fault(submit.PhaseHandshake, submittest.Garbage, "220 hello"), ""},
		{"no TLS", submit.Submission, fault(submit.PhaseHandshake, submittest.Garbage, "250 AUTH PLAIN"), ehlo + starttls},
		{"other mode", submit.Submissions, fault(submit.PhaseConnect, submittest.OtherMode, ""), ""},
		{"other mode", submit.Submission, fault(submit.PhaseConnect, submittest.OtherMode, ""), ""},
		{"wrong name", submit.Submissions, fault(submit.PhaseHandshake, submittest.WrongName, ""), ""},
		{"wrong name", submit.Submission, fault(submit.PhaseHandshake, submittest.WrongName, ""), ehlo + starttls},
		{"untrusted", submit.Submissions, fault(submit.PhaseHandshake, submittest.Untrusted, ""), ""},
		{"untrusted", submit.Submission, fault(submit.PhaseHandshake, submittest.Untrusted, ""), ehlo + starttls},
		{"expired", submit.Submissions, fault(submit.PhaseHandshake, submittest.Expired, ""), ""},
		{"expired", submit.Submission, fault(submit.PhaseHandshake, submittest.Expired, ""), ehlo + starttls},
	} {
		t.Run(test.name+"/"+test.service, func(t *testing.T) {
			t.Parallel()
			inWorld(t, test.setup, func(t *testing.T, w *world) {
				tap := tapInto(w)
				_, err := w.transport(test.service).Submit(t.Context(), letter())
				said := tap.String()
				clear, _, _ := strings.Cut(said, "\x16\x03\x01") // the record of a ClientHello: RFC 8446, section 5.1
				require.Equal(t, test.want, clear)
				if test.name == "good" {
					require.NoError(t, err)
				} else {
					require.Error(t, err)
					require.Zero(t, w.server.Attempts(""), "a credential was shown")
					require.Empty(t, w.settled())
				}
				for _, secret := range forms(user, password) {
					require.NotContains(t, said, secret)
				}
				for _, word := range []string{"MAIL", "RCPT", "AUTH", "DATA", user, friend, "Subject", "ello"} {
					require.NotContains(t, said, word)
				}
			})
		})
	}
}

// A tap is what clients wrote to the network.
type tap struct {
	mu   sync.Mutex // guards said
	said strings.Builder
}

func tapInto(w *world) *tap {
	t := &tap{}
	dial := w.config.DialContext
	w.config.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		nc, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return &tapped{nc, t}, nil
	}
	return t
}

func (t *tap) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.said.String()
}

type tapped struct {
	net.Conn
	tap *tap
}

func (c *tapped) Write(p []byte) (int, error) {
	c.tap.mu.Lock()
	c.tap.said.Write(p)
	c.tap.mu.Unlock()
	return c.Conn.Write(p)
}
