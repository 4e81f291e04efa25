package negotiate

import (
	"crypto/tls"
	"fmt"
	"math"
	"strings"
	"time"
)

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
