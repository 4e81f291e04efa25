//go:build interop && linux

package interop

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
)

// collect reads what has arrived, and removes it. A file in the folder "new" is whole.
func (s *server) collect() {
	s.collecting.Lock()
	defer s.collecting.Unlock()
	boxes, _ := os.ReadDir(filepath.Join(s.box.root, "var/vmail"))
	for _, mailbox := range boxes {
		folder := filepath.Join(s.box.root, "var/vmail", mailbox.Name(), "new")
		files, _ := os.ReadDir(folder)
		for _, file := range files {
			name := filepath.Join(folder, file.Name())
			data, err := os.ReadFile(name)
			if err != nil {
				s.ledger.note("%v", err)
				continue
			}
			s.open(mailbox.Name(), data)
			os.Remove(name)
		}
	}
}

var (
	marked = regexp.MustCompile(`(?m)^` + mark + `(\S+)$`)
	queued = regexp.MustCompile(`(?s)^Received: .*?\bid ([^\s;]+)`)
)

// open enters what has arrived: above the line with the name there is what the server
// put there, and that is header fields only.
func (s *server) open(mailbox string, data []byte) {
	at := marked.FindSubmatchIndex(data)
	switch {
	case s.tears && (at == nil && !bytes.Contains(data, []byte("\n\n")) || at != nil && s.ledger.torn(string(data[at[2]:at[3]]), data[at[0]:])):
		return
	case at == nil:
		s.ledger.note("what is this in the mailbox of %s? %q", mailbox, data[:min(len(data), 500)])
		return
	}
	above := data[:at[0]]
	if bytes.Contains(above, []byte("\n\n")) {
		s.ledger.note("the header of %s ends above its first line", data[at[2]:at[3]])
	}
	id := queued.FindSubmatch(bytes.TrimLeft(above[max(0, bytes.Index(above, []byte("Received: "))):], "\n"))
	if id == nil {
		s.ledger.note("no trace field above %s: %q", data[at[2]:at[3]], above)
		return
	}
	s.ledger.arrive(string(data[at[2]:at[3]]), mailbox, string(id[1]), data[at[0]:])
}

// settle waits until all that was taken has arrived. However much that is, a minute
// in which nothing arrives is too long.
func (s *server) settle() {
	s.t.Helper()
	for left := math.MaxInt; left > 0; {
		before := left
		s.until(time.Minute, func() error {
			s.collect()
			require.Empty(s.t, s.ledger.found())
			var example string
			if left, example = s.ledger.missing(); left > 0 && left >= before {
				return &overdue{left, example, s.ledger}
			}
			return nil
		})
	}
}

// overdue is an error about letters that should have arrived.
type overdue struct {
	letters int
	example string
	ledger  *ledger
}

// Error tells what else is wrong, too: a receipt may be another letter's.
func (e *overdue) Error() string {
	return fmt.Sprintf("%d letters were taken and have not arrived; one is %s\n%s", e.letters, e.example, strings.Join(e.ledger.audit(), "\n"))
}

// audit is settle, and waits until the server has nothing left that could arrive:
// so nothing that was refused will.
func (s *server) audit() {
	s.t.Helper()
	s.settle()
	s.until(time.Minute, func() error {
		for _, queue := range s.queue {
			if name := aFile(filepath.Join(s.box.root, queue), s.whole); name != "" {
				return fmt.Errorf("%s is still in the queue", name)
			}
		}
		return nil
	})
	s.collect()
	require.Empty(s.t, s.ledger.audit())
}

// aFile returns a file below a folder of which is says so, if there is one.
func aFile(dir string, is func(fs.FileInfo) bool) (found string) {
	filepath.WalkDir(dir, func(name string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			if info, err := entry.Info(); err == nil && is(info) {
				found = name
				return fs.SkipAll
			}
		}
		return nil // it may be gone by now
	})
	return found
}

// until asks again and again, for no longer than patience.
func (s *server) until(patience time.Duration, ask func() error) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		err := ask()
		if err == nil {
			return
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			s.t.Fatalf("%v\n%s", err, s.box.log())
		}
	}
}
