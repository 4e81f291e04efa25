package negotiate_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/negotiate"
	"github.com/mailport/mailport/submit"
	"github.com/mailport/mailport/submit/submittest"
)

func TestWelcome(t *testing.T) {
	server := submittest.NewServer(t) // both ports on loopback, real TLS, its own CA
	mailer := &Mailer{
		Submitter: &negotiate.Negotiator{Host: "mail.example.com", Config: server.Config()},
		From:      "robot@example.com",
	}
	require.NoError(t, mailer.Welcome(t.Context(), "Ann", "ann@example.net"))
	require.Contains(t, string(server.Messages()[0].Data), "Hello Ann")

	// And when it goes wrong: the connection is lost after the message was taken.
	server.SetFaults(submittest.Fault{Phase: submit.PhaseVerdict, Do: submittest.Hangup})
	err := mailer.Welcome(t.Context(), "Bob", "bob@example.net")
	require.ErrorIs(t, err, submit.ErrUncertain)
}
