package submit_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/submit"
	"github.com/mailport/mailport/submit/submittest"
)

// everything is what a server can offer that concerns an envelope.
var everything = []string{
	"PIPELINING", "8BITMIME", "SMTPUTF8", "SIZE 100000", "DSN", "REQUIRETLS", "AUTH PLAIN",
	"DELIVERBY 60", "MT-PRIORITY MIXER", "RRVS",
}

// only returns a part of what c offers.
func only(offers ...string) func(*clerk) { return func(c *clerk) { c.offers = offers } }

// The envelope as it goes over the wire, octet for octet.
func TestEnvelope(t *testing.T) {
	plain := func(change func(*submit.Message)) submit.Message { return with(change) }
	utf8Body := func(body string) submit.Message { return letterOf(body) }
	for _, test := range []struct {
		name    string
		offers  []string
		without []string
		message submit.Message
		want    []string // MAIL, RCPT; without what is always the same
	}{
		// RFC 5321, section 3.3: no space after the colon.
		{"nothing offered", []string{}, nil, letter(), []string{"MAIL FROM:<me@example.com>", "RCPT TO:<you@example.net>"}},
		{"nothing needed", []string{"8BITMIME", "SMTPUTF8", "DSN", "REQUIRETLS"}, nil, letter(), []string{"MAIL FROM:<me@example.com>", "RCPT TO:<you@example.net>"}},
		{"null reverse-path", []string{"SIZE"}, nil, plain(func(m *submit.Message) { m.From = "" }),
			[]string{"MAIL FROM:<> SIZE=26", "RCPT TO:<you@example.net>"}},
		{"several", []string{}, nil, letter("b@example.net", "a@example.net", "b@example.net"),
			[]string{"MAIL FROM:<me@example.com>", "RCPT TO:<b@example.net>", "RCPT TO:<a@example.net>", "RCPT TO:<b@example.net>"}},

		// RFC 5321, section 4.1.2: quotes where they are needed, and only there.
		{"quotes", []string{}, nil, letter(`"john doe"@example.net`, `"plain"@example.net`, `"a\"b\\c"@example.net`, `"<x>"@example.net`, `a..b@example.net`, `"@"@example.net`),
			[]string{"MAIL FROM:<me@example.com>", `RCPT TO:<"john doe"@example.net>`, `RCPT TO:<plain@example.net>`, `RCPT TO:<"a\"b\\c"@example.net>`,
				`RCPT TO:<"<x>"@example.net>`, `RCPT TO:<"a..b"@example.net>`, `RCPT TO:<"@"@example.net>`}},
		{"literals", []string{}, nil, letter("a@[192.0.2.1]", "a@[IPv6:2001:db8::1]"),
			[]string{"MAIL FROM:<me@example.com>", "RCPT TO:<a@[192.0.2.1]>", "RCPT TO:<a@[IPv6:2001:db8::1]>"}},

		// RFC 6531, section 3.4: SMTPUTF8 when an address or the header needs it.
		{"UTF-8 sender", everything, nil, plain(func(m *submit.Message) { m.From = "jürgen@example.com" }),
			[]string{"MAIL FROM:<jürgen@example.com> SIZE=26 SMTPUTF8", "RCPT TO:<you@example.net>"}},
		{"UTF-8 domain", everything, nil, letter("you@bücher.example"),
			[]string{"MAIL FROM:<me@example.com> SIZE=26 SMTPUTF8", "RCPT TO:<you@bücher.example>"}},
		{"A-labels", everything, nil, letter("you@xn--bcher-kva.example"),
			[]string{"MAIL FROM:<me@example.com> SIZE=26", "RCPT TO:<you@xn--bcher-kva.example>"}},
		{"UTF-8 header", everything, nil, utf8Body("Subject: ä\r\n\r\nHello.\r\n"),
			[]string{"MAIL FROM:<me@example.com> SIZE=23 BODY=8BITMIME SMTPUTF8", "RCPT TO:<you@example.net>"}},
		{"UTF-8 body", everything, nil, utf8Body("Subject: a\r\n\r\nä\r\n"),
			[]string{"MAIL FROM:<me@example.com> SIZE=18 BODY=8BITMIME", "RCPT TO:<you@example.net>"}},
		{"UTF-8 body, LF", everything, nil, utf8Body("Subject: a\n\nä\n"),
			[]string{"MAIL FROM:<me@example.com> SIZE=18 BODY=8BITMIME", "RCPT TO:<you@example.net>"}},
		{"UTF-8 body, bare CR", everything, nil, utf8Body("Subject: a\r\rä\r"),
			[]string{"MAIL FROM:<me@example.com> SIZE=18 BODY=8BITMIME", "RCPT TO:<you@example.net>"}},
		{"UTF-8 body, header in LF and an empty line in CRLF", everything, nil, utf8Body("Subject: a\n\r\nä\r\n"),
			[]string{"MAIL FROM:<me@example.com> SIZE=18 BODY=8BITMIME", "RCPT TO:<you@example.net>"}},
		{"UTF-8 body, header in CRLF and an empty line in LF", everything, nil, utf8Body("Subject: a\r\n\nä\r\n"),
			[]string{"MAIL FROM:<me@example.com> SIZE=18 BODY=8BITMIME", "RCPT TO:<you@example.net>"}},
		{"UTF-8 body, no header", everything, nil, utf8Body("\r\nä\r\n"),
			[]string{"MAIL FROM:<me@example.com> SIZE=6 BODY=8BITMIME", "RCPT TO:<you@example.net>"}},
		{"Latin-1 header", everything, nil, utf8Body("Subject: \xe4\r\n\r\n"),
			[]string{"MAIL FROM:<me@example.com> SIZE=14 BODY=8BITMIME", "RCPT TO:<you@example.net>"}},
		{"UTF-8 asked for", everything, nil, withMail(smtp.MailOptions{UTF8: true}),
			[]string{"MAIL FROM:<me@example.com> SIZE=26 SMTPUTF8", "RCPT TO:<you@example.net>"}},

		// RFC 6152.
		{"8BITMIME asked for", everything, nil, withMail(smtp.MailOptions{Body: smtp.Body8BitMIME}),
			[]string{"MAIL FROM:<me@example.com> SIZE=26 BODY=8BITMIME", "RCPT TO:<you@example.net>"}},
		{"7BIT asked for", everything, nil, withMail(smtp.MailOptions{Body: smtp.Body7Bit}),
			[]string{"MAIL FROM:<me@example.com> SIZE=26", "RCPT TO:<you@example.net>"}},

		// RFC 1870, section 5: as it is sent, without what DATA adds.
		{"size of LF", []string{"SIZE"}, nil, letterOf("a: b\n\nc\n"), []string{"MAIL FROM:<me@example.com> SIZE=11", "RCPT TO:<you@example.net>"}},
		{"size of CR", []string{"SIZE 0"}, nil, letterOf("a: b\r\rc\r"), []string{"MAIL FROM:<me@example.com> SIZE=11", "RCPT TO:<you@example.net>"}},
		{"size of all sorts", []string{"SIZE 0"}, nil, letterOf("a: b\r\r\n\n\rc\n\r"), []string{"MAIL FROM:<me@example.com> SIZE=17", "RCPT TO:<you@example.net>"}},
		{"size without a line end", []string{"SIZE x"}, nil, letterOf("a: b\r\n\r\nc"), []string{"MAIL FROM:<me@example.com> SIZE=11", "RCPT TO:<you@example.net>"}},
		{"size of dots", []string{"SIZE"}, nil, letterOf("a: b\r\n\r\n.\r\n..\r\n"), []string{"MAIL FROM:<me@example.com> SIZE=15", "RCPT TO:<you@example.net>"}},
		{"size at the limit", []string{"SIZE 26"}, nil, letter(), []string{"MAIL FROM:<me@example.com> SIZE=26", "RCPT TO:<you@example.net>"}},
		{"size given", []string{"SIZE 2000"}, nil, withMail(smtp.MailOptions{Size: 1234}), []string{"MAIL FROM:<me@example.com> SIZE=1234", "RCPT TO:<you@example.net>"}},

		// RFC 3461, section 4.
		{"DSN of the message", everything, nil, withMail(smtp.MailOptions{Return: smtp.DSNReturnFull, EnvelopeID: "a+b=c d~"}),
			[]string{"MAIL FROM:<me@example.com> SIZE=26 RET=FULL ENVID=a+2Bb+3Dc+20d~", "RCPT TO:<you@example.net>"}},
		{"DSN, headers", everything, nil, withMail(smtp.MailOptions{Return: smtp.DSNReturnHeaders}),
			[]string{"MAIL FROM:<me@example.com> SIZE=26 RET=HDRS", "RCPT TO:<you@example.net>"}},
		{"DSN of recipients", everything, nil, withRcpt(smtp.RcptOptions{
			Notify:            []smtp.DSNNotify{smtp.DSNNotifySuccess, smtp.DSNNotifyFailure, smtp.DSNNotifyDelayed},
			OriginalRecipient: "a+b=c@example.org", OriginalRecipientType: smtp.DSNAddressTypeRFC822,
		}), []string{"MAIL FROM:<me@example.com> SIZE=26", "RCPT TO:<you@example.net> NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;a+2Bb+3Dc@example.org"}},
		{"DSN never", everything, nil, withRcpt(smtp.RcptOptions{Notify: []smtp.DSNNotify{smtp.DSNNotifyNever}}),
			[]string{"MAIL FROM:<me@example.com> SIZE=26", "RCPT TO:<you@example.net> NOTIFY=NEVER"}},
		// RFC 6533, section 3.
		{"DSN, UTF-8", everything, nil, withRcpt(smtp.RcptOptions{OriginalRecipient: "jürgen+x@example.org", OriginalRecipientType: smtp.DSNAddressTypeUTF8}),
			[]string{"MAIL FROM:<me@example.com> SIZE=26", `RCPT TO:<you@example.net> ORCPT=utf-8;j\x{FC}rgen\x{2B}x@example.org`}},

		// RFC 8689, section 4.3; RFC 4954, section 5; RFC 7293, section 3.1.
		{"REQUIRETLS", everything, nil, withMail(smtp.MailOptions{RequireTLS: true}),
			[]string{"MAIL FROM:<me@example.com> SIZE=26 REQUIRETLS", "RCPT TO:<you@example.net>"}},
		{"AUTH", everything, nil, withMail(smtp.MailOptions{Auth: ptr("a+b=c@example.org")}),
			[]string{"MAIL FROM:<me@example.com> SIZE=26 AUTH=a+2Bb+3Dc@example.org", "RCPT TO:<you@example.net>"}},
		{"AUTH of nobody", everything, nil, withMail(smtp.MailOptions{Auth: ptr("")}),
			[]string{"MAIL FROM:<me@example.com> SIZE=26 AUTH=<>", "RCPT TO:<you@example.net>"}},
		{"RRVS", everything, nil, withRcpt(smtp.RcptOptions{RequireRecipientValidSince: time.Date(2014, 4, 3, 23, 1, 0, 5, time.FixedZone("", 3600))}),
			[]string{"MAIL FROM:<me@example.com> SIZE=26", "RCPT TO:<you@example.net> RRVS=2014-04-03T22:01:00Z"}},

		// RFC 2852, section 4, and RFC 6710, section 3: on MAIL.
		{"DELIVERBY", everything, nil, withRcpt(smtp.RcptOptions{DeliverBy: &smtp.DeliverByOptions{Time: time.Hour, Mode: smtp.DeliverByReturn}}),
			[]string{"MAIL FROM:<me@example.com> SIZE=26 BY=3600;R", "RCPT TO:<you@example.net>"}},
		{"DELIVERBY at the least", everything, nil, withRcpt(smtp.RcptOptions{DeliverBy: &smtp.DeliverByOptions{Time: time.Minute, Mode: smtp.DeliverByReturn, Trace: true}}),
			[]string{"MAIL FROM:<me@example.com> SIZE=26 BY=60;RT", "RCPT TO:<you@example.net>"}},
		{"DELIVERBY in the past", everything, nil, withRcpt(smtp.RcptOptions{DeliverBy: &smtp.DeliverByOptions{Time: -time.Minute, Mode: smtp.DeliverByNotify}}),
			[]string{"MAIL FROM:<me@example.com> SIZE=26 BY=-60;N", "RCPT TO:<you@example.net>"}},
		{"DELIVERBY of the largest", everything, nil, withRcpt(smtp.RcptOptions{DeliverBy: &smtp.DeliverByOptions{Time: 999999999 * time.Second, Mode: smtp.DeliverByNotify}}),
			[]string{"MAIL FROM:<me@example.com> SIZE=26 BY=999999999;N", "RCPT TO:<you@example.net>"}},
		{"MT-PRIORITY", everything, nil, withRcpt(smtp.RcptOptions{MTPriority: ptr(-9)}),
			[]string{"MAIL FROM:<me@example.com> SIZE=26 MT-PRIORITY=-9", "RCPT TO:<you@example.net>"}},
		{"said by one of two", everything, nil, with(func(m *submit.Message) {
			m.To = []string{"other@example.net", friend}
			m.RcptOptions = map[string]*smtp.RcptOptions{"other@example.net": nil, friend: {MTPriority: ptr(3)}}
		}), []string{"MAIL FROM:<me@example.com> SIZE=26 MT-PRIORITY=3", "RCPT TO:<other@example.net>", "RCPT TO:<you@example.net>"}},

		// Config.Without.
		{"masked SIZE", everything, []string{"size"}, letter(), []string{"MAIL FROM:<me@example.com>", "RCPT TO:<you@example.net>"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			withClerk(t, only(test.offers...), func(t *testing.T, c *clerk) {
				config := c.config()
				config.Without = test.without
				_, err := c.session(config).Submit(t.Context(), test.message)
				require.NoError(t, err)
				require.Equal(t, test.want, c.heard("MAIL", "RCPT"))
				require.Len(t, c.took(), 1)
			})
		})
	}
}

