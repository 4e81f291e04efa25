package internal_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The README's code is code that is run: each block stands, but for its
// indentation and the lines that put a test's own server in, in a test file.
func TestReadmeShowsCodeThatRuns(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	require.NoError(t, err)
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(string(readme), -1)
	require.NotEmpty(t, blocks)
	sources := testSources(t)
	for _, block := range blocks {
		require.Contains(t, sources, flatten(block[1]))
	}
}

func testSources(t *testing.T) string {
	var all strings.Builder
	for _, folder := range []string{"../negotiate", "../submit", "../auth"} {
		files, err := filepath.Glob(folder + "/*_test.go")
		require.NoError(t, err)
		for _, file := range files {
			source, err := os.ReadFile(file)
			require.NoError(t, err)
			all.WriteString(flatten(string(source)))
		}
	}
	return all.String()
}

// flatten takes the indentation away, and what is only there for the test.
func flatten(code string) string {
	var b strings.Builder
	for line := range strings.Lines(code) {
		if !strings.Contains(line, "// a server of the example's own") {
			b.WriteString(strings.Join(strings.Fields(line), " ") + "\n")
		}
	}
	return b.String()
}

// The README's promises and failure table are those of the packages.
func TestReadmeHasTheWholeTable(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	require.NoError(t, err)
	doc, err := os.ReadFile("../negotiate/doc.go")
	require.NoError(t, err)
	rows := regexp.MustCompile(`(?m)^\| .* \| (\*\*)?(yes|no|never).* \|$`).FindAllString(string(readme), -1)
	documented := regexp.MustCompile(`(?m)^//\t\S.*  (next|next, implicit TLS only|stop)$`).FindAllString(string(doc), -1)
	// The README's last row sums up three of the documentation's.
	require.Len(t, rows, len(documented)-2)
	for i, row := range rows[:len(rows)-1] {
		require.Equal(t, strings.Contains(documented[i], "  stop"), strings.Contains(row, "| no") || strings.Contains(row, "| **no"), "%s\n%s", row, documented[i])
	}
}
