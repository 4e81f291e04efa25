package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/mailport/mailport/submit"
	"github.com/mailport/mailport/submit/submittest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	letterText = "Subject: hi\n\nHello.\n"
	letterSent = "Subject: hi\r\n\r\nHello.\r\n"
	secret     = "correct horse"
)

// result is what a run leaves behind.
type result struct {
	exit           int
	stdout, stderr string
}

// lines of standard error.
func (r result) lines() []string {
	return strings.FieldsFunc(r.stderr, func(r rune) bool { return r == '\n' })
}

// objects are what -json wrote.
func (r result) objects(t *testing.T) (all []object) {
	t.Helper()
	for line := range strings.Lines(r.stdout) {
		var o object
		decoder := json.NewDecoder(strings.NewReader(line))
		decoder.DisallowUnknownFields()
		require.NoError(t, decoder.Decode(&o), "%s", line)
		all = append(all, o)
	}
	return all
}

// object is the schema of the package comment, written down once more.
type object struct {
	Report *struct {
		Diagnosis string  `json:"diagnosis"`
		Chosen    string  `json:"chosen"`
		TookMS    float64 `json:"took_ms"`
		Attempts  []struct {
			Endpoint     string   `json:"endpoint"`
			Address      string   `json:"address"`
			Outcome      string   `json:"outcome"`
			Phase        string   `json:"phase"`
			BeganMS      float64  `json:"began_ms"`
			TookMS       float64  `json:"took_ms"`
			TLS          string   `json:"tls"`
			Certificates []string `json:"certificate_names"`
			Error        string   `json:"error"`

			Works         bool   `json:"works"`
			Authenticated bool   `json:"authenticated"`
			Diagnosis     string `json:"diagnosis"`
			Steps         []struct {
				Phase   string  `json:"phase"`
				BeganMS float64 `json:"began_ms"`
				TookMS  float64 `json:"took_ms"`
				Error   string  `json:"error"`
			} `json:"steps"`
			Cipher     string    `json:"cipher_suite"`
			Issuer     string    `json:"certificate_issuer"`
			NotBefore  time.Time `json:"certificate_not_before"`
			NotAfter   time.Time `json:"certificate_not_after"`
			Extensions []string  `json:"extensions"`
			InClear    bool      `json:"extensions_in_clear"`
			Mechanisms []string  `json:"mechanisms"`
			MaxSize    int64     `json:"max_size"`
		} `json:"attempts"`
	} `json:"report"`
	Receipt *struct {
		Endpoint string `json:"endpoint"`
		Code     int    `json:"code"`
		Enhanced string `json:"enhanced"`
		Text     string `json:"text"`
		TLS      string `json:"tls"`
		Refused  []struct {
			Recipient string `json:"recipient"`
			Code      int    `json:"code"`
			Enhanced  string `json:"enhanced"`
			Text      string `json:"text"`
		} `json:"refused"`
	} `json:"receipt"`
	Error *string `json:"error"`
	Exit  int     `json:"exit"`
}

func withPassword(password string) func(string) string {
	return func(name string) string {
		if name == "MAILPORT_PASSWORD" {
			return password
		}
		return ""
	}
}

func sendmail(ctx context.Context, stdin io.Reader, args ...string) result {
	var stdout, stderr bytes.Buffer
	exit := run(ctx, args, withPassword(secret), stdin, &stdout, &stderr)
	return result{exit, stdout.String(), stderr.String()}
}

// start returns a running server, changed by change if that is not nil.
func start(t *testing.T, change func(*submittest.Server)) *submittest.Server {
	t.Helper()
	s := submittest.NewUnstartedServer(t)
	s.Users = map[string]string{"me": secret}
	if change != nil {
		change(s)
	}
	require.NoError(t, s.Start())
	return s
}

// to are the arguments that reach s and log in, and then args.
func to(t *testing.T, s *submittest.Server, args ...string) []string {
	t.Helper()
	return append([]string{"-host", "127.0.0.1", "-ca", write(t, s.CAPEM()), "-user", "me", "-from", "me@example.com",
		"-implicit-port", strconv.Itoa(s.ImplicitPort()), "-starttls-port", strconv.Itoa(s.STARTTLSPort())}, args...)
}

