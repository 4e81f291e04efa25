package main

import (
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/mailport/mailport/negotiate"
	"github.com/mailport/mailport/submit"
)

// A story is what there is to tell.
type story struct {
	searched bool
	found    []negotiate.Found
	missed   []negotiate.SourceError // what was asked in vain
	report   *negotiate.Report       // nil if nothing was probed
	err      error                   // why a submission would not work
}

// tell prints the report, or everything as JSON.
func (s *story) tell(w io.Writer, o *options) error {
	switch {
	case o.json:
		encoder := json.NewEncoder(w)
		encoder.SetEscapeHTML(false)
		return encoder.Encode(s.object())
	case s.report != nil:
		return s.report.Print(w, o.terminal)
	}
	return nil
}

// tellFound says where servers were found, and who says so.
func (s *story) tellFound(w io.Writer, o *options) {
	if len(s.found) == 0 {
		return
	}
	fmt.Fprintf(w, "found for %s:\n\n", plain(o.target))
	for _, f := range s.found {
		fmt.Fprintf(w, "  %s  %s\n", plain(f.Endpoint.String()), trust(f, o.untrusted))
		indented(w, plain(fmt.Sprintf("by %v, %s; user %s", f.Source, f.From, f.Username)), o.terminal.Width)
		if !f.Trusted {
			indented(w, plain(f.Reason), o.terminal.Width)
		}
	}
	if len(s.missed) > 0 {
		fmt.Fprint(w, "\nnot found:\n\n")
	}
	for _, m := range s.missed {
		fmt.Fprintf(w, "  %s\n", plain(m.From))
		indented(w, m.Source.String()+": "+plain(m.Err.Error()), o.terminal.Width)
	}
	fmt.Fprintln(w)
}

func trust(f negotiate.Found, untrusted bool) string {
	switch {
	case f.Trusted:
		return "trusted"
	case untrusted:
		return "NOT TRUSTED"
	}
	return "NOT TRUSTED, not probed"
}

// indented writes text in lines of a width, or 80 columns.
func indented(w io.Writer, text string, width int) {
	if width == 0 {
		width = 80
	}
	line := "   "
	for _, word := range strings.Fields(text) {
		if len(line) > 3 && len(line)+1+len(word) > width {
			fmt.Fprintln(w, line)
			line = "   "
		}
		line += " " + word
	}
	fmt.Fprintln(w, line)
}

// plain is a text from DNS or the web in ASCII, without anything that a terminal
// would obey, and not longer than somebody would read.
func plain(s string) string {
	const most = 500
	if r := []rune(s); len(r) > most {
		s = string(r[:most]) + "..."
	}
	quoted := strconv.QuoteToASCII(s)
	return strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
}

// words are an error on one line, for logs, and which flag may help.
func words(err error) string {
	text := strings.ReplaceAll(err.Error(), "\n", " / ")
	var issuer x509.UnknownAuthorityError
	if errors.Is(err, submit.ErrCertificate) && errors.As(err, &issuer) {
		text += " (-ca FILE)"
	}
	return text
}

// An object is what -json prints.
type object struct {
	Found  []found           `json:"found"`
	Missed []missed          `json:"missed"`
	Report *negotiate.Report `json:"report"`
	Error  *string           `json:"error"`
	Exit   int               `json:"exit"`
}

type found struct {
	Endpoint       string           `json:"endpoint"`
	Source         negotiate.Source `json:"source"`
	From           string           `json:"from"`
	Trusted        bool             `json:"trusted"`
	Reason         string           `json:"reason"`
	Username       string           `json:"username"`
	Authentication []string         `json:"authentication"`
}

type missed struct {
	Source negotiate.Source `json:"source"`
	From   string           `json:"from"`
	Error  string           `json:"error"`
}

func (s *story) object() object {
	o := object{Report: s.report, Exit: exitCode(s.err)}
	if s.searched {
		o.Found, o.Missed = []found{}, []missed{}
	}
	for _, m := range s.missed {
		o.Missed = append(o.Missed, missed{m.Source, m.From, m.Error()})
	}
	for _, f := range s.found {
		o.Found = append(o.Found, found{f.Endpoint.String(), f.Source, f.From, f.Trusted, f.Reason, f.Username, f.Authentication})
	}
	if s.err != nil {
		text := words(s.err)
		o.Error = &text
	}
	return o
}
