package negotiate

import (
	"cmp"
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
			reasons = append(reasons, a.reason())
		}
	}
	a, ok := r.winner()
	if !ok {
		return printable("no session: " + strings.Join(reasons, "; "))
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
	return printable(strings.Join(append([]string{did}, reasons...), "; "))
}
