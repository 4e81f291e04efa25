package submit

import (
	"bytes"
	"context"
	"errors"
)

// A Submitter hands over messages. It must be safe for concurrent use.
//
// Submit returns either a Receipt or an error, never both. A Receipt means that
// the server has taken responsibility for the message (RFC 5321, section
// 4.2.5). An error means that it has not, unless it is [ErrUncertain].
type Submitter interface {
	Submit(ctx context.Context, m Message) (*Receipt, error)
}

// SubmitterFunc lets a function be a [Submitter].
type SubmitterFunc func(ctx context.Context, m Message) (*Receipt, error)

// Submit calls f.
func (f SubmitterFunc) Submit(ctx context.Context, m Message) (*Receipt, error) { return f(ctx, m) }

// Send submits data, a complete message with its header, from one address to
// others. Data is sent as it is: neither From, To and Date fields are added, nor
// is a Bcc field removed (RFC 5321, section 7.2, asks that of whoever composes).
func Send(ctx context.Context, s Submitter, from string, to []string, data []byte) (*Receipt, error) {
	return s.Submit(ctx, Message{From: from, To: to, Body: bytes.NewReader(data)})
}

// Over submits m over a session of its own: it dials t, authenticates, submits
// and says goodbye. It is what the transports' own Submit methods do; for more
// than a few messages a [Pool] is faster. What is wrong with m is found before
// t is dialled.
func Over(ctx context.Context, t Transport, m Message) (*Receipt, error) {
	p, err := prepare(ctx, m)
	if err != nil {
		return nil, err
	}
	s, err := t.Dial(ctx)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	receipt, err := s.submit(ctx, p)
	if !errors.Is(err, errNoBDAT) || s.redial == nil || !p.body.rewind() {
		return receipt, err
	}
	// Nothing was taken, and what was learnt helps. There is no other port to try:
	// this one has seen the credentials (promise 5).
	s.Close()
	if s, err = s.redial(ctx); err != nil {
		return nil, err
	}
	defer s.Close()
	return s.submit(ctx, p)
}
