package submit_test

import (
	"io"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/submit"
	"github.com/mailport/mailport/submit/submittest"
)

// hearChunk reads BDAT and what comes with it; ok is false at the end, or if it is
// something else, which is then in the log.
func (a *actor) hearChunk() (data string, last, ok bool) {
	words := strings.Fields(a.hear())
	if len(words) < 2 || words[0] != "BDAT" {
		return "", false, false
	}
	n, _ := strconv.Atoi(words[1])
	b := make([]byte, n)
	_, err := io.ReadFull(a.in, b)
	return string(b), len(words) == 3, err == nil
}

// stranger is a setup: the server offers CHUNKING, refuses the first chunk of a
// message with code, having read it, and does not know BDAT in truth.
func stranger(code int) func(*submittest.Server) {
	return both(chunking, faulty(submittest.Fault{Phase: submit.PhaseData, Do: submittest.Refuse, Code: code, Times: 1}))
}

// Two sessions learn at the same time that the server does not know BDAT. What the
// one has learnt makes no refusal of the message out of what the other hears.
func TestStrangerToTwoAtOnce(t *testing.T) {
	inWorld(t, both(chunking, faulty(submittest.Fault{Phase: submit.PhaseData, Do: submittest.Refuse, Code: 502, Times: 2})),
		func(t *testing.T, w *world) {
			transport := w.transport(submit.Submissions)
			var sessions []*submit.Session
			for range 2 {
				s, err := transport.Dial(t.Context())
				require.NoError(t, err)
				defer s.Close()
				require.NoError(t, s.Auth(t.Context()))
				sessions = append(sessions, s)
			}
			var all sync.WaitGroup
			for _, s := range sessions {
				all.Go(func() {
					_, err := s.Submit(t.Context(), letter())
					require.NoError(t, err)
				})
			}
			all.Wait()
			require.Len(t, w.settled(), 2)
			require.Equal(t, 2, strings.Count(w.server.Conversation(), "C: BDAT"))
			require.Equal(t, 2, strings.Count(w.server.Conversation(), "C: DATA"))
		})
}