// The size that is announced is the number of octets that are then sent.
func TestSizeIsExact(t *testing.T) {
	pieces := []string{"a", "\r", "\n", "\r\n", ".", "\r.\n", "ä", "\n\r"}
	withClerk(t, only("SIZE", "8BITMIME"), func(t *testing.T, c *clerk) {
		s := c.session(c.config())
		for i := range len(pieces) * len(pieces) * len(pieces) {
			body := "a: b\n\n" + pieces[i%8] + pieces[i/8%8] + pieces[i/64]
			_, err := s.Submit(t.Context(), letterOf(body))
			require.NoError(t, err)
			mails, bodies := c.heard("MAIL"), c.took()
			sent := strings.ReplaceAll("\r\n"+bodies[i], "\r\n.", "\r\n")[2:]
			require.Regexp(t, ` SIZE=`+itoa(len(sent))+`( |$)`, mails[i], "%q", body)
		}
	})
}

// What a message needs and the server has not is an error before MAIL, and not
// left out; the session is as good as before.
func TestEnvelopeNeeds(t *testing.T) {
	rest := func(without string) []string {
		var offers []string
		for _, line := range everything {
			if !strings.HasPrefix(line, without) {
				offers = append(offers, line)
			}
		}
		return offers
	}
	for _, test := range []struct {
		needs   string
		message submit.Message
		says    string
	}{
		{"SMTPUTF8", letter("jürgen@example.net"), "address"},
		{"SMTPUTF8", with(func(m *submit.Message) { m.From = "jürgen@example.com" }), "address"},
		{"SMTPUTF8", letterOf("Subject: ä\r\n\r\n"), "RFC 2047"},
		{"SMTPUTF8", withMail(smtp.MailOptions{UTF8: true}), "caller"},
		{"8BITMIME", letterOf("Subject: a\r\n\r\nä\r\n"), "RFC 2045"},
		{"8BITMIME", withMail(smtp.MailOptions{Body: smtp.Body8BitMIME}), "8BITMIME"},
		{"BINARYMIME", withMail(smtp.MailOptions{Body: smtp.BodyBinaryMIME}), "BINARYMIME"},
		{"DSN", withMail(smtp.MailOptions{Return: smtp.DSNReturnFull}), "caller"},
		{"DSN", withMail(smtp.MailOptions{EnvelopeID: "x"}), "caller"},
		{"DSN", withRcpt(smtp.RcptOptions{Notify: []smtp.DSNNotify{smtp.DSNNotifyNever}}), "caller"},
		{"DSN", withRcpt(smtp.RcptOptions{OriginalRecipient: friend, OriginalRecipientType: smtp.DSNAddressTypeRFC822}), "caller"},
		{"REQUIRETLS", withMail(smtp.MailOptions{RequireTLS: true}), "caller"},
		{"AUTH", withMail(smtp.MailOptions{Auth: ptr("")}), "identity"},
		{"DELIVERBY", withRcpt(smtp.RcptOptions{DeliverBy: &smtp.DeliverByOptions{Mode: smtp.DeliverByNotify}}), "caller"},
		{"MT-PRIORITY", withRcpt(smtp.RcptOptions{MTPriority: ptr(0)}), "caller"},
		{"RRVS", withRcpt(smtp.RcptOptions{RequireRecipientValidSince: time.Unix(0, 0)}), "caller"},
	} {
		for name, mask := range map[string]bool{"not offered": false, "masked": true} {
			t.Run(test.needs+" "+name, func(t *testing.T) {
				offers := rest(test.needs)
				if mask {
					offers = everything
				}
				withClerk(t, only(offers...), func(t *testing.T, c *clerk) {
					config := c.config()
					if mask {
						config.Without = []string{strings.ToLower(test.needs)}
					}
					s := c.session(config)
					test.message.Body.(*strings.Reader).Seek(0, io.SeekStart)
					_, err := s.Submit(t.Context(), test.message)
					e := asError(t, err)
					require.Equal(t, submit.PhaseSender, e.Phase)
					require.Nil(t, e.Reply)
					require.ErrorIs(t, err, errors.ErrUnsupported)
					requireMeans(t, err, "Rejected")
					require.Contains(t, err.Error(), test.needs)
					require.Contains(t, err.Error(), test.says)
					require.Empty(t, c.heard("MAIL"))

					_, err = s.Submit(t.Context(), letter())
					require.NoError(t, err)
					require.Empty(t, c.heard("RSET"), "no transaction had begun")
				})
			})
		}
	}
}

