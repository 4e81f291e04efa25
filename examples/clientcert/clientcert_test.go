package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"net/mail"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/mailport/mailport/submit"
	"github.com/mailport/mailport/submit/submittest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestDemonstration(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	var stdout, stderr bytes.Buffer
	require.Zero(t, run(t.Context(), nil, os.LookupEnv, submit.Config{}, &stdout, &stderr), "%s", &stderr)
	require.Empty(t, stderr.String())
	for _, line := range []string{
		"PEM      submissions://mail.example.com:465: 250 2.0.0 OK: queued, as me@example.com\n",
		"PEM      submission://mail.example.com:587: 250 2.0.0 OK: queued, as me@example.com\n",
		"PKCS#12  submissions://mail.example.com:465: 250 2.0.0 OK: queued, as me@example.com\n",
		"PKCS#12  submission://mail.example.com:587: 250 2.0.0 OK: queued, as me@example.com\n",
		"neither  submissions://mail.example.com:465: auth: no client certificate was presented\n",
	} {
		require.Contains(t, stdout.String(), line)
	}
	left, err := os.ReadDir(os.Getenv("TMPDIR"))
	require.NoError(t, err)
	require.Empty(t, left, "keys do not stay behind")
}

// The demonstration is a test as well: what does not go as it should is found.
func TestDemonstrationBites(t *testing.T) {
	var out bytes.Buffer
	s := newServer(t, 0)
	config := withCertificate(s.Config(), s.ClientCertificate("somebody else"), "")
	require.Error(t, show(t.Context(), s, config, 0, "PEM", &out))

	open := submittest.NewServer(t) // takes messages from anybody
	require.ErrorContains(t, show(t.Context(), open, open.Config(), 0, "PEM", &out), "does not take us for")
	require.ErrorContains(t, showNone(t.Context(), open, &out), "without a certificate")

	ended, cancel := context.WithCancel(t.Context())
	cancel()
	require.Equal(t, 1, run(ended, nil, os.LookupEnv, submit.Config{}, &out, &out))
}

// newServer knows me by certificates, and nothing else.
func newServer(t *testing.T, maxVersion uint16) *submittest.Server {
	s := submittest.NewUnstartedServer(t)
	s.Users, s.Mechanisms = map[string]string{me: ""}, []string{"EXTERNAL"}
	s.TLS = &tls.Config{MaxVersion: maxVersion}
	require.NoError(t, s.Start())
	return s
}

// runWith is the program with a server, arguments, and the password of a PKCS#12 file.
func runWith(t *testing.T, s *submittest.Server, password string, args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	env := func(name string) (string, bool) { return password, name == passwordName && password != "" }
	code = run(t.Context(), args, env, s.Config(), &out, &errs)
	require.NotContains(t, out.String()+errs.String(), "Pa55word")
	return code, out.String(), errs.String()
}

// A certificate is as good on 587 as on 465 (RFC 8314, section 3.3; RFC 3207), with TLS
// 1.2 as with 1.3, and from either kind of file.
func TestRealServer(t *testing.T) {
	const password = "Pa55word"
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		s := newServer(t, version)
		kinds, err := write(t.TempDir(), s.ClientCertificate(me), password)
		require.NoError(t, err)
		ca := filepath.Join(t.TempDir(), "ca.pem")
		require.NoError(t, os.WriteFile(ca, s.CAPEM(), 0o600))
		for _, kind := range kinds {
			for endpoint, first := range map[string][]string{
				"submissions://mail.example.com:465": nil,
				"submission://mail.example.com:587":  {"-starttls-first"},
			} {
				args := append([]string{"-host", "mail.example.com", "-from", me, "-ca", ca}, first...)
				if kind.files.p12 != "" {
					args = append(args, "-p12", kind.files.p12)
				} else {
					args = append(args, "-cert", kind.files.cert, "-key", kind.files.key)
				}
				code, stdout, stderr := runWith(t, s, password, append(args, "a@example.net", "b@example.net")...)
				require.Zero(t, code, stderr)
				require.True(t, strings.HasPrefix(stdout, "accepted by "+endpoint+": 250 "), stdout)

				taken := s.Messages()[len(s.Messages())-1]
				require.Equal(t, me, taken.User)
				require.Equal(t, me, taken.From)
				require.Equal(t, []string{"a@example.net", "b@example.net"}, taken.To)
				require.Equal(t, version, taken.TLS.Version)
				header, err := mail.ReadMessage(bytes.NewReader(taken.Data))
				require.NoError(t, err)
				to, err := header.Header.AddressList("To")
				require.NoError(t, err)
				require.Len(t, to, 2)
				_, err = header.Header.Date()
				require.NoError(t, err)
			}
		}
		require.Len(t, s.Messages(), 4)
	}
}

