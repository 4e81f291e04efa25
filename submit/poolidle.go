package submit

import (
	"slices"
	"time"
)

// unwatched is how long a session may be idle before a goroutine waits for what
// the server may have to say. Until then whoever takes it looks: a service that
// sends a message now and then would start one for each.
const unwatched = time.Second

// watch has the idle sessions looked after in d at the latest. p.mu is held.
func (p *Pool) watch(d time.Duration) {
	due := time.Now().Add(d)
	switch {
	case p.watcher == nil:
		p.watcher = time.AfterFunc(d, p.lookAfter)
	case p.watched.IsZero() || due.Before(p.watched):
		p.watcher.Reset(d)
	default:
		return
	}
	p.watched = due
}

// lookAfter has those watched that have been idle for a while, and closes those
// that have been for too long.
func (p *Pool) lookAfter() {
	p.mu.Lock()
	p.watched = time.Time{}
	if p.closed {
		p.mu.Unlock()
		return
	}
	var (
		expired []*pooled
		next    time.Duration
		now     = time.Now()
	)
	p.idle = slices.DeleteFunc(p.idle, func(s *pooled) bool {
		idle := now.Sub(s.idleSince)
		left := p.maxIdle() - idle
		if left <= 0 {
			expired = append(expired, s)
			return true
		}
		if idle < unwatched {
			left = min(left, unwatched-idle)
		} else if !s.conn.Parked() {
			s.conn.Park(func() { p.evict(s) })
		}
		if next == 0 || left < next {
			next = left
		}
		return false
	})
	if next > 0 {
		p.watch(next)
	}
	p.mu.Unlock()
	for _, s := range expired {
		s.conn.Unpark()
		s.Close()
		p.free()
	}
}

// evict ends a session that was found dead by the watch over it, which calls evict,
// unless somebody was faster and takes it.
func (p *Pool) evict(s *pooled) {
	p.mu.Lock()
	i := slices.Index(p.idle, s)
	if i >= 0 {
		p.idle = slices.Delete(p.idle, i, i+1)
	}
	p.mu.Unlock()
	if i >= 0 {
		s.abandon()
		p.free()
	}
}
