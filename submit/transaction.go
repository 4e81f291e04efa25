package submit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mailport/mailport/internal/wire"
)

// A transaction hands over one message, RFC 5321, section 3.3.
type transaction struct {
	s     *Session
	p     *parcel
	e     envelope
	ctx   context.Context // of the one call that a transaction lives for
	seen  bool            // somebody wants to know of its steps
	began time.Time       // the step that is being timed
	reset int             // commands in front of MAIL: an RSET, if one is due
	left  bool            // it has left already, with what was before it
	tail  tail            // what stands behind the recipients
	end   int64           // mark of the end of the message, if that is the tail

	chunked bool // it goes by BDAT, whatever is learnt of that meanwhile
	wary    bool // but for none of it before the server has shown that it knows BDAT

	// What the server answered.
	mail     wire.Reply
	accepted int        // recipients
	refused  []*Error   // recipients
	room     int        // recipients before the first for which there was none; or 0
	data     wire.Reply // to the tail, or to DATA
	farewell *Error     // a 421, to whichever of them
	early    wire.Reply // the verdict, where it was heard since the end could not be written in peace
	stray    bool       // a reply to this or that was none: they are out of step
	kept     int        // octets of what was said to refuse recipients
	drawn    *deed      // the receipt to be, or nil
}

// A tail is what leaves in one flight with the recipients.
type tail int

const (
	noTail    tail = iota
	dataTail       // DATA
	proofTail      // a chunk of nothing: see prove
	chunkTail      // all of the message, without its end
	lastTail       // all of the message, and its end
)

// handOver returns a receipt or an error. It never ends a message for which it
// will return an error, but for one whose outcome is then uncertain.
func (s *Session) handOver(ctx context.Context, p *parcel) (*Receipt, error) {
	receipt, err := s.attempt(ctx, p)
	if errors.Is(err, errNoBDAT) {
		return s.withoutChunks(ctx, p, err)
	}
	return receipt, err
}

func (s *Session) attempt(ctx context.Context, p *parcel) (*Receipt, error) {
	t, err := s.begin(ctx, p)
	if err != nil {
		return nil, err
	}
	t.tail, t.reset = t.plan(), s.due()
	if err := t.offer(); err != nil {
		return nil, err
	}
	switch {
	case t.tail == lastTail:
		return t.judge(t.data)
	case t.tail == chunkTail:
		return t.last(t.s.conn.QueueLast)
	case !t.chunked:
		err = t.body()
	case p.body.whole:
		return t.last(func() { s.conn.QueueChunk(p.body.head, p.form(), true) })
	default:
		err = t.chunks()
	}
	if err != nil {
		return nil, err
	}
	return t.verdict()
}

// begin makes the transaction of p, if the server can take it at all.
func (s *Session) begin(ctx context.Context, p *parcel) (*transaction, error) {
	t := &p.transaction
	*t = transaction{s: s, p: p, ctx: ctx, seen: s.observed(ctx), began: time.Now(), e: envelope{params: t.e.params[:0]}}
	t.chunked, t.wary = s.chunks(p)
	err := s.envelope(&t.e, p)
	if err == nil && s.spent() {
		err = &Error{Endpoint: s.endpoint, Phase: PhaseSender, Err: &cause{meaning: ErrTemporary,
			text: fmt.Sprintf("session has carried the %d messages that the server allows (LIMITS MAILMAX)", s.limits.mails)}}
	}
	if err != nil {
		t.step(PhaseSender, err)
		return nil, err
	}
	if s.unsure {
		if err := s.resync(ctx); err != nil {
			return nil, err
		}
	}
	s.begun++
	return t, nil
}

// step tells that a step is over which began at t.began.
func (t *transaction) step(phase Phase, err error) {
	if t.seen {
		t.s.step(t.ctx, phase, t.began, err)
	}
}

// spent reports whether the session has carried what the server allows.
func (s *Session) spent() bool { return s.limits.mails > 0 && s.begun >= s.limits.mails }

// due is how many RSETs have to come before MAIL: one, if the transaction before
// was refused (RFC 5321, section 4.1.1.5).
func (s *Session) due() int {
	if s.dirty {
		return 1
	}
	return 0
}

// plan is what can leave together with the recipients.
//
// With PIPELINING (RFC 2920) DATA can, unless the message is for several and for
// all of them or none: then it must wait for the replies to RCPT, since there is no
// way to take it back. A message in chunks (RFC 3030) can leave without its end
// even then; with its end, if it is small and the connection not doubtful. Of a
// large one nothing is sent before somebody is known to want it.
func (t *transaction) plan() tail {
	anyway := len(t.p.to) == 1 || t.p.partial
	switch {
	case !t.s.ext.Has("PIPELINING"):
		return noTail
	case !t.chunked && anyway:
		return dataTail
	case !t.chunked || !t.p.body.whole:
		return noTail
	case anyway && !t.s.doubtful():
		return lastTail
	}
	return chunkTail
}

