package negotiate

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mailport/mailport/submit"
)

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

	Steps         []Step   // what it did, in order; the last may be the one that failed
	Extensions    []string // what the server offered last, before TLS if it did not come to that: EHLO keywords with parameters, sorted
	Remembered    bool     // it was tried first because it won before
	Authenticated bool     // ProbeAuth did

	ready  bool // it could have been the session, too
	silent bool // it waited for a greeting where another found TLS
}

// A Step is one phase of an attempt.
type Step struct {
	Phase submit.Phase
	Began time.Duration // since the negotiation began
	Took  time.Duration
	Err   error // nil if it succeeded
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

// Works reports whether a became a session or, where another was used, could have.
func (a Attempt) Works() bool { return a.Outcome == Won || a.ready }

// Diagnosis says in one sentence whether a would do, and what is remarkable.
func (a Attempt) Diagnosis() string {
	switch {
	case a.Outcome == NotTried:
		return "not tried"
	case !a.Works():
		return printable(a.shortReason())
	}
	parts := []string{"works"}
	if a.TLS != nil {
		parts = append(parts, tls.VersionName(a.TLS.Version))
	}
	if c := a.Certificate(); c != nil {
		parts = append(parts, validity(c, time.Now()))
	}
	switch mechanisms := a.Mechanisms(); {
	case a.Authenticated:
		parts = append(parts, "authenticated")
	case len(mechanisms) > 0:
		parts = append(parts, "takes "+strings.Join(mechanisms, ", "))
	default:
		parts = append(parts, "offers no authentication")
	}
	if size := a.MaxSize(); size > 0 {
		parts = append(parts, "messages of up to "+octets(size))
	}
	return printable(strings.Join(parts, "; "))
}

// validity says until when c is valid, and warns in time.
func validity(c *x509.Certificate, now time.Time) string {
	until := c.NotAfter.UTC().Format(time.DateOnly)
	switch left := c.NotAfter.Sub(now); {
	case now.Before(c.NotBefore): // where the caller's own verification has nothing against that
		return "CERTIFICATE NOT VALID before " + c.NotBefore.UTC().Format(time.DateOnly)
	case left < 0:
		return "CERTIFICATE EXPIRED on " + until
	case left < soon:
		return fmt.Sprintf("CERTIFICATE EXPIRES on %s, in %s", until, counted(int(left/day), "day"))
	}
	return "certificate until " + until
}

const day, soon = 24 * time.Hour, 14 * 24 * time.Hour

// octets is n for people, who know what MB means to their provider.
func octets(n int64) string {
	const mega = 1_000_000
	if n < mega {
		return fmt.Sprintf("%d octets", n)
	}
	return fmt.Sprintf("%d octets (%.1f MB)", n, float64(n)/mega)
}

// reason says why a was not chosen.
func (a Attempt) reason() string {
	if a.Err != nil {
		return a.Err.Error()
	}
	return a.Endpoint.String() + ": " + a.shortReason()
}

// shortReason leaves out the endpoint, for where it stands beside it.
func (a Attempt) shortReason() string {
	switch {
	case a.Err != nil:
		return a.shortError()
	case a.ready:
		return "ready as well"
	case a.silent:
		return "sent no greeting: " + (&submit.PortError{Speaks: submit.SpeaksTLS}).Error()
	case a.Address == "":
		return "not connected after " + brief(a.Took)
	}
	return "not ready after " + brief(a.Took)
}

func (a Attempt) shortError() string {
	var e *submit.Error
	if errors.As(a.Err, &e) && e.Endpoint == a.Endpoint {
		short := *e
		short.Endpoint = submit.Endpoint{}
		return short.Error()
	}
	return a.Err.Error()
}

// heard reports whether the server said anything.
func (a *Attempt) heard() bool {
	return slices.ContainsFunc(a.Steps, func(s Step) bool { return s.Phase >= submit.PhaseHandshake && s.Err == nil })
}

// Mechanisms are the SASL mechanisms that the server offers, in its order.
func (a Attempt) Mechanisms() []string { return strings.Fields(a.parameter("AUTH")) }

// MaxSize is the size in octets of the largest message that the server takes (RFC
// 1870); 0 if it does not say.
func (a Attempt) MaxSize() int64 {
	n, err := strconv.ParseInt(a.parameter("SIZE"), 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// parameter is what stands behind an EHLO keyword.
func (a Attempt) parameter(keyword string) string {
	if a.offersInClear() {
		return ""
	}
	for _, e := range a.Extensions {
		if k, parameters, _ := strings.Cut(e, " "); k == keyword {
			return parameters
		}
	}
	return ""
}

// Certificate is what the server showed, valid or not; nil if it showed none.
func (a Attempt) Certificate() *x509.Certificate {
	var verify *tls.CertificateVerificationError
	switch {
	case a.TLS != nil && len(a.TLS.PeerCertificates) > 0:
		return a.TLS.PeerCertificates[0]
	case errors.As(a.Err, &verify) && len(verify.UnverifiedCertificates) > 0:
		return verify.UnverifiedCertificates[0]
	}
	return nil
}

// certificateNames are the names that a certificate was issued for.
func certificateNames(c *x509.Certificate) []string {
	if c == nil {
		return nil
	}
	names := append([]string(nil), c.DNSNames...)
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	return names
}
