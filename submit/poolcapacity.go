package submit

import (
	"errors"
	"time"
)

// A capacity is how many messages a server takes in one session, as it turned out
// twice in a row: once can be chance. It is believed for a while, since to begin
// what will be refused costs as much as to send it.
type capacity struct {
	messages int
	until    time.Time // zero if it turned out once
}

const capacityHolds = time.Minute

// refused notes that a message was refused with err because s has carried enough.
func (c *capacity) refused(s *pooled, err error) {
	var e *Error
	if !errors.As(err, &e) || e.Reply == nil || e.Phase >= PhaseBody || e.Reply.Code != 421 && !isFull(*e.Reply) {
		return
	}
	if c.messages == s.taken {
		c.until = time.Now().Add(capacityHolds)
	} else {
		*c = capacity{messages: s.taken}
	}
}

// allows reports whether a session that has carried some messages may carry another.
func (c *capacity) allows(messages int) bool {
	return messages < c.messages || !time.Now().Before(c.until)
}
