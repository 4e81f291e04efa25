package submit

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/mailport/mailport/internal/wire"
)

// A transaction hands over one message, RFC 5321, section 3.3.
type transaction struct {
	s     *Session
	p     *parcel
	e     *envelope
	ctx   context.Context // of the one call that a transaction lives for
	began time.Time       // the step that is being timed

	// What the server answered.
	mail     wire.Reply
	accepted int      // recipients
	refused  []*Error // recipients
	data     wire.Reply
	farewell *Error // a 421, to whichever of them
	kept     int    // octets of what was said to refuse recipients
}

// transact returns a receipt or an error. It never ends a message for which it
// will return an error, but for one whose outcome is then uncertain.
func (s *Session) transact(ctx context.Context, p *parcel) (*Receipt, error) {
	e, err := s.envelope(p)
	if err != nil {
		s.step(ctx, PhaseSender, time.Now(), err)
		return nil, err
	}
	t := &transaction{s: s, p: p, e: e, ctx: ctx, began: time.Now()}
	if err := t.offer(); err != nil {
		return nil, err
	}
	if err := t.body(); err != nil {
		return nil, err
	}
	return t.verdict()
}

// offer brings the server to the point of taking the message: MAIL, RCPT, DATA.
//
// With PIPELINING these are one flight (RFC 2920), DATA included unless the
// message is for several and for all of them or none: then DATA must wait for
// the replies to RCPT, since there is no way to take it back.
func (t *transaction) offer() error {
	err := t.flight()
	if t.ctx.Err() == nil {
		if no := t.refusal(); no != nil {
			if t.data.Code == 354 {
				t.s.conn.Abandon() // it waits for a message now; it must not get one
			}
			return no // the refusal is the news, even if the connection is lost after it
		}
	}
	switch {
	case errors.Is(err, ErrInvalid):
		return err
	case err != nil && t.farewell != nil && t.ctx.Err() == nil:
		return t.withRefused(t.farewell) // it says why the connection is lost
	case err != nil:
		return t.withRefused(t.lost(t.waitingFor(), err))
	}
	if t.data.Code == 0 {
		t.began = time.Now()
		if t.data, err = t.s.conn.Command(t.limit(), "DATA"); err != nil {
			return t.lost(PhaseData, err)
		}
		t.observe(PhaseData, t.data, nil)
	}
	return t.dataAnswer()
}

// lost is the error of a connection that failed before the body.
func (t *transaction) lost(phase Phase, err error) *Error {
	e := t.s.failure(phase, err)
	t.s.step(t.ctx, phase, t.began, e)
	return e
}

// withRefused adds the recipients that were refused before the connection was
// lost. They may be why: some servers have enough of a client after a number.
func (t *transaction) withRefused(e *Error) error {
	if len(t.refused) > 0 {
		e.Refused = t.refused
	}
	return e
}

func (t *transaction) limit() time.Duration { return t.s.config.Timeouts.command() }

// flight sends the commands, all at once or one by one.
func (t *transaction) flight() error {
	var (
		conn   = t.s.conn
		reset  = 0
		n      = 1 + len(t.p.to)
		atOnce = t.s.ext.Has("PIPELINING")
	)
	if t.s.dirty {
		reset = 1 // the transaction before was refused: RFC 5321, section 4.1.1.5
	}
	n += reset
	if atOnce && (len(t.p.to) == 1 || t.p.partial) {
		n++ // DATA
	}
	t.s.dirty = true
	for i := range n {
		if err := t.queue(i - reset); err != nil {
			conn.Drop()
			return &InvalidError{Field: "Message", Reason: err.Error()}
		}
		if atOnce {
			continue
		}
		t.began = time.Now()
		if err := conn.Send(t.limit(), func(_ int, r wire.Reply) { t.answer(i-reset, r) }); err != nil {
			return err
		}
		if t.pointless() {
			return nil
		}
	}
	if !atOnce {
		return nil
	}
	return conn.Send(t.limit(), func(i int, r wire.Reply) { t.answer(i-reset, r) })
}

// queue adds a command of the transaction: RSET is -1, MAIL 0, then come the
// recipients, then DATA.
func (t *transaction) queue(i int) error {
	conn := t.s.conn
	switch {
	case i < 0:
		return conn.Queue("RSET")
	case i == 0:
		return conn.Queue("MAIL", t.e.mail...)
	case i <= len(t.p.to):
		return conn.Queue("RCPT", t.p.rcptArgs(i-1)...)
	}
	return conn.Queue("DATA")
}

