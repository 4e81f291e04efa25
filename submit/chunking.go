package submit

import (
	"context"
	"errors"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/mailport/mailport/internal/wire"
)

// chunking reports whether messages are sent with BDAT (RFC 3030) instead of DATA.
func (s *Session) chunking() bool { return s.ext.Has("CHUNKING") && !s.learnt.is(noChunks) }

// chunks reports whether a message goes by BDAT, and whether the server has to prove
// first that it knows BDAT.
//
// One that offers CHUNKING and does not know BDAT reads what comes behind it for
// commands, in a session that has authenticated, and a message may be a stranger's: a
// contact form's, say. No message is taken without one of three commands (see
// hasOrder), so that one with such a line in it goes by DATA until the server is known
// to know BDAT; or, if it can go by BDAT only, behind a chunk that is empty. Whatever
// else a line may be taken for sends nothing. RSET, MAIL and RCPT begin and end what is
// not sent, VRFY or AUTH are answered, QUIT and STARTTLS end the session: the replies
// are more than were asked for, by which the session is known to be out of step.
func (s *Session) chunks(p *parcel) (chunked, wary bool) {
	switch {
	case !s.chunking():
		return false, false
	case s.learnt.is(chunksWork) || !p.body.orders():
		return true, false
	case p.mail.Body == smtp.BodyBinaryMIME:
		return true, true
	}
	return false, false
}

// flightWithProof is flight for a message of which nothing may leave before the server
// has taken a chunk: one of nothing, which RFC 3030, section 2, allows.
func (t *transaction) flightWithProof() error {
	tail := t.tail
	t.tail = proofTail
	var err error
	if t.s.ext.Has("PIPELINING") {
		err = t.atOnce()
	} else if err = t.oneByOne(); err == nil && !t.stray && !t.pointless() {
		if err = t.s.conn.Queue("BDAT", "0"); err == nil {
			err = t.send(len(t.p.to) + 1)
		}
	}
	if err != nil || t.stray || t.refusal() != nil || t.data.Class() != 2 {
		return err
	}
	t.s.learnt.note(chunksWork)
	t.tail, t.wary, t.data = tail, false, wire.Reply{}
	if tail != chunkTail && tail != lastTail {
		return nil
	}
	t.queueMessage()
	return t.send(len(t.p.to) + 1)
}

// tooWary is the error of a message whose envelope is behind the end of another, where
// there is no way to wait for the proof.
func (t *transaction) tooWary() error {
	return &Error{Endpoint: t.s.endpoint, Phase: PhaseBody, Err: &cause{meaning: ErrTemporary,
		text: "message has a line that could be taken for a command, and the server has not shown yet that it knows BDAT"}}
}

// fresh is how long after its last word a connection is not doubted.
const fresh = 2 * time.Second

// doubtful reports whether the connection may have died unnoticed. A message whose
// end is sent over such a one is in doubt for nothing: one round trip more, and it
// is known whether there is still somebody there.
func (s *Session) doubtful() bool { return time.Since(s.heard) > fresh }

// form is how the message has to be changed on its way.
func (p *parcel) form() wire.Form {
	if p.mail.Body == smtp.BodyBinaryMIME || p.body.whole && p.body.clean() {
		return wire.Verbatim
	}
	return wire.Text
}

// chunkAnswer is nil if the server took the message, and waits for its end.
func (t *transaction) chunkAnswer(r wire.Reply) error {
	var err error
	switch {
	case r.Class() == 2:
		t.s.learnt.note(chunksWork)
	case t.isStranger(r):
		return t.noBDAT(PhaseBody, r)
	default:
		err = t.s.refusal(PhaseBody, Reply(r))
	}
	t.step(PhaseBody, err)
	return err
}

// last sends what queue queues, the end of the message, and waits for the verdict.
func (t *transaction) last(queue func()) (*Receipt, error) {
	t.began = time.Now()
	queue()
	var (
		end    = t.s.conn.Mark()
		r      wire.Reply
		heard  bool
		limits = wire.Limits{Write: t.s.config.Timeouts.data(), Last: t.s.config.Timeouts.verdict()}
	)
	err := t.s.conn.SendWithin(limits, func(_ int, reply wire.Reply) { r, heard = reply, true })
	switch {
	case heard && (r.Class() != 2 || t.s.conn.Reached(end)): // it may refuse what it has not read
		return t.judge(r)
	case t.s.conn.Reached(end):
		err = t.doubt(t.s.failure(PhaseVerdict, err).Err)
		t.step(PhaseVerdict, err)
		return nil, err
	}
	return nil, t.sent(false, err)
}

