package submit

import (
	"context"
	"crypto/tls"
	"log/slog"
	"time"
)

// step tells whoever wants to know that a step is over. Secrets do not come
// here: an Event has no field that could hold one.
func (s *Session) step(ctx context.Context, phase Phase, began time.Time, err error) {
	s.report(ctx, Event{Phase: phase, Took: time.Since(began), Err: err})
}

func (s *Session) secured(ctx context.Context, began time.Time, state *tls.ConnectionState) {
	s.report(ctx, Event{Phase: PhaseHandshake, Took: time.Since(began), TLS: state})
}

// greeted is the step of an answer to EHLO.
func (s *Session) greeted(ctx context.Context, phase Phase, began time.Time, err error) {
	e := Event{Phase: phase, Took: time.Since(began), Err: err}
	if err == nil && s.observed(ctx) {
		e.Extensions = s.ext.Lines()
	}
	s.report(ctx, e)
}

// observed reports whether anybody wants to know of steps.
func (s *Session) observed(ctx context.Context) bool {
	return s.config.Trace != nil || s.config.Logger != nil || perCall(ctx) != nil
}

func perCall(ctx context.Context) func(context.Context, Event) {
	trace, _ := ctx.Value(traceKey{}).(func(context.Context, Event))
	return trace
}

func (s *Session) report(ctx context.Context, e Event) {
	if !s.observed(ctx) {
		return
	}
	e.Endpoint, e.Address = s.endpoint, s.address
	if s.config.Trace != nil {
		s.config.Trace(ctx, e)
	}
	if trace := perCall(ctx); trace != nil {
		trace(ctx, e)
	}
	s.log(ctx, e)
}

func (s *Session) log(ctx context.Context, e Event) {
	logger := s.config.Logger
	if logger == nil {
		return
	}
	level := slog.LevelDebug
	if isUncertain(e.Err) {
		level = slog.LevelWarn
	}
	attrs := []slog.Attr{
		slog.String("endpoint", e.Endpoint.String()),
		slog.String("address", e.Address),
		slog.String("phase", e.Phase.String()),
		slog.Duration("took", e.Took),
	}
	if e.Err != nil {
		attrs = append(attrs, slog.String("error", e.Err.Error()))
	}
	logger.LogAttrs(ctx, level, "mail submission", attrs...)
}
