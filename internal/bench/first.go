package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/mailport/mailport/internal/bench/sink"
)

// Table (c): the first message where one of the two ports does not work, and the
// second of the same process.

// troubles are what can be wrong with a port. That it speaks as the other should
// is its fault or its client's; its server is well, and complains.
var troubles = [...]struct {
	label    string
	starttls bool // it is the port for STARTTLS, and that is preferred
	fault    string
}{
	{"nothing wrong", false, ""},
	{"465 refused", false, refused},
	{"465 drops SYNs", false, dropping},
	{"465 never speaks", false, silent},
	{"465 speaks cleartext", false, otherMode},
	{"587 refused", true, refused},
	{"587 drops SYNs", true, dropping},
	{"587 never speaks", true, silent},
	{"587 expects TLS", true, otherMode},
}

const otherMode = "speaks as the other port should"

func (r *runner) first(ctx context.Context) ([]table, error) {
	t := table{
		title: "(c) First and second message where a port does not work, round trip 0",
		head:  []string{"client"},
		notes: []string{"Others than mailport are told one port and how to use it, as in their documentation."},
	}
	list := append([]contender{negotiating()}, r.peers()...)
	cells := make([][len(troubles)]string, len(list))
	for i, trouble := range troubles {
		t.head = append(t.head, trouble.label)
		r.tell("a port does not work: " + trouble.label)
		port, err := r.broken(trouble.fault)
		if err != nil {
			return nil, err
		}
		errs := make([]error, len(list))
		var work sync.WaitGroup
		for k := range list {
			try := func() { errs[k] = r.tryTrouble(ctx, list[k], i, port, &cells[k][i]) }
			if k == 0 || trouble.fault == "" {
				try()
			} else { // they wait for most of the time, and can do so together
				work.Go(try)
			}
		}
		work.Wait()
		if err := errors.Join(errs...); err != nil {
			return nil, err
		}
	}
	for k, c := range list {
		t.add(append([]string{c.label}, cells[k][:]...)...)
	}
	return []table{t}, nil
}

func negotiating() contender {
	return contender{name: negotiator, label: "mailport Negotiator", ours: true, ready: true}
}

func (r *runner) peers() (list []contender) {
	for _, c := range r.contenders() {
		if !c.ours {
			list = append(list, c)
		}
	}
	return list
}

// broken returns a port that does not work, if it is the port that does not.
func (r *runner) broken(how string) (port int, err error) {
	if how == "" || how == otherMode {
		return 0, nil
	}
	return r.stage.broken(how)
}

// tryTrouble fills a cell.
func (r *runner) tryTrouble(ctx context.Context, c contender, i, port int, cell *string) error {
	trouble := troubles[i]
	s, err := r.stage.open(sink.Setting{Pipelining: true, Chunking: true})
	if err != nil {
		return err
	}
	target := s.target(c)
	target.Upgrade = trouble.starttls
	at, other := &target.Implicit, target.STARTTLS
	if trouble.starttls {
		at, other = &target.STARTTLS, target.Implicit
	}
	switch trouble.fault {
	case "":
	case otherMode:
		*at = other
	default:
		*at = port
	}
	patience := r.patience
	if c.ours {
		patience = longest // it is not to fail, however busy the machine is
	}
	o, err := r.do(ctx, job{Client: c.name, Target: target, Do: twice, Patience: patience.Seconds()})
	if err != nil {
		return err
	}
	*cell = o.inTrouble(patience)
	tally, err := s.tally()
	switch {
	case err != nil:
		return err
	case trouble.fault != otherMode && len(tally.Wrong) > 0, tally.Messages != len(o.Seconds) && o.Error == "":
		return fmt.Errorf("%s: %s: the server took %d messages; %v", c.name, trouble.label, tally.Messages, tally.Wrong)
	case c.ours && o.Error != "":
		return fmt.Errorf("%s: %s: %s", c.name, trouble.label, o.Error)
	}
	return nil
}

func (o *outcome) inTrouble(patience time.Duration) string {
	switch {
	case o.Error == hangs:
		return "> " + took(patience.Seconds())
	case o.Error != "" && len(o.Seconds) > 0:
		return "fails, " + took(o.Seconds[len(o.Seconds)-1])
	case o.Error != "":
		return "fails"
	}
	return took(o.Seconds[0]) + ", " + took(o.Seconds[1])
}
