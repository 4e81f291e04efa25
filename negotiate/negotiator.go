package negotiate

import (
	"context"
	"crypto/tls"
	"fmt"
	"strconv"
	"sync"

	"github.com/mailport/mailport/submit"
)

// A Negotiator is a [submit.Transport] made of other transports. It opens a
// session with the best one that its [Policy] allows and the network permits.
// It is a [submit.Submitter] too, that negotiates for each message; a
// [submit.Pool] with a Negotiator as its transport keeps what it found.
//
// A Negotiator is safe for concurrent use. It must not be changed while in use,
// nor copied after first use.
type Negotiator struct {
	// Host is required, unless Transports is set: a name or an address. An
	// internationalised name may be given in either form (RFC 5890).
	Host string

	// Port 0 means implicit TLS on 465 and STARTTLS on 587. Any other is tried
	// in both modes, in the order of Policy.
	Port int

	// ImplicitPort and STARTTLSPort, where they are not 0, are used instead of
	// Port for one of the transports.
	ImplicitPort, STARTTLSPort int

	// Transports, if not nil, are tried in their order instead of those made
	// from Host, ports and Config; Policy.Prefer does not count then. What they
	// dial should be one and the same service. What is remembered of them is
	// forgotten when Dial fails, not when authentication does.
	Transports []submit.Transport

	Policy Policy

	// Memory keeps what won. Nil means that this Negotiator does so by itself.
	Memory Memory

	// Observe, if not nil, is called once per negotiation, with the context of
	// Dial and before that returns. Calls may come concurrently. A call of Dial
	// that shares the failure of another has no negotiation of its own.
	Observe func(context.Context, *Report)

	submit.Config // for the transports made from Host

	recollection recollection
	quirks       submit.Quirks
	keep         sync.Once
	sessions     tls.ClientSessionCache
}

var (
	_ submit.Transport = (*Negotiator)(nil)
	_ submit.Submitter = (*Negotiator)(nil)
)

// Dial opens a session: the first that has TLS, verified, and an answer to EHLO.
// The attempts that lose have ended when Dial returns, and none has seen a
// credential. If no session could be had the error is an [*Error], with a
// [Report]; what [Negotiator.Check] finds is returned as it is.
//
// What won is tried first next time. Of concurrent calls with nothing to remember
// one negotiates, and the others wait for what it finds: to dial that, each for
// itself, or to fail with the same error.
func (n *Negotiator) Dial(ctx context.Context) (*submit.Session, error) {
	candidates, err := n.candidatesWith(n.keeping(n.forgetting()))
	if err == nil {
		err = check(candidates)
	}
	if err != nil {
		return nil, err
	}
	if n.remembers(candidates) {
		return n.dialShared(ctx, candidates)
	}
	return n.tell(ctx, n.race(ctx, candidates, Choice{}))
}

// Check reports what is wrong with n, as a [*submit.InvalidError], without
// connecting to anything. Dial does so first.
func (n *Negotiator) Check() error {
	candidates, err := n.candidates()
	if err != nil {
		return err
	}
	return check(candidates)
}

// check asks the transports that can tell.
func check(candidates []submit.Transport) error {
	for i, t := range candidates {
		if t == nil {
			return &submit.InvalidError{Field: fmt.Sprintf("Negotiator.Transports[%d]", i), Reason: "is nil"}
		}
		if t, ok := t.(interface{ Check() error }); ok {
			if err := t.Check(); err != nil {
				return err
			}
		}
	}
	return nil
}

// Submit negotiates, authenticates and submits m, over a session of its own,
// see [submit.Over].
func (n *Negotiator) Submit(ctx context.Context, m submit.Message) (*submit.Receipt, error) {
	return submit.Over(ctx, n, m)
}

// Endpoint returns that of the transport which the policy prefers.
func (n *Negotiator) Endpoint() submit.Endpoint {
	if candidates, err := n.candidates(); err == nil {
		return candidates[0].Endpoint()
	}
	return submit.Endpoint{Host: n.Host}
}

// candidates are the transports that may be tried, in their order.
func (n *Negotiator) candidates() ([]submit.Transport, error) {
	return n.candidatesWith(n.Config)
}

func (n *Negotiator) candidatesWith(c submit.Config) (list []submit.Transport, err error) {
	switch {
	case n.Transports == nil:
		list, err = n.bothModes(c)
	case len(n.Transports) == 0:
		err = &submit.InvalidError{Field: "Negotiator.Transports", Reason: "is empty, not nil"}
	default:
		list = n.Transports
	}
	if err != nil {
		return nil, err
	}
	if n.Policy.FailClosed {
		list = list[:1]
	}
	return list, nil
}

// bothModes are the two transports to Host, the preferred one first.
func (n *Negotiator) bothModes(c submit.Config) ([]submit.Transport, error) {
	switch {
	case n.Host == "":
		return nil, &submit.InvalidError{Field: "Negotiator.Host", Reason: "no host given"}
	case n.Policy.Prefer != ImplicitTLS && n.Policy.Prefer != STARTTLS:
		return nil, &submit.InvalidError{Field: "Policy.Prefer", Value: strconv.Itoa(int(n.Policy.Prefer)), Reason: "is no mode"}
	}
	host, err := asciiHost("Negotiator.Host", n.Host)
	if err != nil {
		return nil, err
	}
	list := []submit.Transport{
		&submit.ImplicitTLS{Host: host, Port: orPort(n.ImplicitPort, n.Port), Config: c},
		&submit.STARTTLS{Host: host, Port: orPort(n.STARTTLSPort, n.Port), Config: c},
	}
	if n.Policy.Prefer == STARTTLS {
		list[0], list[1] = list[1], list[0]
	}
	return list, nil
}

// keeping has the transports, which are made anew for each call, keep with n what a
// transport keeps from one session to the next.
func (n *Negotiator) keeping(c submit.Config) submit.Config {
	if c.Quirks == nil {
		c.Quirks = &n.quirks
	}
	if c.TLS == nil {
		c.TLS = &tls.Config{}
	}
	if c.TLS.ClientSessionCache == nil && c.TLS.VerifyPeerCertificate == nil { // which a resumed session goes past
		n.keep.Do(func() { n.sessions = tls.NewLRUClientSessionCache(0) })
		c.TLS = c.TLS.Clone()
		c.TLS.ClientSessionCache = n.sessions
	}
	return c
}

func orPort(port, otherwise int) int {
	if port == 0 {
		return otherwise
	}
	return port
}
