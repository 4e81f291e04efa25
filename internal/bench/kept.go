package main

import (
	"context"
	"fmt"
	"time"

	"github.com/mailport/mailport/internal/bench/sink"
)

// Tables (a) and (d): messages over one connection that is kept.

// offer is what a server offers, in the order of the columns.
var offers = [...]struct {
	label    string
	chunking bool
}{{"DATA", false}, {"CHUNKING", true}}

// at has the outcomes of who sent to which of the offers.
type at map[string][len(offers)]*sample

// A sample is what was measured in all rounds.
type sample struct {
	messages int
	outcomes []outcome
}

// median is that of what get finds, for each message.
func (s *sample) median(get func(outcome) float64) float64 {
	var values []float64
	for _, o := range s.outcomes {
		values = append(values, get(o)/float64(s.messages))
	}
	return median(values)
}

func elapsed(o outcome) float64 { return o.Seconds[0] }
func cpu(o outcome) float64     { return o.CPU }
func mallocs(o outcome) float64 { return o.Mallocs }

func (r *runner) kept(ctx context.Context) (tables []table, err error) {
	for _, rtt := range r.rtts {
		results, err := r.keptAt(ctx, rtt)
		if err != nil {
			return nil, err
		}
		tables = append(tables, r.keptTable(rtt, results))
	}
	return tables, nil
}

// keptAt measures at one distance. What is next door is measured once, for two
// tables.
func (r *runner) keptAt(ctx context.Context, rtt time.Duration) (at, error) {
	if rtt == 0 && r.nextDoor != nil {
		return r.nextDoor, nil
	}
	results := make(at)
	rounds := r.rounds
	if rtt == 0 {
		rounds = r.near
	}
	for i, offer := range offers {
		s, err := r.stage.open(sink.Setting{Pipelining: true, Chunking: offer.chunking, RTT: rtt})
		if err != nil {
			return nil, err
		}
		r.tell(fmt.Sprintf("one connection, round trip %v, %s", rtt, offer.label))
		err = r.inTurns(rounds, r.contenders(), func(c contender) error {
			n := r.manyFor(c, rtt, offer.chunking)
			target := s.target(c)
			o, err := r.checked(ctx, s, c, job{Client: c.name, Target: target, Do: kept, Warm: r.warm(c, rtt), Messages: n})
			if err != nil {
				return err
			}
			samples := results[c.name]
			if samples[i] == nil {
				samples[i] = &sample{messages: n}
				results[c.name] = samples
			}
			samples[i].outcomes = append(samples[i].outcomes, o)
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	if rtt == 0 {
		r.nextDoor = results
	}
	return results, nil
}

// warm is how many messages are not counted. In them a pool finds out whether the
// server can do what it offers.
func (r *runner) warm(c contender, rtt time.Duration) int {
	switch {
	case rtt == 0:
		return max(r.messages/100, enough)
	case c.batch > 0:
		return enough
	}
	return 2
}

// enough is two full windows.
const enough = 33

// manyFor is how many messages a client sends in a time that can be waited for.
func (r *runner) manyFor(c contender, rtt time.Duration, chunking bool) int {
	const window = 32 // round trips, of who has several messages in each
	switch {
	case c.batch == unbounded && chunking && rtt > 0:
		return r.far
	case c.batch == unbounded && chunking:
		return r.messages
	case rtt == 0 && c.ours:
		return r.messages / 2
	case rtt == 0:
		return r.messages / 10
	case c.batch == 0:
		return r.slow
	case chunking:
		return window * c.batch
	}
	return 2 * window
}

func (r *runner) keptTable(rtt time.Duration, results at) table {
	t := table{title: fmt.Sprintf("(a) One connection kept, messages of 2 KiB, round trip %v", rtt), head: []string{"client"}}
	for _, offer := range offers {
		t.head = append(t.head, offer.label+": time for each")
		if rtt > 0 {
			t.head = append(t.head, "round trips")
		}
		t.head = append(t.head, "go-mail's / its")
	}
	for _, c := range r.contenders() {
		row := []string{c.label}
		for i := range offers {
			each := results[c.name][i].median(elapsed)
			row = append(row, took(each))
			if rtt > 0 {
				row = append(row, roundTrips(each, rtt))
			}
			row = append(row, times(results[goMail][i].median(elapsed)/each))
		}
		t.add(row...)
	}
	return t
}

func (r *runner) cpu(ctx context.Context) ([]table, error) {
	results, err := r.keptAt(ctx, 0)
	if err != nil {
		return nil, err
	}
	t := table{
		title: "(d) CPU and allocations of a client for each message of 2 KiB, one connection kept, round trip 0",
		head:  []string{"client"},
	}
	for _, offer := range offers {
		t.head = append(t.head, offer.label+": CPU", "x floor", "allocations")
	}
	for _, c := range r.contenders() {
		row := []string{c.label}
		for i := range offers {
			s := results[c.name][i]
			row = append(row, took(s.median(cpu)), times(s.median(cpu)/results[floor][i].median(cpu)), allocations(c, s.median(mallocs)))
		}
		t.add(row...)
	}
	return []table{t}, nil
}

func allocations(c contender, n float64) string {
	if c.name == nodemailer {
		return none
	}
	return fmt.Sprintf("%.1f", n)
}
