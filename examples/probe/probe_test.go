package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/mailport/mailport/negotiate"
	"github.com/mailport/mailport/submit"
	"github.com/mailport/mailport/submit/submittest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const secret = "correct horse"

// result is what a run leaves behind.
type result struct {
	exit           int
	stdout, stderr string
}

// told is the schema of the package comment, written down once more.
type told struct {
	Found []struct {
		Endpoint, Source, From string
		Trusted                bool
		Reason, Username       string
		Authentication         []string
	}
	Missed []struct{ Source, From, Error string }
	Report *struct {
		Probe     bool
		Diagnosis string
		Chosen    string
		Attempts  []struct {
			Endpoint string
			Works    bool
		}
	}
	Error *string
	Exit  int
}

func (r result) object(t *testing.T) (o told) {
	t.Helper()
	require.Equal(t, 1, strings.Count(r.stdout, "\n"), "one line")
	require.NoError(t, json.Unmarshal([]byte(r.stdout), &o))
	for _, member := range []string{`"found":`, `"missed":`, `"report":`, `"error":`, `"exit":`} {
		require.Contains(t, r.stdout, member)
	}
	return o
}

// environment has a password, and what a modern desktop sets: nothing of which may
// matter where standard output is no terminal.
func environment(name string) string {
	return map[string]string{"MAILPORT_PASSWORD": secret, "TERM": "xterm-256color", "LANG": "de_DE.UTF-8"}[name]
}

func probe(ctx context.Context, args ...string) result {
	var stdout, stderr bytes.Buffer
	exit := run(ctx, args, environment, &stdout, &stderr)
	return result{exit, stdout.String(), stderr.String()}
}

// start returns a running server that does some things wrong.
func start(t *testing.T, faults ...submittest.Fault) *submittest.Server {
	t.Helper()
	return startFor(t, secret, faults...)
}

// startFor is start with another password.
func startFor(t *testing.T, password string, faults ...submittest.Fault) *submittest.Server {
	t.Helper()
	s := submittest.NewUnstartedServer(t)
	s.Host = "smtp.example.com"
	s.Users = map[string]string{"me": password}
	s.Faults = faults
	require.NoError(t, s.Start())
	return s
}

// at are the flags, and args, and the address that reach s.
func at(t *testing.T, s *submittest.Server, args ...string) []string {
	t.Helper()
	all := []string{"-ca", caFile(t, s.CAPEM()), "-implicit-port", strconv.Itoa(s.ImplicitPort()), "-starttls-port", strconv.Itoa(s.STARTTLSPort())}
	return append(append(all, args...), "127.0.0.1")
}

func caFile(t *testing.T, data []byte) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "ca.pem")
	require.NoError(t, os.WriteFile(name, data, 0o600))
	return name
}

// closedPort is one where nobody listens.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}

func requireASCII(t *testing.T, s string) {
	t.Helper()
	for _, r := range s {
		require.True(t, r == '\n' || ' ' <= r && r <= '~', "%q in %s", r, s)
	}
}

func TestHealthy(t *testing.T) {
	s := start(t)
	r := probe(t.Context(), at(t, s)...)
	require.Equal(t, exitOK, r.exit)
	require.Empty(t, r.stderr)
	requireASCII(t, r.stdout)
	require.True(t, strings.HasPrefix(r.stdout, "would use submission"), r.stdout)
	for _, says := range []string{"would be used", "works too", "hello again", "smtp.example.com", "PLAIN, LOGIN", "1.3, TLS_"} {
		require.Contains(t, r.stdout, says)
	}
	for line := range strings.Lines(r.stdout) {
		require.LessOrEqual(t, len(line), 81)
	}
	require.Empty(t, s.Messages())
	require.Zero(t, s.Attempts(""), "no password is shown unless asked")
	require.Equal(t, 2, s.Connections(""))
}

