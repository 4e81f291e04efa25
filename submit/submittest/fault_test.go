package submittest_test

import (
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
			for do := submittest.Refuse; do <= submittest.Retire; do++ {
				fault := submittest.Fault{Service: service, Phase: phase, Do: do}
				b.WriteString(tryFault(t, fault))
			}
		}
	}
	golden(t, "faults.txt", b.String())
}

func tryFault(t *testing.T, fault submittest.Fault) string {
	name := fmt.Sprintf("%-11s  %-11s  %-18s  ", fault.Service, fault.Phase, fault.Do)
	trial := &submittest.Server{Faults: []submittest.Fault{fault}}
	defer trial.Close()
	if err := trial.Start(); err != nil {
		require.ErrorContains(t, err, "does not apply", name)
		return ""
	}
	seen := meet(t, fault, false)
	if fault.Phase >= submit.PhaseData {
		seen = fmt.Sprintf("%-55s BDAT %s", seen, meet(t, fault, true))
	}
	return strings.TrimSpace(name+seen) + "\n"
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
