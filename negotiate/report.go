package negotiate

import (
	"cmp"
	"crypto/tls"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/mailport/mailport/submit"
)

// A Report is the story of one negotiation or probe. It has no secrets in it.
// For logs there are String and LogValue, for people Print, for programs the
// fields and JSON.
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

// Diagnosis says in one sentence, on one line, what was chosen, or why nothing
// was.
func (r *Report) Diagnosis() string {
	var reasons []string
	for _, a := range r.Attempts {
		if a.Outcome != Won && a.Outcome != NotTried {
			reasons = append(reasons, printable(a.reason()))
		}
	}
	a, ok := r.winner()
	if !ok {
		return "no session: " + strings.Join(reasons, "; ")
	}
	endpoint := printable(a.Endpoint.String())
	did := "used " + endpoint
	switch {
	case r.probe && a.Authenticated:
		did = "would use " + endpoint + ", authenticated"
	case r.probe:
		did = "would use " + endpoint
	case a.Remembered:
		did += ", as before"
	}
	return strings.Join(append([]string{did}, reasons...), "; ")
}

// String returns the diagnosis, and a line for each attempt with its part of
// the time, for logs: in ASCII, whatever a server or its certificate say. Print
// tells more.
func (r *Report) String() string {
	width := 0
	for _, a := range r.Attempts {
		width = max(width, len(a.Endpoint.String()))
	}
	lines := []string{legible(r.Diagnosis(), isASCII)}
	for _, a := range r.Attempts {
		line := fmt.Sprintf("  %-*s  %-9s %s %s", width, a.Endpoint, a.Outcome, r.bar(a), a.detail())
		lines = append(lines, strings.TrimRight(legible(line, isASCII), " "))
	}
	return strings.Join(lines, "\n")
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
		parts = append(parts, clipped(a.Address, maxItem))
	}
	if a.TLS != nil {
		parts = append(parts, tls.VersionName(a.TLS.Version)+" for "+firstNames(certificateNames(a.Certificate())))
	}
	if a.Err != nil || a.silent {
		parts = append(parts, clipped(a.shortReason(), maxText))
	}
	return strings.Join(parts, "  ")
}

// firstNames are enough names to know a certificate by.
func firstNames(names []string) string {
	if more := len(names) - 2; more > 0 {
		names = append(names[:2:2], fmt.Sprintf("%d more", more))
	}
	return strings.Join(eachClipped(names), ", ")
}

// brief is d for people, in ASCII.
func brief(d time.Duration) string {
	if d < 10*time.Millisecond {
		return fmt.Sprintf("%.1fms", float64(d)/float64(time.Millisecond))
	}
	return d.Round(time.Millisecond).String()
}