// offer brings the server to the point of taking the message: MAIL, RCPT, and
// what goes with them.
func (t *transaction) offer() error { return t.offered(t.flight()) }

// offered is nil if the server waits for the message, or, where that was in the
// flight, has judged it. Err is of the flight.
func (t *transaction) offered(err error) error {
	if t.stray && t.ctx.Err() == nil {
		return t.outOfStep()
	}
	if t.ctx.Err() == nil {
		if no := t.refusal(); no != nil {
			if t.data.Code == 354 || t.tail == lastTail && t.data.Class() == 2 {
				t.s.conn.Abandon() // it waits for a message now, which it must not get; or has taken one for nobody
			}
			t.aside()
			return no // the refusal is the news, even if the connection is lost after it
		}
	}
	switch {
	case errors.Is(err, ErrInvalid):
		return err
	case err != nil && t.ctx.Err() == nil && t.isAnswered():
		// The connection was lost behind the last word.
	case err != nil && t.farewell != nil && t.ctx.Err() == nil:
		return t.withRefused(t.farewell) // it says why the connection is lost
	case err != nil && t.ended():
		t.began = time.Now()
		e := t.doubt(t.s.failure(PhaseVerdict, err).Err)
		t.step(PhaseVerdict, e)
		return e
	case err != nil:
		return t.withRefused(t.lost(t.waitingFor(), err))
	}
	switch t.tail {
	case lastTail:
		return nil
	case proofTail, chunkTail:
		return t.chunkAnswer(t.data)
	case dataTail:
	case noTail:
		if t.chunked {
			return nil
		}
		t.began = time.Now()
		if t.data, err = t.s.conn.Command(t.limit(), "DATA"); err != nil {
			return t.lost(PhaseData, err)
		}
		t.observe(PhaseData, t.data, nil)
	}
	return t.dataAnswer()
}

// outOfStep is the error of replies of which it is not known what to. If the end of
// the message has left, one of them may be the verdict.
func (t *transaction) outOfStep() error {
	t.s.conn.Abandon()
	err := error(&cause{meaning: ErrProtocol, text: ErrProtocol.Error(), err: errors.New("replies are out of step")})
	if t.ended() {
		err = t.doubt(err)
		t.step(PhaseVerdict, err)
		return err
	}
	phase := PhaseRecipient
	if t.isUnended() && t.data.Code != 0 {
		phase = PhaseBody
	}
	e := &Error{Endpoint: t.s.endpoint, Phase: phase, Err: err}
	t.step(phase, e)
	return e
}

// isAnswered reports whether what became of the message, or of its only chunk, was
// said before the connection was lost. What was not sent can be refused, but not
// taken.
func (t *transaction) isAnswered() bool {
	return t.tail >= proofTail && (t.data.Class() > 3 || t.data.Class() == 2 && t.ended())
}

// isUnended reports whether what stands behind the recipients is by BDAT, and not the
// end of the message.
func (t *transaction) isUnended() bool { return t.tail == proofTail || t.tail == chunkTail }

// ended reports whether the end of the message left with the recipients, or may
// have.
func (t *transaction) ended() bool { return t.tail == lastTail && t.s.conn.Reached(t.end) }

// lost is the error of a connection that failed before the body.
func (t *transaction) lost(phase Phase, err error) *Error {
	e := t.s.failure(phase, err)
	t.step(phase, e)
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
	t.s.dirty = true
	switch {
	case t.wary:
		return t.flightWithProof()
	case t.s.ext.Has("PIPELINING"):
		return t.atOnce()
	}
	return t.oneByOne()
}

func (t *transaction) oneByOne() error {
	for i := -t.reset; i <= len(t.p.to); i++ {
		if err := t.queue(i); err != nil {
			return err
		}
		t.began = time.Now()
		if err := t.s.conn.Send(t.limit(), func(_ int, r wire.Reply) { t.answer(i, r) }); err != nil {
			return err
		}
		t.look()
		if t.stray || t.pointless() {
			return nil
		}
	}
	return nil
}

func (t *transaction) atOnce() error {
	if err := t.queueAll(); err != nil {
		return err
	}
	return t.send(-t.reset)
}

