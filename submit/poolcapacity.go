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
	lost     time.Time // when it did so by a connection that was lost; zero if the server said so

	narrow  int // how many messages may be under way together, after a loss; 0: as many as may at all
	settled int // since that was made so many
}

// How long a capacity is believed: of one that the server does not speak of, longer,
// since it leaves messages in doubt.
const (
	capacityHolds = time.Minute
	lossHolds     = 10 * time.Minute
)

// refused notes that a message was refused with err because s has carried enough.
func (c *capacity) refused(s *pooled, err error) {
	var e *Error
	if !errors.As(err, &e) || e.Reply == nil || e.Phase >= PhaseBody || e.Reply.Code != 421 && !isFull(*e.Reply) {
		return
	}
	if s.taken == 0 {
		return // it has not had enough of what it never had
	}
	now := time.Now()
	if c.messages == s.taken {
		c.until = now.Add(capacityHolds)
	} else {
		c.messages, c.until = s.taken, time.Time{}
	}
	c.lost = time.Time{}
}

// broke notes that the connection of s was lost with messages in doubt. Some servers,
// and what balances their load, say nothing when they have enough of a session. So
// as not to have many in doubt for the same reason, few go together for a while. Of
// sessions that were lost at the same time, for a reason of its own, one counts.
func (c *capacity) broke(s *pooled) {
	now := time.Now()
	c.narrow, c.settled = 1, 0
	switch {
	case s.taken == 0:
	case c.messages != s.taken || c.lost.IsZero():
		c.messages, c.until, c.lost = s.taken, time.Time{}, now
	case !s.since.Before(c.lost):
		c.until, c.lost = now.Add(lossHolds), now
	}
}

// settles notes that the server has judged a message in s: the window opens.
func (c *capacity) settles(s *pooled, window int) {
	if s.taken > c.messages && !c.lost.IsZero() {
		c.messages, c.until, c.lost = 0, time.Time{}, time.Time{} // it was something else
	}
	if c.narrow == 0 {
		return
	}
	if c.settled++; c.settled >= c.narrow {
		if c.narrow, c.settled = 2*c.narrow, 0; c.narrow >= window {
			c.narrow = 0
		}
	}
}

// window is how many messages may be under way together in s, of the most that may at
// all: the message at which another session was lost goes alone.
func (c *capacity) window(s *pooled, most int) int {
	if c.narrow > 0 {
		most = min(most, c.narrow)
	}
	if left := c.messages - s.taken; left >= 0 && !c.lost.IsZero() {
		most = min(most, max(1, left))
	}
	return most
}

// allows reports whether a session that has carried some messages may carry another.
func (c *capacity) allows(messages int) bool {
	return messages < c.messages || !time.Now().Before(c.until)
}
