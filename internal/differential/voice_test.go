package differential

import (
	"crypto/tls"
	"io"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/auth"
	"github.com/mailport/mailport/submit"
)

// An outcome is what comes of a letter.
type outcome struct {
	taken   bool
	refused []refusal    // recipients, in their order, of a letter that was taken
	why     refusal      // that decided, of one that was not
	phase   submit.Phase // in which
	deliver []delivery   // what the server has, once or not at all
}

type refusal struct {
	recipient string
	code      int
}

// A voice sends letters, and returns what became of each.
type voice struct {
	name   string
	chunks bool // it may use BDAT
	send   func(t *testing.T, o *opened, letters []letter) []outcome
}

var voices = []voice{
	{"DATA", false, bySession("CHUNKING")},
	{"chunks", true, bySession()}, // in one flight, or in two for all or none of several
	{"one by one", false, bySession("PIPELINING", "CHUNKING")},
	{"chunks, one by one", true, bySession("PIPELINING")},
	{"window", false, byPool("CHUNKING")},
	{"window of chunks", true, byPool()},
	{"go-smtp", false, byGoSMTP},
}

func (o *opened) transport(without ...string) *submit.ImplicitTLS {
	return &submit.ImplicitTLS{Host: host, Config: submit.Config{
		TLS: &tls.Config{RootCAs: o.roots}, DialContext: o.dial, LocalName: "client.example.org",
		Credentials: auth.Password(user, password), Without: without,
	}}
}

// bySession sends one letter after the other.
func bySession(without ...string) func(*testing.T, *opened, []letter) []outcome {
	return func(t *testing.T, o *opened, letters []letter) (all []outcome) {
		s, err := o.transport(without...).Dial(t.Context())
		require.NoError(t, err)
		defer s.Close()
		for _, l := range letters {
			all = append(all, outcomeOf(t, l, func() (*submit.Receipt, error) { return s.Submit(t.Context(), l.message()) }))
		}
		return all
	}
}

// byPool sends them as many at a time as it can.
func byPool(without ...string) func(*testing.T, *opened, []letter) []outcome {
	return func(t *testing.T, o *opened, letters []letter) []outcome {
		pool := &submit.Pool{Transport: o.transport(without...), MaxSessions: 2}
		defer pool.Close()
		all := make([]outcome, len(letters))
		messages := func(yield func(submit.Message) bool) {
			for _, l := range letters {
				if !yield(l.message()) {
					return
				}
			}
		}
		for r := range pool.SubmitAll(t.Context(), messages) {
			all[r.Index] = outcomeOf(t, letters[r.Index], func() (*submit.Receipt, error) { return r.Receipt, r.Err })
		}
		return all
	}
}

func outcomeOf(t *testing.T, l letter, submitted func() (*submit.Receipt, error)) (o outcome) {
	receipt, err := submitted()
	if err == nil {
		o.taken = true
		for _, e := range receipt.Refused {
			o.refused = append(o.refused, refusal{e.Recipient, e.Reply.Code})
		}
		return o
	}
	var e *submit.Error
	require.ErrorAs(t, err, &e, "letter %d: %v", l.n, err)
	require.NotNil(t, e.Reply, "letter %d: %v", l.n, err)
	o.why, o.phase = refusal{e.Recipient, e.Reply.Code}, e.Phase
	require.Equal(t, codeOf(t, err), e.Reply.Code)
	return o
}

// byGoSMTP sends one letter after the other by another client.
func byGoSMTP(t *testing.T, o *opened, letters []letter) (all []outcome) {
	conn, err := o.dial(t.Context(), "tcp", host+":465")
	require.NoError(t, err)
	c := smtp.NewClient(tls.Client(conn, &tls.Config{RootCAs: o.roots, ServerName: host}))
	defer c.Close()
	require.NoError(t, c.Hello("client.example.org"))
	require.NoError(t, c.Auth(sasl.NewPlainClient("", user, password)))
	for _, l := range letters {
		out := sayByGoSMTP(t, c, l)
		if !out.taken && out.phase != submit.PhaseVerdict {
			require.NoError(t, c.Reset())
		}
		all = append(all, out)
	}
	return all
}

func sayByGoSMTP(t *testing.T, c *smtp.Client, l letter) (o outcome) {
	options := l.options
	// It does not look for what needs SMTPUTF8.
	options.UTF8 = options.UTF8 || l.needsUTF8()
	if err := c.Mail(spelled(l.from), &options); err != nil {
		o.why.code, o.phase = codeOf(t, err), submit.PhaseSender
		return o
	}
	for _, to := range l.to {
		if err := c.Rcpt(spelled(to), l.rcpt[to]); err != nil {
			o.refused = append(o.refused, refusal{to, codeOf(t, err)})
		}
	}
	// To take some recipients for all of them is not its own idea either.
	if n := len(o.refused); n == len(l.to) || n > 0 && !l.partial {
		o.why, o.phase = o.refused[max(0, slices.IndexFunc(o.refused, func(r refusal) bool { return r.code >= 500 }))], submit.PhaseRecipient
		o.refused = nil
		return o
	}
	w, err := c.Data()
	require.NoError(t, err)
	_, err = io.WriteString(w, withoutBareCR(l.body))
	require.NoError(t, err)
	if err := w.Close(); err != nil {
		return outcome{why: refusal{code: codeOf(t, err)}, phase: submit.PhaseVerdict}
	}
	o.taken = true
	return o
}

// spelled has quotes around a local part with two dots in a row, which go-smtp's client
// says as it is given.
func spelled(address string) string {
	local, domain, _ := strings.Cut(address, "@")
	if strings.Contains(local, "..") && !strings.HasPrefix(local, `"`) {
		return `"` + local + `"@` + domain
	}
	return address
}

// withoutBareCR does what textproto.DotWriter leaves undone: a CR alone would be sent as
// it is (RFC 5321, section 2.3.8, forbids that), and a dot behind it not doubled. Of LF
// alone it makes CRLF by itself.
func withoutBareCR(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\r", "\n")
}

// needsUTF8 is RFC 6531, section 3.4, and RFC 6532 of the header.
func (l letter) needsUTF8() bool {
	ascii := func(s string) bool {
		return !strings.ContainsFunc(s, func(r rune) bool { return r >= utf8.RuneSelf })
	}
	header, _, _ := strings.Cut(withoutBareCR(l.body), "\n\n")
	if !ascii(header) && utf8.ValidString(header) {
		return true
	}
	return !ascii(l.from) || slices.ContainsFunc(l.to, func(to string) bool { return !ascii(to) })
}