// send sends what is queued, the commands of the transaction from one on.
func (t *transaction) send(first int) error {
	limits := wire.Limits{Write: t.limit(), Reply: t.limit(), Last: t.limit()}
	if t.tail == chunkTail || t.tail == lastTail {
		limits.Write = t.s.config.Timeouts.data()
	}
	if t.tail == lastTail {
		limits.Last = t.s.config.Timeouts.verdict()
	}
	err := t.s.conn.SendWithin(limits, func(i int, r wire.Reply) { t.answer(first+i, r) })
	if err == nil {
		t.look()
	}
	return err
}

// look finds out whether more was said than was asked. The replies to MAIL, to RCPT and
// to chunks look alike: if there is one too many, the next is taken for another, and
// the last for the verdict. (DATA is answered with 354, and so tells by itself.) Who
// does not know BDAT may take a message for commands.
func (t *transaction) look() {
	if t.chunked && !t.isStranger(t.data) {
		t.stray = t.stray || t.s.conn.Surplus()
	}
}

// queueAll adds all that leaves together to the next flight, or nothing: what stands
// there already may be another message's.
func (t *transaction) queueAll() error {
	begun := t.s.conn.Stage()
	err := t.queueEach()
	if err != nil {
		t.s.conn.Back(begun)
	}
	return err
}

func (t *transaction) queueEach() error {
	first := -t.reset
	if t.left {
		first = 0
	}
	for i := first; i <= len(t.p.to); i++ {
		if err := t.queue(i); err != nil {
			return err
		}
	}
	switch t.tail {
	case noTail:
	case dataTail:
		return t.s.conn.Queue("DATA")
	case proofTail:
		return t.s.conn.Queue("BDAT", "0")
	case chunkTail, lastTail:
		if t.wary || !t.chunked { // which is learnt beside this, too
			return t.tooWary()
		}
		t.queueMessage()
	}
	return nil
}

// queueMessage adds all of the message, with its end or without.
func (t *transaction) queueMessage() {
	t.s.conn.QueueChunk(t.p.body.head, t.p.form(), t.tail == lastTail)
	t.end = t.s.conn.Mark()
}

// replies is how many replies the flight of queueAll has.
func (t *transaction) replies() int {
	n := t.reset + 1 + len(t.p.to)
	if t.tail != noTail {
		n++
	}
	return n
}

// queue adds a command of the transaction: RSET is -1, MAIL 0, then come the
// recipients.
func (t *transaction) queue(i int) error {
	conn := t.s.conn
	var err error
	switch {
	case i < 0:
		err = conn.Queue("RSET")
	case i == 0:
		err = conn.QueueMail(t.p.from, t.e.size, t.e.params)
	default:
		err = conn.QueueRcpt(t.p.to[i-1], t.p.rcptParams(i-1))
	}
	if err != nil {
		return &InvalidError{Field: "Message", Reason: err.Error()}
	}
	return nil
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
		// What RSET is answered says nothing that the reply to MAIL does not. But
		// with the end of a message behind it, it says whether replies are in step.
		t.stray = t.stray || t.tail == lastTail && r.Code != 250 && r.Code != 421
	case i == 0:
		t.mail = r
		t.stray = t.stray || r.Class() == 3 && t.tail == lastTail
		t.observe(PhaseSender, r, nil)
	case i > len(t.p.to):
		t.data = r
		if t.tail == dataTail {
			t.observe(PhaseData, r, nil)
		}
	case r.Class() == 2:
		t.accepted++
		if i == len(t.p.to) {
			t.observe(PhaseRecipient, r, nil)
		}
	case t.mail.Class() == 2:
		t.stray = t.stray || r.Class() == 3 && (t.p.partial || t.tail == lastTail)
		e := t.s.refusal(PhaseRecipient, Reply(t.brief(r)))
		e.Recipient = t.p.as[i-1]
		t.refused = append(t.refused, e)
		if t.room == 0 && isTooMany(e) {
			t.room = max(1, i-1)
		}
		t.observe(PhaseRecipient, r, e)
	}
}

// brief keeps of a recipient's refusal what memory allows, however many
// recipients there are and however much the server has to say: some lines of
// each, and of those after the first mebibyte the code alone.
func (t *transaction) brief(r wire.Reply) wire.Reply {
	const lines, octets, all = 8, 512, 1 << 20
	r.Lines = slices.Clone(t.s.mask.hide(r.Lines[:min(len(r.Lines), lines)]))
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
	decisive := *decide(t.refused)
	if len(t.refused) > 1 {
		decisive.Refused = t.refused
	}
	return &decisive
}

// decide chooses of several refusals. One that is for good decides over one that
// is not: it will not do to try the same recipients again.
func decide(refused []*Error) *Error {
	for _, e := range refused {
		if !e.temporary() {
			return e
		}
	}
	return refused[0]
}

