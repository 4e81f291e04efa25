package auth

import (
	"encoding/json"
	"strings"
)

// A TokenError is what a server says of a token that it refuses, RFC 7628, section
// 3.2.2; XOAUTH2 has the same form.
type TokenError struct {
	Status string // such as "invalid_token", "insufficient_scope"; with XOAUTH2 "400" or "401"
	Scope  string // what a token would have to allow, if the server says so
	Config string // where the server's OAuth configuration is, if it says so
}

// Error returns one line, fit to be printed.
func (e *TokenError) Error() string {
	text := "server refuses the token"
	if e.Status != "" {
		text += ": " + brief(e.Status)
	}
	if e.Scope != "" {
		text += " (it wants the scope " + brief(e.Scope) + ")"
	}
	return text
}

// tokenError reads the JSON that a challenge is. What is none says nothing.
func tokenError(challenge []byte) error {
	var said struct {
		Status any    `json:"status"` // a string, but a number has been seen
		Scope  string `json:"scope"`
		Config string `json:"openid-configuration"`
	}
	_ = json.Unmarshal(challenge, &said)
	status, _ := said.Status.(string)
	if n, ok := said.Status.(float64); ok {
		number, _ := json.Marshal(n)
		status = string(number)
	}
	return &TokenError{Status: status, Scope: said.Scope, Config: said.Config}
}

// brief is what a server wrote, fit for a line.
func brief(s string) string {
	const most = 200
	if len(s) > most {
		return list([]string{strings.ToValidUTF8(s[:most], "")}) + "..."
	}
	return list([]string{s})
}
