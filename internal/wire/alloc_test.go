package wire

import (
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A warm message is to have ten allocations. Here they are the lines
// of its replies and what they say.
func TestAllocations(t *testing.T) {
	nc := &again{said: "250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n354 go\r\n", r: strings.NewReader("")}
	c := NewConn(nc)
	each := func(int, Reply) {}
	flight := func() {
		c.Queue("MAIL", "FROM:<sender@example.com>", "SIZE=2048")
		c.Queue("RCPT", "TO:<recipient@example.net>")
		c.Queue("DATA")
		require.NoError(t, c.Send(limit, each))
	}
	require.LessOrEqual(t, testing.AllocsPerRun(100, flight), 6.0)

	nc.said = "250 2.0.0 Ok\r\n"
	require.LessOrEqual(t, testing.AllocsPerRun(100, func() { c.Command(limit, "NOOP") }), 2.0)
	require.NoError(t, c.Broken())
}

// again says the same over and over, whatever is written.
type again struct {
	failing
	said string
	r    *strings.Reader
}

func (a *again) Read(b []byte) (int, error) {
	n, err := a.r.Read(b)
	if err == io.EOF {
		a.r.Reset(a.said)
		return a.r.Read(b)
	}
	return n, err
}