func write(t *testing.T, data []byte) string {
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

func TestAccepted(t *testing.T) {
	s := start(t, nil)
	r := sendmail(t.Context(), strings.NewReader(letterText), to(t, s, "a@example.net", "b@example.net")...)
	require.Equal(t, result{exit: exitOK}, r, "silence means success")
	require.Len(t, s.Messages(), 1)
	m := s.Messages()[0]
	require.Equal(t, letterSent, string(m.Data))
	require.Equal(t, []string{"a@example.net", "b@example.net"}, m.To)
	require.Equal(t, "me@example.com", m.From)
	require.Equal(t, "me", m.User)
}

func TestNullReversePath(t *testing.T) {
	s := start(t, nil)
	r := sendmail(t.Context(), strings.NewReader(letterText), to(t, s, "-from", "", "a@example.net")...)
	require.Equal(t, result{}, r)
	require.Empty(t, s.Messages()[0].From)
}

func TestPolicies(t *testing.T) {
	const implicit, starttls = submit.Submissions, submit.Submission
	for _, c := range []struct {
		policy string
		down   string // the port that hangs up, or "both"
		first  string // tried first
		via    string // empty if nothing is sent, "either" if that is a matter of time
	}{
		{"implicit-first", "", implicit, "either"},
		{"implicit-first", implicit, implicit, starttls},
		{"implicit-first", "both", implicit, ""},
		{"starttls-first", "", starttls, "either"},
		{"starttls-first", starttls, starttls, implicit},
		{"implicit-only", "", implicit, implicit},
		{"implicit-only", implicit, implicit, ""},
		{"starttls-only", "", starttls, starttls},
		{"starttls-only", starttls, starttls, ""},
	} {
		t.Run(c.policy+", down: "+c.down, func(t *testing.T) {
			s := start(t, func(s *submittest.Server) {
				for _, service := range []string{implicit, starttls} {
					if c.down == "both" || c.down == service {
						s.Faults = append(s.Faults, submittest.Fault{Service: service, Phase: submit.PhaseConnect, Do: submittest.Hangup})
					}
				}
			})
			r := sendmail(t.Context(), strings.NewReader(letterText), to(t, s, "-json", "-policy", c.policy, "a@example.net")...)
			first := r.objects(t)[0].Report.Attempts[0].Endpoint
			require.True(t, strings.HasPrefix(first, c.first+"://"), "%s", first)
			if c.via == "" {
				require.Equal(t, exitUnavailable, r.exit)
				require.Len(t, r.lines(), 1)
				require.Empty(t, s.Messages())
				return
			}
			require.Equal(t, exitOK, r.exit)
			require.Len(t, s.Messages(), 1)
			if c.via != "either" {
				require.Equal(t, c.via, s.Messages()[0].Via.Service)
			}
		})
	}
}

// On one port both modes are tried, whichever it speaks.
func TestOnePort(t *testing.T) {
	s := start(t, nil)
	for _, port := range []int{s.ImplicitPort(), s.STARTTLSPort()} {
		for _, policy := range []string{"implicit-first", "starttls-first"} {
			r := sendmail(t.Context(), strings.NewReader(letterText), "-host", "127.0.0.1", "-ca", write(t, s.CAPEM()),
				"-port", strconv.Itoa(port), "-policy", policy, "-user", "me", "-from", "me@example.com", "a@example.net")
			require.Equal(t, result{}, r)
		}
	}
	require.Len(t, s.Messages(), 4)
}

func TestFailures(t *testing.T) {
	fault := func(f submittest.Fault) func(*submittest.Server) {
		return func(s *submittest.Server) { s.Faults = []submittest.Fault{f} }
	}
	for _, c := range []struct {
		name   string
		want   int
		says   string
		server func(*submittest.Server)
		args   []string // beside those that reach the server
		stdin  string   // empty: a good message
	}{
		{name: "recipient invalid", want: exitData, says: "no @", args: []string{"nobody"}},
		{name: "sender invalid", want: exitData, says: "Message.From", args: []string{"-from", "<me@example.com>", "a@example.net"}},
		{name: "no header", want: exitData, says: "line 1 has no colon", stdin: "Hello.\n"},
		{name: "NUL", want: exitData, says: "control character 0x00", stdin: "Subject: \x00\n\n"},
		{name: "repeated, no header", want: exitData, says: "line 1 has no colon", args: []string{"-repeat", "2", "a@example.net"}, stdin: "Hello.\n"},

		{name: "not there", want: exitUnavailable, says: "refused",
			args: []string{"-implicit-port", closedPort(t), "-starttls-port", closedPort(t), "a@example.net"}},
		{name: "recipient refused", want: exitUnavailable, says: "recipient <a@example.net>: 550",
			server: fault(submittest.Fault{Phase: submit.PhaseRecipient, Do: submittest.Refuse})},
		{name: "message refused", want: exitUnavailable, says: "verdict: 554",
			server: fault(submittest.Fault{Phase: submit.PhaseVerdict, Do: submittest.Refuse})},
		{name: "too large", want: exitUnavailable, says: "larger than",
			server: func(s *submittest.Server) { s.MaxMessageBytes = 5 }},

		{name: "try later", want: exitTemporary, says: "sender: 451",
			server: fault(submittest.Fault{Phase: submit.PhaseSender, Do: submittest.RefuseTemporarily})},
		{name: "one port is busy", want: exitTemporary, says: "421",
			server: func(s *submittest.Server) {
				s.Faults = []submittest.Fault{
					{Service: submit.Submissions, Phase: submit.PhaseConnect, Do: submittest.Hangup},
					{Service: submit.Submission, Phase: submit.PhaseGreeting, Do: submittest.RefuseTemporarily},
				}
			}},
		{name: "silence", want: exitTemporary, says: "-timeout 50ms is over", args: []string{"-timeout", "50ms", "a@example.net"},
			server: fault(submittest.Fault{Phase: submit.PhaseGreeting, Do: submittest.Stall})},
		{name: "uncertain", want: exitTemporary, says: "may or may not have been accepted",
			server: fault(submittest.Fault{Phase: submit.PhaseVerdict, Do: submittest.Hangup})},

		{name: "wrong name", want: exitProtocol, says: "certificate is valid for wrong.example.net, not for 127.0.0.1",
			server: fault(submittest.Fault{Phase: submit.PhaseHandshake, Do: submittest.WrongName})},
		{name: "no STARTTLS", want: exitProtocol, says: "offers no STARTTLS", args: []string{"-policy", "starttls-only", "a@example.net"},
			server: fault(submittest.Fault{Phase: submit.PhaseHello, Do: submittest.Strip})},
		{name: "another service", want: exitProtocol, says: "IMAP",
			server: fault(submittest.Fault{Phase: submit.PhaseGreeting, Do: submittest.Garbage, Text: "* OK IMAP4rev1 ready"})},
		{name: "no reply", want: exitProtocol, says: "not an SMTP reply",
			server: fault(submittest.Fault{Phase: submit.PhaseHello, Do: submittest.Garbage})},

		{name: "wrong password", want: exitCredentials, says: "auth: 535",
			server: func(s *submittest.Server) { s.Users = map[string]string{"me": "another"} }},
		{name: "no AUTH", want: exitCredentials, says: "no authentication",
			server: func(s *submittest.Server) { s.Users = nil }},
		{name: "wants a password", want: exitCredentials, says: "sender: 530", args: []string{"-user", "", "a@example.net"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := start(t, c.server)
			args := c.args
			if args == nil {
				args = []string{"a@example.net"}
			}
			stdin := letterText
			if c.stdin != "" {
				stdin = c.stdin
			}
			r := sendmail(t.Context(), strings.NewReader(stdin), to(t, s, append([]string{"-json"}, args...)...)...)
			require.Equal(t, c.want, r.exit, "%s", r.stderr)
			require.Len(t, r.lines(), 1, "%s", r.stderr)
			require.Contains(t, r.stderr, c.says)
			require.NotContains(t, r.stderr, secret)
			objects := r.objects(t)
			require.Len(t, objects, 1)
			require.Equal(t, c.want, objects[0].Exit)
			require.Nil(t, objects[0].Receipt)
			require.True(t, strings.HasSuffix(r.stderr, ": "+*objects[0].Error+"\n"), "%s", r.stderr)
		})
	}
}

func TestUsage(t *testing.T) {
	good := []string{"-host", "127.0.0.1", "-from", "me@example.com"}
	for _, c := range []struct {
		says string
		args []string
	}{
		{"-host is missing", nil},
		{"-from is missing", []string{"-host", "127.0.0.1", "a@example.net"}},
		{"no recipients", good},
		{"-port leaves nothing", append(good, "-port", "25000", "-implicit-port", "25001", "a@example.net")},
		{"between 1 and 65535", append(good, "-port", "0", "a@example.net")},
		{"between 1 and 65535", append(good, "-implicit-port", "65536", "a@example.net")},
		{"neither implicit-first", append(good, "-policy", "none", "a@example.net")},
		{"no time at all", append(good, "-timeout", "0s", "a@example.net")},
		{"sends nothing", append(good, "-repeat", "0", "a@example.net")},
		{"negative", append(good, "-pause", "-1s", "a@example.net")},
		{"not defined: -password", append(good, "-password", "x", "a@example.net")},
		{"flags come first", append(good, "a@example.net", "-v")},
		{"-ca: open", append(good, "-ca", filepath.Join(t.TempDir(), "none"), "a@example.net")},
		{"-ca: no certificate in", append(good, "-ca", write(t, []byte("nonsense")), "a@example.net")},
		{"in it; the host is a name", []string{"-host", "smtp://example.com", "-from", "me@example.com", "-policy", "implicit-only", "a@example.net"}},
		{"in it; the host is a name", []string{"-host", "smtp.example.com:465", "-from", "me@example.com", "-repeat", "3", "a@example.net"}},
	} {
		t.Run(c.says, func(t *testing.T) {
			r := sendmail(t.Context(), strings.NewReader(letterText), c.args...)
			require.Equal(t, exitUsage, r.exit)
			require.Len(t, r.lines(), 1, "%s", r.stderr)
			require.Contains(t, r.stderr, c.says)
			require.Empty(t, r.stdout)
		})
	}
}

func TestMissingPassword(t *testing.T) {
	var stderr bytes.Buffer
	args := []string{"-host", "127.0.0.1", "-user", "me", "-from", "me@example.com", "a@example.net"}
	exit := run(t.Context(), args, withPassword(""), strings.NewReader(letterText), io.Discard, &stderr)
	require.Equal(t, exitUsage, exit)
	require.Contains(t, stderr.String(), "MAILPORT_PASSWORD")
	require.Equal(t, 1, strings.Count(stderr.String(), "\n"))
}

// What -h and the package comment say is what there is.
func TestHelp(t *testing.T) {
	r := sendmail(t.Context(), nil, "-h")
	require.Equal(t, result{stdout: usage}, r)
	source, err := os.ReadFile("main.go")
	require.NoError(t, err)
	var user, ca string
	(&options{}).flags(&user, &ca).VisitAll(func(f *flag.Flag) {
		require.Contains(t, usage, "\n  -"+f.Name+" ")
		require.Contains(t, string(source), "\n//\t-"+f.Name+" ")
	})
}

func TestJSON(t *testing.T) {
	s := start(t, func(s *submittest.Server) {
		s.Faults = []submittest.Fault{{Service: submit.Submissions, Phase: submit.PhaseConnect, Do: submittest.Hangup}}
	})
	r := sendmail(t.Context(), strings.NewReader(letterText), to(t, s, "-json", "a@example.net")...)
	require.Equal(t, exitOK, r.exit)
	require.Empty(t, r.stderr)
	objects := r.objects(t)
	require.Len(t, objects, 1)
	o := objects[0]
	starttls := fmt.Sprintf("submission://127.0.0.1:%d", s.STARTTLSPort())
	require.Equal(t, starttls, o.Report.Chosen)
	require.Len(t, o.Report.Attempts, 2)
	require.Equal(t, "failed", o.Report.Attempts[0].Outcome)
	require.Equal(t, "won", o.Report.Attempts[1].Outcome)
	require.Equal(t, starttls, o.Receipt.Endpoint)
	require.Equal(t, 250, o.Receipt.Code)
	require.Equal(t, "2.0.0", o.Receipt.Enhanced)
	require.Contains(t, o.Receipt.Text, "2.0.0")
	require.Equal(t, "TLS 1.3", o.Receipt.TLS)
	require.NotNil(t, o.Receipt.Refused)
	require.Empty(t, o.Receipt.Refused)
	require.Nil(t, o.Error)
	require.Zero(t, o.Exit)
	for _, member := range []string{`"report":`, `"receipt":`, `"error":null`, `"exit":0`} {
		require.Contains(t, r.stdout, member)
	}
}

func TestVerbose(t *testing.T) {
	s := start(t, nil)
	r := sendmail(t.Context(), strings.NewReader(letterText), to(t, s, "-v", "-policy", "implicit-only", "a@example.net")...)
	require.Equal(t, exitOK, r.exit)
	require.Empty(t, r.stdout)
	require.Contains(t, r.stderr, fmt.Sprintf("used submissions://127.0.0.1:%d\n", s.ImplicitPort()))
	require.Contains(t, r.stderr, "\nsendmail: accepted by submissions://")
	require.NotContains(t, r.stderr, secret)

	s.SetFaults(submittest.Fault{Phase: submit.PhaseHandshake, Do: submittest.Expired})
	r = sendmail(t.Context(), strings.NewReader(letterText), to(t, s, "-v", "-policy", "implicit-only", "a@example.net")...)
	require.Equal(t, exitProtocol, r.exit)
	require.Contains(t, r.stderr, "no session: submissions://")
	require.Contains(t, r.lines()[len(r.lines())-1], "sendmail: submissions://")
}

func TestPartial(t *testing.T) {
	s := start(t, func(s *submittest.Server) {
		s.Reject = func(_, to string) *smtp.SMTPError {
			if to == "b@example.net" {
				return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such user"}
			}
			return nil
		}
	})
	r := sendmail(t.Context(), strings.NewReader(letterText), to(t, s, "a@example.net", "b@example.net")...)
	require.Equal(t, exitUnavailable, r.exit)
	require.Empty(t, s.Messages())

	r = sendmail(t.Context(), strings.NewReader(letterText), to(t, s, "-partial", "-json", "a@example.net", "b@example.net")...)
	require.Equal(t, exitOK, r.exit)
	require.Len(t, r.lines(), 1)
	require.Contains(t, r.stderr, "sendmail: left out: ")
	require.Contains(t, r.stderr, "<b@example.net>: 550 5.1.1 no such user")
	refused := r.objects(t)[0].Receipt.Refused
	require.Len(t, refused, 1)
	require.Equal(t, "b@example.net", refused[0].Recipient)
	require.Equal(t, 550, refused[0].Code)
	require.Equal(t, "5.1.1", refused[0].Enhanced)
	require.Equal(t, []string{"a@example.net"}, s.Messages()[0].To)
}

// One connection carries all messages, and a failure in the middle is not
// hidden by the success that follows.
func TestRepeat(t *testing.T) {
	s := start(t, func(s *submittest.Server) {
		s.Faults = []submittest.Fault{{Phase: submit.PhaseSender, Do: submittest.RefuseTemporarily, After: 1, Times: 1}}
	})
	r := sendmail(t.Context(), strings.NewReader(letterText), to(t, s, "-repeat", "3", "-pause", "1ms", "-json", "-policy", "implicit-only", "a@example.net")...)
	require.Equal(t, exitTemporary, r.exit)
	require.Len(t, r.lines(), 1)
	require.Contains(t, r.stderr, "sendmail: message 2: ")
	objects := r.objects(t)
	require.Len(t, objects, 3)
	require.NotNil(t, objects[0].Report)
	require.NotNil(t, objects[0].Receipt)
	require.Equal(t, exitTemporary, objects[1].Exit)
	require.Nil(t, objects[2].Report, "no new connection")
	require.NotNil(t, objects[2].Receipt)
	require.Len(t, s.Messages(), 2)
	require.Equal(t, letterSent, string(s.Messages()[1].Data))
	require.Equal(t, 1, s.Connections(""))
}

// A server that is restarted between two messages is found again.
func TestRepeatOverRestart(t *testing.T) {
	s := start(t, func(s *submittest.Server) {
		s.Faults = []submittest.Fault{{Phase: submit.PhaseVerdict, Do: submittest.Retire, Times: 1}}
		s.Without = []string{"CHUNKING"} // what leaves in one flight may be in doubt
	})
	r := sendmail(t.Context(), strings.NewReader(letterText), to(t, s, "-repeat", "2", "-json", "a@example.net")...)
	require.Equal(t, exitOK, r.exit)
	require.Empty(t, r.stderr)
	objects := r.objects(t)
	require.Len(t, objects, 2)
	require.NotNil(t, objects[1].Report, "a connection of its own")
	require.Len(t, s.Messages(), 2)
}

// Promise 2: a password that was refused is shown once, however often the
// message is to be sent.
func TestRepeatShowsRefusedPasswordOnce(t *testing.T) {
	s := start(t, func(s *submittest.Server) { s.Users = map[string]string{"me": "another"} })
	r := sendmail(t.Context(), strings.NewReader(letterText), to(t, s, "-repeat", "3", "-json", "a@example.net")...)
	require.Equal(t, exitCredentials, r.exit)
	require.Len(t, r.objects(t), 1)
	require.Equal(t, 1, s.Attempts(""))
}

// A message of any size goes through, and is not kept in memory first.
func TestLargeMessage(t *testing.T) {
	s := start(t, func(s *submittest.Server) { s.Discard = true })
	const size = 4 << 20
	body := io.MultiReader(strings.NewReader("Subject: large\r\n\r\n"), io.LimitReader(lines{}, size))
	r := sendmail(t.Context(), body, to(t, s, "a@example.net")...)
	require.Equal(t, result{}, r)
	require.Equal(t, int64(len("Subject: large\r\n\r\n")+size), s.Messages()[0].Size)
}

// lines are lines of 64 octets without end.
type lines struct{}

func (lines) Read(p []byte) (int, error) {
	const line = "............................................................ .\r\n"
	n := 0
	for len(p)-n >= len(line) {
		n += copy(p[n:], line)
	}
	if n == 0 {
		n = copy(p, line[len(line)-len(p):])
	}
	return n, nil
}

// Half a message is no message.
func TestStdinBreaksOff(t *testing.T) {
	s := start(t, nil)
	broken := errors.New("broken pipe")
	stdin := io.MultiReader(strings.NewReader(letterText), io.LimitReader(lines{}, 1<<20), iotest.ErrReader(broken))
	r := sendmail(t.Context(), stdin, to(t, s, "a@example.net")...)
	require.Equal(t, exitData, r.exit)
	require.Len(t, r.lines(), 1)
	require.Contains(t, r.stderr, "broken pipe")
	require.Empty(t, s.Messages())
}

// Who waits for standard input is not deaf: neither to signals nor to -timeout.
func TestInterrupted(t *testing.T) {
	s := start(t, nil)
	silent, typist := io.Pipe()
	defer typist.Close()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		_, _ = io.WriteString(typist, "Subject: ")
		cancel()
	}()
	r := sendmail(ctx, silent, to(t, s, "-json", "a@example.net")...)
	require.Equal(t, exitTemporary, r.exit)
	require.Len(t, r.lines(), 1)
	require.Len(t, r.objects(t), 1)
	require.Zero(t, s.Connections(""))
}

