package script

import (
	"bytes"
	"fmt"
	"os"
	"strings"

	"github.com/rogpeppe/go-internal/txtar"
)

// A transcript is one file, understood.
type transcript struct {
	name     string
	settings []setting
	messages []*message
	scenes   []*scene // in the order of the file
	want     string
	head     []byte // the file, up to what is wanted
}

// A section is a part of the file.
type section struct {
	name  string
	line  int // number of its first line
	lines []string
}

func readTranscript(name string) (*transcript, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	t, err := parse(name, data)
	if err != nil {
		return nil, fmt.Errorf("%s:%w", name, err)
	}
	return t, nil
}

// parse reads a transcript. Its errors begin with the number of a line.
func parse(name string, data []byte) (*transcript, error) {
	archive := txtar.Parse(data)
	t := &transcript{name: name, head: data}
	if first, _, _ := strings.Cut(string(archive.Comment), "\n"); strings.TrimSpace(first) == "" {
		return nil, lineError(1, "the first line must say what this is about")
	}
	line := 1 + bytes.Count(archive.Comment, []byte("\n"))
	for i, file := range archive.Files {
		text := strings.TrimSuffix(string(file.Data), "\n")
		s := section{name: file.Name, line: line + 1, lines: strings.Split(text, "\n")}
		if file.Name == wantName {
			if i+1 < len(archive.Files) {
				return nil, lineError(line, "what is wanted must come last")
			}
			t.want = string(file.Data)
			t.head = keepLines(data, line-1)
			break
		}
		if err := t.add(s); err != nil {
			return nil, err
		}
		line += 1 + bytes.Count(file.Data, []byte("\n"))
	}
	return t, t.check()
}

const wantName = "want"

// add reads one section.
func (t *transcript) add(s section) (err error) {
	switch {
	case s.name == "client":
		t.settings = parseSettings(s)
	case s.name == "message":
		var m *message
		m, err = parseMessage(s)
		t.messages = append(t.messages, m)
	case strings.Contains(s.name, "://"):
		var scene *scene
		scene, err = parseScene(s)
		t.scenes = append(t.scenes, scene)
	default:
		err = lineError(s.line-1, "no section is named %q", s.name)
	}
	return err
}

// save writes the file with what is wanted now.
func (t *transcript) save(want string) error {
	head := bytes.TrimRight(t.head, "\n")
	return os.WriteFile(t.name, []byte(string(head)+"\n-- "+wantName+" --\n"+want), 0o644)
}

// keepLines returns the first n lines.
func keepLines(data []byte, n int) []byte {
	at := 0
	for range n {
		at += bytes.IndexByte(data[at:], '\n') + 1
	}
	return data[:at]
}

// skipped tells lines that say nothing to the player.
func skipped(line string) bool {
	line = strings.TrimSpace(line)
	return line == "" || strings.HasPrefix(line, "#")
}

func lineError(line int, format string, args ...any) error {
	return fmt.Errorf("%d: %s", line, fmt.Sprintf(format, args...))
}