// RFC 2852, section 4: what is less than the server's least, it would refuse.
func TestDeliverByTooSoon(t *testing.T) {
	withClerk(t, only(everything...), func(t *testing.T, c *clerk) {
		s := c.session(c.config())
		_, err := s.Submit(t.Context(), withRcpt(smtp.RcptOptions{DeliverBy: &smtp.DeliverByOptions{Time: 59 * time.Second, Mode: smtp.DeliverByReturn}}))
		require.ErrorIs(t, err, errors.ErrUnsupported)
		require.Contains(t, err.Error(), "59 seconds; the server's least is 60")
		_, err = s.Submit(t.Context(), withRcpt(smtp.RcptOptions{DeliverBy: &smtp.DeliverByOptions{Time: time.Second, Mode: smtp.DeliverByNotify}}))
		require.NoError(t, err, "the least is for R")
	})
}

// RFC 1870, section 6.1: what is known to be too large is not sent.
func TestTooLarge(t *testing.T) {
	for _, pipelining := range []string{"PIPELINING", "X-NONE"} {
		withClerk(t, only("SIZE 25", pipelining), func(t *testing.T, c *clerk) {
			s := c.session(c.config())
			_, err := s.Submit(t.Context(), letter())
			e := asError(t, err)
			require.Equal(t, submit.PhaseSender, e.Phase)
			requireMeans(t, err, "TooLarge", "Rejected")
			require.Contains(t, err.Error(), "26 octets is larger than the 25")
			_, err = s.Submit(t.Context(), withMail(smtp.MailOptions{Size: 26}))
			requireMeans(t, err, "TooLarge", "Rejected")
			require.Empty(t, c.heard("MAIL"))

			_, err = s.Submit(t.Context(), letterOf("a: b\r\n\r\n"))
			require.NoError(t, err)
		})
	}
}

