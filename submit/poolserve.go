package submit

// takeNow takes what can be had without waiting: an idle session, or nil as leave
// to open one. It does not, if the message can go along with others. p.mu is held.
func (p *Pool) takeNow(letter *parcel) (s *pooled, ok bool) {
	switch {
	case p.closed:
	case len(p.idle) > 0:
		return p.takeIdle(), true
	case len(p.hungry) > 0 && p.hungry[len(p.hungry)-1].takes(letter):
	case len(p.waiting) == 0 && p.mayOpen(): // who waits already has a right to it
		p.open++
		return nil, true
	}
	return nil, false
}

// carriesIdle reports whether the session that is taken next would do no worse to
// carry a message together with others, which may come: one that has been silent for
// long has to prove itself first, and so has BDAT. p.mu is held.
func (p *Pool) carriesIdle(letter *parcel) bool {
	last := len(p.idle) - 1
	if last < 0 {
		return false
	}
	s := p.idle[last]
	return !s.doubtful() && (s.windows(letter) || !s.chunking() && p.carries(s, letter))
}

// takeIdle takes the session that was used last. p.mu is held.
func (p *Pool) takeIdle() *pooled {
	last := len(p.idle) - 1
	s := p.idle[last]
	p.idle = p.idle[:last]
	return s
}

// mayOpen reports whether there may be another session. The first has to show that
// it can be had at all. p.mu is held.
func (p *Pool) mayOpen() bool {
	return !p.recess.isOn() && (p.open == 0 || p.proven && p.open < p.maxSessions())
}

// working is how many sessions are open beside the one that is being opened or
// closed. p.mu is held.
func (p *Pool) working() int { return p.open - 1 }

// serve has the queue served by what there is, after something was added to it.
// p.mu is held.
func (p *Pool) serve() {
	switch {
	case len(p.waiting) == 0:
	case len(p.idle) > 0:
		for range min(len(p.idle), len(p.waiting)) {
			go p.revive(p.takeIdle()) // Close waits for it: the session is open
		}
	case len(p.hungry) > 0:
		p.feed()
	default:
		p.spread()
	}
}

// revive has an idle session serve who waits.
func (p *Pool) revive(s *pooled) {
	if s.conn.Unpark() {
		p.giveBack(s)
		return
	}
	s.Close()
	p.free()
}

// feed tells a run that could carry more that there is more. p.mu is held.
func (p *Pool) feed() {
	if last := len(p.hungry) - 1; last >= 0 {
		p.hungry[last].more.Signal()
		p.hungry = p.hungry[:last]
	}
}

// spread gives those who wait leave to open sessions, if there may be more. p.mu
// is held.
func (p *Pool) spread() {
	for len(p.waiting) > 0 && p.mayOpen() {
		p.open++
		w := p.next()
		w.owner.lead(w, nil)
	}
}
