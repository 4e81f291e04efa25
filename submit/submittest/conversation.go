package submittest

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"
	"sync"

	"github.com/mailport/mailport/submit"
)

// Conversation returns who said what, connection by connection: lines of the
// client begin with "C: ", those of the server with "S: ", and what else there
// is to say stands between dashes. What was sent together stands together: the
// commands of a pipelined flight come before the replies to them.
//
// It shows no secret: what follows the mechanism's name in AUTH, the client's
// later answers, the server's signature in SCRAM, and lines that are no SMTP
// command are printed as "***", and a message as the number of its octets.
func (s *Server) Conversation() string {
	s.mu.Lock()
	transcripts := s.transcripts[:len(s.transcripts):len(s.transcripts)]
	s.mu.Unlock()
	var b strings.Builder
	for _, t := range transcripts {
		b.WriteString(t.String())
	}
	return b.String()
}

// A long test should not run out of memory because of what nobody reads.
const maxTranscript = 1 << 20

// A transcript is what was said on one connection.
type transcript struct {
	mu   sync.Mutex // guards the fields below
	text []byte
	full bool
}

func newTranscript(number int, endpoint submit.Endpoint) *transcript {
	t := &transcript{}
	t.note(fmt.Sprintf("%d: %v", number, endpoint))
	return t
}

func (t *transcript) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.text)
}

// client records a line in which secrets are masked already.
func (t *transcript) client(line string) { t.add("C: ", line, "") }

func (t *transcript) body(octets int64, whole bool) {
	if whole {
		t.client(fmt.Sprintf("<%d octets>", octets))
	} else {
		t.client(fmt.Sprintf("<%d octets, then no more>", octets))
	}
}

func (t *transcript) server(octets []byte) {
	for line := range bytes.Lines(octets) {
		t.add("S: ", maskedReply(string(bytes.TrimRight(line, "\r\n"))), "")
	}
}

// note records what is not said but done.
func (t *transcript) note(what string) { t.add("-- ", what, " --") }

func (t *transcript) add(prefix, line, suffix string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.full:
		return
	case len(t.text) > maxTranscript:
		t.full = true
		prefix, line, suffix = "-- ", "and so on", " --"
	}
	t.text = append(t.text, prefix...)
	t.text = append(t.text, printable(line)...)
	t.text = append(t.text, suffix...)
	t.text = append(t.text, '\n')
}

// printable keeps control characters off the terminal of whoever reads a log.
func printable(line string) string {
	if !strings.ContainsFunc(line, isControl) {
		return line
	}
	const hex = "0123456789abcdef"
	var b strings.Builder
	for _, r := range line {
		if isControl(r) {
			b.WriteString(`\x`)
			b.WriteByte(hex[r>>4])
			b.WriteByte(hex[r&15])
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

// masked returns a command without what must not be seen. Whatever is no command
// may be anything: a password that was sent although AUTH had been refused, a
// message that was sent although DATA had been.
func masked(verb, arg string) string {
	switch verb {
	case "AUTH":
		return strings.TrimRight("AUTH "+maskedAuth(arg), " ")
	case "EHLO", "HELO", "STARTTLS", "MAIL", "RCPT", "DATA", "BDAT", "RSET", "NOOP", "QUIT", "VRFY", "HELP":
		return strings.TrimRight(verb+" "+arg, " ")
	}
	return "***"
}

// maskedAuth keeps the mechanism if it is one: who forgets it says the secret
// where it should be.
func maskedAuth(arg string) string {
	mechanism, initial, _ := strings.Cut(arg, " ")
	switch {
	case mechanism != "" && !isMechanism(mechanism):
		return "***"
	case initial != "":
		return mechanism + " ***"
	}
	return mechanism
}

func isMechanism(name string) bool {
	name = strings.ToUpper(name)
	switch name {
	case "PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5", "OAUTHBEARER", "XOAUTH2", "EXTERNAL", "ANONYMOUS":
		return true
	}
	return strings.HasPrefix(name, "SCRAM-SHA-") || strings.HasPrefix(name, "X-")
}

// maskedReply keeps SCRAM's signature to itself: together with the nonces and the
// salt it would let anyone try passwords.
func maskedReply(line string) string {
	if !strings.HasPrefix(line, "334") && !strings.HasPrefix(line, "235") {
		return line
	}
	i := strings.LastIndexByte(line, ' ') + 1
	text, err := base64.StdEncoding.DecodeString(line[i:])
	if err != nil || !bytes.HasPrefix(text, []byte("v=")) {
		return line
	}
	return line[:i] + "***"
}
