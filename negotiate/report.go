package negotiate

import (
	"cmp"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/mailport/mailport/submit"
)

// A Report is the story of one negotiation. It has no secrets in it.
type Report struct {
	Attempts []Attempt // in the order they began; those not tried come last
	Took     time.Duration
}

// An Attempt is one transport's part in a negotiation.
type Attempt struct {
	Endpoint submit.Endpoint
	Address  string               // host:port, once connected
	Phase    submit.Phase         // the last that was finished, or the one that failed
	Began    time.Duration        // since the negotiation began
	Took     time.Duration        // until it was ready, failed, or was stopped
	Outcome  Outcome              //
	Err      error                // why, if Outcome is Failed or Fatal
	TLS      *tls.ConnectionState // if the handshake succeeded; read only

	Remembered bool // it was tried first because it won before

	ready bool // it could have been the session, too
}

// An Outcome is how an attempt ended.
type Outcome int

const (
	NotTried Outcome = iota // the policy, or an earlier attempt, made it needless or forbade it
	Won                     // it is the session that was returned
	Lost                    // another attempt won, or ended the negotiation, before; no credentials were sent
	Failed                  // and the next transport was allowed to try
	Fatal                   // and that decided that there is no session
)

// String returns o in lower case.
func (o Outcome) String() string {
	names := [...]string{NotTried: "not tried", Won: "won", Lost: "lost", Failed: "failed", Fatal: "fatal"}
	if o < 0 || int(o) >= len(names) {
		return fmt.Sprintf("outcome %d", int(o))
	}
	return names[o]
}

// MarshalText returns the name of o, for JSON.
func (o Outcome) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

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
	for _, a := range r.Attempts {
		if a.Outcome == Won {
			return a.Endpoint, true
		}
	}
	return submit.Endpoint{}, false
}

// Diagnosis says in one sentence what was chosen, or why nothing was.
func (r *Report) Diagnosis() string {
	chosen, ok := r.Chosen()
	var reasons []string
	for _, a := range r.Attempts {
		if a.Outcome == Failed || a.Outcome == Fatal || a.Outcome == Lost {
			reasons = append(reasons, a.reason())
		}
	}
	why := strings.Join(reasons, "; ")
	switch {
	case ok && why == "":
		return "used " + chosen.String()
	case ok:
		return "used " + chosen.String() + "; " + why
	}
	return "no session: " + why
}

// reason says why a was not chosen.
func (a Attempt) reason() string {
	if a.Err != nil {
		return a.Err.Error()
	}
	doing := "ready"
	switch {
	case a.ready:
		return fmt.Sprintf("%v: ready as well", a.Endpoint)
	case a.Address == "":
		doing = "connected"
	}
	return fmt.Sprintf("%v: not %s after %s", a.Endpoint, doing, brief(a.Took))
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
		parts = append(parts, tls.VersionName(a.TLS.Version)+" for "+firstNames(certificateNames(a.TLS)))
	}
	if a.Err != nil {
		parts = append(parts, a.shortError())
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

// shortError leaves out the endpoint, which stands beside it.
func (a Attempt) shortError() string {
	var e *submit.Error
	if errors.As(a.Err, &e) && e.Endpoint == a.Endpoint {
		short := *e
		short.Endpoint = submit.Endpoint{}
		return short.Error()
	}
	return a.Err.Error()
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
			BeganMS: milliseconds(a.Began), TookMS: milliseconds(a.Took), Certificates: certificateNames(a.TLS)}
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