// A long body is not known to its end before MAIL. What is surely too large is
// refused, what is perhaps too large is the server's to judge.
func TestSizeOfLongBodies(t *testing.T) {
	head := "a: b\r\n\r\n" + strings.Repeat(strings.Repeat("x", 98)+"\r\n", 655) // 65,508 octets
	cut := head + strings.Repeat("x", 64<<10-len(head)-1) + "\r\n"               // CR is the last that is read
	require.Len(t, cut, 64<<10+1)
	withClerk(t, only("SIZE "+itoa(len(cut))), func(t *testing.T, c *clerk) {
		_, err := c.session(c.config()).Submit(t.Context(), letterOf(cut))
		require.NoError(t, err, "not larger by an octet than it is")
		require.Len(t, c.took()[0], len(cut))
	})
	withClerk(t, only("SIZE "+itoa(len(cut)-1)), func(t *testing.T, c *clerk) {
		_, err := c.session(c.config()).Submit(t.Context(), letterOf(cut))
		require.Error(t, err)
		requireMeans(t, err, "TooLarge", "Rejected")
	})
	withClerk(t, only("SIZE "+itoa(len(cut)-1)), func(t *testing.T, c *clerk) {
		m := letter()
		m.Body = io.MultiReader(strings.NewReader(cut)) // nobody knows its length
		_, err := c.session(c.config()).Submit(t.Context(), m)
		require.NoError(t, err)
		require.Equal(t, []string{"MAIL FROM:<me@example.com>"}, c.heard("MAIL"))
	})
}

