//go:build interop && linux

package interop

import (
	"errors"
	"slices"
	"strings"

	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/submit"
)

// An extension is one that a message may need or make use of.
type extension struct {
	name   string
	letter func() *letter
	use    func(*tap) bool // whether it was used
	needed bool            // the message cannot be submitted without it
}

var extensions = [...]extension{
	{"8BITMIME", func() *letter { return write("Grüße\n") }, says("MAIL ", " BODY=8BITMIME"), true},
	{"CHUNKING", func() *letter { return write("in one piece\n") }, says("BDAT ", " LAST"), false},
	{"DSN", notified, says("RCPT ", " NOTIFY=FAILURE,DELAY ORCPT=rfc822;ann+2Bx@example.net"), true},
	{"PIPELINING", func() *letter { return write("in two flights\n", "ann@example.net", "bob@example.net") }, (*tap).hurried, false},
	{"SIZE", func() *letter { return write("of a size\n") }, says("MAIL ", " SIZE="), false},
	{"SMTPUTF8", func() *letter { return write("to Jürgen\n", "jürgen@example.net") }, says("MAIL ", " SMTPUTF8"), true},
}

func notified() *letter {
	l := write("with a notification\n")
	l.options = &smtp.MailOptions{Return: smtp.DSNReturnHeaders, EnvelopeID: "QQ+=314159"}
	l.rcpts = map[string]*smtp.RcptOptions{"ann@example.net": {
		Notify:                []smtp.DSNNotify{smtp.DSNNotifyFailure, smtp.DSNNotifyDelayed},
		OriginalRecipientType: smtp.DSNAddressTypeRFC822,
		OriginalRecipient:     "ann+x@example.net",
	}}
	return l
}

// says tells whether a command was said with something in it.
func says(command, what string) func(*tap) bool {
	return func(p *tap) bool {
		return slices.ContainsFunc(p.asked(command), func(l string) bool { return strings.Contains(l, what) })
	}
}

// hurried tells whether RCPT followed MAIL without an answer between them.
func (p *tap) hurried() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, l := range p.said {
		if l.client && strings.HasPrefix(l.text, "RCPT ") && p.said[i-1].client && strings.HasPrefix(p.said[i-1].text, "MAIL ") {
			return true
		}
	}
	return false
}

// What is offered is used, what is masked or not offered is not; and what cannot
// be submitted then is an error, and nothing is sent of it.
func (s *server) tryExtensions() {
	for _, w := range ways {
		session, err := s.over(w, s.config()).Dial(s.t.Context())
		require.NoError(s.t, err)
		var offered []string
		for _, e := range extensions {
			if _, ok := session.Extension(e.name); ok {
				offered = append(offered, e.name)
			}
		}
		session.Close()
		require.Equal(s.t, s.extensions, offered, "%s", w)
		for _, e := range extensions {
			s.tryExtension(w, e, nil, slices.Contains(offered, e.name))
			s.tryExtension(w, e, []string{strings.ToLower(e.name)}, false)
		}
		all := []string{"8BITMIME", "CHUNKING", "DSN", "PIPELINING", "SIZE", "SMTPUTF8"}
		s.tryExtension(w, extension{"none", func() *letter { return write("as in 1982\n") }, (*tap).hurried, false}, all, false)
	}
}

func (s *server) tryExtension(w way, e extension, without []string, used bool) {
	s.t.Helper()
	p, done := s.tap(w)
	defer done()
	c := s.config()
	c.Without = without
	_, err := s.submit(p.transport(c), e.letter())
	switch {
	case used || !e.needed:
		require.NoError(s.t, err, "%s %s without %v", w, e.name, without)
	default:
		require.True(s.t, errors.Is(err, errors.ErrUnsupported) || errors.Is(err, submit.ErrRejected), "%s %s without %v: %v", w, e.name, without, err)
		require.Empty(s.t, p.asked("MAIL "))
	}
	require.Equal(s.t, used, e.use(p), "%s %s without %v: %v", w, e.name, without, p.said)
	s.tried()
}
