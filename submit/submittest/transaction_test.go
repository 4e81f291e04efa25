package submittest_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/internal/fakenet"
	"github.com/mailport/mailport/submit"
	"github.com/mailport/mailport/submit/submittest"
)

func TestFlightIsAnsweredInOneWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := fakenet.New(10 * time.Millisecond)
		s := started(t, func(s *submittest.Server) {
			s.Implicit, s.STARTTLS = n.Listen(host+":465"), n.Listen(host+":587")
			s.DialContext = n.DialContext
			s.Without = []string{"STARTTLS"} // octets are counted below TLS
		})
		k := cleartext(t, s)
		k.do("EHLO c", "250")
		link := k.conn.(*fakenet.Conn).Link()
		before := len(link.Writes(fakenet.ToClient))
		k.send("MAIL FROM:<a@example.com>", "RCPT TO:<b@example.net>", "RCPT TO:<>", "RCPT TO:<c@example.net>", "DATA")
		k.expect("250", "250", "501", "250", "354")
		require.Len(t, link.Writes(fakenet.ToClient), before+1)
		k.send("one", ".", "MAIL FROM:<d@example.com>", "RCPT TO:<e@example.net>", "BDAT 3\r\ntwo", "BDAT 0 LAST", "QUIT")
		k.expect("250", "250", "250", "250", "250", "221")
		require.Len(t, link.Writes(fakenet.ToClient), before+2)
		require.NoError(t, k.conn.Close())
		require.Len(t, s.Messages(), 2)
		require.Equal(t, "one\r\n", string(s.Messages()[0].Data))
		require.Equal(t, "two", string(s.Messages()[1].Data))
	})
}

func TestBadSequences(t *testing.T) {
	s := submittest.NewServer(t)
	k := talk(t, s)
	k.do("MAIL FROM:<a@example.com>", "503")
	k.do("EHLO c", "250")
	k.do("RCPT TO:<b@example.net>", "503")
	k.do("DATA", "503")
	k.do("BDAT 6 LAST\r\nQUIT\r\n", "503")
	k.do("MAIL FROM:<a@example.com>", "250")
	k.do("MAIL FROM:<a@example.com>", "503")
	k.do("DATA", "503")
	k.do("RCPT TO:<b@example.net>", "250")
	k.do("DATA now", "501")
	k.do("BDAT 0", "250")
	k.do("DATA", "503")
	k.do("BDAT 2\r\nhi", "250")
	k.do("MAIL FROM:<a@example.com>", "503")
	k.do("RCPT TO:<c@example.net>", "503")
	k.do("RSET", "250")
	k.do("BDAT 0 LAST", "503")
	k.do("STARTTLS", "502")
	k.do("AUTH PLAIN", "502")
	k.do("BDAT", "501")
	k.end()
	require.Empty(t, s.Messages())
}

func TestStrictLines(t *testing.T) {
	s := submittest.NewServer(t)
	k := talk(t, s)
	k.do("EHLO c\n", "500 5.5.2 line does not end in CRLF")
	k.end()
	k = talk(t, s)
	k.do("EHLO "+strings.Repeat("c", 20000), "500 5.5.2 line too long")
	k.end()
}

func TestNothingIsTakenOverIntoTLS(t *testing.T) {
	s := submittest.NewServer(t)
	k := cleartext(t, s)
	k.do("EHLO c", "250")
	k.send("STARTTLS", "MAIL FROM:<a@example.com>")
	k.end()
}

func TestBodiesArriveAsTheyWereSent(t *testing.T) {
	s := submittest.NewServer(t)
	k := talk(t, s)
	k.do("EHLO c", "250")
	for sent, want := range map[string]string{
		".\r\n":                                         "",
		"\r\n.\r\n":                                     "\r\n",
		"..\r\n...\r\n.\r\n":                            ".\r\n..\r\n",
		"a\n.\nb\r.\r\nc\r\n.\r\n":                      "a\n.\nb\r.\r\nc\r\n",
		"\r\r\n.\r\n":                                   "\r\r\n",
		".\n.\r\n\r\n.\r\n":                             "\n.\r\n\r\n",
		strings.Repeat("x", 1<<16) + "\r\n.\r\n":        strings.Repeat("x", 1<<16) + "\r\n",
		strings.Repeat("x", 1<<14-1) + "\r\n.\r\n":      strings.Repeat("x", 1<<14-1) + "\r\n",
		strings.Repeat("x", 1<<14) + "\n.\r\n\r\n.\r\n": strings.Repeat("x", 1<<14) + "\n.\r\n\r\n",
	} {
		k.do("MAIL FROM:<>", "250")
		k.do("RCPT TO:<b@example.net>", "250")
		k.do("DATA", "354")
		_, err := io.WriteString(k.conn, sent)
		require.NoError(t, err)
		k.expect("250")
		m := s.Messages()[len(s.Messages())-1]
		require.Equal(t, want, string(m.Data), "%.40q", sent)
		require.Equal(t, sha256.Sum256([]byte(want)), m.Sum)
		require.EqualValues(t, len(want), m.Size)
	}
}

