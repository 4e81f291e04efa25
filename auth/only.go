package auth

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Only returns credentials that use c, and of its mechanisms those that are
// named, in upper or lower case. It narrows what c may choose from; the choice
// and its order remain those of c. A name that c does not know allows nothing,
// and no names allow nothing at all.
//
// The names are those of the IANA registry of RFC 4422, section 7.1, such as
// "PLAIN".
func Only(c Credentials, mechanisms ...string) Credentials {
	var text strings.Builder
	text.WriteString("auth.Only(" + visible(c))
	for _, m := range mechanisms {
		fmt.Fprintf(&text, ", %q", m)
	}
	text.WriteString(")")
	return &only{shown: shown{text.String()}, exchange: c.Exchange, names: slices.Clone(mechanisms)}
}

type only struct {
	shown
	exchange func(context.Context, Server) (Mechanism, error) // a closure, lest the credentials be printed
	names    []string
}

// Exchange shows the credentials only what is both offered and named.
func (o *only) Exchange(ctx context.Context, server Server) (Mechanism, error) {
	offered := server.Mechanisms
	if server.Offered == nil {
		server.Offered = offered
	}
	if server.named == nil {
		server.named = o.names
	}
	server.Mechanisms, server.named = o.named(offered), o.named(server.named)
	m, err := o.exchange(ctx, server)
	if none := (*MechanismError)(nil); errors.As(err, &none) {
		// The inner error knows neither what the server really offers, nor what
		// is really allowed.
		return nil, &MechanismError{Offered: slices.Clone(offered), Allowed: o.named(none.Allowed), unbound: none.unbound}
	}
	return m, err
}

// named returns those of the mechanisms that are allowed here, in their order.
func (o *only) named(mechanisms []string) []string {
	var both []string
	for _, m := range mechanisms {
		if contains(o.names, m) {
			both = append(both, m)
		}
	}
	return both
}
