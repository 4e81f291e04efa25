package main

import (
	"context"
	"fmt"
	"io"

	"github.com/mailport/mailport/negotiate"
)

// run looks for servers if it has to, probes, and tells what came of it.
func (o *options) run(ctx context.Context, stdout, stderr io.Writer) int {
	late := fmt.Errorf("-timeout %v is over: %w", o.timeout, context.DeadlineExceeded)
	ctx, cancel := context.WithTimeoutCause(ctx, o.timeout, late)
	defer cancel()
	var s story
	if o.isAddress() {
		o.discovery.Observe = func(e negotiate.SourceError) { s.missed = append(s.missed, e) }
		s.found, s.err = o.discover(ctx)
		s.searched = true
		if !o.json {
			s.tellFound(stdout, o)
		}
	}
	if s.err == nil {
		s.report, s.err = o.probe(ctx)
	}
	if err := s.tell(stdout, o); err != nil {
		fmt.Fprintf(stderr, "probe: standard output: %v\n", err)
	}
	if s.err != nil {
		fmt.Fprintf(stderr, "probe: %s\n", words(s.err))
	}
	return exitCode(s.err)
}

func (o *options) probe(ctx context.Context) (*negotiate.Report, error) {
	if o.auth {
		return o.ProbeAuth(ctx)
	}
	return o.Probe(ctx)
}
