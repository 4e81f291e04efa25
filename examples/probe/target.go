package main

import (
	"context"
	"errors"
	"net"
	"strings"
	"time"

	"github.com/mailport/mailport/negotiate"
)

func (o *options) isURL() bool     { return strings.Contains(o.target, "://") }
func (o *options) isAddress() bool { return !o.isURL() && strings.Contains(o.target, "@") }

// aim makes a Negotiator's fields of the target, as far as that can be done without
// asking anybody.
func (o *options) aim() error {
	switch {
	case o.isURL():
		n, err := negotiate.Open(o.target, o.Config)
		if err != nil {
			return err
		}
		o.Host, o.Port, o.Policy, o.Config = n.Host, n.Port, n.Policy, n.Config
	case !o.isAddress():
		o.Host = o.target
		if host, port, err := net.SplitHostPort(o.target); err == nil && portVar(new(int))(port) == nil {
			return wrongUsage("%s has a port with it, which is a flag: -port %s %s", o.target, port, host)
		}
		if err := o.Check(); err != nil {
			return err
		}
	}
	if o.auth && o.Credentials == nil {
		return wrongUsage("-auth needs -user, or a URL with a password")
	}
	return nil
}

// errNobodyVouches is for an address of which nothing is known but what anybody
// could have said.
var errNobodyVouches = errors.New("nothing that was found can be trusted; -untrusted probes it all the same")

// discover looks for the servers of an address, and aims at those that can be
// trusted, unless all are wanted.
func (o *options) discover(ctx context.Context) (found []negotiate.Found, err error) {
	if found, err = negotiate.Discover(ctx, o.target, o.discovery); err != nil {
		return nil, err
	}
	var use []negotiate.Found
	for _, f := range found {
		if f.Trusted || o.untrusted {
			use = append(use, f)
		}
	}
	if len(use) == 0 {
		return found, errNobodyVouches
	}
	c := o.Config
	c.Timeouts.Command = 30 * time.Second // who watches does not wait for minutes
	o.Transports = negotiate.Transports(c, use...)
	return found, nil
}
