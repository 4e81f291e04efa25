package submittest_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/mailport/mailport/submit"
	"github.com/mailport/mailport/submit/submittest"
)

func TestMain(m *testing.M) {
	debug.SetGCPercent(400) // the heap is small, and collected all the time
	goleak.VerifyTestMain(m)
}

const host = "mail.example.com"

// dial connects to a port of s as a client of Config would.
func dial(t *testing.T, s *submittest.Server, port string) net.Conn {
	t.Helper()
	conn, err := s.Config().DialContext(context.Background(), "tcp", net.JoinHostPort(host, port))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func config(s *submittest.Server) *tls.Config {
	c := s.Config().TLS.Clone()
	c.ServerName = host
	c.CurvePreferences = []tls.CurveID{tls.CurveP256} // fast
	return c
}

// client returns go-smtp's client, TLS in place.
func client(t *testing.T, s *submittest.Server, service string) *smtp.Client {
	t.Helper()
	if service == submit.Submissions {
		c := smtp.NewClient(tls.Client(dial(t, s, "465"), config(s)))
		require.NoError(t, c.Hello("client.example.org"))
		return c
	}
	c, err := smtp.NewClientStartTLS(dial(t, s, "587"), config(s))
	require.NoError(t, err)
	require.NoError(t, c.Hello("client.example.org"))
	return c
}

func services() []string { return []string{submit.Submissions, submit.Submission} }

func TestBothPortsDeliver(t *testing.T) {
	const data = "Subject: hi\r\n\r\n.leading dot\r\n..two\r\nno line end"
	for _, service := range services() {
		t.Run(service, func(t *testing.T) {
			s := submittest.NewUnstartedServer(t)
			s.Users = map[string]string{"me": "secret"}
			require.NoError(t, s.Start())
			c := client(t, s, service)
			require.NoError(t, c.Auth(sasl.NewPlainClient("", "me", "secret")))
			require.NoError(t, c.SendMail("me@example.com", []string{"a@example.net", "b@example.net"}, strings.NewReader(data)))
			require.NoError(t, c.Quit())

			require.Len(t, s.Messages(), 1)
			m := s.Messages()[0]
			require.Equal(t, "me@example.com", m.From)
			require.Equal(t, []string{"a@example.net", "b@example.net"}, m.To)
			require.Equal(t, data+"\r\n", string(m.Data)) // DATA cannot but end a line
			require.Equal(t, service, m.Via.Service)
			require.Equal(t, "me", m.User)
			require.Equal(t, uint16(tls.VersionTLS13), m.TLS.Version)
			require.Equal(t, 1, s.Connections(service))
			require.Equal(t, 1, s.Attempts(service))
			require.Equal(t, 1, s.Attempts(""))
		})
	}
}

func TestWorksWithoutTesting(t *testing.T) {
	s := &submittest.Server{Host: "smtp.example.org"}
	require.NoError(t, s.Start())
	defer s.Close()
	require.Error(t, s.Start(), "twice")

	addr := net.JoinHostPort("localhost", "465")
	conn, err := s.Config().DialContext(context.Background(), "tcp", addr)
	require.NoError(t, err)
	c := tls.Client(conn, &tls.Config{RootCAs: s.CertPool(), ServerName: "smtp.example.org"})
	greeting := make([]byte, 4)
	_, err = io.ReadFull(c, greeting)
	require.NoError(t, err)
	require.Equal(t, "220 ", string(greeting))
	require.NoError(t, c.Close())
}

func TestConfigKnowsBothPorts(t *testing.T) {
	s := submittest.NewServer(t)
	dialer := s.Config().DialContext
	for port, service := range map[string]string{
		"465": submit.Submissions, strconv.Itoa(s.ImplicitPort()): submit.Submissions,
		"587": submit.Submission, strconv.Itoa(s.STARTTLSPort()): submit.Submission,
	} {
		before := s.Connections(service)
		conn, err := dialer(t.Context(), "tcp", "anything.example:"+port)
		require.NoError(t, err)
		require.NoError(t, conn.SetDeadline(time.Now().Add(time.Minute)))
		_, err = conn.Write([]byte("hello\n"))
		require.NoError(t, err)
		first, err := io.ReadAll(conn) // neither service goes on after that
		require.NoError(t, err)
		require.Equal(t, service == submit.Submission, strings.HasPrefix(string(first), "220 "))
		require.Equal(t, before+1, s.Connections(service))
		require.NoError(t, conn.Close())
	}
	_, err := dialer(t.Context(), "tcp", "anything.example:25")
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
	_, err = dialer(t.Context(), "tcp", "nonsense")
	require.Error(t, err)
}

func TestCAPEMIsTheAuthority(t *testing.T) {
	s := submittest.NewServer(t)
	pool := x509.NewCertPool()
	require.True(t, pool.AppendCertsFromPEM(s.CAPEM()))
	require.True(t, pool.Equal(s.CertPool()))
}

func TestCloseEndsEverything(t *testing.T) {
	s := started(t, func(s *submittest.Server) {
		s.Faults = []submittest.Fault{
			{Service: submit.Submission, Phase: submit.PhaseConnect, Do: submittest.Stall},
			{Service: submit.Submissions, Phase: submit.PhaseBody, Do: submittest.Stall},
		}
	})
	dialled := make(chan error)
	go func() {
		_, err := s.Config().DialContext(context.Background(), "tcp", host+":587")
		dialled <- err
	}()
	idle := talk(t, s)
	stalled := talk(t, s)
	stalled.do("EHLO c", "250")
	stalled.do("MAIL FROM:<a@example.com>", "250")
	stalled.do("RCPT TO:<b@example.net>", "250")
	stalled.send("BDAT 100\r\nhi")
	require.Equal(t, 2, s.Open())
	s.Close()
	require.Error(t, <-dialled)
	require.Zero(t, s.Open())
	idle.end()
	stalled.end()
	s.Close()
}

func TestCloseOfWhatWasNotStarted(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := &submittest.Server{Implicit: l}
	s.Close()
	_, err = l.Accept()
	require.ErrorIs(t, err, net.ErrClosed)
	require.Empty(t, s.Conversation())
}