func TestTimeoutOverStdin(t *testing.T) {
	s := start(t, nil)
	silent, typist := io.Pipe()
	defer typist.Close()
	go func() { _, _ = io.WriteString(typist, letterText) }()
	r := sendmail(t.Context(), silent, to(t, s, "-timeout", "20ms", "a@example.net")...)
	require.Equal(t, exitTemporary, r.exit)
	require.Contains(t, r.stderr, "while reading standard input")
	require.Empty(t, s.Messages())
}

// A signal between two messages ends the waiting, and the exit code tells that
// not all were sent.
func TestInterruptedPause(t *testing.T) {
	s := start(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	var stderr bytes.Buffer
	told := writerFunc(func() { cancel() }) // of the first message
	args := to(t, s, "-repeat", "3", "-pause", "1h", "-json", "a@example.net")
	exit := run(ctx, args, withPassword(secret), strings.NewReader(letterText), told, &stderr)
	require.Equal(t, exitTemporary, exit)
	require.Contains(t, stderr.String(), "message 2: ")
	require.Equal(t, 1, strings.Count(stderr.String(), "\n"))
	require.Len(t, s.Messages(), 1)
}

// A writerFunc is called for each Write.
type writerFunc func()

func (f writerFunc) Write(p []byte) (int, error) {
	f()
	return len(p), nil
}

// A report that cannot be written does not make a failure of what was accepted:
// the message would be sent again.
func TestStdoutBroken(t *testing.T) {
	s := start(t, nil)
	var stderr bytes.Buffer
	broken, w := io.Pipe()
	require.NoError(t, broken.Close())
	exit := run(t.Context(), to(t, s, "-json", "a@example.net"), withPassword(secret), strings.NewReader(letterText), w, &stderr)
	require.Equal(t, exitOK, exit)
	require.Contains(t, stderr.String(), "standard output")
	require.Len(t, s.Messages(), 1)
}
