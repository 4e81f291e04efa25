package negotiate_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/auth"
	"github.com/mailport/mailport/internal/dnstest"
	"github.com/mailport/mailport/negotiate"
	"github.com/mailport/mailport/submit"
	"github.com/mailport/mailport/submit/submittest"
)

// From an address to a message: what DNS names is dialled, in its order, and the
// message arrives.
func TestDiscoverAndSubmit(t *testing.T) {
	server := submittest.NewUnstartedServer(t)
	server.Host, server.Users = "smtp.example.com", map[string]string{"me@example.com": "sesame"}
	require.NoError(t, server.Start())
	w := newWorld(t, dnstest.Zone{
		submissionsOf: srv(dnstest.SRV(10, 1, uint16(server.ImplicitPort()), "smtp.example.com.")),
		submissionOf:  srv(dnstest.SRV(5, 1, uint16(server.STARTTLSPort()), "smtp.example.com.")),
	}, nil)

	found, err := negotiate.Discover(t.Context(), "me@example.com", w.discovery())
	require.NoError(t, err)
	require.Len(t, found, 2)
	config := server.Config()
	config.Credentials = auth.Password(found[0].Username, "sesame")
	negotiator := &negotiate.Negotiator{Transports: negotiate.Transports(config, found...)}
	receipt, err := submit.Send(t.Context(), negotiator, "me@example.com", []string{"you@example.net"}, []byte("Subject: Hello\r\n\r\nHello!\r\n"))
	require.NoError(t, err)
	require.Equal(t, submit.Endpoint{Service: submit.Submission, Host: "smtp.example.com", Port: server.STARTTLSPort()}, receipt.Endpoint)
	require.Len(t, server.Messages(), 1)
	require.Equal(t, "me@example.com", server.Messages()[0].User)

	// The other one follows, as a negotiation has it.
	server.SetFaults(submittest.Fault{Service: submit.Submission, Phase: submit.PhaseGreeting, Do: submittest.Refuse})
	negotiator = &negotiate.Negotiator{Transports: negotiate.Transports(config, found...)}
	receipt, err = submit.Send(t.Context(), negotiator, "me@example.com", []string{"you@example.net"}, []byte("Subject: Hello\r\n\r\nHello!\r\n"))
	require.NoError(t, err)
	require.Equal(t, submit.Submissions, receipt.Endpoint.Service)
}

// Of nothing comes nothing: a program that trusts none of what was found does not
// end up with a Negotiator that falls back on something else.
func TestTransports(t *testing.T) {
	config := submit.Config{LocalName: "client.example.com"}
	list := negotiate.Transports(config)
	require.NotNil(t, list)
	require.Empty(t, list)
	require.ErrorIs(t, (&negotiate.Negotiator{Host: "smtp.example.com", Transports: list}).Check(), submit.ErrInvalid)

	list = negotiate.Transports(config,
		negotiate.Found{Endpoint: submit.Endpoint{Service: submit.Submission, Host: "a.example.com", Port: 2587}},
		negotiate.Found{Endpoint: submit.Endpoint{Service: submit.Submissions, Host: "b.example.com", Port: 2465}})
	require.Equal(t, []submit.Transport{
		&submit.STARTTLS{Host: "a.example.com", Port: 2587, Config: config},
		&submit.ImplicitTLS{Host: "b.example.com", Port: 2465, Config: config},
	}, list)
}

func TestSourceNames(t *testing.T) {
	text, err := json.Marshal([]negotiate.Source{0, negotiate.SourceSRV, negotiate.SourceAutoconfig, negotiate.SourceWellKnown,
		negotiate.SourceDatabase, negotiate.SourceGuess, negotiate.SourceGuess + 1})
	require.NoError(t, err)
	require.JSONEq(t, `["unknown","SRV","autoconfig","well-known","database","guess","unknown"]`, string(text))
}
