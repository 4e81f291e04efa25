package negotiate

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/submit"
)

// Whatever is in a file: what comes out is a few servers that a transport takes,
// or a reason on one line.
func FuzzAutoconfig(f *testing.F) {
	names, err := filepath.Glob("testdata/autoconfig/*.xml")
	require.NoError(f, err)
	for _, name := range names {
		content, err := os.ReadFile(name)
		require.NoError(f, err)
		f.Add(content)
	}
	// Octets whose escape sequences are four times as long.
	f.Add([]byte("<clientConfig></clientConfig" + strings.Repeat("\xd6", 2000) + ">"))
	box, err := parseMailbox("me@example.com")
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, file []byte) {
		found, err := box.fromFile(file)
		if err != nil {
			require.Empty(t, found)
			text := (&SourceError{SourceAutoconfig, "", err}).Error()
			require.LessOrEqual(t, len(text), maxReason+len("…"))
			require.NotContains(t, text, "\n")
			return
		}
		require.NotEmpty(t, found)
		require.LessOrEqual(t, len(found), maxFound)
		for _, f := range found {
			e := f.Endpoint
			require.NoError(t, transport(e, submit.Config{}).Check())
			require.Contains(t, services, e.Service)
			require.True(t, 0 < e.Port && e.Port < 1<<16 && e.Port != 25, e.Port)
			require.Equal(t, strings.ToLower(strings.Trim(e.Host, ".")), e.Host)
			require.Contains(t, e.Host, ".")
			_, err := netip.ParseAddr(e.Host)
			require.Error(t, err)
			require.NotEmpty(t, f.Username)
			require.False(t, strings.ContainsFunc(f.Username, unicode.IsControl))
			for _, word := range f.Authentication {
				require.NotContains(t, word, " ")
			}
		}
	})
}
