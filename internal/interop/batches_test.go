//go:build interop && linux

package interop

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/submit"
)

// A batch goes through SubmitAll, and each message ends as it would by itself.
func (s *server) tryBatches() {
	for _, w := range ways {
		s.tryBatch(w, 0, small(300))
		s.tryBatch(w, 0, withRefused(100))
		s.tryBatch(w, 0, often(withRefused(120)))
		s.tryBatch(w, 0, withLarge(16))
		s.tryBatch(w, 0, withMiddling(40))
		s.tryBatch(w, 1, small(50))
		s.tryBatch(w, 100, small(150))
		for _, without := range [][]string{{"CHUNKING"}, {"PIPELINING"}, {"CHUNKING", "PIPELINING"}} {
			s.tryBatch(w, 0, small(100), without...)
			s.tryBatch(w, 0, withRefused(40), without...)
		}
	}
}

func (s *server) tryBatch(w way, window int, letters []*letter, without ...string) {
	s.t.Helper()
	c := s.config()
	c.Without = without
	pool := &submit.Pool{Transport: s.over(w, c), MaxSessions: 2, Window: window}
	defer pool.Close()
	for m, err := range s.submitAll(pool, slices.Values(letters)) {
		if s.dies && slices.Contains(without, "CHUNKING") && !slices.Contains(without, "PIPELINING") && errors.Is(err, submit.ErrUncertain) {
			continue
		}
		says := fmt.Sprintf("%s without %v, window %d: %s to %v", w, without, window, m.id, m.to)
		if slices.Contains(m.to, nobody) && !m.partial || len(m.to) == 1 && m.to[0] == nobody {
			require.ErrorIs(s.t, err, submit.ErrRejected, says)
			require.ErrorContains(s.t, err, nobody, says)
		} else {
			require.NoError(s.t, err, says)
		}
	}
	s.tried()
}

const nobody = "missing@example.net"

func small(n int) (letters []*letter) {
	for i := range n {
		letters = append(letters, write(fmt.Sprintf("%d of %d\n", i, n), fmt.Sprintf("u%d@example.net", 1+i%mailboxes)))
	}
	return letters
}

// withRefused are letters of which some, in the middle of others, are refused: for
// their only recipient, for one of two, or for some but not for others.
func withRefused(n int) []*letter {
	letters := small(n)
	for i, m := range letters {
		switch i % 20 {
		case 7:
			m.to = []string{nobody}
		case 13:
			m.to = append(m.to, nobody)
		case 17:
			m.to, m.partial = append(m.to, nobody), true
		}
	}
	return letters
}

// often has every third letter refused.
func often(letters []*letter) []*letter {
	for i, m := range letters {
		if i%3 == 0 {
			m.to = []string{nobody}
		}
	}
	return letters
}

// withMiddling are letters that are too large for two to leave together.
func withMiddling(n int) []*letter {
	letters := small(n)
	for i := range letters {
		letters[i] = write(strings.Repeat("a line of a letter\r\n", 1000), letters[i].to...)
	}
	return letters
}

// withLarge are letters of which some are too large to share a session.
func withLarge(n int) []*letter {
	letters := small(n)
	for i := range letters {
		if i%8 == 3 {
			letters[i] = write(strings.Repeat(".a line of a large message\r\n", 40_000), letters[i].to...)
		}
	}
	return letters
}

// submitAll submits a sequence of letters, enters them in the ledger, and yields
// what became of each: once, and not before it was asked for.
func (s *server) submitAll(pool *submit.Pool, letters iter.Seq[*letter]) iter.Seq2[*letter, error] {
	return func(yield func(*letter, error) bool) {
		var sent []*letter
		messages := func(more func(submit.Message) bool) {
			for m := range letters {
				s.ledger.enter(m)
				sent = append(sent, m)
				if !more(m.message()) {
					return
				}
			}
		}
		settled := make(map[int]bool)
		for r := range pool.SubmitAll(s.t.Context(), messages) {
			if r.Index >= len(sent) || settled[r.Index] {
				s.ledger.note("message %d of %d has one result too many", r.Index, len(sent))
				continue
			}
			settled[r.Index] = true
			s.ledger.close(sent[r.Index], r.Receipt, r.Err)
			if !yield(sent[r.Index], r.Err) {
				s.ledger.note("a batch was broken off: %v", errors.Unwrap(r.Err))
				return
			}
		}
		if len(settled) != len(sent) {
			s.ledger.note("%d messages, %d results", len(sent), len(settled))
		}
	}
}