func TestExitCodes(t *testing.T) {
	const implicit, starttls = submit.Submissions, submit.Submission
	for _, c := range []struct {
		name   string
		want   int
		says   string
		faults []submittest.Fault
		args   []string

		password string // that the server knows; empty: the right one
	}{
		{name: "465 refused", want: exitOK, says: "refused", args: []string{"-implicit-port", closedPort(t)}},
		{name: "authenticated", want: exitOK, says: ", authenticated", args: []string{"-user", "me", "-auth"}},
		{name: "one port", want: exitOK, says: "works", args: []string{"-policy", "starttls-only"}},
		{name: "stripped, but 465 works", want: exitOK, says: "no STARTTLS",
			faults: []submittest.Fault{{Service: starttls, Phase: submit.PhaseHello, Do: submittest.Strip}}},

		{name: "not there", want: exitUnavailable, says: "refused", args: []string{"-implicit-port", closedPort(t), "-starttls-port", closedPort(t)}},
		{name: "greeting 554", want: exitUnavailable, says: "greeting: 554", faults: []submittest.Fault{{Phase: submit.PhaseGreeting, Do: submittest.Refuse}}},

		{name: "busy", want: exitTemporary, says: "greeting: 421", faults: []submittest.Fault{{Phase: submit.PhaseGreeting, Do: submittest.RefuseTemporarily}}},
		{name: "silence", want: exitTemporary, says: "-timeout 50ms is over", args: []string{"-timeout", "50ms"},
			faults: []submittest.Fault{{Phase: submit.PhaseGreeting, Do: submittest.Stall}}},
		{name: "auth 454", want: exitTemporary, says: "auth: 454", args: []string{"-user", "me", "-auth"},
			faults: []submittest.Fault{{Phase: submit.PhaseAuth, Do: submittest.RefuseTemporarily}}},

		{name: "issuer", want: exitProtocol, says: "issuer that is not trusted",
			faults: []submittest.Fault{{Phase: submit.PhaseHandshake, Do: submittest.Untrusted}}},
		{name: "certificate", want: exitProtocol, says: "wrong.example.net",
			faults: []submittest.Fault{{Phase: submit.PhaseHandshake, Do: submittest.WrongName}}},
		{name: "certificate at the first port", want: exitProtocol, says: "works, unused",
			faults: []submittest.Fault{{Service: implicit, Phase: submit.PhaseHandshake, Do: submittest.Expired}}},
		{name: "no STARTTLS", want: exitProtocol, says: "offers no STARTTLS", args: []string{"-policy", "starttls-only"},
			faults: []submittest.Fault{{Service: starttls, Phase: submit.PhaseHello, Do: submittest.Strip}}},
		{name: "another service", want: exitProtocol, says: "IMAP",
			faults: []submittest.Fault{{Phase: submit.PhaseGreeting, Do: submittest.Garbage, Text: "* OK IMAP4rev1 ready"}}},

		{name: "wrong password", want: exitCredentials, says: "auth: 535", password: "another", args: []string{"-user", "me", "-auth"}},
		{name: "no AUTH", want: exitCredentials, says: "offers no authentication", args: []string{"-user", "me"},
			faults: []submittest.Fault{{Service: implicit, Phase: submit.PhaseHello, Do: submittest.Strip}, {Service: starttls, Phase: submit.PhaseHelloAgain, Do: submittest.Strip}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := startFor(t, cmp.Or(c.password, secret), c.faults...)
			text := probe(t.Context(), at(t, s, c.args...)...)
			object := probe(t.Context(), at(t, s, append([]string{"-json"}, c.args...)...)...)
			for _, r := range []result{text, object} {
				require.Equal(t, c.want, r.exit, "%s%s", r.stdout, r.stderr)
				require.NotContains(t, r.stdout+r.stderr, secret)
				if c.want == exitOK {
					require.Empty(t, r.stderr)
				} else {
					require.Regexp(t, `^probe: [^\n]*\n$`, r.stderr)
				}
			}
			requireASCII(t, text.stdout)
			require.Contains(t, strings.Join(strings.Fields(text.stdout), " "), c.says, "lines are wrapped")
			o := object.object(t)
			require.Equal(t, c.want, o.Exit)
			require.Nil(t, o.Found)
			require.NotNil(t, o.Report)
			require.True(t, o.Report.Probe)
			require.Equal(t, c.want == exitOK, o.Report.Chosen != "")
			require.Equal(t, c.want == exitOK, o.Error == nil)
			if o.Error != nil {
				require.Equal(t, "probe: "+*o.Error+"\n", object.stderr)
			}
			require.Empty(t, s.Messages())
		})
	}
}

