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
// message is other than those. So when a verdict reads like the reply to a command, and
// the replies to the commands are not what they have been, all have lost their places.
// One without the other may be a server's mood.
type landmarks struct {
	reset, mail, rcpt landmark

	moved bool // a reply to a command of this message is not what it has been
}

// A landmark is what a server replies to a command.
type landmark struct {
	wire.Reply      // the first time
	differs    bool // a verdict has been other than it
	alike      bool // or the same, when nothing was wrong: it shows nothing
}

// passes notes the reply to command i of a message: RSET is -1, MAIL 0, the recipients
// come then, and the last stands for the verdict. Of that it reports whether it can be
// the verdict.
func (l *landmarks) passes(i, last int, r wire.Reply) bool {
	if i < last {
		if r.Class() == 2 {
			l.moved = !l.of(i).meets(r) || l.moved
		}
		return true
	}
	moved := l.moved
	l.moved = false
	if r.Class() != 2 {
		return true
	}
	passes := true
	for _, k := range [...]*landmark{&l.reset, &l.mail, &l.rcpt} {
		passes = k.tells(r, moved) && passes
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

// meets reports whether r is what it was the first time.
func (k *landmark) meets(r wire.Reply) bool {
	if k.Code == 0 {
		k.Reply = r
	}
	return isSame(k.Reply, r)
}

// tells reports whether r, which should be a verdict, does not read like a command's
// reply out of its place.
func (k *landmark) tells(r wire.Reply, moved bool) bool {
	switch {
	case k.Code == 0:
	case !isSame(k.Reply, r):
		k.differs = true
	case moved && k.differs && !k.alike:
		return false
	case !moved:
		k.alike = true
	}
	return true
}

func isSame(a, b wire.Reply) bool {
	return a.Code == b.Code && a.Enhanced == b.Enhanced && slices.Equal(a.Lines, b.Lines)
}
