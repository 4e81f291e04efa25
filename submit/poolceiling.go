package submit

import "time"

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

// lower makes sessions the ceiling. If there is one already, of two sessions that
// were asked for at the same time, it holds for no longer than it would.
func (c *ceiling) lower(sessions int) {
	now := time.Now()
	if now.Before(c.until) {
		c.sessions = min(c.sessions, sessions)
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
