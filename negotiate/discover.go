package negotiate

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/mailport/mailport/submit"
)

// Discovery says how [Discover] looks for servers. The zero Discovery asks the
// system's resolver and the domain's own web servers, and nobody else.
//
// It is read, never written, and must not change while it is in use.
type Discovery struct {
	// Resolver looks names up; nil means [net.DefaultResolver]. Its Dial must
	// return when its context ends.
	Resolver *net.Resolver

	// LookupSRV, if not nil, is asked for SRV records instead of Resolver, for
	// the services "submissions" and "submission" at once. The name ends in a
	// dot, so that no search list applies. That there are no records is no error,
	// or a [*net.DNSError] that says IsNotFound. It must return when ctx ends.
	//
	// Secure says that DNSSEC proves the answer: that the program validated it, or
	// that a resolver it trusts did and said so (the AD bit, RFC 4035, section
	// 3.2.3) over a path on which nobody can change that.
	LookupSRV func(ctx context.Context, service, proto, name string) (records []*net.SRV, secure bool, err error)

	// Client makes the HTTPS requests; nil means one of the call's own, which
	// goes through the proxy that the environment names and uses Resolver. Up to
	// five redirects are followed, to https only, and only if CheckRedirect, where
	// there is one, has no objection.
	//
	// Of a Client whose Transport is an [*http.Transport] a copy is used, so that
	// no connection is kept, and certificates are verified whatever its TLS
	// configuration says; Dial and DialTLS, which are deprecated and know of no
	// context, may go on for a while if they are at it when the call ends. Of any
	// other Transport the connections are its own affair; it must return when the
	// request's context ends.
	Client *http.Client

	// Database is the URL of a provider database, to which the domain is
	// appended, such as "https://autoconfig.thunderbird.net/v1.1/". It learns
	// which domain is asked for, and never the address. What it says counts as
	// trusted: who names it here trusts it. Empty means that none is asked.
	Database string

	// Without lists sources not to ask. A program that must not fetch from hosts
	// that strangers name leaves SourceAutoconfig and SourceWellKnown out.
	Without []Source

	// Observe, if not nil, is told why a source has nothing, of those that
	// [Discover] waited for and in the order of their rank, before it returns: also
	// if another source has something, or nothing is found at all. So a program can
	// say that a lookup failed, and the servers are only guessed.
	Observe func(SourceError)

	// Timeout is for the whole. What was found by then is returned; what had not
	// answered counts as having nothing. Zero means 10 seconds, negative no limit
	// but the context's.
	Timeout time.Duration
}

// Discover finds the submission servers of a mail address, such as
// "me@example.com": by DNS SRV records (RFC 6186; RFC 8314, section 5.1), by
// autoconfig files over HTTPS, and by guessing. It tells, and decides nothing:
// what to use is the caller's choice, see [Transports].
//
// All sources are asked at once, and taken in the order of their rank, see
// [Source]. The first that says something trusted ends the search; what was
// found before that and cannot be trusted stands in front of it, and says so. A
// guess is returned only if nobody said anything; [Discovery].Observe learns why they
// did not. The result is what to try
// first, what next, and is never empty without an error.
//
// Use it when an account is set up, and store what came of it: RFC 8314, section
// 5.1, forbids to look a server up anew for each connection in DNS that is not
// signed. Show a [Found] that is not Trusted to the user, and use it only if
// they agree; who answers a DNS query with a server of their own is sent the
// password, over perfect TLS (RFC 6186, section 6).
//
// The domain of the address decides which hosts are asked, up to five redirects
// away: a service to which strangers give addresses should mind what those hosts
// can be in its network, and give a Client that refuses to dial them, or list in
// [Discovery.Without] what it does not want to ask.
//
// If nothing is found, or the domain says that it takes no mail this way
// ([ErrNoSubmission]), or ctx ends, the error is a [*DiscoveryError]; for an
// address that is none, it is a [*submit.InvalidError].
func Discover(ctx context.Context, address string, d Discovery) ([]Found, error) {
	box, err := parseMailbox(address)
	if err != nil {
		return nil, err
	}
	if err := d.check(); err != nil {
		return nil, err
	}
	inner, cancel := d.limit(ctx)
	s := newSearch(inner, box, &d)
	defer s.end(cancel)
	return s.run(ctx)
}

