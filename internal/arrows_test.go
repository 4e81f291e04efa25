package internal_test

import (
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	root   = ".." // of the module, seen from here
	module = "github.com/mailport/mailport"

	smtp = "github.com/emersion/go-smtp"
	sasl = "github.com/emersion/go-sasl"
	idna = "golang.org/x/net/idna"

	scram = "github.com/xdg-go/scram"

	dnsmessage = "golang.org/x/net/dns/dnsmessage"

	testify = "github.com/stretchr/testify"
	txtar   = "github.com/rogpeppe/go-internal/txtar"
)

// arrows says what the code of each package may import beside the standard
// library. A package that is not here has no place yet: give it one. What is
// below examples goes by the entry for examples.
var arrows = map[string][]string{
	"examples":  {module + "/negotiate", module + "/submit", module + "/submit/submittest", module + "/auth", smtp},
	"negotiate": {module + "/submit", module + "/auth", idna},
	"submit":    {module + "/auth", module + "/internal/wire", smtp},
	"auth":      {sasl, scram},

	"submit/submittest": {module + "/submit", module + "/auth", module + "/internal/testcert", smtp, sasl, scram},

	"internal/wire":         {},
	"internal/testcert":     {},
	"internal/fakenet":      {},
	"internal/dnstest":      {dnsmessage},
	"internal/hostile":      {},
	"internal/fuzzsession":  {},
	"internal/injection":    {},
	"internal/differential": {},
	"internal/offsets":      {},

	// Nobody may import this one, but for tests.
	"internal/script": {
		module + "/submit", module + "/auth", module + "/internal/fakenet", module + "/internal/testcert",
		txtar, testify + "/assert", testify + "/require",
	},
}

// apart are packages that must not import another, in their tests either: a
// server that shares a parser with the client shares its bugs.
var apart = map[string]string{
	"submit/submittest": module + "/internal/wire",
	"internal/fakenet":  module + "/internal/wire",
	"internal/script":   module + "/internal/wire",
}

// direct are the modules that go.mod may require. A new one is a decision of
// design, see CONTRIBUTING.md.
var direct = []string{
	smtp,
	sasl,
	scram,
	"golang.org/x/net", // idna, for names of hosts and domains; dnsmessage in tests

	// In tests only.
	"github.com/rogpeppe/go-internal",
	testify,
	"go.uber.org/goleak",
}

// The layers know each other in one direction. Files are read as they are, so
// that no build tag and no platform hides one.
func TestArrows(t *testing.T) {
	seen := make(map[string]bool)
	require.NoError(t, filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && name != root && !holdsCode(name, entry):
			return fs.SkipDir
		case entry.IsDir() || filepath.Ext(name) != ".go":
			return nil
		}
		imports, err := importsOf(name)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		dir := filepath.ToSlash(filepath.Dir(rel))
		seen[dir] = true
		for _, imported := range imports {
			if err := allowed(dir, isTest(name), imported); err != nil {
				t.Errorf("%s %v", rel, err)
			}
		}
		return nil
	}))
	for _, dir := range []string{"auth", "internal", "internal/wire", "submit"} {
		assert.True(t, seen[dir], "no file of %s was read", dir)
	}
}