// answer notes the reply to a command.
func (t *transaction) answer(i int, r wire.Reply) {
	if r.Code == 421 { // it may answer any command, RSET as well
		t.farewell = t.s.refusal(t.waitingFor(), Reply(r))
		if i > 0 && i <= len(t.p.to) {
			t.farewell.Recipient = t.p.as[i-1]
		}
	}
	switch {
	case i < 0:
		// What RSET is answered says nothing that the reply to MAIL does not.
	case i == 0:
		t.mail = r
		t.observe(PhaseSender, r, nil)
	case i > len(t.p.to):
		t.data = r
		t.observe(PhaseData, r, nil)
	case r.Class() == 2:
		t.accepted++
		if i == len(t.p.to) {
			t.observe(PhaseRecipient, r, nil)
		}
	case t.mail.Class() == 2:
		e := t.s.refusal(PhaseRecipient, Reply(t.brief(r)))
		e.Recipient = t.p.as[i-1]
		t.refused = append(t.refused, e)
		t.observe(PhaseRecipient, r, e)
	}
}

// brief keeps of a recipient's refusal what memory allows, however many
// recipients there are and however much the server has to say: some lines of
// each, and of those after the first mebibyte the code alone.
func (t *transaction) brief(r wire.Reply) wire.Reply {
	const lines, octets, all = 8, 512, 1 << 20
	r.Lines = slices.Clone(r.Lines[:min(len(r.Lines), lines)])
	for i, line := range r.Lines {
		r.Lines[i] = strings.Clone(line[:min(len(line), octets)])
		t.kept += len(r.Lines[i])
	}
	if t.kept > all {
		r.Lines = nil
	}
	return r
}

// pointless reports, in lock-step, that what has been answered decides.
func (t *transaction) pointless() bool {
	return t.mail.Code != 0 && t.mail.Class() != 2 || len(t.refused) > 0 && !t.p.partial
}

// refusal is the error of a message that was refused for its envelope, or nil.
func (t *transaction) refusal() error {
	switch {
	case t.mail.Code != 0 && t.mail.Class() != 2:
		return t.s.refusal(PhaseSender, Reply(t.mail))
	case len(t.refused) == 0 || t.p.partial && len(t.refused) < len(t.p.to):
		return nil
	}
	// One that is for good decides over one that is not: it will not do to try
	// the same recipients again.
	decisive := *t.refused[0]
	for _, e := range t.refused {
		if !e.temporary() {
			decisive = *e
			break
		}
	}
	if len(t.refused) > 1 {
		decisive.Refused = t.refused
	}
	return &decisive
}

// waitingFor is the phase whose reply has not come.
func (t *transaction) waitingFor() Phase {
	switch {
	case t.mail.Code == 0:
		return PhaseSender
	case t.accepted+len(t.refused) < len(t.p.to):
		return PhaseRecipient
	}
	return PhaseData
}

// dataAnswer is nil if the server waits for the message.
func (t *transaction) dataAnswer() error {
	if t.data.Code == 354 {
		return nil
	}
	return t.s.refusal(PhaseData, Reply(t.data))
}

// body sends the message.
func (t *transaction) body() error {
	t.began = time.Now()
	ended, err := t.s.conn.WriteBody(t.p.body, t.e.sevenBit, t.s.config.Timeouts.data())
	switch {
	case err == nil:
		t.s.step(t.ctx, PhaseBody, t.began, nil)
		return nil
	case ended:
		err = &Error{Endpoint: t.s.endpoint, Phase: PhaseBody, Err: uncertain(t.s.failure(PhaseBody, err).Err)}
	case errors.Is(err, wire.ErrEightBit):
		err = &Error{Endpoint: t.s.endpoint, Phase: PhaseBody, Err: &cause{meaning: errors.ErrUnsupported, err: err}}
	default:
		err = t.s.failure(PhaseBody, err)
	}
	t.s.step(t.ctx, PhaseBody, t.began, err)
	return err
}

// verdict waits for the one reply that decides. Until it comes the outcome is
// uncertain.
func (t *transaction) verdict() (*Receipt, error) {
	t.began = time.Now()
	r, err := t.s.conn.ReadReply(t.s.config.Timeouts.verdict())
	switch {
	case err != nil:
		err = t.doubt(t.s.failure(PhaseVerdict, err).Err)
	case r.Class() == 3: // no verdict: replies are out of step
		t.s.conn.Abandon()
		err = t.doubt(&cause{meaning: ErrProtocol, text: ErrProtocol.Error(), err: smtpError(Reply(r))})
	case r.Class() != 2:
		t.s.dirty = false
		err = t.s.refusal(PhaseVerdict, Reply(r))
	}
	t.s.step(t.ctx, PhaseVerdict, t.began, err)
	if err != nil {
		return nil, err
	}
	t.s.dirty = false
	return &Receipt{Endpoint: t.s.endpoint, Reply: Reply(r), Refused: t.refused, TLS: t.s.tls}, nil
}

func (t *transaction) doubt(err error) error {
	return &Error{Endpoint: t.s.endpoint, Phase: PhaseVerdict, Err: uncertain(err)}
}

func (t *transaction) observe(phase Phase, r wire.Reply, e *Error) {
	var err error
	switch {
	case e != nil:
		err = e
	case r.Class() > 3:
		err = t.s.refusal(phase, Reply(r))
	}
	t.s.step(t.ctx, phase, t.began, err)
}
