package negotiate

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"

	"github.com/mailport/mailport/submit"
)

// guess returns the names that a mail server often has, where they exist, in both
// services. They are inside the domain, so that whoever has a certificate for
// them speaks for it.
func (s *search) guess(ctx context.Context) (all answer) {
	names := [...]string{"smtp." + s.box.domain, "mail." + s.box.domain}
	var errs [len(names)]error
	var wg sync.WaitGroup
	for i, name := range names {
		wg.Go(func() { errs[i] = s.exists(ctx, name) }) // Wait is below
	}
	wg.Wait()
	for i, name := range names {
		if errs[i] != nil {
			all.reasons = append(all.reasons, SourceError{SourceGuess, name, errs[i]})
			continue
		}
		for _, e := range []submit.Endpoint{{Service: submit.Submissions, Host: name, Port: 465}, {Service: submit.Submission, Host: name, Port: 587}} {
			all.found = append(all.found, Found{Endpoint: e, Source: SourceGuess, From: name, Trusted: true, Username: s.box.address})
		}
	}
	return all
}

func (s *search) exists(ctx context.Context, name string) error {
	_, err := s.resolver.LookupHost(ctx, name+".") // rooted, or a search list applies
	err = reason(ctx, err)
	var dns *net.DNSError
	if errors.As(err, &dns) && dns.IsNotFound {
		return &worded{"no " + name, err}
	}
	return err
}

// without returns what is not of these services.
func without(found []Found, services []string) []Found {
	return slices.DeleteFunc(found, func(f Found) bool { return slices.Contains(services, f.Endpoint.Service) })
}
