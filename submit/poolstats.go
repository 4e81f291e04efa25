package submit

// PoolStats are what a pool is doing at a moment, and what it has done.
type PoolStats struct {
	Open     int // sessions: being opened, in use and idle
	Idle     int // sessions that wait for a message
	Waiting  int // messages that wait for a session
	InFlight int // messages that have a session, or one that is being opened for them, and no answer yet

	Dialled   uint64 // sessions that were opened
	Accepted  uint64 // messages with a receipt
	Failed    uint64 // messages with an error, but for those that never had a session
	Uncertain uint64 // of these, with ErrUncertain
	Again     uint64 // messages that went again over another session, for none of them was taken the first time
}

// counters are what adds up.
type counters struct {
	dialled, accepted, failed, uncertain, again uint64
}

func (c *counters) outcome(err error) {
	if err == nil {
		c.accepted++
		return
	}
	c.failed++
	if isUncertain(err) {
		c.uncertain++
	}
}

func (p *Pool) note(count func(*counters)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	count(&p.count)
}

// Stats returns what the pool is doing at the moment, and has done.
func (p *Pool) Stats() PoolStats {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.count
	return PoolStats{
		Open: p.open, Idle: len(p.idle), Waiting: len(p.waiting), InFlight: p.inFlight + int(p.leading.Load()),
		Dialled: c.dialled, Accepted: c.accepted, Failed: c.failed, Uncertain: c.uncertain, Again: c.again,
	}
}
