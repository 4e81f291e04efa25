package submittest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mailport/mailport/submit"
)

// announce makes the list of extensions anew, as it is to be after the last
// thing that happened. go-smtp has a list of its own, parts of which cannot be
// changed; it is not used.
func (d *dialogue) announce() {
	s := d.server
	lines := []string{
		"PIPELINING", "8BITMIME", "ENHANCEDSTATUSCODES", "CHUNKING", "BINARYMIME", "SMTPUTF8",
		"DSN", "DELIVERBY", "MT-PRIORITY", "RRVS",
	}
	if s.MaxMessageBytes > 0 {
		lines = append(lines, fmt.Sprintf("SIZE %d", s.MaxMessageBytes))
	} else {
		lines = append(lines, "SIZE")
	}
	if s.MaxRecipients > 0 {
		lines = append(lines, fmt.Sprintf("LIMITS RCPTMAX=%d", s.MaxRecipients))
	}
	if d.state != nil {
		lines = append(lines, "REQUIRETLS") // RFC 8689, section 2
	}
	if d.lacksTLS() {
		lines = append(lines, "STARTTLS")
	} else if s.wantsUsers() {
		lines = append(lines, "AUTH "+strings.Join(d.mechanisms(), " "))
	}
	d.extensions = slices.DeleteFunc(lines, func(line string) bool {
		return s.lacks(keyword(line)) || strings.EqualFold(keyword(line), d.stripped)
	})
	d.extensions = append(d.extensions, s.With...)
}

// offers reports whether the client may use what keyword stands for.
func (d *dialogue) offers(wanted string) bool {
	return slices.ContainsFunc(d.extensions, func(line string) bool {
		return strings.EqualFold(keyword(line), wanted)
	})
}

// lacksTLS reports whether there is still TLS to start.
func (d *dialogue) lacksTLS() bool {
	return d.state == nil && d.spoken == submit.Submission && !d.server.lacks("STARTTLS") &&
		!strings.EqualFold(d.stripped, "STARTTLS")
}

func (s *Server) lacks(keyword string) bool {
	return slices.ContainsFunc(s.Without, func(w string) bool { return strings.EqualFold(w, keyword) })
}

func keyword(line string) string {
	word, _, _ := strings.Cut(line, " ")
	return word
}

// extensionOf returns the keyword that announces a parameter of MAIL or RCPT.
func extensionOf(name, value string) string {
	switch name {
	case "BODY":
		if strings.EqualFold(value, "BINARYMIME") {
			return "BINARYMIME"
		}
		return "8BITMIME"
	case "RET", "ENVID", "NOTIFY", "ORCPT":
		return "DSN"
	case "BY":
		return "DELIVERBY"
	}
	return name // SIZE, SMTPUTF8, AUTH, REQUIRETLS, RRVS, MT-PRIORITY
}
