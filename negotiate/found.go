package negotiate

import (
	"fmt"
	"slices"

	"github.com/mailport/mailport/submit"
)

// Found is a server that [Discover] found, and what is known about it.
type Found struct {
	Endpoint submit.Endpoint // the host in ASCII and lower case
	Source   Source
	From     string // what said so: a name in DNS, or a URL without its query

	// Trusted: the domain itself says so, over verified TLS or in signed DNS; or
	// the server is inside the domain, and so will its certificate have to be; or
	// the provider database says so, which the caller trusts. Where others have names
	// below the domain, as under a public suffix (me@eu.org), what is inside it may be
	// theirs.
	Trusted bool

	// Reason says why it cannot be trusted, in words for a user. It is empty if
	// Trusted.
	Reason string

	// Username is who to authenticate as: what the autoconfig file says, and
	// otherwise the whole address (RFC 6186, section 4).
	Username string

	// Authentication has the autoconfig file's words for ways to authenticate,
	// most preferred first, such as "password-cleartext" (over TLS, that is) and
	// "OAuth2". Nil means that nothing was said.
	Authentication []string
}

// Transports returns a transport for each server, in the same order, for
// [Negotiator.Transports]:
//
//	var trusted []negotiate.Found
//	for _, f := range found {
//		if f.Trusted { // or the user was shown f, and agreed
//			trusted = append(trusted, f)
//		}
//	}
//	server := &negotiate.Negotiator{Transports: negotiate.Transports(config, trusted...)}
//
// It does not look at Trusted: what is passed is what the caller decided to use.
// Of nothing it makes an empty list, with which a Negotiator does nothing but
// say so.
func Transports(c submit.Config, found ...Found) []submit.Transport {
	list := make([]submit.Transport, 0, len(found))
	for _, f := range found {
		list = append(list, transport(f.Endpoint, c))
	}
	return list
}

// checked is what every transport is, and more than submit.Transport asks for.
type checked interface {
	submit.Transport
	Check() error
}

func transport(e submit.Endpoint, c submit.Config) checked {
	if e.Service == submit.Submissions {
		return &submit.ImplicitTLS{Host: e.Host, Port: e.Port, Config: c}
	}
	return &submit.STARTTLS{Host: e.Host, Port: e.Port, Config: c}
}

// merge adds what another source found. An endpoint is there once: where it
// stood first, and with what a trusted source says of it.
func merge(found, more []Found) []Found {
	for _, f := range more {
		i := slices.IndexFunc(found, func(g Found) bool { return g.Endpoint == f.Endpoint })
		switch {
		case i < 0:
			found = append(found, f)
		case f.Trusted && !found[i].Trusted:
			found[i] = f
		}
	}
	return found
}

// maxFound is how many servers one source may name.
const maxFound = 20

// endpoint makes sure that a server which somebody named can be one: a name of
// the world's and a port.
func endpoint(service, host string, port int) (submit.Endpoint, error) {
	named := submit.Endpoint{Service: service, Host: host, Port: port}
	name, err := domainName("host", host)
	if err != nil {
		return named, err
	}
	named.Host = name
	if port == 0 { // which a transport would take for its default
		err = &submit.InvalidError{Field: "port", Value: "0", Reason: "is none"}
	} else {
		err = transport(named, submit.Config{}).Check()
	}
	if err != nil {
		return named, fmt.Errorf("%s: %w", name, err)
	}
	return named, nil
}

// A Source is who said that a server is there. The order of the values is their
// rank: the first is asked first.
type Source int

// The sources, in the order of their rank. D stands for the address's domain.
const (
	SourceSRV        Source = iota + 1 // DNS SRV records _submissions._tcp.D and _submission._tcp.D
	SourceAutoconfig                   // https://autoconfig.D/mail/config-v1.1.xml
	SourceWellKnown                    // https://D/.well-known/autoconfig/mail/config-v1.1.xml
	SourceDatabase                     // what Discovery.Database says of D
	SourceGuess                        // smtp.D and mail.D, if they exist, at the registered ports
)

var sourceNames = [...]string{
	SourceSRV:        "SRV",
	SourceAutoconfig: "autoconfig",
	SourceWellKnown:  "well-known",
	SourceDatabase:   "database",
	SourceGuess:      "guess",
}

// String returns a word for s, such as "SRV" or "guess".
func (s Source) String() string {
	if s <= 0 || int(s) >= len(sourceNames) {
		return "unknown"
	}
	return sourceNames[s]
}

// MarshalText returns the word for s, for JSON.
func (s Source) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
