package submit

import (
	"slices"

	"github.com/mailport/mailport/internal/wire"
)

// Landmarks show whether the replies to the messages of a window are in their places.
// All messages get about the same ones. If a server loses some of what is on its way
// and goes on behind that, or replies once too often or not at all, the replies that
// come next would be taken for another message's, and nothing seem to be wrong.
//
// But most servers have words of their own for each command, and the verdict on a
// message, which says where it is queued, is other than those. So a verdict that reads
// like the reply to a command is the reply to a command.
type landmarks struct{ reset, mail, rcpt landmark }

// A landmark is what a server replies to a command.
type landmark struct {
	wire.Reply      // the first time
	differs    bool // a verdict has been other than it
	alike      bool // or the same, at first: it shows nothing
}

// passes notes the reply to command i of a message: RSET is -1, MAIL 0, the recipients
// come then, and the last stands for the verdict. Of that it reports whether it can be
// the verdict.
func (l *landmarks) passes(i, last int, r wire.Reply) bool {
	switch {
	case r.Class() != 2:
		return true
	case i < last:
		l.of(i).learn(r)
		return true
	}
	passes := true
	for _, k := range [...]*landmark{&l.reset, &l.mail, &l.rcpt} {
		passes = k.passes(r) && passes
	}
	return passes
}

func (l *landmarks) of(i int) *landmark {
	switch {
	case i < 0:
		return &l.reset
	case i == 0:
		return &l.mail
	}
	return &l.rcpt
}

func (k *landmark) learn(r wire.Reply) {
	if k.Code == 0 {
		k.Reply = r
	}
}

// passes reports whether r, a verdict, does not read like the reply to the command.
func (k *landmark) passes(r wire.Reply) bool {
	switch {
	case k.Code == 0 || k.alike:
		return true
	case !isSame(k.Reply, r):
		k.differs = true
		return true
	}
	k.alike = !k.differs
	return k.alike
}

func isSame(a, b wire.Reply) bool {
	return a.Code == b.Code && a.Enhanced == b.Enhanced && slices.Equal(a.Lines, b.Lines)
}
