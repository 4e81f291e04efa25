package injection

import (
	"strings"
	"testing"
	"testing/iotest"

	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/auth"
	"github.com/mailport/mailport/submit"
)

// What went wrong in other clients, by the name under which it was published, in the
// form in which it was shown to work.

// GHSA-wpwj-69cm-q9c5 (go-mail): an address was parsed, its quotes were taken away, and
// what stood in them was put between the angle brackets as it was. So the local part
// could close them and go on with parameters of RCPT, ORCPT for one.
func TestGHSAwpwj69cmq9c5(t *testing.T) {
	w := newWitness(t, everything...)
	s := w.session(t)
	for address, want := range map[string]string{
		`"toni> ORCPT=rfc822;admin"@example.net`: `RCPT TO:<"toni> ORCPT=rfc822;admin"@example.net>`,
		`"toni@example.net> ORCPT=admin"@x.test`: `RCPT TO:<"toni@example.net> ORCPT=admin"@x.test>`,
		`toni> ORCPT=rfc822;admin@example.net`:   "",
		`toni@example.net> ORCPT=admin@x.test`:   "",
		`toni@example.net> NOTIFY=SUCCESS`:       "",
	} {
		_, err := s.Submit(t.Context(), letter(address))
		lines, _ := w.read()
		if want == "" {
			require.ErrorIs(t, err, submit.ErrInvalid, address)
			require.Empty(t, lines)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, want, lines[1])
		_, parameters := parse(t, rcptLine, lines[1])
		require.Empty(t, parameters)
	}
}

// CVE-2026-30227, GHSA-g7hc-96xr-gvvx (MimeKit): within a quoted local part CR and LF
// were let through, since a header may be folded there, and the mail client wrote them
// into its commands.
func TestCVE202630227(t *testing.T) {
	w := newWitness(t, everything...)
	s := w.session(t)
	for _, address := range []string{
		"\"a\r\nRCPT TO:<evil@example.net>\r\n\"@example.com", "\"a\r\n b\"@example.com", "\"a\\\r\\\nb\"@example.com", "\"a\\\r\n\"@example.com", "\"\n\"@example.com",
	} {
		for _, m := range []submit.Message{letter(address), {From: address, To: []string{friend}, Body: strings.NewReader(text)}} {
			_, err := s.Submit(t.Context(), m)
			require.ErrorIs(t, err, submit.ErrInvalid, "%q", address)
		}
	}
	lines, _ := w.read()
	require.Empty(t, lines)
}

// GHSA-v3q9-hj7j-63hq (aiosmtplib) and, before it, bpo-43124 (CPython's smtplib): what
// was given as an argument of a command was written behind its name as it was, line ends
// and all, in every command that has one.
func TestGHSAv3q9hj7j63hq(t *testing.T) {
	w := newWitness(t, everything...)
	s := w.session(t)
	const more = "\r\nMAIL FROM:<evil@example.net>"
	for _, m := range []submit.Message{
		letter(friend + more), {From: me + more, To: []string{friend}, Body: strings.NewReader(text)},
		withMail(smtp.MailOptions{Auth: ptr(me + more)}), withMail(smtp.MailOptions{EnvelopeID: "id" + more}),
		withMail(smtp.MailOptions{Body: smtp.Body8BitMIME + more}), withMail(smtp.MailOptions{Return: smtp.DSNReturnFull + more}),
		withRcpt(smtp.RcptOptions{Notify: []smtp.DSNNotify{smtp.DSNNotifyNever + more}}),
		withRcpt(smtp.RcptOptions{OriginalRecipient: friend + more, OriginalRecipientType: smtp.DSNAddressTypeRFC822}),
	} {
		_, err := s.Submit(t.Context(), m)
		require.ErrorIs(t, err, submit.ErrInvalid)
	}
	lines, _ := w.read()
	require.Empty(t, lines)

	config := w.config()
	config.LocalName = "client.example.org" + more
	_, err := w.transport(config).Dial(t.Context())
	require.ErrorIs(t, err, submit.ErrInvalid)
	require.Equal(t, 1, w.called())
}

// GHSA-c7w3-x93f-qmm8 (Nodemailer): the size in the envelope was taken for a number, and
// was any text. In Go it is a number; the texts that go into MAIL beside it are in
// TestTextParameterIsItselfOrNothing.
func TestGHSAc7w3x93fqmm8(t *testing.T) {
	w := newWitness(t, everything...)
	s := w.session(t)
	for _, size := range []int64{0, 1, 26, 1 << 62} {
		_, err := s.Submit(t.Context(), withMail(smtp.MailOptions{Size: size}))
		require.NoError(t, err)
		lines, _ := w.read()
		require.Regexp(t, `^MAIL FROM:<me@example\.com> SIZE=[1-9][0-9]*$`, lines[0])
	}
}

// GHSA-vvjj-xcjg-gr5g (Nodemailer): the name that the client gives itself was put into
// EHLO as it was, before TLS and after.
func TestGHSAvvjjxcjggr5g(t *testing.T) {
	w := newWitness(t)
	for _, name := range []string{"client\r\nMAIL FROM:<evil@example.net>", "client.example.org\r\nSTARTTLS", "client.example.org\n", "a b", "[127.0.0.1]\r\nRSET", "[127.0.0.1\r\n]"} {
		config := w.config()
		config.LocalName = name
		for _, transport := range []submit.Submitter{w.transport(config), &submit.STARTTLS{Host: host, Config: config}} {
			_, err := transport.Submit(t.Context(), letter())
			require.ErrorIs(t, err, submit.ErrInvalid, "%q", name)
		}
	}
	require.Zero(t, w.called())
}

