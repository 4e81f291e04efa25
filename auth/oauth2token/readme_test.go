package oauth2token_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The README's code is that of the examples, but for its indentation and for the lines
// that put an example's own server in.
func TestReadmeShowsCodeThatRuns(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	examples, err := os.ReadFile("example_test.go")
	require.NoError(t, err)
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(string(readme), -1)
	require.NotEmpty(t, blocks)
	for _, block := range blocks {
		require.Contains(t, flatten(string(examples)), flatten(block[1]))
	}
}

// Who depends on this module does not see the replace of its go.mod. Until go.mod
// requires a version that exists the README says that go get does not work, and then it
// says so no more.
func TestReadmeSaysWhetherItIsReleased(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	mod, err := os.ReadFile("go.mod")
	require.NoError(t, err)
	required := regexp.MustCompile(`(?m)^\s*github\.com/mailport/mailport (v\S+)$`).FindSubmatch(mod)
	require.NotNil(t, required)
	released := string(required[1]) != "v0.0.0"
	require.Equal(t, !released, strings.Contains(string(readme), "not released yet"))
	require.Equal(t, released, strings.Contains(string(readme), "\ngo get "))
}

func flatten(code string) string {
	var b strings.Builder
	for line := range strings.Lines(code) {
		if !strings.Contains(line, "// a server of the example's own") {
			b.WriteString(strings.Join(strings.Fields(line), " ") + "\n")
		}
	}
	return b.String()
}
