package auth

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"
)

// A secret keeps a username and a password where nothing that prints can see
// them. fmt and slog do not call the methods of a value that sits in somebody's
// unexported field, they print what it is made of: a closure is an address.
type secret func() (username, password string)

func keep(username, password string) secret {
	return func() (string, string) { return username, password }
}

// name returns the username as it may be shown. Some services have one token
// for both, and then the username is as secret as the password.
func (s secret) name() string {
	username, password := s()
	if password != "" && strings.Contains(username, password) {
		return "***"
	}
	return strconv.Quote(username)
}

// shown is all that a value with a secret shows of itself. Embedded, it answers
// whoever asks the value how it wants to be printed.
type shown struct{ text string }

// Format implements [fmt.Formatter]: every verb prints the same.
func (s shown) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.text) }

// String implements [fmt.Stringer].
func (s shown) String() string { return s.text }

// LogValue implements [slog.LogValuer].
func (s shown) LogValue() slog.Value { return slog.StringValue(s.text) }

// MarshalText implements [encoding.TextMarshaler].
func (s shown) MarshalText() ([]byte, error) { return []byte(s.text), nil }

// MarshalJSON implements [json.Marshaler].
func (s shown) MarshalJSON() ([]byte, error) { return json.Marshal(s.text) }

func (s shown) visible() string { return s.text }

// visible returns how credentials show themselves; of those that are not ours,
// only the type is safe to show.
func visible(c Credentials) string {
	if ours, ok := c.(interface{ visible() string }); ok {
		return ours.visible()
	}
	return fmt.Sprintf("%T", c)
}
