package script

import (
	"fmt"
	"strings"
	"time"
)

// A setting is a line of the section client: a key of one word or more, and a
// value.
type setting struct {
	text string
	line int
}

const defaultRTT = 100 * time.Millisecond

// ours are the keys that the player understands.
var ours = [...]string{"rtt", "password", "credentials", "without", "name", "hostname", "cancel after", "deadline"}

func parseSettings(s section) (list []setting) {
	for i, line := range s.lines {
		if !skipped(line) {
			list = append(list, setting{strings.TrimSpace(line), s.line + i})
		}
	}
	return list
}

// understand takes the settings apart: known are the keys that there are.
func (t *transcript) understand(known []string) (map[string]string, error) {
	values := make(map[string]string)
	for _, s := range t.settings {
		key, value, ok := cutKey(s.text, known)
		if !ok {
			return nil, fmt.Errorf("%s:%w", t.name, lineError(s.line, "there is no setting %q", s.text))
		}
		values[key] = value
	}
	return values, nil
}

func cutKey(line string, known []string) (key, value string, ok bool) {
	for _, key := range known {
		if rest, ok := strings.CutPrefix(line, key); ok && (rest == "" || rest[0] == ' ') {
			return key, strings.TrimSpace(rest), true
		}
	}
	return "", "", false
}
