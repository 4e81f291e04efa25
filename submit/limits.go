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
		if err != nil || len(value) > 6 || value[0] == '0' { // RFC 9422, section 3: up to six digits
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
	case most == 0 && !p.body.again():
		most = len(p.to) // better many at once than some never
	case most == 0:
		most = recipientsAtOnce
	}
	return (&split{s: s, left: p, most: most}).transact(ctx)
}

// again reports whether a message can be read from its beginning, when it was read
// to its end.
func (s *source) again() bool { return s.whole || s.start >= 0 }

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
	full    int     // transactions in a row that had too many, however few
	receipt *Receipt
	refused []*Error
	mixed   bool // they are not all refused for the same reason
}

// enough is how many transactions without a recipient are enough: a server that
// says of each that it is one too many does not mean the transaction.
const enough = 3

func (t *split) transact(ctx context.Context) (*Receipt, error) {
	if len(t.left.to) > t.most {
		if err := t.agree(ctx); err != nil {
			return nil, err
		}
	}
	for first := true; ; first = false {
		if !first && !t.left.body.rewind() {
			t.giveUp(t.left, errNotAgain)
			return t.outcome(nil)
		}
		group := t.left.first(t.most)
		receipt, err := t.s.handOver(ctx, group)
		t.s.heard = time.Now()
		if first && len(group.to) == len(t.left.to) && (err != nil || !hasOverflow(receipt.Refused)) {
			return receipt, err // as nearly always
		}
		t.left = t.left.after(len(group.to))
		if err == nil {
			t.note(group, receipt)
		} else if !t.noteFailure(ctx, group, err) {
			return t.outcome(err)
		}
		if len(t.left.to) == 0 {
			return t.outcome(nil)
		}
	}
}

// agree has all transactions ask for the same, be it for the sake of recipients in
// one of them: or else the server finds that it cannot do it when some have got the
// message.
func (t *split) agree(ctx context.Context) error {
	if t.left.mail.UTF8 || !slices.ContainsFunc(t.left.to, wire.Path.UTF8) {
		return nil
	}
	if !t.s.ext.Has("SMTPUTF8") {
		_, err := t.s.begin(ctx, t.left) // which says why that is an error
		return err
	}
	all := *t.left
	all.mail.UTF8 = true
	t.left = &all
	return nil
}

// errNotAgain is the end of a message that cannot be read from its beginning.
var errNotAgain = &cause{meaning: ErrTemporary, text: "too many recipients for one transaction, and the message can be read once only"}

// note takes down a transaction that went well. Whom it had no room for comes last.
func (t *split) note(group *parcel, receipt *Receipt) {
	t.full = 0
	t.noteRefused(group, receipt.Refused)
	if t.receipt == nil {
		t.receipt = receipt
	} else {
		t.receipt.Further = append(t.receipt.Further, receipt.Reply)
	}
}

// noteRefused takes down recipients that were refused, and leaves those for which there
// was no room for another transaction: one of no more than came before the first of them.
func (t *split) noteRefused(group *parcel, errs []*Error) {
	refused, overflow := separate(errs)
	t.refused = append(t.refused, refused...)
	if len(overflow) > 0 {
		t.most = min(t.most, group.transaction.room)
		t.left = t.left.with(overflow)
	}
}

// noteFailure takes down one that failed, and reports whether there may be another:
// if it was recipients that were refused, and all of them.
func (t *split) noteFailure(ctx context.Context, group *parcel, err error) bool {
	var e *Error
	if errors.As(err, &e) && t.s.conn.Broken() == nil && e.Phase == PhaseRecipient && hasOverflow(e.Refused) && !areTooMany(e) {
		t.mixed, t.full = true, 0
		t.noteRefused(group, e.Refused) // some were refused for themselves, and had no room left behind them
		return true
	}
	t.giveUp(group, err)
	switch {
	case !errors.As(err, &e) || t.s.conn.Broken() != nil:
		t.giveUp(t.left, t.notTried(ctx, err))
		t.mixed = true
		return false
	case e.Phase != PhaseRecipient || e.Reply == nil:
		t.giveUp(t.left, err) // it would be the same
		return false
	}
	t.mixed = true
	if t.full++; !areTooMany(e) {
		t.full = 0
	}
	if t.full == enough {
		t.giveUp(t.left, t.notTried(ctx, err))
		return false
	}
	return true
}

// notTried is for recipients whose transaction was not begun, after one ended with
// err.
func (t *split) notTried(ctx context.Context, err error) error {
	c := &cause{meaning: ErrTemporary, whole: true}
	select {
	case <-t.s.closing:
		c.meaning = ErrClosed
	default:
	}
	if ctx.Err() != nil {
		c.meaning, c.err = nil, wire.ContextError(ctx)
	}
	var e *Error
	if errors.As(err, &e) {
		short := *e
		short.Endpoint, err = Endpoint{}, &short
	}
	c.text = "not tried, after " + err.Error()
	return c
}

// giveUp lists recipients with the error that keeps the message from them: their
// own, if they were refused, or err.
func (t *split) giveUp(group *parcel, err error) {
	var e *Error
	if !errors.As(err, &e) {
		e = &Error{Endpoint: t.s.endpoint, Phase: PhaseRecipient, Err: err}
	}
	own := make(map[string]*Error, len(e.Refused))
	for _, refused := range e.Refused {
		own[refused.Recipient] = refused
	}
	for _, address := range group.as {
		of := own[address]
		if of == nil {
			of = new(Error)
			*of = *e
			of.Recipient, of.Refused = address, nil
		}
		t.refused = append(t.refused, of)
	}
}

// outcome is a receipt if anybody got the message, with all who did not; or else
// the error.
func (t *split) outcome(err error) (*Receipt, error) {
	if t.receipt != nil {
		t.receipt.Refused = t.refused
		return t.receipt, nil
	}
	if err != nil && !t.mixed {
		return nil, err
	}
	var e *Error
	if !errors.As(err, &e) {
		e = decide(t.refused)
	}
	decisive := *e
	decisive.Refused = t.refused
	return nil, &decisive
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

// areTooMany reports whether e refuses all recipients of a transaction as too many.
func areTooMany(e *Error) bool {
	if len(e.Refused) == 0 {
		return isTooMany(e)
	}
	return !slices.ContainsFunc(e.Refused, func(r *Error) bool { return !isTooMany(r) })
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

// with is p for its own recipients, and for those of errors.
func (p *parcel) with(errs []*Error) *parcel {
	all := *p
	all.to, all.as = slices.Clip(p.to), slices.Clip(p.as) // the message's
	for _, e := range errs {
		path, _ := wire.ParsePath(e.Recipient) // it was one before
		all.to, all.as = append(all.to, path), append(all.as, e.Recipient)
	}
	return &all
}
