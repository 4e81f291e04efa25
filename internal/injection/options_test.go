package injection

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/submit"
)

// values are texts with a fragment before, in and behind them.
func values(each func(value string)) {
	for _, base := range []string{"", "id", "a@example.com"} {
		for _, fragment := range fragments() {
			each(fragment + base)
			each(base + fragment)
			each(base + fragment + base)
		}
	}
}

// RFC 3461, section 4; RFC 6533, section 3.
var (
	hexchar  = regexp.MustCompile(`\+([0-9A-F]{2})`)
	embedded = regexp.MustCompile(`\\x\{([0-9A-F]{2,6})\}`)
)

func decoded(encoding *regexp.Regexp, value string, read func(n uint64) string) string {
	return encoding.ReplaceAllStringFunc(value, func(s string) string {
		n, err := strconv.ParseUint(encoding.FindStringSubmatch(s)[1], 16, 32)
		if err != nil {
			panic(err)
		}
		return read(n)
	})
}

func fromXtext(value string) string {
	return decoded(hexchar, value, func(n uint64) string { return string([]byte{byte(n)}) })
}

func fromUnitext(value string) string {
	return decoded(embedded, value, func(n uint64) string { return string(rune(n)) })
}

// The texts that callers put into parameters arrive as they were or not at all, and
// next to them nothing: ENVID, AUTH, and ORCPT of both kinds.
func TestTextParameterIsItselfOrNothing(t *testing.T) {
	for _, of := range []struct {
		keyword string
		message func(value string) submit.Message
		decode  func(string) string
	}{
		{"ENVID", func(value string) submit.Message { return withMail(smtp.MailOptions{EnvelopeID: value}) }, fromXtext},
		{"AUTH", func(value string) submit.Message { return withMail(smtp.MailOptions{Auth: &value}) }, fromXtext},
		{"ORCPT", func(value string) submit.Message {
			return withRcpt(smtp.RcptOptions{OriginalRecipient: value, OriginalRecipientType: smtp.DSNAddressTypeRFC822})
		}, func(value string) string { return fromXtext(strings.TrimPrefix(value, "rfc822;")) }},
		{"ORCPT", func(value string) submit.Message {
			return withRcpt(smtp.RcptOptions{OriginalRecipient: value, OriginalRecipientType: smtp.DSNAddressTypeUTF8})
		}, func(value string) string { return fromUnitext(strings.TrimPrefix(value, "utf-8;")) }},
	} {
		t.Run(of.keyword, func(t *testing.T) {
			w := newWitness(t, everything...)
			s := w.session(t)
			sent := 0
			values(func(value string) {
				if value == "" || of.keyword == "AUTH" && value == "<>" {
					return
				}
				_, err := s.Submit(t.Context(), of.message(value))
				lines, _ := w.read()
				if err != nil {
					require.ErrorIs(t, err, submit.ErrInvalid, "%q", value)
					require.Empty(t, lines, "%q", value)
					return
				}
				sent++
				require.Len(t, lines, 3, "%q", value)
				_, ofMail := parse(t, mailLine, lines[0])
				_, ofRcpt := parse(t, rcptLine, lines[1])
				delete(ofMail, "SIZE")
				for keyword, v := range ofRcpt {
					ofMail[keyword] = v
				}
				require.Len(t, ofMail, 1, "%q", lines)
				require.Equal(t, value, of.decode(ofMail[of.keyword]), "%q", lines)
				if of.keyword == "ORCPT" {
					require.True(t, utf8.ValidString(value), "%q", value)
					require.False(t, strings.ContainsFunc(value, unicode.IsControl), "%q, which somebody will decode", value)
				}
			})
			require.Greater(t, sent, 20)
		})
	}
}

func withMail(o smtp.MailOptions) submit.Message {
	m := letter()
	m.Options = &o
	return m
}

func withRcpt(o smtp.RcptOptions) submit.Message {
	m := letter()
	m.RcptOptions = map[string]*smtp.RcptOptions{friend: &o}
	return m
}

// Go's types are strings where SMTP has a few words: of those nothing else gets
// through, however it begins.
func TestWordsAreTheirWords(t *testing.T) {
	w := newWitness(t, everything...)
	s := w.session(t)
	for _, behind := range []string{" X=1", "\r\nRSET", ">", "\x00", ",FAILURE", ";", "=", "\n", "x", " ", "\u2028"} {
		for name, m := range map[string]submit.Message{
			"BODY":   withMail(smtp.MailOptions{Body: smtp.Body8BitMIME + smtp.BodyType(behind)}),
			"RET":    withMail(smtp.MailOptions{Return: smtp.DSNReturnFull + smtp.DSNReturn(behind)}),
			"NOTIFY": withRcpt(smtp.RcptOptions{Notify: []smtp.DSNNotify{smtp.DSNNotifySuccess + smtp.DSNNotify(behind)}}),
			"ORCPT": withRcpt(smtp.RcptOptions{OriginalRecipient: friend,
				OriginalRecipientType: smtp.DSNAddressTypeRFC822 + smtp.DSNAddressType(behind)}),
			"BY": withRcpt(smtp.RcptOptions{DeliverBy: &smtp.DeliverByOptions{Time: time.Hour, Mode: smtp.DeliverByReturn + smtp.DeliverByMode(behind)}}),
		} {
			_, err := s.Submit(t.Context(), m)
			require.ErrorIs(t, err, submit.ErrInvalid, "%s %q", name, behind)
		}
	}
	lines, _ := w.read()
	require.Empty(t, lines)
}

