package negotiate_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/negotiate"
	"github.com/mailport/mailport/submit"
)

// Whatever is in the file, what is loaded from it is a choice, what is told is
// that it is corrupt, in one line, and the next Store mends that.
func FuzzFileMemory(f *testing.F) {
	good := string(negotiate.Encode(map[string]negotiate.Choice{"a": chosen(587, 1e6*time.Hour), "b": chosen(465, -time.Hour)}))
	for _, content := range []string{
		"", "{}", "null", good, good[:len(good)/2], good + good,
		strings.Replace(good, `:1,`, `:2,`, 1),
		strings.Replace(good, "587", "-587", 1),
		strings.Replace(good, "12345678", "9223372036854775807", 1),
		strings.Replace(good, "Z", "-23:59", 1),
		strings.Replace(good, `"a"`, `"b"`, 1),
	} {
		f.Add([]byte(content))
	}
	path := filepath.Join(f.TempDir(), "memory.json")
	f.Fuzz(func(t *testing.T, content []byte) {
		require.NoError(t, os.WriteFile(path, content, 0o600))
		m := &negotiate.FileMemory{Path: path}
		errs := toldBy(m)
		for _, server := range []string{"a", "b"} {
			c, ok := m.Load(t.Context(), server)
			require.Equal(t, ok, c != negotiate.Choice{})
			if ok {
				requireSane(t, c)
				require.Greater(t, time.Until(c.Until), time.Duration(0))
			}
		}
		for _, err := range *errs {
			require.ErrorIs(t, err, negotiate.ErrCorrupt)
			require.NotContains(t, strings.TrimPrefix(err.Error(), "memory "+path), "\n")
		}

		choices, err := negotiate.Decode(content)
		require.True(t, err == nil || len(choices) == 0 && errors.Is(err, negotiate.ErrCorrupt))
		for _, c := range choices {
			requireSane(t, c)
		}
		again, err := negotiate.Decode(negotiate.Encode(choices))
		require.NoError(t, err)
		require.Len(t, again, len(choices))
		for server, c := range choices {
			require.True(t, c.Until.Equal(again[server].Until))
			require.Equal(t, c.Endpoint, again[server].Endpoint)
			require.Equal(t, c.Connect, again[server].Connect)
		}

		*errs = nil
		want := chosen(465, 2e6*time.Hour)
		m.Store(t.Context(), "c", want)
		got, ok := m.Load(t.Context(), "c")
		require.True(t, ok)
		require.Equal(t, want, got)
		require.Empty(t, *errs)
	})
}

// requireSane is in other words what a choice has to be.
func requireSane(t *testing.T, c negotiate.Choice) {
	require.Contains(t, []string{submit.Submissions, submit.Submission}, c.Endpoint.Service)
	require.NotEmpty(t, c.Endpoint.Host)
	require.Equal(t, c.Endpoint.Port, int(uint16(c.Endpoint.Port)))
	require.NotZero(t, c.Endpoint.Port)
	require.GreaterOrEqual(t, c.Connect, time.Duration(0))
	require.LessOrEqual(t, 3*c.Connect, 3*time.Minute)
}
