package main

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/internal/bench/sink"
)

// tiny is enough to run through everything.
func tiny() scale {
	return scale{
		rounds: 1, near: 1, messages: 100, far: 100, slow: 1,
		rtts:    []time.Duration{0, 2 * time.Millisecond},
		coldRTT: 2 * time.Millisecond, patience: 500 * time.Millisecond,
		large: 1 << 20,
		many:  16, connections: 8, manyRTT: 2 * time.Millisecond,
		soak: 400,
	}
}

func newRunner(t *testing.T) *runner {
	stage, err := openStage(context.WithoutCancel(t.Context()))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, stage.Close()) })
	return &runner{scale: tiny(), stage: stage, tell: func(string) {}, without: []string{
		nodemailer, // fetching it needs a network
		// There is a test for all drivers elsewhere.
		"go-smtp", "gomail", "email", "mox", "mailport-unbounded",
	}}
}

// Every table can be made, and has numbers.
func TestEveryTable(t *testing.T) {
	r := newRunner(t)
	for _, p := range parts {
		tables, err := p.run(r, t.Context())
		require.NoError(t, err, p.name)
		require.NotEmpty(t, tables)
		for _, table := range tables {
			require.True(t, strings.HasPrefix(table.title, "("+p.letter+")"), table.title)
			require.NotEmpty(t, table.rows)
			for _, row := range table.rows {
				require.Len(t, row, len(table.head), "%s: %q", table.title, row)
				require.NotEqual(t, none, row[1], "%s: %q", table.title, row)
			}
		}
	}
}

// A client that does not do what it should is not measured.
func TestFailuresAreTold(t *testing.T) {
	r := newRunner(t)
	s, err := r.stage.open(sink.Setting{Pipelining: true})
	require.NoError(t, err)
	c := contender{name: "net-smtp", ready: true}
	j := job{Client: c.name, Target: s.target(c), Do: kept, Messages: 1}

	wrong := j
	wrong.Target.Password = "guess"
	_, err = r.checked(t.Context(), s, c, wrong)
	require.ErrorContains(t, err, "535")
	_, err = s.tally()
	require.NoError(t, err)

	wrong = j
	wrong.Do = "dance"
	_, err = r.checked(t.Context(), s, c, wrong)
	require.ErrorContains(t, err, "dance")

	wrong = j
	wrong.Client = "pigeon"
	_, err = r.checked(t.Context(), s, c, wrong)
	require.ErrorContains(t, err, "pigeon")

	_, err = r.stage.broken("on fire")
	require.ErrorContains(t, err, "on fire")

	_, err = r.checked(t.Context(), s, c, j)
	require.NoError(t, err, "and then all is well")
}

// The server's tally decides whether a measurement counts.
func TestVerify(t *testing.T) {
	c := contender{ready: true}
	j := job{Do: kept, Warm: 1, Messages: 2}
	j.Target.Size = 100
	good := sink.Tally{Messages: 3, Highest: 2, Octets: 300, Connections: 1}
	require.NoError(t, j.verify(c, good))
	for name, spoil := range map[string]func(*sink.Tally){
		"lost":            func(t *sink.Tally) { t.Messages-- },
		"one too many":    func(t *sink.Tally) { t.Messages++ },
		"another instead": func(t *sink.Tally) { t.Highest++ },
		"not all of it":   func(t *sink.Tally) { t.Octets-- },
		"connected again": func(t *sink.Tally) { t.Connections++ },
		"complaint":       func(t *sink.Tally) { t.Wrong = []string{"message 1 is damaged"} },
	} {
		bad := good
		spoil(&bad)
		require.Error(t, j.verify(c, bad), name)
	}
}
