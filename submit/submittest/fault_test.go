package submittest_test

import (
	"crypto/tls"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/internal/fakenet"
	"github.com/mailport/mailport/submit"
	"github.com/mailport/mailport/submit/submittest"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares got with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := "testdata/" + name
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), got)
}

// TestEveryFault meets each fault that there is with a client. What the client
// sees, and how many messages the server then has, is in the golden file.
func TestEveryFault(t *testing.T) {
	var b strings.Builder
	for _, service := range services() {
		for phase := submit.PhaseResolve; phase <= submit.PhaseVerdict; phase++ {
			for do := submittest.Refuse; !strings.HasPrefix(do.String(), "action"); do++ {
				fault := submittest.Fault{Service: service, Phase: phase, Do: do}
				b.WriteString(tryFault(t, fault))
			}
		}
	}
	golden(t, "faults.txt", b.String())
}

func tryFault(t *testing.T, fault submittest.Fault) string {
	name := fmt.Sprintf("%-11s  %-11s  %-18s  ", fault.Service, fault.Phase, fault.Do)
	if senseless(fault) {
		trial := &submittest.Server{Faults: []submittest.Fault{fault}}
		require.ErrorContains(t, trial.Start(), "does not apply", name)
		return ""
	}
	seen := meet(t, fault, false)
	if fault.Phase >= submit.PhaseData {
		seen = fmt.Sprintf("%-55s BDAT %s", seen, meet(t, fault, true))
	}
	return strings.TrimSpace(name+seen) + "\n"
}

func senseless(fault submittest.Fault) (yes bool) {
	defer func() { yes = recover() != nil }()
	new(submittest.Server).SetFaults(fault)
	return false
}

func meet(t *testing.T, fault submittest.Fault, bdat bool) (seen string) {
	synctest.Test(t, func(t *testing.T) {
		s := inMemory(t, fault)
		v := &visitor{server: s, service: fault.Service, bdat: bdat}
		seen = fmt.Sprintf("%s (%d taken)", v.visit(), len(s.Messages()))
		require.NotContains(t, s.Conversation(), "secret")
		require.NotContains(t, s.Conversation(), plain("me", "secret"))
	})
	return seen
}

// inMemory returns a server on a network in memory.
func inMemory(t *testing.T, faults ...submittest.Fault) *submittest.Server {
	t.Helper()
	n := fakenet.New(10 * time.Millisecond)
	s := submittest.NewUnstartedServer(t)
	s.Users = map[string]string{"me": "secret"}
	s.Implicit = n.Listen(host + ":465")
	s.STARTTLS = n.Listen(host + ":587")
	s.DialContext = n.DialContext
	s.Faults = faults
	require.NoError(t, s.Start())
	return s
}

func TestFaultsCount(t *testing.T) {
	s := submittest.NewServer(t)
	s.SetFaults(submittest.Fault{
		Phase: submit.PhaseRecipient, Do: submittest.Refuse, Code: 552, Text: "5.2.2 full\nto the brim", After: 1, Times: 2,
	})
	k := talk(t, s)
	k.do("EHLO c", "250")
	k.do("MAIL FROM:<a@example.com>", "250")
	k.do("RCPT TO:<1@example.net>", "250")
	k.do("RCPT TO:<2@example.net>", "552-5.2.2 full\n552 5.2.2 to the brim\n")
	k.do("RCPT TO:<3@example.net>", "552-5.2.2")
	k.do("RCPT TO:<4@example.net>", "250")
	k.do("BDAT 2 LAST\r\nhi", "250")
	require.Equal(t, []string{"1@example.net", "4@example.net"}, s.Messages()[0].To)

	s.SetFaults(submittest.Fault{Service: submit.Submission, Phase: submit.PhaseSender, Do: submittest.Hangup})
	k.do("MAIL FROM:<a@example.com>", "250") // the other port's
	k.do("RSET", "250")
	s.SetFaults(submittest.Fault{Phase: submit.PhaseSender, Do: submittest.Refuse, Code: 421})
	k.do("MAIL FROM:<a@example.com>", "421 4.0.0")
	k.end()
	s.SetFaults()
	k = talk(t, s)
	k.do("EHLO c", "250")
	k.do("MAIL FROM:<a@example.com>", "250")
}

func TestFaultsThatMakeNoSense(t *testing.T) {
	for _, f := range []submittest.Fault{
		{},
		{Phase: submit.PhaseAuth},
		{Do: submittest.Refuse},
		{Phase: submit.PhaseVerdict + 1, Do: submittest.Refuse},
		{Service: "smtp", Phase: submit.PhaseAuth, Do: submittest.Refuse},
		{Service: submit.Submissions, Phase: submit.PhaseStartTLS, Do: submittest.Refuse},
		{Phase: submit.PhaseAuth, Do: submittest.Refuse, Code: 99},
		{Phase: submit.PhaseAuth, Do: submittest.Refuse, After: -1},
		{Phase: submit.PhaseVerdict, Do: submittest.Refuse, Lose: true},
		{Phase: submit.PhaseBody, Do: submittest.Hangup, Lose: true},
	} {
		s := &submittest.Server{Faults: []submittest.Fault{f}}
		require.Error(t, s.Start(), "%+v", f)
		require.Panics(t, func() { s.SetFaults(f) })
	}
}

