package negotiate

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/mailport/mailport/submit"
)

// fromFile returns the servers of an autoconfig file that can be used, or why
// there is none.
func (b *mailbox) fromFile(file []byte) (found []Found, err error) {
	servers, err := readAutoconfig(file)
	if err != nil {
		return nil, err
	}
	var refused []error
	for i := range servers {
		f, err := b.fromServer(&servers[i])
		switch {
		case err != nil && len(refused) < 3: // that will do to see what is wrong
			refused = append(refused, err)
		case err == nil && len(found) < maxFound:
			found = merge(found, []Found{f})
		}
	}
	switch {
	case len(found) > 0:
		return found, nil
	case len(refused) == 0:
		return nil, errors.New("names no outgoing server for SMTP")
	}
	return nil, &unusable{refused}
}

// unusable says why no server of a file could be used.
type unusable struct{ errs []error }

func (e *unusable) Error() string {
	var texts []string
	for _, err := range e.errs {
		texts = append(texts, err.Error())
	}
	return "names no server that can be used: " + strings.Join(texts, ", ")
}

func (e *unusable) Unwrap() []error { return slices.Clone(e.errs) }

func (b *mailbox) fromServer(o *outgoing) (Found, error) {
	service, err := o.service()
	if err != nil {
		return Found{}, err
	}
	port, err := strconv.Atoi(o.port)
	if err != nil {
		return Found{}, fmt.Errorf("%q: %w", o.hostname, &submit.InvalidError{Field: "port", Value: o.port, Reason: "is no number"})
	}
	e, err := endpoint(service, b.expand(o.hostname, b.domain), port)
	if err != nil {
		return Found{}, err
	}
	username := b.address
	if o.username != "" {
		username = b.expand(o.username, b.given)
	}
	if len(username) > maxAddress || strings.ContainsFunc(username, isControl) {
		return Found{}, fmt.Errorf("%v: user name too long, or with a control character in it", e)
	}
	return Found{Endpoint: e, Trusted: true, Username: username, Authentication: o.authentication}, nil
}

// service tells how TLS begins. Without TLS there is no service.
func (o *outgoing) service() (string, error) {
	switch {
	case strings.EqualFold(o.socketType, "SSL"):
		return submit.Submissions, nil
	case strings.EqualFold(o.socketType, "STARTTLS"):
		return submit.Submission, nil
	case strings.EqualFold(o.socketType, "plain"):
		return "", fmt.Errorf("%q is without TLS", o.hostname+":"+o.port)
	}
	return "", fmt.Errorf("%q: %w", o.hostname, &submit.InvalidError{Field: "socketType", Value: o.socketType, Reason: "is neither SSL nor STARTTLS"})
}
