package main

import (
	"context"
	"fmt"

	"github.com/mailport/mailport/internal/bench/sink"
)

// Table (f): many messages over several connections. Who takes minutes sends
// fewer, and its time is multiplied; connecting is not counted then.
func (r *runner) several(ctx context.Context) ([]table, error) {
	t := table{
		title: fmt.Sprintf("(f) %d messages of 2 KiB over %d connections, round trip %v", r.many, r.connections, r.manyRTT),
		head:  []string{"client"},
		notes: []string{"≈: calculated from the time that fewer messages took over connections that were open."},
	}
	cells := make(map[string][]string)
	for _, offer := range offers {
		s, err := r.stage.open(sink.Setting{Pipelining: true, Chunking: offer.chunking, RTT: r.manyRTT})
		if err != nil {
			return nil, err
		}
		t.head = append(t.head, offer.label)
		for _, c := range r.contenders() {
			r.tell(fmt.Sprintf("%d connections, %s: %s", r.connections, offer.label, c.name))
			target := s.target(c)
			target.Connections = r.connections
			j := job{Client: c.name, Target: target, Do: kept, Whole: true, Messages: r.many}
			if !c.ours || c.batch == 0 {
				j.Whole, j.Warm, j.Messages = false, r.connections, 5*r.slow*r.connections/2
			}
			o, err := r.checked(ctx, s, c, j)
			if err != nil {
				return nil, err
			}
			cell := took(o.Seconds[0])
			if !j.Whole {
				cell = "≈ " + took(o.Seconds[0]*float64(r.many)/float64(j.Messages))
			}
			cells[c.name] = append(cells[c.name], cell)
		}
	}
	for _, c := range r.contenders() {
		t.add(append([]string{c.label}, cells[c.name]...)...)
	}
	return []table{t}, nil
}