// To act for somebody else is for the server to allow, RFC 4422, appendix A.1.
func TestIdentity(t *testing.T) {
	s := newServer(t, 0)
	kinds, err := write(t.TempDir(), s.ClientCertificate(me), "")
	require.NoError(t, err)
	args := []string{"-host", "mail.example.com", "-from", me, "-cert", kinds[0].files.cert, "-key", kinds[0].files.key}
	code, _, stderr := runWith(t, s, "", append(args, "-identity", me, "a@example.net")...)
	require.Zero(t, code, stderr)
	code, _, stderr = runWith(t, s, "", append(args, "-identity", "boss@example.com", "a@example.net")...)
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "auth: 535 ")
}

// Another authority's certificate is not shown, or not taken; nothing arrives.
func TestCertificateOfOthers(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		s := newServer(t, version)
		kinds, err := write(t.TempDir(), newServer(t, 0).ClientCertificate(me), "")
		require.NoError(t, err)
		code, _, stderr := runWith(t, s, "", "-host", "mail.example.com", "-from", me,
			"-cert", kinds[0].files.cert, "-key", kinds[0].files.key, "a@example.net")
		require.Equal(t, 1, code)
		require.Equal(t, 1, strings.Count(stderr, "\n"), stderr)
		require.Empty(t, s.Messages())
	}
}

func TestUsage(t *testing.T) {
	s := newServer(t, 0)
	given := []string{"-host", "mail.example.com", "-from", me, "-cert", "x.pem"}
	for _, c := range []struct {
		says string
		args []string
	}{
		{"-host is missing", []string{"you@example.net"}},
		{"-from is missing", []string{"-host", "127.0.0.1", "you@example.net"}},
		{"-cert or -p12 is missing", []string{"-host", "127.0.0.1", "-from", me, "you@example.net"}},
		{"leave -cert and -key out", append([]string{"-p12", "x.p12"}, given...)},
		{"no recipients", given},
		{"x.pem: no such file", append(given, "you@example.net")},
		{"not defined", []string{"-password", "secret"}},
	} {
		code, stdout, stderr := runWith(t, s, "", c.args...)
		require.Equal(t, 1, code)
		require.Empty(t, stdout)
		require.Contains(t, stderr, c.says)
		require.Equal(t, 1, strings.Count(stderr, "\n"), stderr)
	}
	code, stdout, _ := runWith(t, s, "", "-h")
	require.Zero(t, code)
	require.Equal(t, usage, stdout)
	require.Zero(t, s.Connections(""))
}

func TestAuthorities(t *testing.T) {
	s := newServer(t, 0)
	folder := t.TempDir()
	kinds, err := write(folder, s.ClientCertificate(me), "")
	require.NoError(t, err)
	args := []string{"-host", "mail.example.com", "-from", me, "-cert", kinds[0].files.cert, "-key", kinds[0].files.key}
	for file, says := range map[string]string{
		kinds[0].files.key:          "no certificate in PEM",
		filepath.Join(folder, "ca"): "no such file",
		kinds[0].files.cert:         "issuer that is not trusted",
	} {
		code, _, stderr := runWith(t, s, "", append(args, "-ca", file, "a@example.net")...)
		require.Equal(t, 1, code)
		require.Contains(t, stderr, says)
	}
	require.Empty(t, s.Messages())
}
