//go:build interop && linux

package interop

import (
	"fmt"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/submit"
)

// A message is for all of its recipients or for none, unless it may be for some:
// RFC 5321, section 3.3, and what Message.Partial says. The ledger knows who has
// got it in the end.
func (s *server) tryRecipients() {
	const ann, carol, missing, nemo = "ann@example.net", "carol@example.net", "missing@example.net", "nemo@example.net"
	for _, w := range ways {
		for _, without := range [][]string{nil, {"CHUNKING"}, {"PIPELINING"}, {"CHUNKING", "PIPELINING"}} {
			c := s.config()
			c.Without = without
			session, err := s.over(w, c).Dial(s.t.Context())
			require.NoError(s.t, err)
			for _, try := range []struct {
				partial bool
				to      []string
				refused []string // all of them: nobody gets it
			}{
				{false, []string{ann, carol}, nil},
				{false, []string{missing}, []string{missing}},
				{false, []string{ann, missing, carol}, []string{missing}},
				{false, []string{missing, nemo}, []string{missing, nemo}},
				{true, []string{ann, carol}, nil},
				{true, []string{ann, missing, carol, nemo}, []string{missing, nemo}},
				{true, []string{missing, ann}, []string{missing}},
				{true, []string{missing, nemo}, []string{missing, nemo}},
				{false, []string{ann}, nil}, // the session is as good as new
			} {
				m := write("for some\n", try.to...)
				m.partial = try.partial
				receipt, err := s.submit(session, m)
				says := fmt.Sprintf("%s without %v: to %v, partial %t: %v", w, without, try.to, try.partial, err)
				if len(try.refused) == 0 || try.partial && len(try.refused) < len(try.to) {
					require.NoError(s.t, err, says)
					require.Equal(s.t, try.refused, recipients(receipt.Refused), says)
				} else {
					require.ErrorIs(s.t, err, submit.ErrRejected, says)
				}
				s.tried()
			}
			s.hundred(session, c)
			session.Close()
		}
	}
}

// hundred submits a message for a hundred recipients, and one for them and one
// who is refused.
func (s *server) hundred(session *submit.Session, c submit.Config) {
	var to []string
	for i := range mailboxes {
		to = append(to, fmt.Sprintf("u%d@example.net", i+1))
	}
	s.takes(session, write("for a hundred\n", to...))
	s.tried()
	partial := write("for a hundred of them\n", append(to[:mailboxes:mailboxes], "missing@example.net")...)
	_, err := s.submit(session, partial)
	require.ErrorIs(s.t, err, submit.ErrRejected)
	s.tried()
}

func recipients(errs []*submit.Error) (to []string) {
	for _, e := range errs {
		to = append(to, e.Recipient)
	}
	return to
}