// Octets in cleartext behind the 220 to STARTTLS were kept by a buffered reader across
// the handshake, and then read as if the server had said them over TLS. A client that
// drops them has been lucky: somebody sits in between, and mailport says so.
func requireInjectionIsHeard(t *testing.T, behind ...string) {
	t.Helper()
	for _, octets := range behind {
		w := newWitness(t, everything...)
		w.behind = octets
		config := w.withCredentials(auth.Password("me", "sesame"))
		_, err := (&submit.STARTTLS{Host: host, Config: config}).Submit(t.Context(), letter())
		require.ErrorIs(t, err, submit.ErrInjection, "%q", octets)
		require.ErrorIs(t, err, submit.ErrInsecure)
		w.settle()
		lines, took := w.read()
		require.Equal(t, []string{"STARTTLS"}, lines, "%q", octets)
		require.Empty(t, took)
	}
}

// CVE-2011-0411 was the first of its kind, in a server (Postfix); CVE-2021-38371 was in
// clients (Exim; CVE-2020-15953, libetpan), which took it for the replies over TLS.
func TestCVE202138371(t *testing.T) {
	requireInjectionIsHeard(t, "250 ok\r\n", "250-"+host+"\r\n250 AUTH PLAIN\r\n235 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n250 queued\r\n")
}

// CVE-2026-41319, GHSA-9j88-vvj5-vhgr (MailKit): a list of mechanisms from before TLS,
// in the reader's buffer, chose the weakest for the password.
func TestCVE202641319(t *testing.T) {
	requireInjectionIsHeard(t, "250-"+host+"\r\n250 AUTH LOGIN\r\n", "250 AUTH CRAM-MD5\r\n")
}

// GHSA-vxj7-4xrp-5vr4 (aiosmtplib): the same, with lines that were complete. Nodemailer
// then dropped complete lines, and kept the beginning of one, which the first reply over
// TLS was appended to.
func TestGHSAvxj74xrp5vr4(t *testing.T) {
	requireInjectionIsHeard(t, "250 ok\r\n250 ok\r\n", "250-x", "2", " ", "\r\n", "\n", "\x00")
}

// CVE-2023-51764 (Postfix), CVE-2023-51765 (Sendmail), CVE-2023-51766 (Exim): servers took
// one of these for the end of data, and those before them passed it on. A client that
// sends a message as a stranger wrote it opens the door; textproto.DotWriter, for one,
// lets a CR alone pass, and doubles no dot behind it.
func TestCVE202351764(t *testing.T) {
	for _, way := range ways {
		w := newWitness(t, everything...)
		s := w.session(t, way.without...)
		for _, end := range []string{"\n.\n", "\n.\r\n", "\r.\r", "\r.\r\n", "\r\n.\r", "\r\n.\n", "\n.\r", "\r.\n", "\r\n\x00.\r\n", "\r\n.\x00\r\n"} {
			message := "Subject: a\r\n\r\nHello." + end + second + "." + end
			submitBy(t, s, way, strings.NewReader(message))
			requireOneMessage(t, way, w, message)
		}
	}
}

// The ends of data that are looked for are found.
func TestEndsData(t *testing.T) {
	for _, octets := range []string{".\r\n", "a\n.\n", "a\n.\r\nb", "\r.\r", "\r\n.\n", "..\n\n.\rx", ".x\r\n.\r\n"} {
		require.True(t, endsData(octets), "%q", octets)
	}
	for _, octets := range []string{"", "a", "..\r\n", "\r\n..\r\n", "a.\r\n", ".", "\n.", "\r\n. \r\n", "\r\n.a"} {
		require.False(t, endsData(octets), "%q", octets)
	}
}

// CVE-2025-7962 (Jakarta Mail): of characters that are not ASCII only the low octet was
// written, and that of some is CR or LF. So an address could end the command.
func TestCVE20257962(t *testing.T) {
	w := newWitness(t, everything...)
	s := w.session(t)
	for _, ends := range []string{"\u010d\u010a", "\u560d\u560a", "\u010a", "\u020d\u020a", "\U0001f60d\U0001f60a"} {
		address := "toni" + ends + "RCPT@example.net"
		_, err := s.Submit(t.Context(), letter(address))
		require.NoError(t, err)
		lines, _ := w.read()
		require.Equal(t, "RCPT TO:<"+address+">", lines[1], "%+q", ends)
	}
}

// RUSTSEC-2021-0069 (lettre): a dot that begins the message was not doubled, nor one
// that begins what is written after a pause; so a message could end itself.
func TestRUSTSEC20210069(t *testing.T) {
	for _, way := range ways {
		w := newWitness(t, everything...)
		s := w.session(t, way.without...)
		for _, message := range []string{".\r\n" + second, "Subject: a\r\n\r\n.\r\n" + second, "Subject: a\r\n\r\n..\r\n.\r\n.", ".", ".\r\n"} {
			submitBy(t, s, way, iotest.OneByteReader(strings.NewReader(message)))
			requireOneMessage(t, way, w, message)
			submitBy(t, s, way, strings.NewReader(message))
			requireOneMessage(t, way, w, message)
		}
	}
}
