package main

import (
	"context"
	"fmt"

	"github.com/mailport/mailport/internal/bench/sink"
)

// Table (b): one message, from nothing.
func (r *runner) cold(ctx context.Context) ([]table, error) {
	t := table{
		title: fmt.Sprintf("(b) Round trips until the first message is taken, connecting included, round trip %v", r.coldRTT),
		head:  []string{"client"},
	}
	results := make(map[string][]string)
	for _, offer := range offers {
		s, err := r.stage.open(sink.Setting{Pipelining: true, Chunking: offer.chunking, RTT: r.coldRTT})
		if err != nil {
			return nil, err
		}
		for _, upgrade := range []bool{false, true} {
			mode := "implicit TLS"
			if upgrade {
				mode = "STARTTLS"
			}
			r.tell("first message, " + mode + ", " + offer.label)
			t.head = append(t.head, mode+", "+offer.label)
			times := make(map[string][]float64)
			err := r.inTurns(r.rounds, r.single(), func(c contender) error {
				target := s.target(c)
				target.Upgrade = upgrade
				o, err := r.checked(ctx, s, c, job{Client: c.name, Target: target, Do: cold, Messages: 1})
				if err == nil {
					times[c.name] = append(times[c.name], o.Seconds[0])
				}
				return err
			})
			if err != nil {
				return nil, err
			}
			for name, took := range times {
				results[name] = append(results[name], roundTrips(median(took), r.coldRTT))
			}
		}
	}
	for _, c := range r.single() {
		t.add(append([]string{c.label}, results[c.name]...)...)
	}
	return []table{t}, nil
}

// single are those who differ when there is one message only.
func (r *runner) single() (list []contender) {
	for _, c := range r.contenders() {
		if c.name == floor || c.batch == 0 {
			list = append(list, c)
		}
	}
	return list
}