func TestLostBeforeItWasTaken(t *testing.T) {
	s := submittest.NewServer(t)
	for _, do := range []submittest.Action{submittest.Hangup, submittest.Garbage} {
		s.SetFaults(submittest.Fault{Phase: submit.PhaseVerdict, Do: do, Lose: true})
		k := talk(t, s)
		k.do("EHLO c", "250")
		k.do("MAIL FROM:<a@example.com>", "250")
		k.do("RCPT TO:<b@example.net>", "250")
		k.send("BDAT 2 LAST\r\nhi")
		if do == submittest.Hangup {
			k.end()
		} else {
			k.expect("this is no reply")
		}
	}
	require.Empty(t, s.Messages())
}

func TestSwallow(t *testing.T) {
	s := submittest.NewServer(t)
	s.SetFaults(submittest.Fault{Phase: submit.PhaseVerdict, Do: submittest.Swallow})
	k := talk(t, s)
	k.do("EHLO c", "250")
	k.do("MAIL FROM:<a@example.com>", "250")
	k.do("RCPT TO:<b@example.net>", "250")
	k.do("DATA", "354")
	k.send("hi", ".", "MAIL FROM:<swallowed@example.com>", "RCPT TO:<b@example.net>")
	k.expect("250 2.0.0 OK: queued")
	k.do("MAIL FROM:<a@example.com>", "250")
}

func TestRetireWithNotice(t *testing.T) {
	s := submittest.NewServer(t)
	s.SetFaults(submittest.Fault{Phase: submit.PhaseHello, Do: submittest.Retire, Code: 421})
	k := talk(t, s)
	k.do("EHLO c", "250")
	k.expect("421 4.3.2")
	k.end()
}

func TestOtherMode(t *testing.T) {
	s := submittest.NewServer(t)
	s.SetFaults(submittest.Fault{Phase: submit.PhaseConnect, Do: submittest.OtherMode})
	k := over(t, dial(t, s, "465"))
	k.expect("220")
	require.Contains(t, k.do("EHLO c", "250"), "STARTTLS\n")
	k = over(t, tls.Client(dial(t, s, "587"), config(s)))
	k.expect("220")
	k.do("EHLO c", "250")
	k.do("MAIL FROM:<a@example.com>", "250")
	k.do("RCPT TO:<b@example.net>", "250")
	k.do("BDAT 2 LAST\r\nhi", "250")
	require.Equal(t, submit.Endpoint{Service: submit.Submissions, Host: host, Port: 587}, s.Messages()[0].Via)
}

func TestFaultsSayWhatTheyAreTold(t *testing.T) {
	s := started(t, func(s *submittest.Server) { s.Users = map[string]string{"me": "secret"} })
	s.SetFaults(submittest.Fault{Phase: submit.PhaseGreeting, Do: submittest.Garbage, Text: "* OK IMAP4rev1 ready"})
	over(t, dial(t, s, "587")).expect("* OK IMAP4rev1 ready\n")

	s.SetFaults(submittest.Fault{Phase: submit.PhaseGreeting, Do: submittest.Refuse, Text: "not you\nnor anyone"})
	k := over(t, dial(t, s, "587"))
	k.expect("554-not you\n554 nor anyone\n")
	k.do("EHLO c", "503 5.5.1")
	k.do("QUIT", "221")
	k.end()

	s.SetFaults(submittest.Fault{Phase: submit.PhaseStartTLS, Do: submittest.Refuse, Code: 354, Text: "go ahead"})
	k = cleartext(t, s)
	k.do("EHLO c", "250")
	k.do("STARTTLS", "354 ")

	s.SetFaults(submittest.Fault{Phase: submit.PhaseStartTLS, Do: submittest.Inject, Text: "half a l"})
	k = cleartext(t, s)
	k.do("EHLO c", "250")
	k.do("STARTTLS", "220 ")
	injected, err := k.in.Peek(8)
	require.NoError(t, err)
	require.Equal(t, "half a l", string(injected))

	s.SetFaults(
		submittest.Fault{Phase: submit.PhaseHello, Do: submittest.Strip, Times: 1},
		submittest.Fault{Phase: submit.PhaseHello, Do: submittest.Strip, Text: "pipelining", Times: 1},
	)
	k = cleartext(t, s)
	require.Contains(t, k.do("EHLO c", "250"), "250 AUTH PLAIN LOGIN\n", "to see who falls for it")
	reply := k.do("EHLO c", "250")
	require.NotContains(t, reply, "PIPELINING")
	require.Contains(t, reply, "STARTTLS")
	require.Contains(t, k.do("EHLO c", "250"), "PIPELINING")
}
