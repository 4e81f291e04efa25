package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/mailport/mailport/auth"
	"github.com/mailport/mailport/negotiate"
	"github.com/mailport/mailport/submit"
	"github.com/mailport/mailport/submit/submittest"
)

// A scene is a thing that happens to people who send mail.
type scene struct {
	title string
	fault submittest.Fault // none if its Do is 0
	via   string           // the service that takes the message, or empty
	moral string
}

func scenes() []scene {
	return []scene{
		{
			title: "Both ports answer. TLS from the first byte is preferred, so it is 465.",
			via:   submit.Submissions,
			moral: "The server has it, octet for octet.",
		},
		{
			title: "Port 465 is closed. 587 with STARTTLS is as safe, since TLS is not optional.",
			fault: submittest.Fault{Service: submit.Submissions, Phase: submit.PhaseConnect, Do: submittest.Refuse},
			via:   submit.Submission,
			moral: "The server has it, octet for octet.",
		},
		{
			title: "The certificate is for another host. Somebody may be in between.",
			fault: submittest.Fault{Phase: submit.PhaseHandshake, Do: submittest.WrongName},
			moral: "Neither the message nor the password was sent, and that is as it should be.",
		},
	}
}

// demonstrate plays the scenes with a server of our own.
func demonstrate(ctx context.Context, out io.Writer) error {
	mailbox := &submittest.Server{Users: map[string]string{"me@example.com": "secret"}}
	if err := mailbox.Start(); err != nil {
		return err
	}
	defer mailbox.Close()
	config := mailbox.Config()               // with a real server: submit.Config{}
	config.TLS.SessionTicketsDisabled = true // who resumes a session is shown no certificate, and this server changes its own
	config.Credentials = auth.Password("me@example.com", "secret")
	server := &negotiate.Negotiator{
		Host:   "mail.example.com",
		Config: config,
		// Only here: neither how busy this machine is nor what went before must change the show.
		Policy:  negotiate.Policy{HeadStart: -1, Remember: -1},
		Observe: printTo(out),
	}

	fmt.Fprintf(out, "message.eml, %d octets, to a server on the loopback interface.\n", len(message))
	for i, s := range scenes() {
		fmt.Fprintf(out, "\n%d. %s\n", i+1, s.title)
		if err := s.play(ctx, server, mailbox, out); err != nil {
			return fmt.Errorf("scene %d: %w", i+1, err)
		}
		fmt.Fprintf(out, "   %s\n", s.moral)
	}
	return nil
}

// play sends the message, and returns an error if what happens is not what
// should.
func (s scene) play(ctx context.Context, server *negotiate.Negotiator, mailbox *submittest.Server, out io.Writer) error {
	mailbox.SetFaults()
	if s.fault.Do != 0 {
		mailbox.SetFaults(s.fault)
	}
	had, logins := len(mailbox.Messages()), mailbox.Attempts("")
	err := send(ctx, server, "me@example.com", []string{"you@example.net"}, message, out)
	arrived := mailbox.Messages()[had:]
	closed := errors.Is(err, submit.ErrCertificate) && len(arrived) == 0 && mailbox.Attempts("") == logins
	switch {
	case s.via == "" && err == nil:
		return errors.New("a bad certificate was accepted")
	case s.via == "" && closed:
		fmt.Fprintln(out, "   error, errors.Is(err, submit.ErrCertificate): 587 is not tried after that.")
		return nil
	case err != nil:
		return err
	case len(arrived) != 1 || arrived[0].Via.Service != s.via || !bytes.Equal(arrived[0].Data, message):
		return fmt.Errorf("what arrived is not what was sent: %d messages", len(arrived))
	}
	return nil
}
