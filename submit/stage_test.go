package submit

import (
	"net"
	"strings"
	"testing"

	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/internal/wire"
)

// A message that cannot be queued leaves what stands in the queue, which is another's:
// its envelope, its end, or all of it.
func TestQueueKeepsOthers(t *testing.T) {
	for _, tail := range []tail{noTail, dataTail, chunkTail, lastTail} {
		client, server := net.Pipe()
		s := newSession(Endpoint{}, Config{})
		s.conn = wire.NewConn(client)
		s.ext = wire.Extensions{"CHUNKING": "", "DSN": "", "PIPELINING": ""}
		good := letterFor(t, "a@example.net", "b@example.net")
		bad := letterFor(t, "a@example.net", "b@example.net")
		bad.rcpt = map[string]*smtp.RcptOptions{"b@example.net": {OriginalRecipient: strings.Repeat("x", wire.MaxCommand)}}
		for i, p := range []*parcel{good, bad} {
			before := s.conn.Stage()
			tr, err := s.begin(t.Context(), p)
			require.NoError(t, err)
			tr.tail, tr.reset, tr.chunked = tail, 1, true
			err = tr.queueAll()
			if i == 0 {
				require.NoError(t, err)
				require.NotEqual(t, before, s.conn.Stage())
				continue
			}
			require.ErrorIs(t, err, ErrInvalid)
			require.Equal(t, before, s.conn.Stage())
		}
		client.Close()
		server.Close()
	}
}

func letterFor(t *testing.T, to ...string) *parcel {
	p, err := prepare(t.Context(), Message{To: to, Body: strings.NewReader("Subject: hello\r\n\r\nHello.\r\n")})
	require.NoError(t, err)
	return p
}

// What needs the proof that the server knows BDAT does not leave behind another
// message, where there is no waiting for it.
func TestQueueWithoutProof(t *testing.T) {
	client, server := net.Pipe()
	defer server.Close()
	defer client.Close()
	s := newSession(Endpoint{}, Config{})
	s.conn = wire.NewConn(client)
	s.ext = wire.Extensions{"CHUNKING": "", "BINARYMIME": "", "PIPELINING": ""}
	require.NoError(t, s.conn.Queue("NOOP"))
	p, err := prepare(t.Context(), Message{To: []string{"a@example.net"}, Body: strings.NewReader("\ndata\n"),
		Options: &smtp.MailOptions{Body: smtp.BodyBinaryMIME}})
	require.NoError(t, err)
	tr, err := s.begin(t.Context(), p)
	require.NoError(t, err)
	before := s.conn.Stage()
	for _, tail := range []tail{chunkTail, lastTail} {
		tr.tail = tail
		require.ErrorIs(t, tr.queueAll(), ErrTemporary)
		require.Equal(t, before, s.conn.Stage())
	}
}