// Promise 2: the password is shown once, and only when asked.
func TestPasswordIsShownOnce(t *testing.T) {
	for _, known := range []string{secret, "another"} {
		s := startFor(t, known)
		probe(t.Context(), at(t, s, "-user", "me", "-auth")...)
		require.Equal(t, 1, s.Attempts(""))
		probe(t.Context(), at(t, s, "-user", "me")...)
		require.Equal(t, 1, s.Attempts(""), "not without -auth")
	}
}

func TestUsage(t *testing.T) {
	for _, c := range []struct {
		says string
		args []string
	}{
		{"no HOST", nil},
		{"more than one", []string{"a.example.com", "b.example.com"}},
		{"flags come first", []string{"a.example.com", "-json"}},
		{"-port leaves nothing", []string{"-port", "2525", "-implicit-port", "2465", "h"}},
		{"between 1 and 65535", []string{"-port", "0", "h"}},
		{"neither implicit-first", []string{"-policy", "none", "h"}},
		{"no time at all", []string{"-timeout", "0s", "h"}},
		{"not defined: -password", []string{"-password", "x", "h"}},
		{"-auth needs -user", []string{"-auth", "h"}},
		{"-auth needs -user", []string{"-auth", "submit://smtp.example.com"}},
		{"nobody vouches for", []string{"-auth", "-user", "me", "-untrusted", "me@example.com"}},
		{"-untrusted is for a mail ADDRESS", []string{"-untrusted", "h"}},
		{"-discover-database is for a mail ADDRESS", []string{"-discover-database", "https://db.example.net/", "submit://h"}},
		{"-port is for a HOST", []string{"-port", "2525", "submit://h"}},
		{"-policy is for a HOST", []string{"-policy", "starttls-first", "me@example.com"}},
		{"-ca: open", []string{"-ca", filepath.Join(t.TempDir(), "none"), "h"}},
		{"-ca: no certificate in", []string{"-ca", caFile(t, []byte("nonsense")), "h"}},
		{"smtp.example.com:587 has a port with it, which is a flag: -port 587 smtp.example.com (", []string{"smtp.example.com:587"}},
		{"-port 465 ::1 (", []string{"[::1]:465"}},
		{"the host is a name", []string{"smtp.example.com:submission"}},
		{"scheme smtps is not known here", []string{"smtps://smtp.example.com"}},
		{"a URL begins with submit://", []string{"me:" + secret + "@smtp.example.com"}},
		{"%2F", []string{"submit://me:" + secret[:3] + "/x@smtp.example.com"}},
	} {
		t.Run(c.says, func(t *testing.T) {
			r := probe(t.Context(), c.args...)
			require.Equal(t, exitUsage, r.exit)
			require.Equal(t, 1, strings.Count(r.stderr, "\n"), r.stderr)
			require.Contains(t, r.stderr, c.says)
			require.NotContains(t, r.stderr, secret)
			require.Empty(t, r.stdout)
		})
	}
}

func TestMissingPassword(t *testing.T) {
	var stderr bytes.Buffer
	exit := run(t.Context(), []string{"-user", "me", "h"}, func(string) string { return "" }, io.Discard, &stderr)
	require.Equal(t, exitUsage, exit)
	require.Contains(t, stderr.String(), "MAILPORT_PASSWORD")
}