// What must not be imported is found out.
func TestArrowsBite(t *testing.T) {
	for _, c := range []struct {
		dir      string
		test     bool
		imported string
	}{
		{"auth", false, module + "/submit"},
		{"auth", false, module + "/internal/wire"},
		{"internal/wire", false, module + "/auth"},
		{"internal/wire", false, smtp},
		{"submit", false, module + "/negotiate"},
		{"submit", false, module + "/internal/fakenet"},
		{"submit", false, module + "/internal/testcert"},
		{"submit", false, "github.com/stretchr/testify/require"},
		{"submit/submittest", false, module + "/internal/wire"},
		{"submit/submittest", false, module + "/internal/fakenet"},
		{"submit/submittest", true, module + "/internal/wire"},
		{"internal/fakenet", true, module + "/internal/wire"},
		{"negotiate", false, module + "/internal/wire"},
		{"examples/quickstart", false, module + "/internal/wire"},
		{"util", false, module + "/submit"},
	} {
		assert.Error(t, allowed(c.dir, c.test, c.imported), "%+v", c)
	}
	for _, c := range []struct {
		dir      string
		test     bool
		imported string
	}{
		{"submit", false, "crypto/tls"},
		{"submit", false, module + "/auth"},
		{"submit", true, module + "/internal/fakenet"},
		{"internal/wire", true, "github.com/stretchr/testify/require"},
		{"examples/quickstart", false, module + "/negotiate"},
	} {
		assert.NoError(t, allowed(c.dir, c.test, c.imported), "%+v", c)
	}
}

// Importing mailport pulls in little.
func TestDirectDependencies(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "go.mod"))
	require.NoError(t, err)
	required := requiredBy(string(text))
	require.Contains(t, required, smtp, "go.mod was not understood")
	for _, path := range required {
		assert.Contains(t, direct, path, "go.mod requires it; nobody agreed to that")
	}
}

// A requirement is seen in a block and outside of one, an indirect one is not.
func TestRequiredBy(t *testing.T) {
	assert.Equal(t, []string{"example.com/a", "example.com/b/v2", "example.com/c"}, requiredBy(`module example.org/m

go 1.25.0

require example.com/a v1.0.0

require (
	example.com/b/v2 v2.0.0 // for the tests
	example.com/i v1.0.0 // indirect
)

// Test dependencies.
require(
	// As ever.
	example.com/c v1.0.0
)

require example.com/j v1.0.0 // indirect
exclude example.com/k v1.0.0
`))
}

// allowed tells whether a file in dir, a test or not, may import a path.
func allowed(dir string, test bool, path string) error {
	if apart[dir] == path {
		return fmt.Errorf("imports %s; these two are kept apart", path)
	}
	if test || isStandard(path) {
		return nil
	}
	if strings.HasPrefix(dir, "examples/") {
		dir = "examples"
	}
	may, known := arrows[dir]
	switch {
	case !known:
		return errors.New("is in a package that has no place among the arrows")
	case !slices.Contains(may, path):
		return fmt.Errorf("imports %s, against the arrows", path)
	}
	return nil
}

// isStandard goes by what the go command does: the first element of every
// path but the standard library's has a dot.
func isStandard(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return !strings.Contains(first, ".")
}

func isTest(name string) bool { return strings.HasSuffix(name, "_test.go") }

// holdsCode tells whether the go command would look below a directory. A nested
// module has a go.mod and dependencies of its own.
func holdsCode(name string, entry fs.DirEntry) bool {
	if strings.HasPrefix(entry.Name(), ".") || strings.HasPrefix(entry.Name(), "_") || entry.Name() == "testdata" {
		return false
	}
	_, err := os.Stat(filepath.Join(name, "go.mod"))
	return errors.Is(err, fs.ErrNotExist)
}

func importsOf(name string) ([]string, error) {
	file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
	if err != nil {
		return nil, err
	}
	var paths []string
	for _, spec := range file.Imports {
		path, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return nil, err
		}
		paths = append(paths, path)
	}
	return paths, nil
}

// requiredBy returns the paths that the text of a go.mod requires directly.
func requiredBy(text string) []string {
	var paths []string
	var block bool
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		requirement, single := strings.CutPrefix(line, "require ")
		switch {
		case strings.HasPrefix(line, "require") && strings.HasSuffix(line, "("):
			block = true
		case line == ")":
			block = false
		case single:
		case block:
			requirement = line
		default:
			continue
		}
		path, version, _ := strings.Cut(requirement, " ")
		if version != "" && path != "//" && !strings.HasSuffix(line, "// indirect") {
			paths = append(paths, path)
		}
	}
	return paths
}
