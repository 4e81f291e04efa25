package script

import (
	"context"
	"flag"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailport/mailport/auth"
	"github.com/mailport/mailport/internal/fakenet"
	"github.com/mailport/mailport/internal/testcert"
	"github.com/mailport/mailport/submit"
)

// A Player plays transcripts for a test.
type Player struct {
	// Play does what the client does and tells the result, see [Client.Result].
	// When it returns, nothing may be open or running.
	Play func(ctx context.Context, c *Client) string

	Settings    []string                     // the test's own, beside those of this package
	Credentials map[string]auth.Credentials  // the test's own
	Hostname    func(*submit.Config, string) // pretends that the machine has a name
}

// TB is what a player tells about failures.
type TB interface {
	Helper()
	Errorf(format string, args ...any)
}

// Run plays every transcript in a folder, each as a subtest of its name.
func (p Player) Run(t *testing.T, folder string) {
	names, err := filepath.Glob(filepath.Join(folder, "*.txt"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no transcripts in %s: %v", folder, err)
	}
	ca := testcert.New()
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txt"), func(t *testing.T) {
			t.Parallel()
			transcript, err := readTranscript(name)
			if err != nil {
				t.Fatal(err)
			}
			synctest.Test(t, func(t *testing.T) { p.run(t, transcript, ca) })
		})
	}
}

// run plays one transcript, in a bubble, and looks at the result.
func (p Player) run(t *testing.T, transcript *transcript, ca *testcert.CA) {
	got, err := p.play(t.Context(), t, transcript, ca)
	switch {
	case err != nil:
		t.Fatal(err)
	case t.Failed():
		t.Logf("result:\n%s", got)
	case got == transcript.want:
	case updating():
		if err := transcript.save(got); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("%s:\nwant\n%s\ngot\n%s", transcript.name, transcript.want, got)
	}
}

// play plays one transcript and returns what came of it.
func (p Player) play(ctx context.Context, tb TB, t *transcript, ca *testcert.CA) (string, error) {
	settings, err := t.understand(append(ours[:len(ours):len(ours)], p.Settings...))
	if err != nil {
		return "", err
	}
	rtt := defaultRTT
	if text, ok := settings["rtt"]; ok {
		if rtt, err = time.ParseDuration(text); err != nil {
			return "", err
		}
	}
	n := fakenet.New(rtt)
	c, err := p.newClient(t, settings, n, ca)
	if err != nil {
		return "", err
	}
	ctx, cancel, err := c.context(ctx)
	if err != nil {
		return "", err
	}
	defer cancel()
	stage := setUp(tb, t, n, ca, rtt)
	told := p.Play(ctx, c)
	stage.clear(t)
	if secret := c.leaked(told); secret != "" {
		tb.Errorf("%s: %q is in an error, a log or a trace", t.name, secret)
	}
	return told, nil
}

// updating reports whether the test was asked to write what it wants. The flag
// is the test's own: other files of the same package may want it too.
func updating() bool {
	f := flag.Lookup("update")
	return f != nil && f.Value.String() == "true"
}
