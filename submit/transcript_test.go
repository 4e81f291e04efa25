package submit_test

import (
	"context"
	"errors"
	"flag"
	"strings"
	"testing"

	"github.com/emersion/go-smtp"

	"github.com/mailport/mailport/auth"
	"github.com/mailport/mailport/internal/script"
	"github.com/mailport/mailport/submit"
)

var _ = flag.Bool("update", false, "write what the transcripts want")

// Each transcript is one thing that can happen on one transport, and shows what
// becomes of it. Package script says how to read them.
func TestTranscripts(t *testing.T) {
	script.Player{
		Play:        playSubmit,
		Credentials: map[string]auth.Credentials{"prudent": prudent{}},
		Settings:    []string{"binary"}, // messages with BODY=BINARYMIME
		Hostname:    submit.SetHostname,
	}.Run(t, "testdata/transcripts")
}

// playSubmit submits the messages of a transcript over the transport of its
// first endpoint: one over a session of its own, several over one session.
func playSubmit(ctx context.Context, c *script.Client) string {
	t := transportOf(c)
	if _, binary := c.Setting("binary"); binary {
		for i := range c.Messages {
			c.Messages[i].Options = &smtp.MailOptions{Body: smtp.BodyBinaryMIME}
		}
	}
	if len(c.Messages) == 1 {
		return told(c)(t.Submit(ctx, c.Messages[0]))
	}
	session, err := t.Dial(ctx)
	if err != nil {
		return told(c)(nil, err)
	}
	defer session.Close()
	var all strings.Builder
	for _, m := range c.Messages {
		all.WriteString(told(c)(session.Submit(ctx, m)))
	}
	return all.String()
}

func transportOf(c *script.Client) interface {
	submit.Transport
	submit.Submitter
} {
	if c.Endpoint.Service == submit.Submissions {
		return &submit.ImplicitTLS{Host: c.Endpoint.Host, Port: c.Endpoint.Port, Config: c.Config}
	}
	return &submit.STARTTLS{Host: c.Endpoint.Host, Port: c.Endpoint.Port, Config: c.Config}
}

// told is the result, and that a server's reply is found by those who know
// go-smtp's errors.
func told(c *script.Client) func(*submit.Receipt, error) string {
	return func(r *submit.Receipt, err error) string {
		result := c.Result(r, err)
		var (
			ours   *submit.Error
			theirs *smtp.SMTPError
		)
		if errors.As(err, &ours) && ours.Reply != nil && (!errors.As(err, &theirs) || theirs.Code != ours.Reply.Code) {
			result += "but errors.As does not find the reply\n"
		}
		return result
	}
}

// Prudent are credentials whose only mechanism wants to be asked twice, and is
// not satisfied before: the server proves something with the second challenge.
type prudent struct{}

func (prudent) Exchange(context.Context, auth.Server) (auth.Mechanism, error) {
	return &prudentMechanism{}, nil
}

type prudentMechanism struct{ asked int }

func (*prudentMechanism) Start() (string, []byte, error) { return "PRUDENT", []byte("hello"), nil }
func (m *prudentMechanism) Next([]byte) ([]byte, error)  { m.asked++; return []byte{}, nil }
func (m *prudentMechanism) Complete() bool               { return m.asked == 2 }
