package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/mailport/mailport/internal/bench/sink"
)

// Table (e): one message with a large attachment.
func (r *runner) largest(ctx context.Context) ([]table, error) {
	t := table{
		title: fmt.Sprintf("(e) One message of %d MiB, over a connection that is open", r.large>>20),
		head:  []string{"client"},
	}
	cells := make(map[string][]string)
	for _, offer := range offers {
		s, err := r.stage.open(sink.Setting{Pipelining: true, Chunking: offer.chunking})
		if err != nil {
			return nil, err
		}
		r.tell("a large message, " + offer.label)
		t.head = append(t.head, offer.label+": peak of memory", "of heap", "CPU", "x floor")
		results := make(map[string]*sample)
		list := slices.DeleteFunc(r.single(), func(c contender) bool { return offer.chunking && !c.ours && c.name != goMail })
		err = r.inTurns(r.rounds, list, func(c contender) error {
			target := s.target(c)
			o, err := r.checked(ctx, s, c, job{Client: c.name, Target: target, Do: large, Warm: 1, Size: r.large})
			if err != nil {
				return err
			}
			if results[c.name] == nil {
				results[c.name] = &sample{messages: 1}
			}
			results[c.name].outcomes = append(results[c.name].outcomes, o)
			return nil
		})
		if err != nil {
			return nil, err
		}
		for _, c := range r.single() {
			cells[c.name] = append(cells[c.name], largeCells(c, results[c.name], results[floor])...)
		}
	}
	for _, c := range r.single() {
		t.add(append([]string{c.label}, cells[c.name]...)...)
	}
	return []table{t}, nil
}

func largeCells(c contender, s, floor *sample) []string {
	if s == nil {
		return []string{none, none, none, none}
	}
	heap := mebibytes(s.median(func(o outcome) float64 { return float64(o.Heap) }))
	if c.name == nodemailer {
		heap = none
	}
	return []string{
		mebibytes(s.median(func(o outcome) float64 { return float64(o.Resident) })), heap,
		took(s.median(cpu)), times(s.median(cpu) / floor.median(cpu)),
	}
}
