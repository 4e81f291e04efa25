package auth

import (
	"encoding/base64"
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
func tokenError(challenge []byte) *TokenError {
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

// without returns e without any field that quotes the token, whole or cut short, as it
// is or in what it was sent in: errors end up in logs.
func (e *TokenError) without(token string) *TokenError {
	const (
		least = 6 // less would spare nothing and maim the text
		piece = 8
	)
	if len(token) < least {
		return e
	}
	traces := traces(token[:min(piece, len(token))])
	hide := func(field string) string {
		for _, trace := range traces {
			if strings.Contains(field, trace) {
				return "***"
			}
		}
		return field
	}
	return &TokenError{Status: hide(e.Status), Scope: hide(e.Scope), Config: hide(e.Config)}
}

// traces are a text and what base64 makes of it, wherever it is in something longer:
// there are three ways in which its octets can meet those of the encoding.
func traces(text string) []string {
	all := []string{text}
	for before := range 3 {
		encoded := base64.RawStdEncoding.EncodeToString([]byte(strings.Repeat("x", before) + text))
		all = append(all, encoded[(before*8+5)/6:(before+len(text))*8/6])
	}
	return all
}

// brief is what a server wrote, fit for a line.
func brief(s string) string {
	const most = 200
	if len(s) > most {
		return escaped(strings.ToValidUTF8(s[:most], "")) + "..."
	}
	return escaped(s)
}
