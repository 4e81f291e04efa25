package negotiate_test

import (
	"context"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/negotiate"
)

// Who has the lock and does not give it back costs a second of time, once for
// each update, and readers nothing.
func TestFileMemoryDoesNotWaitForever(t *testing.T) {
	m := fileMemory(t)
	m.Store(t.Context(), "a", chosen(465, time.Hour))
	unlock, err := m.Lock(t.Context())
	require.NoError(t, err)
	defer unlock()
	waitsForTheLock(t, m)
}

// Among goroutines that is so even where no other process can be locked out, or
// somebody removed the lock's file.
func TestFileMemoryLocksWithoutAFile(t *testing.T) {
	m := fileMemory(t)
	m.Store(t.Context(), "a", chosen(465, time.Hour))
	unlock, err := m.Lock(t.Context())
	require.NoError(t, err)
	defer unlock()
	_ = os.Remove(m.Path + ".lock")
	waitsForTheLock(t, m)
}

// waitsForTheLock is given a memory with "a" in it, that somebody has locked.
func waitsForTheLock(t *testing.T, m *negotiate.FileMemory) {
	errs := toldBy(m)
	want, err := os.ReadFile(m.Path)
	require.NoError(t, err)
	synctest.Test(t, func(t *testing.T) {
		began := time.Now() // long before "a" is over: the clock here starts in 2000
		_, ok := m.Load(t.Context(), "a")
		require.True(t, ok, "reading locks nothing")
		require.Zero(t, time.Since(began))
		for name, update := range map[string]func(context.Context){
			"Store":  func(ctx context.Context) { m.Store(ctx, "a", chosen(587, time.Hour)) },
			"Forget": func(ctx context.Context) { m.Forget(ctx, "a") },
		} {
			*errs, began = nil, time.Now()
			update(t.Context())
			require.Equal(t, time.Second, time.Since(began), name)
			require.Len(t, *errs, 1, name)
			require.EqualError(t, (*errs)[0], "memory "+m.Path+": lock: somebody else has had the lock for 1s", name)

			*errs, began = nil, time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), 333*ms)
			update(ctx)
			cancel()
			require.Equal(t, 333*ms, time.Since(began), name) // promise 7
			require.Len(t, *errs, 1, name)
			require.ErrorIs(t, (*errs)[0], context.DeadlineExceeded)
			require.EqualError(t, (*errs)[0], "memory "+m.Path+": lock: somebody else has the lock: context deadline exceeded", name)
		}
	})
	got, err := os.ReadFile(m.Path)
	require.NoError(t, err)
	require.Equal(t, want, got, "nothing was stored or forgotten")
}

// Who waits gets the lock soon after it is free.
func TestFileMemoryWaitsForItsTurn(t *testing.T) {
	m := fileMemory(t)
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		unlock, err := m.Lock(t.Context())
		require.NoError(t, err)
		time.AfterFunc(402*ms, unlock)
		m.Store(t.Context(), "a", chosen(465, time.Hour))
		require.Equal(t, 405*ms, time.Since(began))
		_, ok := m.Load(t.Context(), "a")
		require.True(t, ok)
	})
}