func TestBrokenOffMessagesAreNotTaken(t *testing.T) {
	s := submittest.NewServer(t)
	for _, part := range []string{"DATA\r\nwhole line\r\n", "DATA\r\n.\r", "BDAT 3 LAST\r\nhi", "BDAT 2\r\nhi"} {
		k := talk(t, s)
		k.do("EHLO c", "250")
		k.do("MAIL FROM:<a@example.com>", "250")
		k.do("RCPT TO:<b@example.net>", "250")
		_, err := io.WriteString(k.conn, part)
		require.NoError(t, err)
		require.NoError(t, k.conn.Close())
	}
	s.Close()
	require.Empty(t, s.Messages())
	require.Zero(t, s.Open())
	require.Equal(t, 4, s.Connections(""))
	require.Contains(t, s.Conversation(), "C: <12 octets, then no more>\n")
}

func TestRejections(t *testing.T) {
	s := started(t, func(s *submittest.Server) {
		s.MaxRecipients, s.MaxMessageBytes = 2, 100
		s.Reject = func(from, to string) *smtp.SMTPError {
			if from == "bad@example.com" || to == "gone@example.net" {
				return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such\nperson"}
			}
			return nil
		}
		s.RejectMessage = func(m submittest.Message) *smtp.SMTPError {
			if bytes.Contains(m.Data, []byte("spam")) {
				return &smtp.SMTPError{Code: 554, Message: "looks like spam"}
			}
			return nil
		}
	})
	k := talk(t, s)
	require.Contains(t, k.do("EHLO c", "250"), "LIMITS RCPTMAX=2\n")
	k.do("MAIL FROM:<bad@example.com>", "550-5.1.1 no such\n550 5.1.1 person\n")
	k.do("MAIL FROM:<a@example.com> SIZE=101", "552 5.3.4")
	k.do("MAIL FROM:<a@example.com>", "250")
	k.do("RCPT TO:<gone@example.net>", "550-5.1.1")
	k.do("RCPT TO:<1@example.net>", "250")
	k.do("RCPT TO:<2@example.net>", "250")
	k.do("RCPT TO:<3@example.net>", "452 4.5.3")
	k.do("DATA", "354")
	k.do("spam\r\n.", "554 5.0.0 looks like spam")

	for _, body := range []string{
		"DATA\r\n" + strings.Repeat("x", 101) + "\r\n.",
		"BDAT 101 LAST\r\n" + strings.Repeat("x", 101) + "NOOP\r\n",
	} {
		k.do("MAIL FROM:<a@example.com>", "250")
		k.do("RCPT TO:<1@example.net>", "250")
		k.send(body)
		if strings.HasPrefix(body, "DATA") {
			k.expect("354", "552 5.3.4")
		} else {
			k.expect("552 5.3.4", "250")
		}
	}
	require.Empty(t, s.Messages())
}

func TestLargeBodiesStream(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(100)) // as in a program
	const lines = 1 << 17
	line := []byte(strings.Repeat(".", 126) + "\r\n") // 16 MiB in all; each line is stuffed
	s := started(t, func(s *submittest.Server) { s.Discard = true })
	k := talk(t, s)
	k.do("EHLO c", "250")
	k.do("MAIL FROM:<a@example.com>", "250")
	k.do("RCPT TO:<b@example.net>", "250")
	k.do("DATA", "354")

	before, most := heap(), uint64(0)
	want := sha256.New()
	block := bytes.Repeat(append([]byte("."), line...), 64)
	for i := range lines / 64 {
		_, err := k.conn.Write(block)
		require.NoError(t, err)
		if i%512 == 0 {
			most = max(most, heap())
		}
	}
	k.do(".", "250")
	for range lines {
		want.Write(line)
	}

	m := s.Messages()[0]
	require.Nil(t, m.Data)
	require.EqualValues(t, lines*len(line), m.Size)
	require.Equal(t, fmt.Sprintf("%x", want.Sum(nil)), fmt.Sprintf("%x", m.Sum))
	require.Less(t, most, before+8<<20) // what is garbage by now counts too
}

// heap returns how much memory is in use.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// The verdict on a message that was given up is never taken for that on the
// next one.
func TestLostMessageThenAnother(t *testing.T) {
	for range 20 {
		s := submittest.NewUnstartedServer(t)
		s.Faults = []submittest.Fault{{Phase: submit.PhaseVerdict, Do: submittest.RefuseTemporarily, Times: 1}}
		require.NoError(t, s.Start())
		session, err := (&submit.ImplicitTLS{Host: "mail.example.com", Config: s.Config()}).Dial(t.Context())
		require.NoError(t, err)
		for i := range 3 {
			data := "Subject: " + strings.Repeat("x", i+1) + "\r\n\r\n"
			_, err := submit.Send(t.Context(), session, "a@example.com", []string{"b@example.net"}, []byte(data))
			require.Equal(t, i > 0, err == nil, "%d: %v", i, err)
		}
		require.NoError(t, session.Close())
		require.Len(t, s.Messages(), 2)
		require.Equal(t, "Subject: xx\r\n\r\n", string(s.Messages()[0].Data))
	}
}
