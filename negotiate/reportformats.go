package negotiate

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/mailport/mailport/submit"
)

// MarshalJSON returns r as an object. Times of the day are as in RFC 3339, and
// other times in milliseconds; a member that has nothing to say is left out.
//
//	probe       true if r is of a probe
//	diagnosis   one sentence, as Diagnosis returns it
//	chosen      the endpoint that is used, or would be
//	took_ms     the whole
//	attempts    an array, in the order they began; those not tried come last
//
// An attempt:
//
//	endpoint                such as "submissions://smtp.example.com:465"
//	address                 host:port
//	outcome                 "not tried", "won", "lost", "failed" or "fatal"
//	phase                   the last that was finished, or the one that failed
//	began_ms, took_ms
//	tls                     such as "TLS 1.3"
//	certificate_names       of the server's certificate, valid or not; a hundred at most
//	error                   why it failed
//	works                   true if it is what is used, or could be
//	authenticated           true if ProbeAuth did
//	diagnosis               one sentence
//	steps                   an array of objects with phase, began_ms, took_ms, error
//	cipher_suite            such as "TLS_AES_128_GCM_SHA256"
//	certificate_issuer      a distinguished name, as RFC 2253 writes it
//	certificate_not_before
//	certificate_not_after
//	extensions              EHLO keywords with their parameters; a hundred at most
//	extensions_in_clear     true if they were said without TLS, by anybody
//	mechanisms              of AUTH, in the server's order; a hundred at most
//	max_size                in octets
//	left_out                an object: by the name of a list, how many of it are not there
//
// More members may come. Of what others have a part in, control characters and
// the like are escaped as in Go, and what is very long ends in "…".
func (r *Report) MarshalJSON() ([]byte, error) {
	report := jsonReport{Probe: r.probe, Diagnosis: r.Diagnosis(), TookMS: milliseconds(r.Took), Attempts: []jsonAttempt{}}
	if chosen, ok := r.Chosen(); ok {
		report.Chosen = printable(chosen.String())
	}
	for _, a := range r.Attempts {
		j := newJSONAttempt(a)
		j.addDetails(a)
		report.Attempts = append(report.Attempts, j)
	}
	return json.Marshal(report)
}

type jsonReport struct {
	Probe     bool          `json:"probe,omitempty"`
	Diagnosis string        `json:"diagnosis"`
	Chosen    string        `json:"chosen,omitempty"`
	TookMS    float64       `json:"took_ms"`
	Attempts  []jsonAttempt `json:"attempts"`
}

type jsonAttempt struct {
	Endpoint     string   `json:"endpoint"`
	Address      string   `json:"address,omitempty"`
	Outcome      Outcome  `json:"outcome"`
	Phase        string   `json:"phase,omitempty"`
	BeganMS      float64  `json:"began_ms"`
	TookMS       float64  `json:"took_ms"`
	TLS          string   `json:"tls,omitempty"`
	Certificates []string `json:"certificate_names,omitempty"`
	Error        string   `json:"error,omitempty"`
	*jsonDetails
}

// jsonDetails are for who wants to know all about a server.
type jsonDetails struct {
	Works         bool       `json:"works"`
	Authenticated bool       `json:"authenticated,omitempty"`
	Diagnosis     string     `json:"diagnosis"`
	Steps         []jsonStep `json:"steps,omitempty"`
	Cipher        string     `json:"cipher_suite,omitempty"`
	Issuer        string     `json:"certificate_issuer,omitempty"`
	NotBefore     *time.Time `json:"certificate_not_before,omitempty"`
	NotAfter      *time.Time `json:"certificate_not_after,omitempty"`
	Extensions    []string   `json:"extensions,omitempty"`
	InClear       bool       `json:"extensions_in_clear,omitempty"`
	Mechanisms    []string   `json:"mechanisms,omitempty"`
	MaxSize       int64      `json:"max_size,omitempty"`

	LeftOut map[string]int `json:"left_out,omitempty"`
}

type jsonStep struct {
	Phase   submit.Phase `json:"phase"`
	BeganMS float64      `json:"began_ms"`
	TookMS  float64      `json:"took_ms"`
	Error   string       `json:"error,omitempty"`
}

func newJSONAttempt(a Attempt) jsonAttempt {
	j := jsonAttempt{
		Endpoint: printable(a.Endpoint.String()), Address: printable(a.Address), Outcome: a.Outcome,
		BeganMS: milliseconds(a.Began), TookMS: milliseconds(a.Took),
		Error: errorText(a.Err),
	}
	if a.Phase != 0 {
		j.Phase = a.Phase.String()
	}
	if a.TLS != nil {
		j.TLS = tls.VersionName(a.TLS.Version)
	}
	return j
}

func (j *jsonAttempt) addDetails(a Attempt) {
	d := &jsonDetails{
		Works: a.Outcome == Won || a.ready, Authenticated: a.Authenticated, Diagnosis: printable(a.Diagnosis()),
		InClear: a.offersInClear(),
	}
	j.Certificates = d.list("certificate_names", certificateNames(a.Certificate()))
	d.Extensions = d.list("extensions", a.Extensions)
	for _, s := range a.Steps {
		d.Steps = append(d.Steps, jsonStep{s.Phase, milliseconds(s.Began), milliseconds(s.Took), errorText(s.Err)})
	}
	if a.TLS != nil {
		d.Cipher = tls.CipherSuiteName(a.TLS.CipherSuite)
	}
	if c := a.Certificate(); c != nil {
		from, until := c.NotBefore.UTC(), c.NotAfter.UTC()
		d.Issuer, d.NotBefore, d.NotAfter = printable(c.Issuer.String()), &from, &until
	}
	if !d.InClear {
		d.Mechanisms, d.MaxSize = d.list("mechanisms", a.Mechanisms()), a.MaxSize()
	}
	j.jsonDetails = d
}

// list is what there is room for of a list, under its name.
func (d *jsonDetails) list(name string, items []string) (first []string) {
	const room = 100
	if more := len(items) - room; more > 0 {
		if d.LeftOut == nil {
			d.LeftOut = make(map[string]int)
		}
		d.LeftOut[name], items = more, items[:room]
	}
	for _, item := range items {
		first = append(first, printable(clipped(item, maxItem)))
	}
	return first
}

// offersInClear reports whether Extensions are what was said before TLS, and so
// count for nothing (RFC 3207, section 4.2).
func (a Attempt) offersInClear() bool {
	if len(a.Extensions) == 0 || a.Endpoint.Service != submit.Submission {
		return false
	}
	for _, s := range a.Steps {
		if s.Phase == submit.PhaseHelloAgain && s.Err == nil {
			return false
		}
	}
	return true
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return printable(err.Error())
}

func milliseconds(d time.Duration) float64 {
	return float64(d.Round(time.Microsecond)) / float64(time.Millisecond)
}

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
