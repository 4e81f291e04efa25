package negotiate_test

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/negotiate"
	"github.com/mailport/mailport/submit"
)

// chosen is a choice to remember, for so long.
func chosen(port int, standing time.Duration) negotiate.Choice {
	service := submit.Submissions
	if port == 587 {
		service = submit.Submission
	}
	return negotiate.Choice{
		Endpoint: submit.Endpoint{Service: service, Host: host, Port: port},
		Connect:  12345678 * time.Nanosecond,
		Until:    time.Now().Add(standing).UTC().Round(0),
	}
}

// What every Memory promises: the last choice for a server, until its time is
// over, and not a moment longer.
func TestMemoriesKeepAChoiceUntilItsTimeIsOver(t *testing.T) {
	for name, memory := range map[string]func(t *testing.T) negotiate.Memory{
		"process": func(*testing.T) negotiate.Memory { return new(negotiate.ProcessMemory) },
		"file":    func(t *testing.T) negotiate.Memory { return fileMemory(t) },
	} {
		t.Run(name, func(t *testing.T) {
			m := memory(t)
			synctest.Test(t, func(t *testing.T) {
				ctx := t.Context()
				_, ok := m.Load(ctx, "a")
				require.False(t, ok, "nothing was stored")
				m.Forget(ctx, "a")

				m.Store(ctx, "a", chosen(465, time.Hour))
				want := chosen(587, 10*time.Minute)
				m.Store(ctx, "a", want)
				m.Store(ctx, "b", chosen(465, time.Hour))
				got, ok := m.Load(ctx, "a")
				require.True(t, ok)
				require.Equal(t, want, got, "the last is the one that counts")

				time.Sleep(10*time.Minute - time.Nanosecond)
				got, ok = m.Load(ctx, "a")
				require.True(t, ok)
				require.Equal(t, want, got)
				time.Sleep(time.Nanosecond)
				got, ok = m.Load(ctx, "a")
				require.False(t, ok, "its time is over")
				require.Zero(t, got)

				_, ok = m.Load(ctx, "b")
				require.True(t, ok, "another server's stands")
				m.Forget(ctx, "b")
				got, ok = m.Load(ctx, "b")
				require.False(t, ok)
				require.Zero(t, got)
			})
		})
	}
}

// Promise 10: a thousand choices, and what is over, or soonest over, goes first.
func TestProcessMemoryIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m negotiate.ProcessMemory
		require.Equal(t, 1000, negotiate.MaxChoices)
		for i := range negotiate.MaxChoices {
			m.Store(t.Context(), fmt.Sprint(i), chosen(465, time.Hour+time.Duration(i)*time.Second))
		}
		require.Equal(t, negotiate.MaxChoices, m.Len())

		m.Store(t.Context(), "one more", chosen(465, 2*time.Hour))
		require.Equal(t, negotiate.MaxChoices, m.Len())
		_, ok := m.Load(t.Context(), "0")
		require.False(t, ok, "it would have been over first")
		for _, server := range []string{"1", "999", "one more"} {
			_, ok = m.Load(t.Context(), server)
			require.True(t, ok, server)
		}

		time.Sleep(time.Hour + 10*time.Second) // 1 to 10 are over
		m.Store(t.Context(), "and another", chosen(465, time.Second))
		require.Equal(t, negotiate.MaxChoices-10+1, m.Len(), "what is over is gone, and nothing else")
		_, ok = m.Load(t.Context(), "and another")
		require.True(t, ok, "although it is the next to be over")
	})
}

// What is asked for when its time is over is dropped at once.
func TestProcessMemoryDropsWhatIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m negotiate.ProcessMemory
		m.Store(t.Context(), "a", chosen(465, time.Second))
		time.Sleep(time.Second)
		_, ok := m.Load(t.Context(), "a")
		require.False(t, ok)
		require.Zero(t, m.Len())
	})
}

// The race detector sees to it that methods may be called concurrently. In virtual
// time nobody waits too long for his turn, however slow the machine is.
func TestMemoriesAreSafeForConcurrentUse(t *testing.T) {
	for name, memory := range map[string]negotiate.Memory{
		"process": new(negotiate.ProcessMemory),
		"file":    fileMemory(t),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { useConcurrently(t, memory) })
		})
	}
}

func useConcurrently(t *testing.T, memory negotiate.Memory) {
	want := chosen(465, time.Hour)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for j := range 4 {
				memory.Store(t.Context(), fmt.Sprint(i, j), want)
				memory.Store(t.Context(), fmt.Sprint(i, "not for long"), want)
				memory.Forget(t.Context(), fmt.Sprint(i, "not for long"))
			}
		})
	}
	all.Wait()
	for i := range 8 {
		for j := range 4 {
			got, ok := memory.Load(t.Context(), fmt.Sprint(i, j))
			require.True(t, ok, "%d %d was lost", i, j)
			require.Equal(t, want, got)
		}
		_, ok := memory.Load(t.Context(), fmt.Sprint(i, "not for long"))
		require.False(t, ok)
	}
}
