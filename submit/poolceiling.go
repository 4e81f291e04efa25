package submit

import (
	"context"
	"errors"
	"time"
)

// A ceiling is how many sessions there may be for a while, since a server would
// not have more.
type ceiling struct {
	sessions int
	until    time.Time
	pause    time.Duration // the last one
}

// How long a ceiling holds. Each time that it proves right, twice as long.
const (
	shortCeiling = 10 * time.Second
	longCeiling  = 5 * time.Minute
)

// lower makes sessions the ceiling. If there is one already, of sessions that were
// asked for at the same time, it holds for no longer than it would, and is one less:
// who was refused before may still be among those that are counted.
func (c *ceiling) lower(sessions int) {
	now := time.Now()
	if now.Before(c.until) {
		c.sessions = max(1, min(c.sessions-1, sessions))
		return
	}
	if now.After(c.until.Add(longCeiling)) {
		c.pause = 0 // that was long ago
	}
	c.pause = min(max(shortCeiling, 2*c.pause), longCeiling)
	c.sessions, c.until = sessions, now.Add(c.pause)
}

// of returns n, or the ceiling if that is lower. When it has held for long enough, it
// is tried whether there may be one more.
func (c *ceiling) of(n int) int {
	switch {
	case c.sessions == 0:
		return n
	case time.Now().Before(c.until):
		return min(n, c.sessions)
	}
	return min(n, c.sessions+1)
}

// raise is for so many sessions that could be had.
func (c *ceiling) raise(sessions int) {
	if c.sessions > 0 && !time.Now().Before(c.until) {
		c.sessions = max(c.sessions, sessions)
	}
}

// maxSessions is how many sessions may be open now. p.mu is held.
func (p *Pool) maxSessions() int { return p.ceiling.of(p.most()) }

// most is how many there may be at all.
func (p *Pool) most() int { return max(1, orInt(p.MaxSessions, 4)) }

// A recess is a while in which no session is opened, since the server said 421 (RFC
// 5321, section 3.8) to one that had not carried anything, and there was no other.
// Each is twice as long as the one before, if no message was taken in between.
type recess struct {
	until    time.Time
	last     time.Duration
	accepted uint64 // messages that had been taken when it began
}

const (
	shortRecess = time.Second
	longRecess  = time.Minute
)

// begin begins one, and reports whether it follows on another.
func (r *recess) begin(accepted uint64) (again bool) {
	again = r.last > 0 && r.accepted == accepted
	if !again {
		r.last = 0
	}
	r.last = min(max(shortRecess, 2*r.last), longRecess)
	r.until, r.accepted = time.Now().Add(r.last), accepted
	return again
}

func (r *recess) isOn() bool { return time.Now().Before(r.until) }

// unwelcome is for a session whose first message was refused with err, as if the
// server had said so before. Once that is the one message's error, and the others
// wait; if it goes on like that, it is as if there were no session to be had.
func (p *Pool) unwelcome(ctx context.Context, err error) (again bool) {
	p.mu.Lock()
	if p.working() > 0 || p.recess.begin(p.count.accepted) {
		p.mu.Unlock()
		return p.noSession(ctx, err)
	}
	p.ring()
	p.mu.Unlock()
	return false
}

// pause begins a recess if a server says, with err, that it has no time for a session
// and there is no other. It reports whether those who wait had better go on waiting:
// once, after sessions could be had, since a server may count them for a moment longer
// than they last. p.mu is held.
func (p *Pool) pause(err error) (patient bool) {
	if !isBusy(err) || p.recess.isOn() {
		return false
	}
	again := p.recess.begin(p.count.accepted)
	p.ring()
	return p.proven && !again
}

// isBusy reports whether a server said that it has no time for a session at all.
func isBusy(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Reply != nil && e.Reply.Code == 421 && e.Phase <= PhaseSender
}

// ring has those who wait looked after when a ceiling or a recess ends: nobody else
// may come by whose doing that would be. p.mu is held.
func (p *Pool) ring() {
	var next time.Duration
	for _, until := range [...]time.Time{p.ceiling.until, p.recess.until} {
		if d := time.Until(until); d > 0 && (next == 0 || d < next) {
			next = d
		}
	}
	switch {
	case next == 0:
	case p.alarm == nil:
		p.alarm = time.AfterFunc(next, p.reopen)
	default:
		p.alarm.Reset(next)
	}
}

func (p *Pool) reopen() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.spread()
		p.ring()
	}
}