// What -h and the package comment say is what there is.
func TestHelp(t *testing.T) {
	require.Equal(t, result{stdout: usage}, probe(t.Context(), "-h"))
	source, err := os.ReadFile("main.go")
	require.NoError(t, err)
	var user, ca string
	(&options{}).flags(&user, &ca).VisitAll(func(f *flag.Flag) {
		require.Contains(t, usage, "\n  -"+f.Name+" ")
		require.Contains(t, string(source), "\n//\t-"+f.Name+" ")
	})
	for line := range strings.Lines(usage) {
		require.LessOrEqual(t, len(line), 81+5)
	}
}

// A URL has everything in it, the password too.
func TestURL(t *testing.T) {
	s := start(t)
	port := strconv.Itoa(s.ImplicitPort())
	r := probe(t.Context(), "-ca", caFile(t, s.CAPEM()), "-auth", "submissions://me:correct%20horse@127.0.0.1:"+port)
	require.Equal(t, exitOK, r.exit, r.stderr)
	require.Contains(t, r.stdout, "would use submissions://127.0.0.1:"+port+", authenticated")
	require.NotContains(t, r.stdout, "correct")
	r = probe(t.Context(), "-ca", caFile(t, s.CAPEM()), "-auth", "-user", "me", "-json", "submissions://me@127.0.0.1:"+port)
	require.Equal(t, exitOK, r.exit, r.stderr)
	require.Nil(t, r.object(t).Found)
	require.Equal(t, 2, s.Attempts(""))
}

// A signal ends it at once.
func TestInterrupted(t *testing.T) {
	s := start(t, submittest.Fault{Phase: submit.PhaseGreeting, Do: submittest.Stall})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := probe(ctx, at(t, s, "-json")...)
	require.Equal(t, exitTemporary, r.exit)
	require.Contains(t, *r.object(t).Error, context.Canceled.Error())
}

// That the report cannot be written is said, and changes nothing else.
func TestStdoutBroken(t *testing.T) {
	s := start(t)
	for _, args := range [][]string{at(t, s), at(t, s, "-json")} {
		broken, w := io.Pipe()
		require.NoError(t, broken.Close())
		var stderr bytes.Buffer
		require.Equal(t, exitOK, run(t.Context(), args, environment, w, &stderr))
		require.Contains(t, stderr.String(), "standard output: ")
	}
}

// What standard output is and can show.
func TestTerminal(t *testing.T) {
	for _, c := range []struct {
		isTerminal bool
		env        map[string]string
		want       negotiate.Terminal
	}{
		{true, nil, negotiate.Terminal{}},
		{true, map[string]string{"TERM": "xterm", "LANG": "C.UTF-8", "COLUMNS": "132"}, negotiate.Terminal{Width: 132, Unicode: true, Color: true}},
		{true, map[string]string{"TERM": "xterm", "LANG": "de_DE.utf8", "NO_COLOR": "1"}, negotiate.Terminal{Unicode: true}},
		{true, map[string]string{"TERM": "dumb", "LANG": "C.UTF-8", "LC_ALL": "C"}, negotiate.Terminal{}},
		{true, map[string]string{"TERM": "vt100", "LANG": "C", "LC_CTYPE": "en_US.UTF-8"}, negotiate.Terminal{Unicode: true, Color: true}},
		{true, map[string]string{"COLUMNS": "-3"}, negotiate.Terminal{}},
		{true, map[string]string{"COLUMNS": "wide"}, negotiate.Terminal{}},
		{false, map[string]string{"TERM": "xterm", "LANG": "C.UTF-8", "COLUMNS": "60"}, negotiate.Terminal{Width: 60}},
	} {
		require.Equal(t, c.want, terminalOf(c.isTerminal, func(name string) string { return c.env[name] }), "%v", c.env)
	}
	file, err := os.Create(filepath.Join(t.TempDir(), "report.txt"))
	require.NoError(t, err)
	defer file.Close()
	require.Equal(t, negotiate.Terminal{}, terminal(file, environment), "a file is no terminal")
}
