package submit

import (
	"slices"

	"github.com/mailport/mailport/internal/wire"
)

// Landmarks show where the replies to a window of messages are. All messages get the
// same ones: if a server loses some of what is on its way, or replies twice, those that
// come next would be taken for another message's, and nothing seem to be wrong.
//
// But most servers say something else to MAIL than to RSET. And the first message of
// those that leave together has one more RSET in front of it than the others: that is
// where a server would go on that has lost what it had not read.
type landmarks struct {
	first wire.Reply // to RSET
	last  wire.Reply // to RSET
	told  bool       // MAIL got another reply
	same  bool       // or the same: then they tell nothing
}

// How many RSET go in front of a message: the first of those that leave together while
// others are on their way, and any other.
const (
	behindOthers = 2
	amidOthers   = 1
)

// passes notes the reply to RSET, which is -1 or less, or to MAIL, which is 0, and
// reports whether it is in its place.
func (l *landmarks) passes(i int, r wire.Reply) bool {
	switch {
	case i < 0:
		if l.last = r; l.first.Code == 0 {
			l.first = r
		}
		return true
	case i > 0 || r.Class() != 2 || l.first.Code == 0 || l.same:
		return true
	case !isSame(r, l.first) && !isSame(r, l.last):
		l.told = true
		return true
	}
	l.same = !l.told
	return l.same
}

func isSame(a, b wire.Reply) bool {
	return a.Code == b.Code && a.Enhanced == b.Enhanced && slices.Equal(a.Lines, b.Lines)
}
