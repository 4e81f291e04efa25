package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/mailport/mailport/negotiate"
	"github.com/mailport/mailport/submit"
	"github.com/mailport/mailport/submit/submittest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestDemonstration(t *testing.T) {
	t.Chdir(t.TempDir()) // the message is found from anywhere
	var stdout, stderr bytes.Buffer
	began := time.Now()
	require.Zero(t, run(t.Context(), nil, &stdout, &stderr), "%s", &stderr)
	require.Less(t, time.Since(began), 5*time.Second)
	require.Empty(t, stderr.String())
	for _, line := range []string{
		"1. Both ports answer.",
		"   used submissions://mail.example.com:465\n",
		"   accepted by submissions://mail.example.com:465: 250 ",
		"2. Port 465 is closed.",
		"   used submission://mail.example.com:587",
		"connection refused",
		"   accepted by submission://mail.example.com:587: 250 ",
		"3. The certificate is for another host.",
		"   no session: submissions://mail.example.com:465: handshake: certificate is valid for wrong.example.net, not for mail.example.com",
		"587 is not tried after that",
		"Neither the message nor the password was sent",
	} {
		before, after, found := strings.Cut(stdout.String(), line)
		require.True(t, found, "%q comes after\n%s", line, before)
		stdout.Reset()
		stdout.WriteString(after)
		require.NotContains(t, before, "secret")
		require.False(t, strings.ContainsFunc(before, beyondASCII), "%s", before)
	}
}

func beyondASCII(r rune) bool { return r > '~' }

// What was sent is what arrives, over either port.
func TestSend(t *testing.T) {
	s := submittest.NewServer(t)
	for _, service := range []string{submit.Submissions, submit.Submission} {
		server := &negotiate.Negotiator{Host: "mail.example.com", Config: s.Config(), Policy: negotiate.Policy{FailClosed: true}}
		if service == submit.Submission {
			server.Policy.Prefer = negotiate.STARTTLS
		}
		var out bytes.Buffer
		require.NoError(t, send(t.Context(), server, "me@example.com", []string{"you@example.net"}, message, &out))
		require.True(t, strings.HasPrefix(out.String(), "   accepted by "+service+"://mail.example.com:"), "%s", &out)
		taken := s.Messages()
		require.Equal(t, service, taken[len(taken)-1].Via.Service)
		require.Equal(t, message, taken[len(taken)-1].Data)
	}
}

// The demonstration is a test as well: what does not go as it should is found.
func TestScenesBite(t *testing.T) {
	mailbox := submittest.NewServer(t)
	server := &negotiate.Negotiator{Host: "mail.example.com", Config: mailbox.Config()}
	for _, s := range []scene{
		{}, // a bad certificate that is accepted, since it is a good one
		{via: submit.Submission},
		{via: submit.Submissions, fault: submittest.Fault{Phase: submit.PhaseVerdict, Do: submittest.Refuse}},
		{fault: submittest.Fault{Phase: submit.PhaseVerdict, Do: submittest.Refuse}},
	} {
		require.Error(t, s.play(t.Context(), server, mailbox, io.Discard), "%+v", s)
	}
}

func TestErrors(t *testing.T) {
	t.Setenv("MAILPORT_USER", "")
	t.Setenv("MAILPORT_PASSWORD", "")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, c := range []struct {
		says string
		args []string
	}{
		{"scene 1", nil}, // since the context has ended
		{"-host is missing", []string{"you@example.net"}},
		{"-from is missing", []string{"-host", "127.0.0.1", "you@example.net"}},
		{"no recipients", []string{"-host", "127.0.0.1", "-from", "me@example.com"}},
		{"not defined", []string{"-password", "secret"}},
		{"no @", []string{"-host", "127.0.0.1", "-from", "me", "you@example.net"}},
		{"context canceled", []string{"-host", "127.0.0.1", "-from", "me@example.com", "you@example.net"}},
	} {
		var stderr bytes.Buffer
		require.Equal(t, 1, run(ended, c.args, io.Discard, &stderr))
		require.Contains(t, stderr.String(), c.says)
		require.Equal(t, 1, strings.Count(stderr.String(), "\n"))
	}
	var stdout bytes.Buffer
	require.Zero(t, run(ended, []string{"-h"}, &stdout, io.Discard))
	require.Equal(t, usage, stdout.String())
}

