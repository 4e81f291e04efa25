package wire

import (
	"hash/maphash"
	"slices"
)

// seen is a small memory of replies of one line. A server says the same to every
// MAIL, to every RCPT and to every RSET: to know the line again is to be done with
// it, and takes no memory. What is found is shared, so its lines are not to be
// written to.
type seen struct {
	entries [8]seenReply
	next    int // which is forgotten for a new one

	// A line is kept when it comes for the second time. The reply to the end of a
	// message has the name of a queue file in it, and never does.
	seed   maphash.Seed
	once   [8]uint64
	oldest int
}

type seenReply struct {
	line  string
	reply Reply
}

// seenLine is how long a line may be that is worth to be kept.
const seenLine = 128

func (s *seen) find(line []byte) (Reply, bool) {
	for i := range s.entries {
		if e := &s.entries[i]; e.line == string(line) {
			return e.reply, true
		}
	}
	return Reply{}, false
}

func (s *seen) note(line []byte, r Reply) {
	if len(line) > seenLine {
		return
	}
	if s.seed == (maphash.Seed{}) {
		s.seed = maphash.MakeSeed()
	}
	sum := maphash.Bytes(s.seed, line)
	for _, earlier := range s.once {
		if earlier == sum {
			r.Lines = slices.Clone(r.Lines) // those may be somebody's
			s.entries[s.next] = seenReply{string(line), r}
			s.next = (s.next + 1) % len(s.entries)
			return
		}
	}
	s.once[s.oldest] = sum
	s.oldest = (s.oldest + 1) % len(s.once)
}
