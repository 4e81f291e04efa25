package injection

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/submit"
)

// fragments are what has been put into addresses to make more of them.
func fragments() []string {
	all := []string{
		"\r\n", "\r\n.\r\n", "\r\nRSET\r\n", "\r\nRCPT TO:<evil@example.net>\r\n", ">\r\nDATA\r\n", "\n.\n", "\r\n ",
		" ", "<", ">", `"`, `\`, `""`, `\"`, `\\`, "@", "@@", ",", ";", ":", "(", ")", "()", "[", "]", "[]", ".", "..", "=", "+", "%", "!",
		"> SIZE=1", " SMTPUTF8", "> ORCPT=rfc822;evil@example.net", `"> SIZE=1 <"`, "> <", "> BODY=8BITMIME <", "@evil.example>", "@evil.example,", "evil@example.net,",
		"\u2028", "\u2029", "\u200b", "\u202e", "\ufeff", "\uff1e", "\u3002", "\u00a0", "\ufffd", "\u0130", "\U0001f4a3", "\u010a", "\u010d", "\u560a", "\u560d", // of the last four the low octet is LF or CR
		"\x80", "\xff", "\xc0\x8a", "\xc0\x8d\xc0\x8a", "\xe0\x80\x8a", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xc2", "\xe2\x80",
		strings.Repeat("x", 65), strings.Repeat(".x", 130), strings.Repeat("x", 2000),
	}
	for r := rune(0); r < 0xa0; r++ {
		if r < ' ' || r >= 0x7f {
			all = append(all, string(r))
		}
	}
	return all
}

// mayNot reports whether an address is in no case to be sent: it has an octet that
// ends or hides a line somewhere.
func mayNot(address string) bool {
	return !utf8.ValidString(address) || strings.ContainsFunc(address, func(r rune) bool {
		return r < ' ' || r >= 0x7f && r < 0xa0 || r == '\u2028' || r == '\u2029'
	})
}

// addresses calls each with a fragment at every place of an address.
func addresses(each func(address string)) {
	for _, base := range []string{"a@example.com", `"a b"@example.com`, "ä@bü.example", "a@[192.0.2.1]"} {
		for i := range len(base) + 1 {
			for _, fragment := range fragments() {
				each(base[:i] + fragment + base[i:])
			}
		}
	}
}

// An address is sent as itself or not at all, as sender and as recipient: what the
// server reads is one MAIL and one RCPT, no more parameters than the message needs,
// and between the brackets a mailbox that means what the caller wrote. Nothing else
// is read, and after what was refused not even a beginning.
func TestAddressIsItselfOrNothing(t *testing.T) {
	w := newWitness(t, "PIPELINING", "8BITMIME", "SMTPUTF8")
	s := w.session(t)
	sent, refused := 0, 0
	try := func(m submit.Message, address string) {
		_, err := s.Submit(t.Context(), m)
		lines, messages := w.read()
		if err != nil {
			require.ErrorIs(t, err, submit.ErrInvalid, "%q", address)
			require.Empty(t, lines, "%q", address)
			refused++
			return
		}
		require.False(t, mayNot(address), "%q", address)
		require.Len(t, lines, 3, "%q: %q", address, lines)
		require.Equal(t, "DATA", lines[2])
		require.Equal(t, []parcel{{octets: text}}, messages)
		from, parameters := parse(t, mailLine, lines[0])
		to, none := parse(t, rcptLine, lines[1])
		require.Equal(t, meaning(m.From), meaning(from))
		require.Equal(t, meaning(m.To[0]), meaning(to))
		require.Empty(t, none)
		delete(parameters, "SMTPUTF8")
		require.Empty(t, parameters, "%q", lines)
		sent++
	}
	addresses(func(address string) {
		try(letter(address), address)
		try(submit.Message{From: address, To: []string{friend}, Body: strings.NewReader(text)}, address)
	})
	require.Greater(t, sent, 1000, "of so many addresses some are good")
	require.Greater(t, refused, 5000)
	t.Logf("%d sent, %d refused", sent, refused)
	require.Equal(t, 1, w.called())
}

// The same where commands are sent one by one, and with the message in one flight.
func TestAddressWithoutPipelining(t *testing.T) {
	for _, without := range [][]string{{"PIPELINING"}, {"PIPELINING", "CHUNKING"}, nil} {
		w := newWitness(t, everything...)
		s := w.session(t, without...)
		for _, address := range []string{
			"a@example.com\r\nRCPT TO:<evil@example.net>", "a@example.com> SIZE=1", "a@example.com SMTPUTF8", "\"a\r\n\"@example.com",
			"a\n@example.com", "a\x00@example.com", "a@example.com\u0085", "\"\u2028\"@example.com",
		} {
			_, err := s.Submit(t.Context(), letter(friend, address))
			require.ErrorIs(t, err, submit.ErrInvalid)
			_, err = s.Submit(t.Context(), submit.Message{From: address, To: []string{friend}, Body: strings.NewReader(text), Partial: true})
			require.ErrorIs(t, err, submit.ErrInvalid)
		}
		_, err := s.Submit(t.Context(), letter(`"> SIZE=1 <"@example.com`))
		require.NoError(t, err)
		lines, _ := w.read()
		require.Equal(t, `RCPT TO:<"> SIZE=1 <"@example.com>`, lines[1])
		require.Len(t, lines, 3)
	}
}

// One bad recipient among many keeps the whole message back, in a window of
// messages that one alone, and the others are what they were.
func TestAddressAmongOthers(t *testing.T) {
	w := newWitness(t, everything...)
	pool := &submit.Pool{Transport: w.transport(w.config()), MaxSessions: 1}
	defer pool.Close()
	messages := func(yield func(submit.Message) bool) {
		for i := range 40 {
			to := fmt.Sprintf("you%d@example.net", i)
			if i%4 == 3 {
				to += ">\r\nRCPT TO:<evil@example.net"
			}
			if !yield(letterOf(fmt.Sprintf("Subject: %d\r\n\r\n.\r\n", i), to)) {
				return
			}
		}
	}
	for r := range pool.SubmitAll(t.Context(), messages) {
		if r.Index%4 == 3 {
			require.ErrorIs(t, r.Err, submit.ErrInvalid)
		} else {
			require.NoError(t, r.Err)
		}
	}
	lines, took := w.read()
	require.Len(t, took, 30)
	for _, line := range lines {
		require.Regexp(t, `^(MAIL FROM:<me@example\.com> SIZE=\d+|RCPT TO:<you\d+@example\.net>|BDAT \d+( LAST)?|RSET)$`, line)
	}
}
