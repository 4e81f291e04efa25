package fault

import (
	"fmt"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func dial(p *Port, patience time.Duration) (net.Conn, error) {
	dialer := net.Dialer{Timeout: patience}
	return dialer.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", p.Number))
}

func TestRefused(t *testing.T) {
	p, err := Refused()
	require.NoError(t, err)
	defer p.Close()
	_, err = dial(p, 10*time.Second)
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
}

// Nobody who connects gets an answer, neither the first nor a later one.
func TestDropping(t *testing.T) {
	p, err := Dropping(t.Context())
	require.NoError(t, err)
	defer p.Close()
	for range 3 {
		_, err = dial(p, 50*time.Millisecond)
		require.True(t, isTimeout(err), err)
	}
}

// Who connects may speak, and hears nothing.
func TestSilent(t *testing.T) {
	p, err := Silent(t.Context())
	require.NoError(t, err)
	defer p.Close()
	nc, err := dial(p, 10*time.Second)
	require.NoError(t, err)
	defer nc.Close()
	_, err = nc.Write([]byte("EHLO client.example.com\r\n"))
	require.NoError(t, err)
	require.NoError(t, nc.SetReadDeadline(time.Now().Add(50*time.Millisecond)))
	_, err = nc.Read(make([]byte, 1))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
}
