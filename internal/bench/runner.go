package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mailport/mailport/internal/bench/driver"
	"github.com/mailport/mailport/internal/bench/sink"
)

// size is that of a message, in octets.
const size = 2048

// A scale says how much work is done.
type scale struct {
	rounds      int // of which the median counts
	near        int // rounds without a delay, where what else the machine does counts most
	messages    int // of who is fast, next door
	far         int // of who is fast, at a distance
	slow        int // messages of who waits for round trips
	rtts        []time.Duration
	coldRTT     time.Duration
	patience    time.Duration
	large       int // octets
	many        int
	connections int
	manyRTT     time.Duration
	soak        int
}

func full() scale {
	return scale{
		rounds: 3, near: 7, messages: 20_000, far: 8000, slow: 4,
		rtts:    []time.Duration{0, 20 * time.Millisecond, 100 * time.Millisecond},
		coldRTT: 100 * time.Millisecond, patience: 20 * time.Second,
		large: 200 << 20,
		many:  5000, connections: 8, manyRTT: 50 * time.Millisecond,
		soak: 100_000,
	}
}

func quick() scale {
	return scale{
		rounds: 1, near: 1, messages: 2000, far: 2000, slow: 2,
		rtts:    []time.Duration{0, 20 * time.Millisecond},
		coldRTT: 20 * time.Millisecond, patience: time.Second,
		large: 20 << 20,
		many:  400, connections: 8, manyRTT: 20 * time.Millisecond,
		soak: 4000,
	}
}

// A runner directs the other processes, and fills tables.
type runner struct {
	scale
	stage    *servers
	node     *node        // nodemailer
	without  []string     // who does not take part
	tell     func(string) // what is going on
	nextDoor at           // what was measured without a delay
	profiles string       // the folder for them; "": none
	profiled int
}

// contenders are those that take part.
func (r *runner) contenders() (list []contender) {
	for _, c := range contenders {
		if !slices.Contains(r.without, c.name) {
			list = append(list, c)
		}
	}
	return list
}

// client makes a process for a client.
func (r *runner) client(ctx context.Context, name string) (*process, error) {
	if name == nodemailer {
		return r.node.process(ctx), nil
	}
	return newProcess(ctx, asClient)
}

// target is how to reach a server.
func (s *server) target(c contender) driver.Target {
	return driver.Target{
		Implicit: s.Implicit, STARTTLS: s.STARTTLS, CA: s.CA,
		User: sink.User, Password: sink.Password,
		Size: size, Upgrade: c.upgrades,
	}
}

// checked has a client do a job, and holds the server's tally against it: every
// message came once and intact, over no more connections than were asked for.
func (r *runner) checked(ctx context.Context, s *server, c contender, j job) (outcome, error) {
	j.Profile = r.profileOf(j)
	o, err := r.do(ctx, j)
	if err != nil {
		return o, err
	}
	if o.Error != "" {
		return o, fmt.Errorf("%s: %s", c.name, o.Error)
	}
	tally, err := s.tally()
	if err == nil {
		err = j.verify(c, tally)
	}
	if err != nil {
		return o, fmt.Errorf("%s: %w", c.name, err)
	}
	return o, nil
}

func (j *job) verify(c contender, t sink.Tally) error {
	want := j.Warm + j.Messages
	if j.Do == large {
		want++
	}
	switch {
	case len(t.Wrong) > 0:
		return errors.New("the server complains: " + strings.Join(t.Wrong, "; "))
	case t.Messages != want || t.Highest != want-1:
		return fmt.Errorf("the server took %d messages, up to number %d; it should be %d", t.Messages, t.Highest, want)
	case c.ready && j.Do == kept && t.Octets != want*j.Target.Size:
		return fmt.Errorf("the server took %d octets instead of %d", t.Octets, want*j.Target.Size)
	case j.Do == kept && t.Connections > max(1, j.Target.Connections):
		return fmt.Errorf("the server saw %d connections", t.Connections)
	}
	return nil
}

// inTurns does something for all who take part, in turns, so that what disturbs
// the machine disturbs them alike.
func (r *runner) inTurns(rounds int, list []contender, do func(contender) error) error {
	for range rounds {
		for _, c := range list {
			if err := do(c); err != nil {
				return err
			}
		}
	}
	return nil
}
