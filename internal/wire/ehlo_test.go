package wire

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Replies as servers send them; what is read liberally is in the table of
// oddities that RFC 5321, section 4.1.1.1, has no word for.
func TestParseEHLO(t *testing.T) {
	for _, test := range []struct {
		name  string
		lines string
		want  Extensions
		auth  []string
	}{
		{"Postfix", "mx.example.test|PIPELINING|SIZE 10240000|VRFY|ETRN|STARTTLS|ENHANCEDSTATUSCODES|8BITMIME|DSN|SMTPUTF8|CHUNKING",
			Extensions{"PIPELINING": "", "SIZE": "10240000", "VRFY": "", "ETRN": "", "STARTTLS": "", "ENHANCEDSTATUSCODES": "", "8BITMIME": "", "DSN": "", "SMTPUTF8": "", "CHUNKING": ""}, nil},
		{"SES", "email-smtp.amazonaws.com|8BITMIME|AUTH PLAIN LOGIN|Ok",
			Extensions{"8BITMIME": "", "AUTH": "PLAIN LOGIN", "OK": ""}, []string{"PLAIN", "LOGIN"}},
		{"SendGrid", "smtp.sendgrid.net|8BITMIME|PIPELINING|SIZE 31457280|AUTH PLAIN LOGIN|AUTH=PLAIN LOGIN",
			Extensions{"8BITMIME": "", "PIPELINING": "", "SIZE": "31457280", "AUTH": "PLAIN LOGIN PLAIN LOGIN"}, []string{"PLAIN", "LOGIN"}},
		{"QQ", "newxmesmtplogicsvrsza15.qq.com|PIPELINING|SIZE 73400320|AUTH LOGIN PLAIN XOAUTH XOAUTH2|AUTH=LOGIN|MAILCOMPRESS|8BITMIME",
			Extensions{"PIPELINING": "", "SIZE": "73400320", "AUTH": "LOGIN PLAIN XOAUTH XOAUTH2 LOGIN", "MAILCOMPRESS": "", "8BITMIME": ""}, []string{"LOGIN", "PLAIN", "XOAUTH", "XOAUTH2"}},
		{"163", "mail|AUTH LOGIN PLAIN XOAUTH2|AUTH=LOGIN PLAIN XOAUTH2|coremail 1Uxr2xKj7kG0xkI17xGrU7I0s8FY2U3Uj8Cz28x1UUUUU7Ic2I0Y2UF|STARTTLS|ID|8BITMIME",
			Extensions{"AUTH": "LOGIN PLAIN XOAUTH2 LOGIN PLAIN XOAUTH2", "COREMAIL": "1Uxr2xKj7kG0xkI17xGrU7I0s8FY2U3Uj8Cz28x1UUUUU7Ic2I0Y2UF", "STARTTLS": "", "ID": "", "8BITMIME": ""}, []string{"LOGIN", "PLAIN", "XOAUTH2"}},
		{"Dovecot after login", "mx|8BITMIME|AUTH|BURL imap imap://mx|CHUNKING",
			Extensions{"8BITMIME": "", "AUTH": "", "BURL": "imap imap://mx", "CHUNKING": ""}, nil},
		{"Courier", "mx Ok.|AUTH PLAIN LOGIN CRAM-MD5|XVERP=Courier|XSECURITY=NONE,STARTTLS|SIZE|DSN",
			Extensions{"AUTH": "PLAIN LOGIN CRAM-MD5", "SIZE": "", "DSN": ""}, []string{"PLAIN", "LOGIN", "CRAM-MD5"}},
		{"lower case", "mx|pipelining|auth=plain login|Auth scram-sha-256|starttls",
			Extensions{"PIPELINING": "", "AUTH": "plain login scram-sha-256", "STARTTLS": ""}, []string{"PLAIN", "LOGIN", "SCRAM-SHA-256"}},
		{"blanks", "mx|  SIZE   1000  |AUTH\tPLAIN\t LOGIN |AUTH= XOAUTH2|STARTTLS ",
			Extensions{"SIZE": "1000", "AUTH": "PLAIN LOGIN XOAUTH2", "STARTTLS": ""}, []string{"PLAIN", "LOGIN", "XOAUTH2"}},
		{"legacy form alone", "mx|AUTH= LOGIN", Extensions{"AUTH": "LOGIN"}, []string{"LOGIN"}},
		{"AUTH with and without", "mx|AUTH PLAIN|AUTH", Extensions{"AUTH": "PLAIN"}, []string{"PLAIN"}},
		{"first line is a greeting", "PIPELINING STARTTLS", Extensions{}, nil},
		{"garbage", "mx||   |-X|=|AUTH=|*PIPELINING|PIPE_LINING|\x00SIZE|\xff", Extensions{"AUTH": ""}, nil},
		{"letters that are not", "mx|ſTARTTLS|sıze 10|PIPELıNING|ＡＵＴＨ PLAIN", Extensions{}, nil},
		{"LIMITS", "mx|LIMITS RCPTMAX=10 MAILMAX=5", Extensions{"LIMITS": "RCPTMAX=10 MAILMAX=5"}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := ParseEHLO(Reply{Code: 250, Lines: strings.Split(test.lines, "|")})
			require.Equal(t, test.want, got)
			require.Equal(t, test.auth, got.Mechanisms())
			for keyword := range test.want {
				require.True(t, got.Has(keyword))
			}
			require.False(t, got.Has("X-ABSENT"))
		})
	}
	require.Equal(t, Extensions{}, ParseEHLO(Reply{Code: 250}))
}

// Config.Without masks capabilities.
func TestParseEHLOWithout(t *testing.T) {
	r := Reply{Code: 250, Lines: []string{"mx", "PIPELINING", "chunking", "AUTH PLAIN", "AUTH=LOGIN", "SIZE 10"}}
	require.Equal(t, Extensions{"PIPELINING": "", "SIZE": "10"}, ParseEHLO(r, "Chunking", "auth", "DSN"))
	require.Equal(t, []string{"mx", "PIPELINING", "chunking", "AUTH PLAIN", "AUTH=LOGIN", "SIZE 10"}, r.Lines)
}
