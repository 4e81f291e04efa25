package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/mailport/mailport/internal/bench/driver"
	"github.com/mailport/mailport/internal/bench/fault"
	"github.com/mailport/mailport/internal/bench/sink"
	"github.com/mailport/mailport/internal/testcert"
)

// The stage is a process with all servers in it, so that what they use is not
// counted as the client's. It is told what to do in lines of JSON.

// An order is one of: open a server, tell what a server took, open a port that
// does not work.
type order struct {
	Open  *sink.Setting
	Tally *int // which of the servers that were opened
	Fault string
}

// An answer is to one order.
type answer struct {
	Error    string
	CA       string
	Server   int
	Implicit int
	STARTTLS int
	Tally    sink.Tally
	Port     int
}

// The ports that do not work.
const (
	refused  = "refused"
	dropping = "drops SYNs"
	silent   = "never speaks"
)

// stage carries out orders until there are no more.
type stage struct {
	authority *testcert.CA
	servers   []*sink.Place
	faults    []*fault.Port
}

func perform(ctx context.Context, in io.Reader, out io.Writer) error {
	s := &stage{authority: testcert.New()}
	defer s.close()
	orders, answers := json.NewDecoder(in), json.NewEncoder(out)
	for {
		var o order
		switch err := orders.Decode(&o); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		a, err := s.obey(ctx, o)
		if err != nil {
			a.Error = err.Error()
		}
		if err := answers.Encode(a); err != nil {
			return err
		}
	}
}

func (s *stage) close() {
	for _, server := range s.servers {
		server.Close()
	}
	for _, port := range s.faults {
		port.Close()
	}
}

func (s *stage) obey(ctx context.Context, o order) (a answer, err error) {
	switch {
	case o.Open != nil:
		return s.open(ctx, *o.Open)
	case o.Tally != nil:
		a.Tally = s.servers[*o.Tally].Tally()
		return a, nil
	}
	port, err := broken(ctx, o.Fault)
	if err != nil {
		return a, err
	}
	s.faults = append(s.faults, port)
	a.Port = port.Number
	return a, nil
}

func (s *stage) open(ctx context.Context, setting sink.Setting) (a answer, err error) {
	server, err := sink.Open(ctx, s.authority.Leaf(driver.Host), setting)
	if err != nil {
		return a, err
	}
	s.servers = append(s.servers, server)
	return answer{
		CA:       string(s.authority.PEM()),
		Server:   len(s.servers) - 1,
		Implicit: server.Implicit(),
		STARTTLS: server.STARTTLS(),
	}, nil
}

func broken(ctx context.Context, how string) (*fault.Port, error) {
	switch how {
	case refused:
		return fault.Refused()
	case dropping:
		return fault.Dropping(ctx)
	case silent:
		return fault.Silent(ctx)
	}
	return nil, fmt.Errorf("no port is broken like this: %q", how)
}
