package auth

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// A flaw says what is wrong with a username or a password, or nothing.
type flaw func(value string) string

// sendable refuses a value with one of the flaws that a mechanism cannot bear.
// The error says what was wrong, never the value.
func sendable(mechanism, what, value string, flaws ...flaw) error {
	for _, f := range flaws {
		if wrong := f(value); wrong != "" {
			return fmt.Errorf("%w by %s: the %s %s", ErrUnsendable, mechanism, what, wrong)
		}
	}
	return nil
}

func empty(value string) string {
	if value == "" {
		return "is empty"
	}
	return ""
}

func nul(value string) string {
	if strings.Contains(value, "\x00") {
		return "contains NUL"
	}
	return ""
}

func lineEnd(value string) string {
	if strings.ContainsAny(value, "\r\n") {
		return "contains a line end"
	}
	return ""
}

func notUTF8(value string) string {
	if !utf8.ValidString(value) {
		return "is not UTF-8"
	}
	return ""
}
