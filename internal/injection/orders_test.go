package injection

import (
	"bufio"
	"bytes"
	"io"
	"iter"
	"slices"
	"strings"
	"testing"

	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/submit"
)

// noBDAT has w offer CHUNKING and not know BDAT: it takes what comes with that for
// commands, and is as forgiving about them as any server ever was. Lines end in LF, or
// where there is no more room for them; what is not printed is not there; letters may be
// small; and only the first four matter.
func (w *witness) noBDAT() {
	w.line = func(in *bufio.Reader) (string, bool) {
		var line []byte
		for len(line) < 510 {
			c, err := in.ReadByte()
			if err != nil {
				return "", false
			}
			if c == '\n' {
				break
			}
			line = append(line, c)
		}
		visible := bytes.Map(func(r rune) rune {
			if r <= ' ' || r >= 0x7f {
				return -1
			}
			return r
		}, line)
		if verb := strings.ToUpper(string(visible[:min(4, len(visible))])); verb == "DATA" {
			return verb, true
		}
		return strings.TrimSuffix(string(line), "\r"), true
	}
	w.answer = func(line string) string {
		switch verb, _, _ := strings.Cut(line, " "); verb {
		case "EHLO", "MAIL", "RCPT", "DATA", "RSET", "QUIT":
			return ""
		}
		return "502 5.5.1 what?"
	}
}

// victim is whom nobody writes to.
const victim = "victim@example.net"

// forgery is what a stranger writes in a form, with a line that has it sent.
func forgery(order string) string {
	return "Subject: from the form\r\n\r\nRSET\r\nMAIL FROM:<" + me + ">\r\nRCPT TO:<" + victim + ">\r\n" + order +
		"\r\nSubject: forged\r\n\r\nPay.\r\n.\r\n"
}

// orders are lines that a server could take for DATA.
var orders = []string{
	"DATA", "data", "DaTa", " DATA", "\t \tdata", "DATA ", "DATA x", "DATABASE", "\x00DATA", "D\x00ATA", "\x7fDATA", "\xef\xbb\xbfDATA", "D A T A",
	strings.Repeat("x", 510) + "DATA", strings.Repeat("x", 510) + " data", strings.Repeat(" ", 600) + "DATA", strings.Repeat("x", 2*510) + "DATA",
}

// A server that offers CHUNKING and does not know BDAT reads a message for commands, in
// a session that has authenticated. What it finds there has it send nothing: a message
// that could does not leave by BDAT before the server has taken a chunk.
func TestNoMessageIsAnOrder(t *testing.T) {
	large := strings.Repeat("This is a line of a large message.\r\n", 4<<10)
	for _, offers := range [][]string{{"PIPELINING", "8BITMIME", "CHUNKING"}, {"8BITMIME", "CHUNKING"}} {
		for i, order := range orders {
			if raced && i%4 != 0 {
				continue
			}
			for _, more := range []string{"", large} {
				for _, before := range []string{"", "Hello.\n"} {
					message := before + forgery(order) + more
					for n := range 3 {
						w := newWitness(t, offers...)
						w.noBDAT()
						m := letterOf(message, []string{friend, me, "a@example.net"}[:min(n+1, 2)]...)
						m.Partial = n == 2
						_, err := w.transport(w.config()).Submit(t.Context(), m)
						require.NoError(t, err, "%q", order)
						w.settle()
						lines, took := w.read()
						require.Len(t, took, 1, "%q", order)
						require.Contains(t, took[0].octets, "Hello."[:len(before)/7*6])
						require.Contains(t, took[0].octets, "Subject: from the form\r\n")
						require.Contains(t, took[0].octets, "..\r\n", "the message, and not what it says")
						require.NotContains(t, lines, "RCPT TO:<"+victim+">")
						require.False(t, slices.ContainsFunc(lines, func(line string) bool { return strings.HasPrefix(line, "BDAT") }), "%q", lines)
					}
				}
			}
		}
	}
}

