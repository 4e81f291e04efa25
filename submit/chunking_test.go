package submit_test

import (
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/submit"
	"github.com/mailport/mailport/submit/submittest"
)

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
