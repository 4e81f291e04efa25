//go:build interop && linux

package interop

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
)

// A matrix counts what was tried: feature by server.
type matrix struct {
	mu       sync.Mutex // guards the fields below
	features []string
	servers  []string
	cases    map[[2]string]int // by feature and server
}

// newMatrix makes one with the features in the order of the tests.
func newMatrix() *matrix {
	m := &matrix{cases: make(map[[2]string]int)}
	for _, f := range features() {
		m.features = append(m.features, f.name)
	}
	m.features = append(m.features, soaked(taken), soaked(uncertain), soaked(refused))
	return m
}

// add counts one more case.
func (m *matrix) add(feature, server string, cases int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !slices.Contains(m.servers, server) {
		m.servers = append(m.servers, server)
		slices.Sort(m.servers)
	}
	m.cases[[2]string{feature, server}] += cases
}

// String returns the matrix in Markdown.
func (m *matrix) String() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var b strings.Builder
	row := func(first string, cell func(server string) string) {
		fmt.Fprintf(&b, "| %s |", first)
		for _, server := range m.servers {
			fmt.Fprintf(&b, " %s |", cell(server))
		}
		b.WriteByte('\n')
	}
	row("cases tried", func(server string) string { return server })
	row("---", func(string) string { return "--:" })
	for _, feature := range m.features {
		row(feature, func(server string) string {
			if n, ok := m.cases[[2]string{feature, server}]; ok {
				return fmt.Sprint(n)
			}
			return ""
		})
	}
	return b.String()
}

// publish prints the matrix, and writes it where the environment says.
func (m *matrix) publish() error {
	text := m.String()
	fmt.Print(text)
	if name := os.Getenv("MAILPORT_INTEROP_MATRIX"); name != "" {
		return os.WriteFile(name, []byte(text), 0o644)
	}
	return nil
}
