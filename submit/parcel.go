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

	lent bool // to a run; nobody else waits for what becomes of it

	// What it is made of, in one piece: body and to, mostly, and the transaction
	// that is under way.
	source      source
	one         [1]wire.Path
	transaction transaction
}

// prepare refuses what cannot be sent, before anybody is asked to take it.
func prepare(ctx context.Context, m Message) (*parcel, error) {
	p := new(parcel)
	if err := p.prepare(ctx, m); err != nil {
		return nil, err
	}
	return p, nil
}

// prepare makes a parcel of m out of one whose message is settled, or a new one.
func (p *parcel) prepare(ctx context.Context, m Message) error {
	*p = parcel{as: m.To, partial: m.Partial, rcpt: m.RcptOptions,
		source: source{head: reusable(p.source.head)}, transaction: transaction{e: envelope{params: p.transaction.e.params}}}
	if m.Options != nil {
		p.mail = *m.Options
	}
	if err := p.address(m); err != nil {
		return err
	}
	if err := p.checkOptions(); err != nil {
		return err
	}
	if m.Body == nil {
		return &InvalidError{Field: "Message.Body", Reason: "is nil"}
	}
	if err := p.source.open(m.Body); err != nil {
		return unreadable(ctx, err)
	}
	p.body = &p.source
	if found, _ := p.body.eightBit(); found && p.mail.Body == smtp.Body7Bit {
		return invalidOption("Body", string(p.mail.Body), "the message has octets above 127")
	}
	return nil
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

// forget lets go of what is the caller's.
func (p *parcel) forget() {
	*p = parcel{source: source{head: reusable(p.source.head)}, transaction: transaction{e: envelope{params: p.transaction.e.params}}}
}

// address reads the envelope.
func (p *parcel) address(m Message) (err error) {
	if m.From != "" {
		if p.from, err = wire.ParsePath(m.From); err != nil {
			return invalidPath("Message.From", m.From, err)
		}
	}
	if len(m.To) == 0 {
		return &InvalidError{Field: "Message.To", Reason: "no recipients"}
	}
	if p.to = p.one[:]; len(m.To) > 1 {
		p.to = make([]wire.Path, len(m.To))
	}
	for i, to := range m.To {
		if p.to[i], err = wire.ParsePath(to); err != nil {
			return invalidPath(fmt.Sprintf("Message.To[%d]", i), to, err)
		}
	}
	return nil
}

func invalidPath(field, address string, err error) error {
	return &InvalidError{Field: field, Value: address, Reason: err.Error()}
}

// reusable is b, if it is worth to be kept for another message.
func reusable(b []byte) []byte {
	if cap(b) > 16<<10 {
		return nil
	}
	return b
}