// A real server gets a message from and to whom it should be.
func TestRealServer(t *testing.T) {
	s := submittest.NewUnstartedServer(t)
	s.Users = map[string]string{"us@example.org": "secret"}
	require.NoError(t, s.Start())
	env := map[string]string{"MAILPORT_USER": "us@example.org", "MAILPORT_PASSWORD": "secret"}
	args := []string{"-host", "smtp.example.org", "-starttls-first", "a@example.net", "b@example.net"}
	o, err := parse(args, func(name string) string { return env[name] })
	require.NoError(t, err)
	config := s.Config()
	config.TLS.ServerName = "mail.example.com"
	var out bytes.Buffer
	require.NoError(t, o.send(t.Context(), config, &out))
	require.Regexp(t, `(?s)submission://smtp\.example\.org:587 .*submissions://smtp\.example\.org:465 `, out.String(), "587 first")

	require.Len(t, s.Messages(), 1)
	taken := s.Messages()[0]
	require.Equal(t, "us@example.org", taken.User)
	require.Equal(t, "us@example.org", taken.From)
	require.Equal(t, []string{"a@example.net", "b@example.net"}, taken.To)
	m, err := mail.ReadMessage(bytes.NewReader(taken.Data))
	require.NoError(t, err)
	to, err := m.Header.AddressList("To")
	require.NoError(t, err)
	require.Len(t, to, 2)
	require.Equal(t, "<us@example.org>", m.Header.Get("From"))
	require.Regexp(t, `^<\w+@example\.org>$`, m.Header.Get("Message-ID"))
	date, err := m.Header.Date()
	require.NoError(t, err)
	require.WithinDuration(t, time.Now(), date, time.Minute)
	require.Equal(t, "1.0", m.Header.Get("MIME-Version"))
	_, body, _ := bytes.Cut(message, []byte("\r\n\r\n"))
	require.True(t, bytes.HasSuffix(taken.Data, body))

	env["MAILPORT_PASSWORD"] = ""
	_, err = parse(args, func(name string) string { return env[name] })
	require.ErrorContains(t, err, "MAILPORT_PASSWORD")
}

// The message is one to copy from: every standard that it needs is kept.
func TestMessage(t *testing.T) {
	require.Equal(t, bytes.Count(message, []byte("\n")), bytes.Count(message, []byte("\r\n")), "line ends were changed")
	require.False(t, bytes.ContainsFunc(message, beyondASCII))
	m, err := mail.ReadMessage(bytes.NewReader(message))
	require.NoError(t, err)
	_, err = m.Header.Date()
	require.NoError(t, err)
	require.NotEmpty(t, m.Header.Get("Message-ID"))
	from, err := m.Header.AddressList("From")
	require.NoError(t, err)
	require.Equal(t, "Zo\u00eb M\u00fcller", from[0].Name)
	subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	require.NoError(t, err)
	require.Equal(t, "Gr\u00fc\u00dfe from 465 or 587", subject)

	mixed := parts(t, m.Header.Get("Content-Type"), m.Body)
	require.Equal(t, []string{"multipart/alternative", "text/csv"}, mixed.types)
	csv, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(mixed.bodies[1], "\r\n", ""))
	require.NoError(t, err)
	require.Contains(t, string(csv), "465,submissions,implicit TLS,RFC 8314\r\n")
	alternative := parts(t, mixed.headers[0], strings.NewReader(mixed.bodies[0]))
	require.Equal(t, []string{"text/plain", "text/html"}, alternative.types)
	for _, body := range alternative.bodies {
		text, err := io.ReadAll(quotedprintable.NewReader(strings.NewReader(body)))
		require.NoError(t, err)
		require.Contains(t, string(text), "Gr\u00fc\u00dfe!")
	}
}

type multi struct{ headers, types, bodies []string }

func parts(t *testing.T, contentType string, body io.Reader) (all multi) {
	t.Helper()
	_, params, err := mime.ParseMediaType(contentType)
	require.NoError(t, err)
	reader := multipart.NewReader(body, params["boundary"])
	for {
		part, err := reader.NextRawPart()
		if err == io.EOF {
			return all
		}
		require.NoError(t, err)
		data, err := io.ReadAll(part)
		require.NoError(t, err)
		header := part.Header.Get("Content-Type")
		kind, _, err := mime.ParseMediaType(header)
		require.NoError(t, err)
		all = multi{append(all.headers, header), append(all.types, kind), append(all.bodies, string(data))}
	}
}