// The same in a pool, where messages go one behind the other, and one without such a
// line finds out that the server does not know BDAT.
func TestNoMessageOfManyIsAnOrder(t *testing.T) {
	for _, first := range []bool{false, true} { // who finds out
		w := newWitness(t, "PIPELINING", "8BITMIME", "CHUNKING")
		w.noBDAT()
		p := &submit.Pool{Transport: w.transport(w.config()), MaxSessions: 1}
		var messages iter.Seq[submit.Message] = func(yield func(submit.Message) bool) {
			for i := range 40 {
				m := letterOf(forgery("DATA"))
				if i > 0 && i%7 == 0 || i == 0 && first {
					m = letter()
				}
				if !yield(m) {
					return
				}
			}
		}
		for r := range p.SubmitAll(t.Context(), messages) {
			require.NoError(t, r.Err)
		}
		require.NoError(t, p.Close())
		w.settle()
		_, took := w.read()
		require.Len(t, took, 40)
		for _, m := range took {
			require.False(t, strings.HasPrefix(m.octets, "Subject: forged"))
		}
	}
}

// What can go by BDAT only waits for the server to take a chunk of nothing. Then all
// goes as ever.
func TestNoBinaryMessageIsAnOrder(t *testing.T) {
	binary := func(body string) submit.Message {
		m := withMail(smtp.MailOptions{Body: smtp.BodyBinaryMIME})
		m.Body = strings.NewReader(body)
		return m
	}
	large := strings.Repeat("\x00", 200<<10)
	for _, offers := range [][]string{{"PIPELINING", "CHUNKING", "BINARYMIME"}, {"CHUNKING", "BINARYMIME"}} {
		for _, message := range []string{forgery("DATA"), "a\nDATA\n.\n", "a\rbdat\r", "\nBurl imap://example.com LAST\n", forgery("DATA") + large} {
			w := newWitness(t, offers...)
			w.noBDAT()
			_, err := w.transport(w.config()).Submit(t.Context(), binary(message))
			require.Error(t, err)
			require.ErrorContains(t, err, "CHUNKING")
			w.settle()
			lines, took := w.read()
			require.Empty(t, took)
			require.Equal(t, []string{"MAIL", "RCPT", "BDAT"}, verbs(lines), "%q", message)
			require.Equal(t, "BDAT 0", lines[2])

			w = newWitness(t, offers...)
			s := w.newSession(t)
			for n := range 2 { // it is proven once
				_, err = s.Submit(t.Context(), binary(message))
				require.NoError(t, err)
				lines, took = w.read()
				require.Len(t, took, 1)
				require.Equal(t, message, took[0].octets)
				require.Equal(t, n == 0, slices.Contains(lines, "BDAT 0"), "%q", lines)
			}
		}
	}
}

func verbs(lines []string) (list []string) {
	for _, line := range lines {
		verb, _, _ := strings.Cut(line, " ")
		list = append(list, verb)
	}
	return list
}

// A server that shows that it knows BDAT gets all by BDAT from then on, whatever stands
// in it; and before that what could not be taken for an order.
func TestOrdersGoByBDAT(t *testing.T) {
	w := newWitness(t, everything...)
	s := w.newSession(t)
	for _, test := range []struct {
		message string
		chunked bool
	}{
		{forgery("DATA"), false},
		{forgery("BDAT 5 LAST"), false},
		{forgery("BURL imap://example.com/x LAST"), false},
		{forgery("no DATA"), true},
		{forgery("DATA"), true},
	} {
		_, err := s.Submit(t.Context(), submit.Message{From: me, To: []string{friend}, Body: io.MultiReader(strings.NewReader(test.message))})
		require.NoError(t, err)
		_, took := w.read()
		require.Len(t, took, 1)
		require.Equal(t, test.chunked, took[0].chunks != nil, "%q", test.message)
	}
}
