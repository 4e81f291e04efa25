package negotiate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"

	"github.com/mailport/mailport/submit"
)

// services in the order of preference where DNS has none (RFC 8314, section 3).
var services = [...]string{submit.Submissions, submit.Submission}

// A srvAnswer is what DNS says about one service.
type srvAnswer struct {
	service string
	name    string // that was asked for
	records []*net.SRV
	secure  bool
	err     error
}

// askSRV asks for both services and makes one list of the answers.
func (s *search) askSRV(ctx context.Context) answer {
	var answers [len(services)]srvAnswer
	var wg sync.WaitGroup
	for i, service := range services {
		wg.Go(func() { answers[i] = s.lookupSRV(ctx, service) }) // Wait is below
	}
	wg.Wait()
	return readSRV(s.box, answers[:], rand.IntN)
}

func (s *search) lookupSRV(ctx context.Context, service string) srvAnswer {
	const proto = "tcp"
	rooted := s.box.domain + "." // or a search list applies
	a := srvAnswer{service: service, name: "_" + service + "._" + proto + "." + s.box.domain}
	if s.d.LookupSRV != nil {
		a.records, a.secure, a.err = s.d.LookupSRV(ctx, service, proto, rooted)
	} else {
		_, a.records, a.err = s.resolver.LookupSRV(ctx, service, proto, rooted)
	}
	a.err = reason(ctx, a.err)
	var dns *net.DNSError
	if a.err == nil && len(a.records) == 0 || errors.As(a.err, &dns) && dns.IsNotFound {
		a.err = &worded{"no SRV records", a.err}
	}
	return a
}

// readSRV merges the answers: priorities rank across both services (RFC 6186,
// section 3.4), and where they are equal TLS from the start comes first (RFC
// 8314, section 3). Weights count within a service. random is rand.IntN.
func readSRV(box mailbox, answers []srvAnswer, random func(int) int) (all answer) {
	type ranked struct {
		priority uint16
		found    Found
	}
	var list []ranked
	for _, a := range answers {
		records := slices.DeleteFunc(slices.Clone(a.records), func(r *net.SRV) bool { return r == nil })
		if len(records) > 0 && !slices.ContainsFunc(records, func(r *net.SRV) bool { return !isNone(r) }) {
			all.denied = append(all.denied, a.service)
			a.err = &worded{text: "no " + a.service + ", says the domain (RFC 6186, section 3.4)"}
		}
		var usable int
		for _, r := range shuffle(records, random) {
			if isNone(r) || usable == maxFound {
				continue
			}
			e, err := endpoint(a.service, strings.TrimSuffix(r.Target, "."), int(r.Port))
			if err != nil {
				a.err = fmt.Errorf("no usable record for %s: %w", a.service, err)
				continue
			}
			usable++
			list = append(list, ranked{r.Priority, a.found(box, e)})
		}
		if usable == 0 {
			all.reasons = append(all.reasons, SourceError{SourceSRV, a.name, a.err})
		}
	}
	slices.SortStableFunc(list, func(x, y ranked) int { return cmp.Compare(x.priority, y.priority) })
	for _, r := range list {
		all.found = merge(all.found, []Found{r.found})
	}
	return all
}

// isNone tells whether a record says that there is no such service.
func isNone(r *net.SRV) bool { return r.Target == "." || r.Target == "" }

// found judges a server: DNS that nobody signed may point inside the domain, for
// whose names nobody else can have a certificate, and nowhere else.
func (a *srvAnswer) found(box mailbox, e submit.Endpoint) Found {
	f := Found{Endpoint: e, Source: SourceSRV, From: a.name, Trusted: true, Username: box.address}
	if !a.secure && e.Host != box.domain && !strings.HasSuffix(e.Host, "."+box.domain) {
		f.Trusted = false
		f.Reason = fmt.Sprintf("%s is not in %s, and nothing proves that %s is who said so: the answer from DNS is not signed (RFC 6186, section 6)",
			e.Host, box.domain, box.domain)
	}
	return f
}
