package internal_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// guard is how SECURITY.md names a test: its package, and its name.
var guard = regexp.MustCompile("`([a-z0-9/]+)\\.((?:Test|Fuzz)[A-Za-z0-9]+)`")

// Each test that SECURITY.md names is there, and each promise is guarded by some.
func TestSecurityNamesTests(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "SECURITY.md"))
	require.NoError(t, err)
	promises := regexp.MustCompile(`(?m)^(\d+)\. \*\*`).FindAllStringSubmatch(string(text), -1)
	require.Len(t, promises, 10)
	guarded := make(map[string]bool)
	sources := make(map[string]string)
	for _, row := range regexp.MustCompile(`(?m)^\| .* \| ([0-9, ]+) \| (.*) \|$`).FindAllStringSubmatch(string(text), -1) {
		tests := guard.FindAllStringSubmatch(row[2], -1)
		require.NotEmpty(t, tests, row[0])
		require.Equal(t, strings.Count(row[2], "`"), 2*len(tests), "not all are tests: %s", row[2])
		for _, test := range tests {
			if _, ok := sources[test[1]]; !ok {
				sources[test[1]] = testsIn(t, test[1])
			}
			require.Contains(t, sources[test[1]], "\nfunc "+test[2]+"(", "SECURITY.md names a test that is not there")
		}
		for _, n := range strings.Split(row[1], ", ") {
			_, err := strconv.Atoi(n)
			require.NoError(t, err)
			guarded[n] = true
		}
	}
	for _, p := range promises {
		require.True(t, guarded[p[1]], "nothing guards promise %s", p[1])
	}
	require.Equal(t, len(guard.FindAllString(string(text), -1)), len(guard.FindAllString(rows(string(text)), -1)), "a test is named outside of the table")
}

// rows are the lines of tables.
func rows(text string) string {
	return strings.Join(regexp.MustCompile(`(?m)^\|.*$`).FindAllString(text, -1), "\n")
}

// testsIn is the source of a package's tests.
func testsIn(t *testing.T, pkg string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(pkg), "*_test.go"))
	require.NoError(t, err)
	require.NotEmpty(t, files, pkg)
	var all strings.Builder
	for _, file := range files {
		source, err := os.ReadFile(file)
		require.NoError(t, err)
		all.WriteString("\n" + string(source))
	}
	return all.String()
}