const defaultDiscovery = 10 * time.Second

// limit sets the time limit, under a name by which it is told apart from ctx.
func (d *Discovery) limit(ctx context.Context) (context.Context, context.CancelFunc) {
	limit := d.Timeout
	switch {
	case limit < 0:
		return context.WithCancel(ctx)
	case limit == 0:
		limit = defaultDiscovery
	}
	return context.WithTimeoutCause(ctx, limit, fmt.Errorf("no answer within %v: %w", limit, context.DeadlineExceeded))
}

func (d *Discovery) check() error {
	if d.Database == "" {
		return nil
	}
	if _, err := secureURL(d.Database); err != nil {
		return &submit.InvalidError{Field: "Discovery.Database", Reason: err.Error()} // no value: there may be a password in it
	}
	return nil
}

func (d *Discovery) observe(reasons []SourceError) {
	if d.Observe == nil {
		return
	}
	for _, reason := range reasons {
		d.Observe(reason)
	}
}

// A search is one call of Discover.
type search struct {
	box         mailbox
	d           *Discovery
	connections *connections
	resolver    *net.Resolver
	asked       []asked // in the order of their rank

	asking sync.WaitGroup
}

// asked is a source that has been asked.
type asked struct {
	source Source
	answer chan answer // buffered: nobody may be there to take it
}

// An answer is what a source had to say: something, or why not.
type answer struct {
	found   []Found
	reasons []SourceError
	denied  []string // the services that the domain says it does not have
}

func newSearch(ctx context.Context, box mailbox, d *Discovery) *search {
	s := &search{box: box, d: d, connections: &connections{ctx: ctx}}
	s.resolver = s.connections.resolver(d.Resolver)
	fetch := newFetcher(d, s.connections, s.resolver)
	s.ask(ctx, SourceSRV, s.askSRV)
	s.ask(ctx, SourceAutoconfig, s.askFile(fetch, SourceAutoconfig, box.autoconfigURL()))
	s.ask(ctx, SourceWellKnown, s.askFile(fetch, SourceWellKnown, box.wellKnownURL()))
	if d.Database != "" {
		s.ask(ctx, SourceDatabase, s.askFile(fetch, SourceDatabase, box.databaseURL(d.Database)))
	}
	s.ask(ctx, SourceGuess, s.guess)
	return s
}

// ask asks a source, unless it is not to be asked. Sources are asked in the
// order of their rank.
func (s *search) ask(ctx context.Context, source Source, question func(context.Context) answer) {
	if slices.Contains(s.d.Without, source) {
		return
	}
	a := asked{source, make(chan answer, 1)}
	s.asked = append(s.asked, a)
	s.asking.Go(func() { a.answer <- question(ctx) }) // end waits for it
}

// end cuts short what is still being asked, and waits for all of it.
func (s *search) end(cancel context.CancelFunc) {
	cancel()
	s.asking.Wait()
	s.connections.wait()
}

// run takes the answers in the order of their rank. ctx is the caller's; what is
// waited for ends with it.
func (s *search) run(ctx context.Context) ([]Found, error) {
	var found []Found
	var denied []string
	failed := &DiscoveryError{Domain: s.box.domain}
	for _, a := range s.asked {
		if a.source == SourceGuess && len(found) > 0 {
			break
		}
		got := <-a.answer
		if ctx.Err() != nil {
			return nil, &DiscoveryError{Domain: s.box.domain, ended: endOf(ctx)}
		}
		failed.Sources = append(failed.Sources, got.reasons...)
		s.d.observe(got.reasons)
		denied = append(denied, got.denied...)
		if len(denied) == len(services) {
			failed.denied = true
			return nil, failed
		}
		if a.source == SourceGuess {
			got.found = without(got.found, denied)
		}
		found = merge(found, got.found)
		if slices.ContainsFunc(found, func(f Found) bool { return f.Trusted }) {
			break
		}
	}
	if len(found) == 0 {
		return nil, failed
	}
	return found, nil
}