// RFC 6152, section 3: octets above 127 are not sent to a server that does not
// take them, wherever in the message they are. What was begun is not ended.
func TestEightBitFarInside(t *testing.T) {
	body := text + strings.Repeat("0123456789\r\n", 10000) + "ä\r\n"
	withClerk(t, only("PIPELINING"), func(t *testing.T, c *clerk) {
		s := c.session(c.config())
		_, err := s.Submit(t.Context(), letterOf(body))
		e := asError(t, err)
		require.Equal(t, submit.PhaseBody, e.Phase)
		require.ErrorIs(t, err, errors.ErrUnsupported)
		requireMeans(t, err, "Rejected")
		require.Contains(t, err.Error(), "8BITMIME")
		require.Empty(t, c.took())
	})
	withClerk(t, only("PIPELINING", "8BITMIME"), func(t *testing.T, c *clerk) {
		_, err := c.session(c.config()).Submit(t.Context(), letterOf(body))
		require.NoError(t, err)
		require.Equal(t, []string{"MAIL FROM:<me@example.com> BODY=8BITMIME"}, c.heard("MAIL"))
		require.Equal(t, []string{body}, c.took())
	})
}

// A server of another make understands all of it.
func TestEnvelopeUnderstood(t *testing.T) {
	server := submittest.NewServer(t)
	tr := &submit.ImplicitTLS{Host: host, Config: server.Config()}
	tr.TLS.ServerName = "mail.example.com"
	since := time.Date(2014, 4, 3, 22, 1, 0, 0, time.UTC)
	m := letter(`"john doe"@example.net`)
	m.Options = &smtp.MailOptions{Body: smtp.Body8BitMIME, RequireTLS: true, UTF8: true, Return: smtp.DSNReturnFull, EnvelopeID: "a+b=c d"}
	o := &smtp.RcptOptions{
		Notify:                     []smtp.DSNNotify{smtp.DSNNotifyFailure, smtp.DSNNotifyDelayed},
		OriginalRecipient:          "a+b@example.org",
		OriginalRecipientType:      smtp.DSNAddressTypeRFC822,
		RequireRecipientValidSince: since,
		DeliverBy:                  &smtp.DeliverByOptions{Time: time.Hour, Mode: smtp.DeliverByReturn, Trace: true},
		MTPriority:                 ptr(4),
	}
	m.RcptOptions = map[string]*smtp.RcptOptions{m.To[0]: o}
	_, err := tr.Submit(t.Context(), m)
	require.NoError(t, err)
	require.Len(t, server.Messages(), 1)
	got := server.Messages()[0]
	want := *m.Options
	want.Size = int64(len(text))
	require.Equal(t, &want, got.Options)
	require.Zero(t, m.Options.Size, "the caller's struct was written")
	require.Equal(t, []string{"john doe@example.net"}, got.To)
	require.Equal(t, o, got.RcptOptions["john doe@example.net"])
}
