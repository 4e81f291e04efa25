package submittest_test

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/submit/submittest"
)

// A talker says lines and reads replies over a connection.
type talker struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
}

// talk connects to the implicit TLS port and takes the greeting.
func talk(t *testing.T, s *submittest.Server) *talker {
	t.Helper()
	k := over(t, tls.Client(dial(t, s, "465"), config(s)))
	k.expect("220")
	return k
}

// cleartext connects to the STARTTLS port and takes the greeting.
func cleartext(t *testing.T, s *submittest.Server) *talker {
	t.Helper()
	k := over(t, dial(t, s, "587"))
	k.expect("220")
	return k
}

func over(t *testing.T, conn net.Conn) *talker {
	return &talker{t, conn, bufio.NewReader(conn)}
}

// send writes lines in one flight; what ends in a line end, or is a BDAT with its
// chunk, is sent as it is.
func (k *talker) send(lines ...string) {
	k.t.Helper()
	var b strings.Builder
	for _, line := range lines {
		b.WriteString(line)
		chunk := strings.HasPrefix(line, "BDAT") && strings.Contains(line, "\n")
		if !chunk && !strings.HasSuffix(line, "\n") {
			b.WriteString("\r\n")
		}
	}
	_, err := io.WriteString(k.conn, b.String())
	require.NoError(k.t, err)
}

// expect reads a reply for each prefix and returns the last.
func (k *talker) expect(prefixes ...string) (reply string) {
	k.t.Helper()
	for _, prefix := range prefixes {
		reply = ""
		for {
			line, err := k.in.ReadString('\n')
			require.NoError(k.t, err, "waiting for %s", prefix)
			reply += strings.TrimRight(line, "\r\n") + "\n"
			if len(line) < 4 || line[3] != '-' {
				break
			}
		}
		require.Equal(k.t, prefix, reply[:min(len(prefix), len(reply))], "all: %s", reply)
	}
	return reply
}

func (k *talker) do(line, prefix string) string {
	k.t.Helper()
	k.send(line)
	return k.expect(prefix)
}

// end expects the server to have gone.
func (k *talker) end() {
	k.t.Helper()
	_, err := k.in.ReadByte()
	require.Error(k.t, err)
	_ = k.conn.Close() // both have gone then
}

// started returns a running server with what set has set.
func started(t *testing.T, set func(*submittest.Server)) *submittest.Server {
	t.Helper()
	s := submittest.NewUnstartedServer(t)
	set(s)
	require.NoError(t, s.Start())
	return s
}