// Numbers and times are sent as digits, the largest and the oddest too.
func TestNumbersAreDigits(t *testing.T) {
	w := newWitness(t, everything...)
	s := w.session(t)
	far := time.FixedZone("UTC+1\r\nRSET", 3600)
	for _, test := range []struct {
		message submit.Message
		mail    string
		rcpt    string
	}{
		{withMail(smtp.MailOptions{Size: 1<<63 - 1}), " SIZE=9223372036854775807", ""},
		{withRcpt(smtp.RcptOptions{DeliverBy: &smtp.DeliverByOptions{Time: -999999999 * time.Second, Mode: smtp.DeliverByNotify}}), " SIZE=26 BY=-999999999;N", ""},
		{withRcpt(smtp.RcptOptions{MTPriority: ptr(-9)}), " SIZE=26 MT-PRIORITY=-9", ""},
		{withRcpt(smtp.RcptOptions{RequireRecipientValidSince: time.Date(9999, 12, 31, 23, 0, 0, 0, far)}), " SIZE=26", " RRVS=9999-12-31T22:00:00Z"},
		{withRcpt(smtp.RcptOptions{RequireRecipientValidSince: time.Date(0, 1, 2, 0, 0, 0, 0, far)}), " SIZE=26", " RRVS=0000-01-01T23:00:00Z"},
	} {
		_, err := s.Submit(t.Context(), test.message)
		require.NoError(t, err)
		lines, _ := w.read()
		require.Equal(t, []string{"MAIL FROM:<" + me + ">" + test.mail, "RCPT TO:<" + friend + ">" + test.rcpt, "BDAT 26 LAST"}, lines)
	}
	for _, m := range []submit.Message{
		withMail(smtp.MailOptions{Size: -1}),
		withRcpt(smtp.RcptOptions{MTPriority: ptr(10)}),
		withRcpt(smtp.RcptOptions{RequireRecipientValidSince: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)}),
		withRcpt(smtp.RcptOptions{RequireRecipientValidSince: time.Date(-1, 1, 1, 0, 0, 0, 0, time.UTC)}),
	} {
		_, err := s.Submit(t.Context(), m)
		require.ErrorIs(t, err, submit.ErrInvalid)
	}
}

// What a server says in EHLO comes back to it as numbers at most: a limit of size,
// and nothing of the words around it.
func TestServerPutsNothingIntoCommands(t *testing.T) {
	for _, offer := range []string{"SIZE 30\x00X", "SIZE 30 X=1", "SIZE 20\r", "SIZE -1", "SIZE 1e1", "SIZE 0x10", "SIZE 99999999999999999999", "SIZE +26", "SIZE \u0666"} {
		w := newWitness(t, "PIPELINING", offer)
		s := w.newSession(t)
		_, err := s.Submit(t.Context(), letter())
		lines, _ := w.read()
		if err != nil {
			require.ErrorIs(t, err, submit.ErrTooLarge, "%q", offer)
			continue
		}
		require.Regexp(t, `^MAIL FROM:<me@example\.com>( SIZE=[0-9]+)?$`, lines[0], "%q", offer)
		require.Len(t, lines, 3)
	}
}

// Together they are one line each, and of bounded length: a server that takes the
// end of a long line for another one has nothing to take.
func TestCommandsAreShort(t *testing.T) {
	w := newWitness(t, everything...)
	s := w.session(t)
	for _, n := range []int{30, 100, 500, 900, 990, 2000} {
		long := strings.Repeat("x", n)
		m := submit.Message{From: long + "@example.com", To: []string{`"` + long + `"@example.com`}, Body: strings.NewReader(text),
			Options: &smtp.MailOptions{EnvelopeID: long[:min(n, 100)], Auth: ptr(long[:min(n, 480)] + "@example.com")}}
		m.RcptOptions = map[string]*smtp.RcptOptions{m.To[0]: {OriginalRecipient: long[:min(n, 500)], OriginalRecipientType: smtp.DSNAddressTypeRFC822}}
		_, err := s.Submit(t.Context(), m)
		lines, _ := w.read()
		if err != nil {
			require.ErrorIs(t, err, submit.ErrInvalid)
			require.Empty(t, lines)
			continue
		}
		for _, line := range lines {
			require.LessOrEqual(t, len(line)+len("\r\n"), 2048, fmt.Sprint(n))
		}
	}
}
