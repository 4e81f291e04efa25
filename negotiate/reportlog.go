package negotiate

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"strings"
	"time"
)

// LogValue returns r as a group: diagnosis, took, chosen, and for each attempt a
// group, attempt1 and so on: endpoint, outcome, began, took, address, tls,
// certificate_until, mechanisms, error, and the group steps with how long each
// phase took. What there is nothing to say of is left out.
func (r *Report) LogValue() slog.Value {
	attrs := []slog.Attr{slog.String("diagnosis", r.Diagnosis()), slog.Duration("took", r.Took)}
	if chosen, ok := r.Chosen(); ok {
		attrs = append(attrs, slog.String("chosen", printable(chosen.String())))
	}
	for i, a := range r.Attempts {
		attrs = append(attrs, slog.Attr{Key: fmt.Sprintf("attempt%d", i+1), Value: slog.GroupValue(a.logged()...)})
	}
	return slog.GroupValue(attrs...)
}

func (a Attempt) logged() []slog.Attr {
	attrs := []slog.Attr{
		slog.String("endpoint", printable(a.Endpoint.String())),
		slog.String("outcome", a.Outcome.String()),
		slog.Duration("began", a.Began),
		slog.Duration("took", a.Took),
	}
	add := func(key, value string) {
		if value != "" {
			attrs = append(attrs, slog.String(key, printable(value)))
		}
	}
	add("address", a.Address)
	if a.TLS != nil {
		add("tls", tls.VersionName(a.TLS.Version))
	}
	if c := a.Certificate(); c != nil {
		add("certificate_until", c.NotAfter.UTC().Format(time.DateOnly))
	}
	if !a.offersInClear() {
		add("mechanisms", strings.Join(a.Mechanisms(), " "))
	}
	add("error", errorText(a.Err))
	if steps := a.loggedSteps(); len(steps) > 0 {
		attrs = append(attrs, slog.Attr{Key: "steps", Value: slog.GroupValue(steps...)})
	}
	return attrs
}

// loggedSteps have one attribute for each phase, also for one that was gone
// through twice: keys are not.
func (a Attempt) loggedSteps() (steps []slog.Attr) {
	took := make(map[string]time.Duration)
	for _, s := range a.Steps {
		key := strings.ReplaceAll(s.Phase.String(), " ", "_")
		if _, again := took[key]; !again {
			steps = append(steps, slog.Attr{Key: key})
		}
		took[key] += s.Took
	}
	for i := range steps {
		steps[i].Value = slog.DurationValue(took[steps[i].Key])
	}
	return steps
}
