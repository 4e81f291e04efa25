package main

import (
	"context"
	"fmt"

	"github.com/mailport/mailport/internal/bench/sink"
)

// Table (g): whether a pool stays as it is, however many messages it has sent.
func (r *runner) soaked(ctx context.Context) ([]table, error) {
	t := table{
		title: fmt.Sprintf("(g) %d messages of 2 KiB through a mailport Pool with 4 sessions, at each quarter", r.soak),
		head:  []string{"messages", "live heap", "goroutines", "resident", "time"},
	}
	s, err := r.stage.open(sink.Setting{Pipelining: true, Chunking: true})
	if err != nil {
		return nil, err
	}
	r.tell("soaking")
	c := contender{name: soaking, ours: true, ready: true}
	target := s.target(c)
	target.Connections = 4
	o, err := r.checked(ctx, s, c, job{Client: c.name, Target: target, Do: soak, Warm: 400, Messages: r.soak})
	if err != nil {
		return nil, err
	}
	for _, q := range o.Quarters {
		t.add(fmt.Sprint(q.Messages), fmt.Sprintf("%d KiB", q.Heap>>10), fmt.Sprint(q.Goroutines), mebibytes(float64(q.Resident)), took(q.Seconds))
	}
	return []table{t}, nil
}
