package negotiate

import (
	"time"

	"github.com/mailport/mailport/submit"
)

// foresee says who would have won, had the runners, who have all been to their
// ends at the same time, raced: it is decide on a clock of its own. If nobody would
// have, it says whose failure would have ended the race; nil is nobody's.
func (r *race) foresee() (winner, decided *runner) {
	f := foreseen{race: r, strictest: next}
	for f.begin(); len(f.running) > 0; {
		switch c := f.next(); {
		case c == nil:
			f.begin()
		case c.session != nil:
			return c, nil
		case c.verdict == stop:
			return nil, c
		default:
			f.strictest = min(f.strictest, c.verdict)
			f.begin()
		}
	}
	return nil, nil
}

// foreseen is a race that did not happen.
type foreseen struct {
	*race
	strictest verdict
	now       time.Duration
	tried     int // how many of the runners had their turn
	running   []start
	latest    start
}

// A start is a runner that began at a time.
type start struct {
	*runner
	at time.Duration
}

// begin starts the first runner that may.
func (f *foreseen) begin() {
	for f.tried < len(f.runners) {
		c := f.runners[f.tried]
		f.tried++
		if f.strictest == next || c.attempt.Endpoint.Service == submit.Submissions {
			f.latest = start{c, f.now}
			f.running = append(f.running, f.latest)
			return
		}
	}
}

// next lets time pass until a runner is at its end, who is returned, or the head
// start of the latest is over.
func (f *foreseen) next() *runner {
	first := 0
	for i, s := range f.running {
		// At the same time the preferred one is first, and a failure never.
		if d := s.end() - f.running[first].end(); d < 0 || d == 0 && s.session != nil && f.running[first].session == nil {
			first = i
		}
	}
	if over, ok := f.headStartOver(); ok && over < f.running[first].end() {
		f.now = over
		return nil
	}
	c := f.running[first]
	f.now = c.end()
	f.running = append(f.running[:first], f.running[first+1:]...)
	return c.runner
}

func (s start) end() time.Duration { return s.at + s.attempt.Took }

// headStartOver is when the next may begin though nobody is at an end; none may
// if there is none, or the latest has its head start without end.
func (f *foreseen) headStartOver() (at time.Duration, ok bool) {
	if f.tried == len(f.runners) || f.policy.headStart() < 0 {
		return 0, false
	}
	c := f.latest
	if c.connected > 0 && c.connected < c.alone {
		return c.at + c.connected + f.policy.readyWithin(c.connect), true
	}
	return c.at + c.alone, true
}
