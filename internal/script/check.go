package script

import (
	"slices"
	"strings"
)

// check refuses a transcript that has a client do what it must never do: then
// no test passes that allows it.
func (t *transcript) check() error {
	if len(t.scenes) == 0 {
		return lineError(1, "nothing happens at any endpoint")
	}
	var asked *scene // where AUTH was said
	for _, c := range t.scenes {
		if err := c.check(); err != nil {
			return err
		}
		if !c.says("AUTH ") {
			continue
		}
		if asked != nil && asked.endpoint != c.endpoint {
			return lineError(c.line, "%s sees credentials, and so did %s", c.endpoint, asked.endpoint)
		}
		asked = c
	}
	return nil
}

// says reports whether the client begins a line with prefix.
func (c *scene) says(prefix string) bool {
	return slices.ContainsFunc(c.steps, func(s step) bool {
		return slices.ContainsFunc(s.lines, func(l said) bool { return strings.HasPrefix(l.text, prefix) })
	})
}

func (c *scene) check() error {
	var (
		secure     bool
		pipelining bool
		told       string // what the server said last
	)
	for i, s := range c.steps {
		switch s.act {
		case say:
			if i > 0 && greets(c.steps[i-1]) {
				pipelining = offersPipelining(s.octets)
			}
			told = s.octets
		case handshake:
			secure, pipelining = true, false
		case hear, perhaps:
			if n := slices.IndexFunc(s.lines, func(l said) bool { return !secure && !fitForCleartext(l.text) }); n >= 0 {
				return lineError(s.lines[n].line, "must not be said in cleartext: %s", s.lines[n].text)
			}
			if len(s.lines) > 1 && !pipelining && !strings.HasPrefix(lastLine(told), "354") {
				return lineError(s.line, "flight of %d commands, and PIPELINING was not offered", len(s.lines))
			}
		default: // says nothing
		}
		if s.last() && i+1 < len(c.steps) {
			return lineError(c.steps[i+1].line, "nothing can follow here")
		}
	}
	return nil
}

// last reports whether nothing can follow s.
func (s step) last() bool {
	return slices.Contains([]act{perhaps, stall, deaf, reset, anything}, s.act)
}

func fitForCleartext(line string) bool {
	return strings.HasPrefix(line, "EHLO ") || line == "STARTTLS" || line == "QUIT"
}

// greets reports whether the client has said EHLO.
func greets(s step) bool {
	return s.act == hear && strings.HasPrefix(s.lines[len(s.lines)-1].text, "EHLO ")
}

func offersPipelining(reply string) bool {
	for line := range strings.Lines(reply) {
		line = strings.ToUpper(strings.TrimRight(line, " \r\n"))
		if line == "250 PIPELINING" || line == "250-PIPELINING" {
			return true
		}
	}
	return false
}

func lastLine(octets string) string {
	octets = strings.TrimSuffix(octets, "\r\n")
	return octets[strings.LastIndexByte(octets, '\n')+1:]
}
