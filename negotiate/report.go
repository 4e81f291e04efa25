package negotiate

import (
	"cmp"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/mailport/mailport/submit"
)

// A Report is the story of one negotiation or probe. It has no secrets in it.
type Report struct {
	Attempts []Attempt // in the order they began; those not tried come last
	Took     time.Duration

	probe bool // it is of what would be chosen
}

func (r *Report) sort() {
	slices.SortStableFunc(r.Attempts, func(a, b Attempt) int {
		switch {
		case a.Outcome == NotTried && b.Outcome == NotTried:
			return 0
		case a.Outcome == NotTried:
			return 1
		case b.Outcome == NotTried:
			return -1
		}
		return cmp.Compare(a.Began, b.Began)
	})
}

// Chosen returns the endpoint that won, if one did.
func (r *Report) Chosen() (submit.Endpoint, bool) {
	a, ok := r.winner()
	return a.Endpoint, ok
}

func (r *Report) winner() (Attempt, bool) {
	i := slices.IndexFunc(r.Attempts, func(a Attempt) bool { return a.Outcome == Won })
	if i < 0 {
		return Attempt{}, false
	}
	return r.Attempts[i], true
}

// Diagnosis says in one sentence what was chosen, or why nothing was.
func (r *Report) Diagnosis() string {
	var reasons []string
	for _, a := range r.Attempts {
		if a.Outcome != Won && a.Outcome != NotTried {
			reasons = append(reasons, a.reason())
		}
	}
	a, ok := r.winner()
	if !ok {
		return "no session: " + strings.Join(reasons, "; ")
	}
	did := "used " + a.Endpoint.String()
	switch {
	case r.probe && a.Authenticated:
		did = "would use " + a.Endpoint.String() + ", authenticated"
	case r.probe:
		did = "would use " + a.Endpoint.String()
	case a.Remembered:
		did += ", as before"
	}
	return strings.Join(append([]string{did}, reasons...), "; ")
}

// String returns the diagnosis, and a line for each attempt with its part of
// the time.
func (r *Report) String() string {
	width := 0
	for _, a := range r.Attempts {
		width = max(width, len(a.Endpoint.String()))
	}
	var b strings.Builder
	b.WriteString(r.Diagnosis())
	for _, a := range r.Attempts {
		line := fmt.Sprintf("\n  %-*s  %-9s %s %s", width, a.Endpoint, a.Outcome, r.bar(a), a.detail())
		b.WriteString(strings.TrimRight(line, " "))
	}
	return b.String()
}

// bar draws when a ran, on a scale of the whole negotiation.
func (r *Report) bar(a Attempt) string {
	const columns = 24
	at := func(d time.Duration) int {
		if r.Took <= 0 {
			return columns
		}
		return int(min(columns, math.Round(columns*float64(d)/float64(r.Took))))
	}
	bar := []byte("|" + strings.Repeat(" ", columns) + "|")
	if a.Outcome != NotTried {
		from := min(at(a.Began), columns-1)
		for i := from; i < max(at(a.Began+a.Took), from+1); i++ {
			bar[i+1] = '='
		}
	}
	return string(bar)
}

func (a Attempt) detail() string {
	if a.Outcome == NotTried {
		return ""
	}
	parts := []string{brief(a.Began) + " +" + brief(a.Took)}
	if a.Address != "" {
		parts = append(parts, a.Address)
	}
	if a.TLS != nil {
		parts = append(parts, tls.VersionName(a.TLS.Version)+" for "+firstNames(certificateNames(a.Certificate())))
	}
	if a.Err != nil || a.silent {
		parts = append(parts, a.shortReason())
	}
	return strings.Join(parts, "  ")
}

// firstNames are enough names to know a certificate by.
func firstNames(names []string) string {
	if more := len(names) - 2; more > 0 {
		names = append(names[:2:2], fmt.Sprintf("%d more", more))
	}
	return strings.Join(names, ", ")
}

// brief is d for people, in ASCII.
func brief(d time.Duration) string {
	if d < 10*time.Millisecond {
		return fmt.Sprintf("%.1fms", float64(d)/float64(time.Millisecond))
	}
	return d.Round(time.Millisecond).String()
}

// LogValue returns r as a group: the diagnosis, the endpoint chosen, how long it
// took, and a group for each attempt.
func (r *Report) LogValue() slog.Value {
	attrs := []slog.Attr{slog.String("diagnosis", r.Diagnosis()), slog.Duration("took", r.Took)}
	if chosen, ok := r.Chosen(); ok {
		attrs = append(attrs, slog.String("chosen", chosen.String()))
	}
	for i, a := range r.Attempts {
		attempt := []slog.Attr{
			slog.String("endpoint", a.Endpoint.String()),
			slog.String("outcome", a.Outcome.String()),
			slog.Duration("began", a.Began),
			slog.Duration("took", a.Took),
		}
		if a.Err != nil {
			attempt = append(attempt, slog.String("error", a.Err.Error()))
		}
		attrs = append(attrs, slog.Attr{Key: fmt.Sprintf("attempt%d", i+1), Value: slog.GroupValue(attempt...)})
	}
	return slog.GroupValue(attrs...)
}

// MarshalJSON returns r as an object; times are in milliseconds.
func (r *Report) MarshalJSON() ([]byte, error) {
	type attempt struct {
		Endpoint     string   `json:"endpoint"`
		Address      string   `json:"address,omitempty"`
		Outcome      Outcome  `json:"outcome"`
		Phase        string   `json:"phase,omitempty"`
		BeganMS      float64  `json:"began_ms"`
		TookMS       float64  `json:"took_ms"`
		TLS          string   `json:"tls,omitempty"`
		Certificates []string `json:"certificate_names,omitempty"`
		Error        string   `json:"error,omitempty"`
	}
	report := struct {
		Diagnosis string    `json:"diagnosis"`
		Chosen    string    `json:"chosen,omitempty"`
		TookMS    float64   `json:"took_ms"`
		Attempts  []attempt `json:"attempts"`
	}{Diagnosis: r.Diagnosis(), TookMS: milliseconds(r.Took)}
	if chosen, ok := r.Chosen(); ok {
		report.Chosen = chosen.String()
	}
	for _, a := range r.Attempts {
		j := attempt{Endpoint: a.Endpoint.String(), Address: a.Address, Outcome: a.Outcome,
			BeganMS: milliseconds(a.Began), TookMS: milliseconds(a.Took), Certificates: certificateNames(a.Certificate())}
		if a.Phase != 0 {
			j.Phase = a.Phase.String()
		}
		if a.TLS != nil {
			j.TLS = tls.VersionName(a.TLS.Version)
		}
		if a.Err != nil {
			j.Error = a.Err.Error()
		}
		report.Attempts = append(report.Attempts, j)
	}
	return json.Marshal(report)
}

func milliseconds(d time.Duration) float64 {
	return float64(d.Round(time.Microsecond)) / float64(time.Millisecond)
}
