package submit_test

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/internal/fakenet"
	"github.com/mailport/mailport/submit"
)

// limitOf returns which field of t rules a phase, and its documented default.
func limitOf(t *submit.Timeouts, phase submit.Phase) (field *time.Duration, usual time.Duration) {
	switch phase {
	case submit.PhaseResolve, submit.PhaseConnect:
		return &t.Connect, 30 * time.Second
	case submit.PhaseHandshake:
		return &t.Handshake, 30 * time.Second
	case submit.PhaseBody:
		return &t.Data, 3 * time.Minute
	case submit.PhaseVerdict:
		return &t.Verdict, 10 * time.Minute
	}
	return &t.Command, 5 * time.Minute
}

// RFC 5321, section 4.5.3.2: each phase has a limit of
// its own, and ends after exactly that long. It is then the server's fault, for
// now, unless the message may have been taken.
func TestTimeLimitOfEachPhase(t *testing.T) {
	eachStall(t, func(t *testing.T, w *world, service string, phase submit.Phase) {
		for i, chosen := range []time.Duration{0, 77*time.Second + 7} {
			w.config.Timeouts = submit.Timeouts{}
			field, limit := limitOf(&w.config.Timeouts, phase)
			if chosen != 0 {
				*field, limit = chosen, chosen
			}
			var began, ended time.Time // of the phase that stalls
			w.config.Trace = func(_ context.Context, e submit.Event) {
				if ended = time.Now(); e.Err == nil {
					began = ended
				}
			}
			start := time.Now()
			began = start
			_, err := w.transport(service).Submit(t.Context(), letterOf(large))
			if phase == submit.PhaseBody {
				// The limit is on progress: it counts from when the network
				// took something last.
				writes := w.link().Writes(fakenet.ToServer)
				began = start.Add(writes[len(writes)-1].At)
			}
			require.Equal(t, limit, ended.Sub(began))
			require.Equal(t, ended, time.Now(), "and nothing comes after it")

			var timeout net.Error
			require.ErrorAs(t, err, &timeout)
			require.True(t, timeout.Timeout(), "%v", err)
			require.NotErrorIs(t, err, context.DeadlineExceeded, "it was not the caller's")
			var e *submit.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, seenIn(phase), e.Phase)
			if phase == submit.PhaseVerdict {
				require.ErrorIs(t, err, submit.ErrUncertain)
				require.NotErrorIs(t, err, submit.ErrTemporary)
				require.Len(t, w.settled(), i+1)
			} else {
				require.NotErrorIs(t, err, submit.ErrUncertain)
				require.ErrorIs(t, err, submit.ErrTemporary)
				require.Equal(t, phase < submit.PhaseAuth, errors.Is(err, submit.ErrUnreachable))
				require.Empty(t, w.settled())
			}
		}
	})
}

// A negative limit is none; the context's is left.
func TestNoTimeLimit(t *testing.T) {
	eachStall(t, func(t *testing.T, w *world, service string, phase submit.Phase) {
		const long = 1000 * time.Hour
		field, _ := limitOf(&w.config.Timeouts, phase)
		*field = -1
		ctx, cancel := context.WithTimeout(t.Context(), long)
		defer cancel()
		elapsed := stopwatch()
		_, err := w.transport(service).Submit(ctx, letterOf(large))
		require.Equal(t, long, elapsed())
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}
