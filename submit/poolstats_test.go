package submit_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/submit"
)

// What a pool has done, by what happened.
func TestPoolStatsAddUp(t *testing.T) {
	second := func(verb, text string) func(*depot) {
		return func(d *depot) {
			n := 0
			d.say = func(_ *guest, at, _ string) string {
				if at == verb {
					if n++; n == 2 {
						return text
					}
				}
				return ""
			}
		}
	}
	three := func(t *testing.T, p *submit.Pool) {
		for i := range 3 {
			p.Submit(t.Context(), posted(i))
		}
	}
	batch := func(t *testing.T, p *submit.Pool) { results(t, p.SubmitAll(t.Context(), posting(3, nil)), 3) }
	for name, test := range map[string]struct {
		set  func(*depot)
		do   func(*testing.T, *submit.Pool)
		want submit.PoolStats
	}{
		"all well":            {nil, three, submit.PoolStats{Open: 1, Idle: 1, Dialled: 1, Accepted: 3}},
		"a batch":             {nil, batch, submit.PoolStats{Open: 1, Idle: 1, Dialled: 1, Accepted: 3}},
		"MAIL refused":        {second("MAIL", "550 5.7.1 no"), three, submit.PoolStats{Open: 1, Idle: 1, Dialled: 1, Accepted: 2, Failed: 1}},
		"in a batch":          {second("MAIL", "550 5.7.1 no"), batch, submit.PoolStats{Open: 1, Idle: 1, Dialled: 1, Accepted: 2, Failed: 1}},
		"verdict lost":        {second(".", hangUp), three, submit.PoolStats{Open: 1, Idle: 1, Dialled: 2, Accepted: 2, Failed: 1, Uncertain: 1}},
		"lost in a batch":     {second(".", hangUp), batch, submit.PoolStats{Open: 1, Idle: 1, Dialled: 2, Accepted: 2, Failed: 1, Uncertain: 1, Again: 1}},
		"session dead":        {second("MAIL", hangUp), three, submit.PoolStats{Open: 1, Idle: 1, Dialled: 2, Accepted: 3, Again: 1}},
		"421 in a batch":      {second("MAIL", "421 4.3.2 no"+hangUp), batch, submit.PoolStats{Open: 1, Idle: 1, Dialled: 2, Accepted: 3, Again: 1}},
		"session retired":     {second("MAIL", "452 4.5.3 enough"), three, submit.PoolStats{Open: 1, Idle: 1, Dialled: 2, Accepted: 3, Again: 1}},
		"password refused":    {always535, three, submit.PoolStats{Dialled: 3, Failed: 3}},
		"invalid":             {nil, func(t *testing.T, p *submit.Pool) { p.Submit(t.Context(), submit.Message{}) }, submit.PoolStats{}},
		"cancelled":           {slowVerdicts, cancelled(rtt * 20), submit.PoolStats{Dialled: 1, Failed: 1, Uncertain: 1}},
		"cancelled in time":   {nil, cancelled(rtt * 2), submit.PoolStats{}},
		"reader panics":       {nil, panicked, submit.PoolStats{Dialled: 1}},
		"and after a message": {nil, func(t *testing.T, p *submit.Pool) { must(t, p); panicked(t, p) }, submit.PoolStats{Dialled: 1, Accepted: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDepot()
			if test.set != nil {
				test.set(d)
			}
			withDepot(t, d, func(t *testing.T, w *world) {
				p := w.poolOf(1)
				test.do(t, p)
				synctest.Wait()
				require.Equal(t, test.want, p.Stats())
				require.NoError(t, p.Close())
			})
		})
	}
}

func always535(d *depot) {
	d.say = func(_ *guest, verb, _ string) string {
		if verb == "AUTH" {
			return "535 5.7.8 no"
		}
		return ""
	}
}

func cancelled(after time.Duration) func(*testing.T, *submit.Pool) {
	return func(t *testing.T, p *submit.Pool) {
		ctx, cancel := context.WithTimeout(t.Context(), after)
		defer cancel()
		_, err := p.Submit(ctx, posted(0))
		require.ErrorIs(t, err, context.DeadlineExceeded)
	}
}

func panicked(t *testing.T, p *submit.Pool) {
	m := posted(1)
	m.Body = io.MultiReader(strings.NewReader(large), readerFunc(func([]byte) (int, error) { panic(errOwn) }))
	require.PanicsWithValue(t, errOwn, func() { p.Submit(t.Context(), m) })
}

// A message whose session cannot be replaced had one.
func TestPoolStatsOfTheUnreplaced(t *testing.T) {
	d := newDepot()
	d.say = func(v *guest, verb, _ string) string {
		if verb == "MAIL" && v.took == 1 {
			return hangUp
		}
		return ""
	}
	withDepot(t, d, func(t *testing.T, w *world) {
		p := w.poolOf(1)
		must(t, p)
		w.net.Refuse(host + ":465")
		_, err := p.Submit(t.Context(), posted(1))
		require.True(t, errors.Is(err, submit.ErrUnreachable), "%v", err)
		require.Equal(t, submit.PoolStats{Dialled: 1, Accepted: 1, Failed: 1, Again: 1}, p.Stats())
	})
}
