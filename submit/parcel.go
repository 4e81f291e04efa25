package submit

import (
	"context"
	"errors"
	"fmt"

	"github.com/emersion/go-smtp"

	"github.com/mailport/mailport/internal/wire"
)

// A parcel is a message that was found valid, and can be sent more than once if
// a connection turns out to be dead.
type parcel struct {
	from    wire.Path
	to      []wire.Path
	as      []string // the recipients, as the caller wrote them
	partial bool
	mail    smtp.MailOptions
	rcpt    map[string]*smtp.RcptOptions
	body    *source

	// What go-smtp has with the recipients, and SMTP has once.
	by       *smtp.DeliverByOptions
	priority *int
}

// prepare refuses what cannot be sent, before anybody is asked to take it.
func prepare(ctx context.Context, m Message) (*parcel, error) {
	p := &parcel{as: m.To, partial: m.Partial, rcpt: m.RcptOptions}
	if m.Options != nil {
		p.mail = *m.Options
	}
	if err := p.address(m); err != nil {
		return nil, err
	}
	if err := p.checkOptions(); err != nil {
		return nil, err
	}
	if m.Body == nil {
		return nil, &InvalidError{Field: "Message.Body", Reason: "is nil"}
	}
	var err error
	if p.body, err = newSource(m.Body); err != nil {
		return nil, unreadable(ctx, err)
	}
	if found, _ := p.body.eightBit(); found && p.mail.Body == smtp.Body7Bit {
		return nil, invalidOption("Body", string(p.mail.Body), "the message has octets above 127")
	}
	return p, nil
}

// unreadable is err, unless it is the end of the context that kept the message
// from being read: then that is the error, and nothing is invalid.
func unreadable(ctx context.Context, err error) error {
	var invalid *InvalidError
	switch {
	case ctx.Err() == nil:
		return err
	case isContext(err) && errors.As(err, &invalid):
		return &Error{Err: &cause{text: "message cannot be read", err: invalid.Err}}
	}
	return &Error{Err: wire.ContextError(ctx)}
}

// address reads the envelope.
func (p *parcel) address(m Message) (err error) {
	if m.From != "" {
		if p.from, err = parsePath("Message.From", m.From); err != nil {
			return err
		}
	}
	if len(m.To) == 0 {
		return &InvalidError{Field: "Message.To", Reason: "no recipients"}
	}
	p.to = make([]wire.Path, len(m.To))
	for i, to := range m.To {
		if p.to[i], err = parsePath(fmt.Sprintf("Message.To[%d]", i), to); err != nil {
			return err
		}
	}
	return nil
}

func parsePath(field, address string) (wire.Path, error) {
	path, err := wire.ParsePath(address)
	if err != nil {
		return path, &InvalidError{Field: field, Value: address, Reason: err.Error()}
	}
	return path, nil
}
