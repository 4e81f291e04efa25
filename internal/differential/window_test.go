package differential

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/auth"
	"github.com/mailport/mailport/internal/fakenet"
	"github.com/mailport/mailport/submit"
	"github.com/mailport/mailport/submit/submittest"
)

// Promise 3, of messages in a window: when a connection breaks before a verdict, no more
// of them are in doubt than the window has; of all others it is known what became of
// them, and the server has each once or not at all.
func TestWindowInDoubt(t *testing.T) {
	for _, without := range []string{"", "CHUNKING"} {
		for _, window := range []int{1, 4} {
			t.Run(fmt.Sprintf("%d %s", window, without), func(t *testing.T) {
				s := submittest.NewUnstartedServer(t)
				n := fakenet.New(0)
				s.Host, s.Users, s.Mechanisms, s.Without = host, map[string]string{user: password}, []string{"PLAIN"}, []string{without}
				s.Implicit, s.STARTTLS, s.DialContext = n.Listen(host+":465"), n.Listen(host+":587"), n.DialContext
				s.Faults = []submittest.Fault{{Phase: submit.PhaseVerdict, Do: submittest.Hangup, After: 20, Times: 1}}
				require.NoError(t, s.Start())
				pool := &submit.Pool{Window: window, MaxSessions: 1, Transport: &submit.ImplicitTLS{Host: host, Config: submit.Config{
					TLS: &tls.Config{RootCAs: s.CertPool()}, DialContext: s.Config().DialContext, Credentials: auth.Password(user, password)}}}
				defer pool.Close()
				requireNoMoreInDoubt(t, pool, s, window)
			})
		}
	}
}

func requireNoMoreInDoubt(t *testing.T, pool *submit.Pool, s *submittest.Server, window int) {
	t.Helper()
	const many = 60
	doubtful, outcomes := 0, make(map[int]error)
	messages := func(yield func(submit.Message) bool) {
		for i := range many {
			body := strings.NewReader("Subject: a\r\n\r\n")
			if !yield(submit.Message{From: "me@example.com", To: []string{fmt.Sprintf("you@n%d.example.net", i)}, Body: body}) {
				return
			}
		}
	}
	for r := range pool.SubmitAll(context.WithoutCancel(t.Context()), messages) {
		require.NotContains(t, outcomes, r.Index)
		outcomes[r.Index] = r.Err
		if errors.Is(r.Err, submit.ErrUncertain) {
			doubtful++
		}
	}
	require.Len(t, outcomes, many)
	require.LessOrEqual(t, doubtful, window)
	require.NotZero(t, doubtful)
	got := make(map[int]int)
	for _, m := range s.Messages() {
		got[(delivery{to: m.To}).number()]++
	}
	for i, err := range outcomes {
		switch {
		case err == nil:
			require.Equal(t, 1, got[i], "message %d", i)
		case errors.Is(err, submit.ErrUncertain):
			require.LessOrEqual(t, got[i], 1)
		default:
			require.Zero(t, got[i])
		}
	}
}