// waitingFor is the phase whose reply has not come.
func (t *transaction) waitingFor() Phase {
	switch {
	case t.mail.Code == 0:
		return PhaseSender
	case t.accepted+len(t.refused) < len(t.p.to):
		return PhaseRecipient
	}
	switch {
	case t.isUnended():
		return PhaseBody
	case t.tail == lastTail:
		return PhaseVerdict
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

// body sends the message, as DATA.
func (t *transaction) body() error {
	t.began = time.Now()
	ended, err := t.s.conn.WriteBody(t.p.body, t.e.sevenBit, t.s.config.Timeouts.data())
	return t.sent(ended, err)
}

// sent is what became of sending the message: nil if there is a verdict to wait
// for.
func (t *transaction) sent(ended bool, err error) error {
	switch {
	case err == nil, ended && t.overhear(err):
		t.step(PhaseBody, nil)
		return nil
	case ended:
		err = &Error{Endpoint: t.s.endpoint, Phase: PhaseBody, Err: uncertain(t.s.failure(PhaseBody, err).Err)}
	case errors.Is(err, wire.ErrEightBit):
		err = &Error{Endpoint: t.s.endpoint, Phase: PhaseBody, Err: &cause{meaning: errors.ErrUnsupported, err: err}}
	default:
		err = t.s.failure(PhaseBody, err)
	}
	t.step(PhaseBody, err)
	return err
}

// verdict waits for the one reply that decides. Until it comes the outcome is
// uncertain.
func (t *transaction) verdict() (*Receipt, error) {
	t.began = time.Now()
	r, err := t.readVerdict()
	if err != nil {
		return nil, err
	}
	return t.judge(r)
}

// overhear takes what the server said when the end of the message could not be
// written in peace, though it may have arrived, for the verdict it is: nothing else
// was asked. It reports whether the server said anything.
func (t *transaction) overhear(err error) bool {
	var said *wire.UnaskedError
	if !errors.As(err, &said) {
		return false
	}
	t.early = said.Reply
	return true
}

func (t *transaction) readVerdict() (wire.Reply, error) {
	if t.early.Code != 0 {
		return t.early, nil
	}
	r, err := t.s.conn.ReadReplyTo(t.deed().line[:0], t.s.config.Timeouts.verdict())
	if err != nil {
		err = t.doubt(t.s.failure(PhaseVerdict, err).Err)
		t.step(PhaseVerdict, err)
	}
	return r, err
}

// judge is the outcome of a message that was ended, and of which the server said
// r.
func (t *transaction) judge(r wire.Reply) (*Receipt, error) {
	r.Lines = t.s.mask.hide(r.Lines)
	var err error
	switch {
	case r.Class() == 3: // no verdict: replies are out of step
		t.s.conn.Abandon()
		err = t.doubt(&cause{meaning: ErrProtocol, text: ErrProtocol.Error(), err: smtpError(Reply(r))})
	case t.isStranger(r):
		return nil, t.noBDAT(PhaseVerdict, r)
	case r.Class() != 2:
		t.s.dirty = t.chunked // RFC 3030, section 2: nothing but RSET is in order
		err = t.s.refusal(PhaseVerdict, Reply(r))
	}
	t.step(PhaseVerdict, err)
	if err != nil {
		return nil, err
	}
	t.s.dirty = false
	if t.chunked {
		t.s.learnt.note(chunksWork)
	}
	return t.receipt(r), nil
}

// receipt says that the server has taken the message.
func (t *transaction) receipt(r wire.Reply) *Receipt {
	d := t.deed()
	d.Receipt = Receipt{Endpoint: t.s.endpoint, Reply: Reply(r), Refused: t.refused, TLS: t.s.tls}
	d.Reply.Lines = append(d.line[:0], r.Lines...) // the caller's
	return &d.Receipt
}

// A deed is a receipt with room for what the server says, in one piece.
type deed struct {
	Receipt
	line [1]string
}

// deed returns that of the transaction.
func (t *transaction) deed() *deed {
	if t.drawn == nil {
		t.drawn = new(deed)
	}
	return t.drawn
}

func (t *transaction) doubt(err error) error {
	return &Error{Endpoint: t.s.endpoint, Phase: PhaseVerdict, Err: uncertain(err)}
}

func (t *transaction) observe(phase Phase, r wire.Reply, e *Error) {
	if !t.seen {
		return
	}
	var err error
	switch {
	case e != nil:
		err = e
	case r.Class() > 3:
		err = t.s.refusal(phase, Reply(r))
	}
	t.step(phase, err)
}