// chunks sends a large message.
func (t *transaction) chunks() error {
	t.began = time.Now()
	var refused wire.Reply
	timeouts := t.s.config.Timeouts
	form := t.p.form()
	if t.e.sevenBit {
		form = wire.SevenBit
	}
	ended, err := t.s.conn.WriteChunks(t.p.body, form, !t.s.learnt.is(chunksWork), timeouts.data(), timeouts.command(),
		func(r wire.Reply) {
			if r.Class() == 2 {
				t.s.learnt.note(chunksWork)
			} else if refused.Code == 0 {
				refused = r
			}
		})
	switch {
	case refused.Code == 0, t.ctx.Err() != nil && !errors.Is(err, wire.ErrRefused):
		return t.sent(ended, err)
	case t.isStranger(refused):
		return t.noBDAT(PhaseBody, refused)
	}
	err = t.s.refusal(PhaseBody, Reply(refused))
	t.step(PhaseBody, err)
	return err
}

// errNoBDAT is the end of a transaction with a server that offers CHUNKING and does
// not know BDAT.
var errNoBDAT = errors.New("server offers CHUNKING, and does not know BDAT")

// isStranger reports whether r, to BDAT, says that the server does not know it. One
// that took a chunk before does.
func (t *transaction) isStranger(r wire.Reply) bool {
	switch r.Code {
	case 500, 502, 503, 555:
		return t.chunked && !t.s.learnt.is(chunksWork)
	}
	return false
}

// aside notes what a chunk was answered whose message was refused before.
func (t *transaction) aside() {
	switch {
	case t.tail < proofTail:
	case t.data.Class() == 2:
		t.s.learnt.note(chunksWork)
	case t.isStranger(t.data):
		t.s.unsure = true
		if t.data.Code != 503 { // without a recipient that is in order
			t.s.learnt.note(noChunks)
		}
	}
}

// noBDAT has all sessions with the server use DATA from now on.
func (t *transaction) noBDAT(phase Phase, r wire.Reply) error {
	t.s.learnt.note(noChunks)
	t.s.unsure = true
	err := t.s.refusal(phase, Reply(r))
	t.step(phase, err)
	return &Error{Endpoint: t.s.endpoint, Phase: phase, Err: &cause{meaning: ErrTemporary, text: err.Reply.String(), err: errNoBDAT}}
}

// withoutChunks sends the message as DATA, over the same session if that is in
// step. Nothing has been taken in any case.
func (s *Session) withoutChunks(ctx context.Context, p *parcel, because error) (*Receipt, error) {
	switch {
	case p.mail.Body == smtp.BodyBinaryMIME: // needs chunks: no session has use for it
		_, err := s.begin(ctx, p) // which says why that is an error
		return nil, err
	case s.conn.Broken() != nil, s.spent(), !p.body.rewind():
		return nil, because
	}
	if err := s.resync(ctx); err != nil {
		if ctx.Err() != nil {
			return nil, err
		}
		return nil, because
	}
	return s.attempt(ctx, p)
}

// resync says RSET, and nothing else until that is answered: a server that does not
// know BDAT may have taken the message for commands, and then says more than it is
// asked, of which the first is not the reply to RSET.
func (s *Session) resync(ctx context.Context) error {
	began := time.Now()
	r, err := s.conn.Command(s.config.Timeouts.command(), "RSET")
	if err == nil && r.Code == 250 {
		s.dirty, s.unsure = false, false
		return nil
	}
	if err == nil && r.Code != 421 {
		s.conn.Abandon()
		r.Lines = s.mask.hide(r.Lines)
		err = &wire.LostError{Err: &wire.ProtocolError{Reason: "replies are out of step: to RSET came " + r.String()}}
	}
	var e *Error
	if err != nil {
		e = s.failure(PhaseSender, err)
	} else {
		e = s.refusal(PhaseSender, Reply(r))
	}
	s.step(ctx, PhaseSender, began, e)
	return e
}
