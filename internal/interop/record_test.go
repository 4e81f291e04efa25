//go:build interop && linux

package interop

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/auth"
	"github.com/mailport/mailport/submit"
)

// The account in a transcript.
const (
	recordedUser     = "me"
	recordedPassword = "sesame"
)

// recordedLetters are the messages of a transcript, submitted over one session: one
// that is taken, one whose recipient is refused, two of three for all or none, and
// the same for some.
var recordedLetters = [...]letter{
	{to: []string{"ann@example.net"}},
	{to: []string{"missing@example.net"}},
	{to: []string{"ann@example.net", "missing@example.net"}},
	{to: []string{"ann@example.net", "missing@example.net"}, partial: true},
	{to: []string{"carol@example.net"}},
}

// record writes a transcript of the server to the folder that the flag names, one
// for each port, once as the server is and once without CHUNKING.
func (s *server) record() {
	if *recordDir == "" {
		return
	}
	require.NoError(s.t, os.MkdirAll(*recordDir, 0o755))
	for _, w := range ways {
		s.recordOver(w, "")
		if s.offers("CHUNKING") {
			s.recordOver(w, "CHUNKING")
		}
	}
}

func (s *server) recordOver(w way, without string) {
	name := fmt.Sprintf("real-%s-%s", s.name, w)
	if without != "" {
		name += "-data"
	}
	p, done := s.tap(w)
	p.edit = playable
	c := s.config()
	c.LocalName = "[192.0.2.1]" // as in every transcript
	c.Credentials = auth.Only(auth.Password(user, password), "PLAIN", "LOGIN")
	c.Without = strings.Fields(without)
	session, err := w.over(p.port(), c).Dial(s.t.Context())
	require.NoError(s.t, err)
	var messages strings.Builder
	for i := range recordedLetters {
		m := recordedLetters[i] // of this recording
		m.from, m.id = user, fmt.Sprintf("%s-%d", name, i)
		m.data = fmt.Appendf(nil, "%s%s\nFrom: %s\nDate: Mon, 23 Nov 2026 12:00:00 +0000\nMessage-ID: <%s@example.com>\n\n.\n", mark, m.id, user, m.id)
		m.want = canonical(m.data)
		messages.WriteString(m.section())
		s.submit(session, &m)
	}
	session.Close()
	done()
	about := fmt.Sprintf("%s: a message, recipients that are refused, and another message.\n\nRecorded from Debian's packages.\n", s.title())
	client := fmt.Sprintf("-- client --\npassword %s %s\n", recordedUser, recordedPassword)
	if without != "" {
		client += "without " + without + "\n"
	}
	text := about + "\n" + client + messages.String() + p.section()
	require.NotContains(s.t, text, password)
	require.NotContains(s.t, text, base64.StdEncoding.EncodeToString([]byte(password)))
	require.NoError(s.t, os.WriteFile(filepath.Join(*recordDir, name+".txt"), []byte(text), 0o644))
}

// playable leaves of the server's mechanisms those that can be played again: of
// the others each side makes something up.
func playable(said string) string {
	if !strings.HasPrefix(said, "250-AUTH ") && !strings.HasPrefix(said, "250 AUTH ") {
		return said
	}
	kept := said[:len("250-AUTH")]
	for _, mechanism := range strings.Fields(said)[1:] {
		if mechanism == "PLAIN" || mechanism == "LOGIN" {
			kept += " " + mechanism
		}
	}
	return kept + "\r\n"
}

// section is the letter as a section of a transcript.
func (l *letter) section() string {
	var b strings.Builder
	fmt.Fprintf(&b, "-- message --\nfrom %s\n", l.from)
	for _, to := range l.to {
		fmt.Fprintf(&b, "to %s\n", to)
	}
	if l.partial {
		b.WriteString("partial\n")
	}
	b.WriteString("\n")
	b.Write(l.data)
	return b.String()
}

// section is what the tap has heard as a section of a transcript.
func (p *tap) section() string {
	service, port := submit.Submissions, 465
	if p.way == starttls {
		service, port = submit.Submission, 587
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "-- %s://%s:%d --\n", service, host, port)
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range p.said {
		switch {
		case l.text == secured:
			fmt.Fprintf(&b, "TLS %s\n", host)
		case l.client && l.text == "QUIT":
			b.WriteString("C: QUIT\n") // nobody waits for the answer
			return b.String()
		case l.client:
			fmt.Fprintf(&b, "C: %s\n", masked(l.text))
		default:
			fmt.Fprintf(&b, "S: %s\n", l.text)
		}
	}
	return b.String()
}

// masked puts the transcript's account in the place of the real one.
func masked(said string) string {
	response, ok := strings.CutPrefix(said, "AUTH PLAIN ")
	if !ok {
		return said
	}
	if plain, err := base64.StdEncoding.DecodeString(response); err != nil || string(plain) != "\x00"+user+"\x00"+password {
		return "AUTH PLAIN (what is this?)"
	}
	return `AUTH PLAIN {\x00` + recordedUser + `\x00` + recordedPassword + "}"
}
