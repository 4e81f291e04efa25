package submittest_test

import (
	"crypto/tls"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/internal/testcert"
	"github.com/mailport/mailport/submit/submittest"
)

func TestWithout(t *testing.T) {
	for keyword, use := range map[string]string{
		"8BITMIME":    "MAIL FROM:<a@example.com> BODY=8BITMIME",
		"BINARYMIME":  "MAIL FROM:<a@example.com> BODY=BINARYMIME",
		"SIZE":        "MAIL FROM:<a@example.com> SIZE=10",
		"SMTPUTF8":    "MAIL FROM:<ä@example.com> SMTPUTF8",
		"DSN":         "MAIL FROM:<a@example.com> RET=HDRS",
		"REQUIRETLS":  "MAIL FROM:<a@example.com> REQUIRETLS",
		"DELIVERBY":   "MAIL FROM:<a@example.com> BY=120;R",
		"MT-PRIORITY": "MAIL FROM:<a@example.com> MT-PRIORITY=3",
	} {
		t.Run(keyword, func(t *testing.T) {
			k := talk(t, submittest.NewServer(t))
			require.Contains(t, k.do("EHLO c", "250")+"\n", keyword)
			k.do(use, "250")

			without := started(t, func(s *submittest.Server) { s.Without = []string{strings.ToLower(keyword)} })
			k = talk(t, without)
			require.NotContains(t, k.do("EHLO c", "250"), keyword)
			k.do(use, "555 5.5.4 ")
		})
	}
}

func TestWithoutCommands(t *testing.T) {
	s := started(t, func(s *submittest.Server) {
		s.Users = map[string]string{"me": "secret"}
		s.Without = []string{"STARTTLS", "AUTH", "ENHANCEDSTATUSCODES", "CHUNKING", "PIPELINING"}
	})
	k := cleartext(t, s)
	reply := k.do("EHLO c", "250")
	for _, keyword := range s.Without {
		require.NotContains(t, reply, keyword)
	}
	k.do("STARTTLS", "502 S")
	k.do("AUTH PLAIN", "502 A")
	k.do("MAIL FROM:<a@example.com>", "530 a")
	k.do("BDAT 2\r\nhi", "502 C")
	k.end()
}

func TestImproperPipelining(t *testing.T) {
	s := started(t, func(s *submittest.Server) { s.Without = []string{"PIPELINING"} })
	k := talk(t, s)
	k.send("EHLO c", "NOOP")
	k.expect("250", "503 5.5.0")
	k.end()
}

func TestServerWithoutTLSOffersAuthInCleartext(t *testing.T) {
	s := started(t, func(s *submittest.Server) {
		s.Users = map[string]string{"me": "secret"}
		s.Without = []string{"STARTTLS"}
	})
	k := cleartext(t, s)
	require.Contains(t, k.do("EHLO c", "250"), "AUTH PLAIN LOGIN")
	k.do("AUTH PLAIN "+plain("me", "secret"), "235")
	k.do("MAIL FROM:<a@example.com>", "250")
	k.do("RCPT TO:<b@example.net>", "250")
	k.do("BDAT 2 LAST\r\nhi", "250")
	require.Nil(t, s.Messages()[0].TLS)
	require.Equal(t, "me", s.Messages()[0].User)
}

func TestWith(t *testing.T) {
	s := started(t, func(s *submittest.Server) { s.With = []string{"LIMITS MAILMAX=2", "X-PLAY"} })
	reply := talk(t, s).do("EHLO c", "250")
	require.Contains(t, reply, "250-LIMITS MAILMAX=2\n250 X-PLAY\n")
}

func TestParametersAreRecorded(t *testing.T) {
	s := submittest.NewServer(t)
	k := talk(t, s)
	k.do("EHLO c", "250")
	k.do(`MAIL FROM:<"a > b"@example.com> BODY=8BITMIME RET=FULL ENVID=x by=60;NT MT-PRIORITY=-4 SIZE=2 REQUIRETLS`, "250")
	k.do("RCPT TO:<b@example.net> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;c@example.net", "250")
	k.do("RCPT TO:<d@example.net>", "250")
	k.do("RCPT TO:<e@example.net> BY=60;N", "555") // it belongs to MAIL
	k.do("BDAT 2 LAST\r\nhi", "250")

	m := s.Messages()[0]
	require.Equal(t, "a > b@example.com", m.From)
	require.Equal(t, []string{"b@example.net", "d@example.net"}, m.To)
	require.Equal(t, &smtp.MailOptions{
		Body: smtp.Body8BitMIME, Size: 2, Return: smtp.DSNReturnFull, EnvelopeID: "x", RequireTLS: true,
	}, m.Options)
	by, priority := &smtp.DeliverByOptions{Time: time.Minute, Mode: smtp.DeliverByNotify, Trace: true}, -4
	require.Equal(t, map[string]*smtp.RcptOptions{
		"b@example.net": {
			Notify:                []smtp.DSNNotify{smtp.DSNNotifySuccess, smtp.DSNNotifyDelayed},
			OriginalRecipientType: smtp.DSNAddressTypeRFC822,
			OriginalRecipient:     "c@example.net",
			DeliverBy:             by,
			MTPriority:            &priority,
		},
		"d@example.net": {DeliverBy: by, MTPriority: &priority},
	}, m.RcptOptions)

	for _, malformed := range []string{"BY=0;R", "BY=x;N", "BY=1", "MT-PRIORITY=10", "MT-PRIORITY="} {
		k.do("MAIL FROM:<a@example.com> "+malformed, "501 5.5.4")
	}
	k.do("MAIL FROM:<ä@example.com>", "553 5.6.7")
	k.do("MAIL FROM:<a@example.com>", "250")
	k.do("RCPT TO:<ä@example.com>", "553 5.6.7")
}

func TestTLSVersions(t *testing.T) {
	s := started(t, func(s *submittest.Server) { s.TLS = &tls.Config{MaxVersion: tls.VersionTLS11} })
	c := tls.Client(dial(t, s, "465"), config(s))
	require.ErrorContains(t, c.Handshake(), "protocol version")

	old := config(s)
	old.MinVersion = tls.VersionTLS10
	c = tls.Client(dial(t, s, "465"), old)
	require.NoError(t, c.Handshake())
	require.Equal(t, uint16(tls.VersionTLS11), c.ConnectionState().Version)
	require.NoError(t, c.Close())
}

func TestOwnCertificateIsTrusted(t *testing.T) {
	s := started(t, func(s *submittest.Server) {
		s.TLS = &tls.Config{Certificates: []tls.Certificate{testcert.SelfSigned(host)}}
	})
	talk(t, s).do("EHLO c", "250")
}
