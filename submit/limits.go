package submit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mailport/mailport/internal/wire"
)

// limits are what a server says it takes of one client, RFC 9422. Zero means that
// it does not say.
type limits struct {
	mails      int // transactions in a session: MAILMAX
	recipients int // recipients in a transaction: RCPTMAX
}

// parseLimits reads the parameters of LIMITS. What is malformed is ignored, as RFC
// 9422, section 3, wants it.
func parseLimits(params string) (l limits) {
	for word := range strings.FieldsSeq(params) {
		name, value, _ := strings.Cut(word, "=")
		n, err := strconv.ParseUint(value, 10, 31)
		if err != nil || n == 0 || len(value) > 6 || value[0] == '0' { // RFC 9422, section 3: up to six digits
			continue
		}
		switch strings.ToUpper(name) {
		case "MAILMAX":
			l.mails = int(n)
		case "RCPTMAX":
			l.recipients = int(n)
		}
	}
	return l
}

// recipientsAtOnce is how many recipients a transaction has at most, if the
// message may be split. Servers must take 100 (RFC 5321, section 4.5.3.1.8); usual
// are 1,000, and what goes far beyond is held against the client.
const recipientsAtOnce = 1000

// transact hands over a message: in several transactions, if it has more
// recipients than the server takes at once and need not go to all or none.
func (s *Session) transact(ctx context.Context, p *parcel) (*Receipt, error) {
	most := s.limits.recipients
	switch {
	case !p.partial && most > 0 && len(p.to) > most:
		return nil, s.tooMany(ctx, len(p.to), most)
	case !p.partial:
		return s.handOver(ctx, p)
	case most == 0:
		most = recipientsAtOnce
	}
	return (&split{s: s, left: p, most: most}).transact(ctx)
}

func (s *Session) tooMany(ctx context.Context, recipients, most int) error {
	err := &Error{Endpoint: s.endpoint, Phase: PhaseRecipient, Err: &cause{meaning: errors.ErrUnsupported,
		text: fmt.Sprintf("%d recipients, and the server takes %d at once; with Message.Partial they are split up", recipients, most)}}
	s.step(ctx, PhaseRecipient, time.Now(), err)
	return err
}

// A split is a message in several transactions.
type split struct {
	s       *Session
	left    *parcel // who is left
	most    int     // recipients at once
	receipt *Receipt
	refused []*Error
}

func (t *split) transact(ctx context.Context) (*Receipt, error) {
	for first := true; ; first = false {
		if !first && !t.left.body.rewind() {
			t.giveUp(t.left, errNotAgain)
			return t.outcome(nil)
		}
		group := t.left.first(t.most)
		receipt, err := t.s.handOver(ctx, group)
		if first && err != nil && len(group.to) == len(t.left.to) {
			return nil, err
		}
		if first && err == nil && len(group.to) == len(t.left.to) && !hasOverflow(receipt.Refused) {
			return receipt, nil // as nearly always
		}
		t.left = t.left.after(len(group.to))
		if !t.note(group, receipt, err) {
			return t.outcome(err)
		}
		if len(t.left.to) == 0 {
			return t.outcome(nil)
		}
	}
}

// errNotAgain is the end of a message that cannot be read from its beginning.
var errNotAgain = &cause{meaning: ErrTemporary, text: "too many recipients for one transaction, and the message can be read once only"}

// note takes down how a transaction ended, and reports whether there may be
// another.
func (t *split) note(group *parcel, receipt *Receipt, err error) bool {
	if err != nil {
		return t.noteFailure(group, err)
	}
	refused, overflow := separate(receipt.Refused)
	t.refused = append(t.refused, refused...)
	if len(overflow) > 0 {
		t.most = max(1, len(group.to)-len(refused)-len(overflow))
		t.left = t.left.with(overflow)
	}
	if t.receipt == nil {
		t.receipt = receipt
	} else {
		t.receipt.Further = append(t.receipt.Further, receipt.Reply)
	}
	return true
}

// noteFailure goes on if it was recipients that were refused, and all of them.
func (t *split) noteFailure(group *parcel, err error) bool {
	var e *Error
	if !errors.As(err, &e) || t.s.conn.Broken() != nil {
		t.giveUp(group, err)
		t.giveUp(t.left, &cause{meaning: ErrTemporary, text: "not tried, after " + err.Error()})
		return false
	}
	if e.Phase == PhaseRecipient && e.Reply != nil {
		if len(e.Refused) > 0 {
			t.refused = append(t.refused, e.Refused...)
		} else {
			t.refused = append(t.refused, e)
		}
		return true
	}
	t.giveUp(group, err)
	t.giveUp(t.left, err)
	return false
}

// giveUp lists recipients with the error that keeps the message from them.
func (t *split) giveUp(group *parcel, err error) {
	var e *Error
	if !errors.As(err, &e) {
		e = &Error{Endpoint: t.s.endpoint, Phase: PhaseRecipient, Err: err}
	}
	for _, address := range group.as {
		of := *e
		of.Recipient, of.Refused = address, nil
		t.refused = append(t.refused, &of)
	}
}

// outcome is a receipt if anybody got the message, with all who did not; or else
// the error.
func (t *split) outcome(err error) (*Receipt, error) {
	if t.receipt != nil {
		t.receipt.Refused = t.refused
		return t.receipt, nil
	}
	if err == nil {
		decisive := *decide(t.refused)
		decisive.Refused = t.refused
		err = &decisive
	}
	return nil, err
}

// isTooMany tells the server's limit of recipients from what is wrong with one of
// them: RFC 5321, section 4.5.3.1.10.
func isTooMany(e *Error) bool {
	if e.Reply == nil || e.Phase != PhaseRecipient {
		return false
	}
	switch e.Reply.Enhanced {
	case [3]int{4, 5, 3}, [3]int{5, 5, 3}, [3]int{}:
		return e.Reply.Code == 452 || e.Reply.Code == 552
	}
	return false
}

func hasOverflow(refused []*Error) bool { return slices.ContainsFunc(refused, isTooMany) }

func separate(refused []*Error) (others, overflow []*Error) {
	for _, e := range refused {
		if isTooMany(e) {
			overflow = append(overflow, e)
		} else {
			others = append(others, e)
		}
	}
	return others, overflow
}

// first is p for the first n of its recipients, or all.
func (p *parcel) first(n int) *parcel {
	if n >= len(p.to) {
		return p
	}
	group := *p
	group.to, group.as = p.to[:n], p.as[:n]
	return &group
}

// after is p for all recipients but the first n.
func (p *parcel) after(n int) *parcel {
	rest := *p
	rest.to, rest.as = p.to[n:], p.as[n:]
	return &rest
}

// with is p for those recipients of errors, and its own.
func (p *parcel) with(errs []*Error) *parcel {
	all := *p
	all.to, all.as = make([]wire.Path, 0, len(errs)+len(p.to)), make([]string, 0, len(errs)+len(p.to))
	for _, e := range errs {
		path, _ := wire.ParsePath(e.Recipient) // it was one before
		all.to, all.as = append(all.to, path), append(all.as, e.Recipient)
	}
	all.to, all.as = append(all.to, p.to...), append(all.as, p.as...)
	return &all
}
