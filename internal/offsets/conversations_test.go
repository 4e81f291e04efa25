package offsets

import (
	"context"
	"crypto/tls"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/mailport/mailport/auth"
	"github.com/mailport/mailport/negotiate"
	"github.com/mailport/mailport/submit"
	"github.com/mailport/mailport/submit/submittest"
)

// A conversation is a line of the tables below. What is zero is the usual: one
// message by DATA, in one flight as far as it goes, over implicit TLS that is
// resumed, with PLAIN.
type conversation struct {
	name    string
	over    string                        // service
	setup   func(*submittest.Server)      // before it is started
	faults  []submittest.Fault            // anew each time
	verdict *smtp.SMTPError               // on every message
	config  func(*world)                  // changes the client's
	letters func(*world) []submit.Message // nil: one, see plain
	send    func(*trial, []submit.Message)

	want kind // zero: a receipt

	cold       bool // each handshake is a full one
	batch      bool // messages are on their way together
	each       bool // every connection is cut so, not only the first
	unverified bool // the server is not who it should be
	opening    bool // every octet of the handshakes is tried, too; others have the same
	hinted     bool // a first token is refused, which is what is known until the second is answered

	// again says of a message that was not handed over whether it has to go over
	// another session. Nil: it must not.
	again func(m *marks, c cut, i int) leave
}

type leave int

const (
	mustNot leave = iota
	may
	must
)

func (c *conversation) service() string {
	if c.over == "" {
		return submit.Submissions
	}
	return c.over
}

func (c *conversation) port() string {
	if c.service() == submit.Submissions {
		return at465
	}
	return at587
}

func conversations() []conversation {
	return slices.Concat(byDATA(), byBDAT(), handshakes(), authentications(), envelopes(), refusals(), sessions(), batches(), negotiations(), unlucky())
}

// unlucky are conversations in which what goes another way is cut there, too.
func unlucky() (all []conversation) {
	for _, c := range slices.Concat(sessions(), batches(), negotiations()) {
		switch c.name {
		case "a Pool, idle in between", "submissions, a batch", "submission, a batch, a window of BDAT, several records",
			"465, then 587", "465, then 587, in a Pool":
			c.name, c.each, c.opening = c.name+", each connection cut", true, false
			all = append(all, c)
		}
	}
	return all
}

const (
	implicit = submit.Submissions
	upgraded = submit.Submission
)

func byDATA() (all []conversation) {
	for _, over := range services {
		for name, setup := range map[string]func(*submittest.Server){"pipelined": nil, "lock-step": lockStep} {
			all = append(all,
				conversation{name: over + ", " + name, over: over, setup: setup, opening: setup == nil},
				conversation{name: over + ", " + name + ", three records", over: over, setup: setup, letters: sized(40_000)})
		}
	}
	return all
}

func byBDAT() []conversation {
	notAfterAll := []submittest.Fault{{Phase: submit.PhaseData, Do: submittest.Refuse, Code: 502, Times: 1}}
	// Once that is known the message goes by DATA, over another session if this one
	// breaks before it is in step again.
	anew := func(m *marks, c cut, _ int) leave {
		if m.unknown.before(c) {
			return may
		}
		return mustNot
	}
	return []conversation{
		{name: "BDAT, one flight", setup: chunking},
		{name: "BDAT, two flights", setup: chunking, letters: to(friend, "them@example.net")},
		{name: "BDAT, lock-step", setup: both(chunking, lockStep)},
		{name: "BDAT, large", setup: chunking, letters: sized(64<<10 + 100)},
		{name: "BDAT over STARTTLS, one flight", over: upgraded, setup: chunking},
		{name: "BDAT over STARTTLS, two flights", over: upgraded, setup: chunking, letters: to(friend, "them@example.net")},
		{name: "BDAT is not known after all", setup: chunking, faults: notAfterAll, again: anew},
		{name: "BDAT is not known after all, two flights", setup: chunking, faults: notAfterAll, again: anew, letters: to(friend, "them@example.net")},
		{name: "BDAT is not known after all, large", setup: chunking, faults: notAfterAll, again: anew, letters: sized(64<<10 + 100)},
	}
}

func handshakes() []conversation {
	old := func(w *world) { w.config.TLS.MaxVersion = tls.VersionTLS12 }
	foreign := func(s *submittest.Server) {
		s.TLS = &tls.Config{Certificates: []tls.Certificate{certificate("mx.example.net")}}
	}
	all := []conversation{
		{name: "full handshake", cold: true},
		{name: "full handshake, STARTTLS", over: upgraded, cold: true},
		{name: "full handshake, TLS 1.2", cold: true, config: old},
		{name: "full handshake, TLS 1.2, STARTTLS", over: upgraded, cold: true, config: old},
		{name: "another's certificate", want: notSent, setup: foreign, cold: true, unverified: true},
		{name: "another's certificate, STARTTLS", want: notSent, over: upgraded, setup: foreign, cold: true, unverified: true},
		{name: "STARTTLS is stripped", want: notSent, over: upgraded, unverified: true,
			faults: []submittest.Fault{{Phase: submit.PhaseHello, Do: submittest.Strip, Text: "STARTTLS"}}},
		{name: "STARTTLS is refused", want: refusal, over: upgraded, unverified: true,
			faults: []submittest.Fault{{Phase: submit.PhaseStartTLS, Do: submittest.Refuse}}},
	}
	for i := range all {
		all[i].opening = true
	}
	return all
}

func authentications() []conversation {
	wrong := func(w *world) { w.config.Credentials = auth.Password(user, "no "+password) }
	token := strings.Repeat("t", 300)
	bearer := func(token string) conversation {
		return conversation{
			setup: both(mechanisms("OAUTHBEARER"), func(s *submittest.Server) { s.Users = map[string]string{user: token} }),
			config: func(w *world) {
				w.config.Credentials = auth.Token(user, func(context.Context, string) (string, error) { return token, nil })
			},
		}
	}
	named := func(name string, c conversation) conversation {
		c.name = name
		return c
	}
	revoked := bearer(token)
	revoked.hinted = true
	revoked.config = func(w *world) {
		w.config.Credentials = auth.Token(user, func(_ context.Context, refused string) (string, error) {
			if refused == "" {
				return strings.Repeat("t", 200), nil
			}
			return token, nil
		})
	}
	return []conversation{
		{name: "LOGIN", setup: mechanisms("LOGIN")},
		{name: "LOGIN over STARTTLS", over: upgraded, setup: mechanisms("LOGIN")},
		{name: "SCRAM-SHA-256", setup: mechanisms("SCRAM-SHA-256")},
		{name: "SCRAM-SHA-256-PLUS", setup: mechanisms("SCRAM-SHA-256-PLUS", "SCRAM-SHA-256")},
		{name: "SCRAM-SHA-256-PLUS over STARTTLS", over: upgraded, setup: mechanisms("SCRAM-SHA-256-PLUS", "SCRAM-SHA-256")},
		named("OAUTHBEARER", bearer(token)),
		named("OAUTHBEARER, the second token", revoked),
		named("OAUTHBEARER, too long for an initial response", bearer(strings.Repeat("t", 1000))),
		{name: "a wrong password", want: refusal, config: wrong},
		{name: "a wrong password, LOGIN", want: refusal, setup: mechanisms("LOGIN"), config: wrong},
		{name: "a wrong password, SCRAM-SHA-256", want: refusal, setup: mechanisms("SCRAM-SHA-256"), config: wrong},
	}
}

func envelopes() []conversation {
	partial := func(letters func(*world) []submit.Message) func(*world) []submit.Message {
		return func(w *world) []submit.Message {
			all := letters(w)
			for i := range all {
				all[i].Partial = true
			}
			return all
		}
	}
	return []conversation{
		{name: "three recipients", letters: to(friend, "them@example.net", "us@example.net")},
		{name: "three recipients, one refused", want: refusal, setup: picky, letters: to(friend, stranger, "us@example.net")},
		{name: "three recipients, one refused, lock-step", want: refusal, setup: both(picky, lockStep), letters: to(friend, stranger, "us@example.net")},
		{name: "three recipients, one refused, BDAT", want: refusal, setup: both(picky, chunking), letters: to(friend, stranger, "us@example.net")},
		{name: "Partial, one refused", want: partly, setup: picky, letters: partial(to(friend, stranger, "us@example.net"))},
		{name: "Partial, one refused, lock-step", want: partly, setup: both(picky, lockStep), letters: partial(to(friend, stranger, "us@example.net"))},
		{name: "Partial, one refused, BDAT", want: partly, setup: both(picky, chunking), letters: partial(to(friend, stranger, "us@example.net"))},
		{name: "8BITMIME, SMTPUTF8 and DSN", letters: func(*world) []submit.Message {
			m := letter(0, "Grüße.\r\n")
			m.From, m.To = "mé@example.com", []string{"dü@example.net"}
			m.Options = &smtp.MailOptions{Return: smtp.DSNReturnHeaders, EnvelopeID: "QQ314159"}
			m.RcptOptions = map[string]*smtp.RcptOptions{"dü@example.net": {Notify: []smtp.DSNNotify{smtp.DSNNotifyFailure}}}
			return []submit.Message{m}
		}},
	}
}

func refusals() []conversation {
	no := &smtp.SMTPError{Code: 554, EnhancedCode: smtp.EnhancedCode{5, 7, 1}, Message: "not this one"}
	later := &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 7, 1}, Message: "not now"}
	refuses := func(phase submit.Phase) []submittest.Fault {
		return []submittest.Fault{{Phase: phase, Do: submittest.Refuse}}
	}
	return []conversation{
		{name: "MAIL is refused", want: refusal, faults: refuses(submit.PhaseSender)},
		{name: "MAIL is refused, lock-step", want: refusal, setup: lockStep, faults: refuses(submit.PhaseSender)},
		{name: "RCPT is refused", want: refusal, faults: refuses(submit.PhaseRecipient)},
		{name: "DATA is refused", want: refusal, faults: refuses(submit.PhaseData)},
		{name: "the message is refused", want: refusal, verdict: no},
		{name: "the message is refused for now", want: refusal, verdict: later},
		{name: "the message is refused, BDAT", want: refusal, setup: chunking, verdict: no},
		{name: "the message is refused, BDAT over STARTTLS, two flights", want: refusal, over: upgraded, setup: chunking, verdict: no, letters: to(friend, "us@example.net")},
	}
}

func sessions() []conversation {
	// What a pool had idle is replaced if it is dead; what it has just opened is not.
	replaced := func(_ *marks, _ cut, i int) leave {
		if i > 0 {
			return must
		}
		return mustNot
	}
	return []conversation{
		{name: "a Session", letters: several(3), send: one},
		{name: "a Session, BDAT over STARTTLS", over: upgraded, setup: chunking, letters: several(3), send: one},
		{name: "a Pool, one at a time", letters: several(3), send: pooled(0), again: replaced},
		{name: "a Pool, idle in between", letters: several(3), send: pooled(idle), again: replaced},
		{name: "a Pool, idle in between, BDAT", setup: chunking, letters: several(3), send: pooled(idle), again: replaced},
		{name: "a Pool, idle in between, STARTTLS, lock-step", over: upgraded, setup: lockStep, letters: several(2), send: pooled(idle), again: replaced},
	}
}

func batches() (all []conversation) {
	// The first message has the session to itself until it is known to be good.
	behind := func(m *marks, c cut, i int) leave {
		switch {
		case !m.decided[0].before(c):
			return may
		case i > 0:
			return must
		}
		return mustNot
	}
	taught := func(w *world) { w.config.Quirks = new(submit.Quirks) }
	for _, over := range services {
		all = append(all,
			conversation{name: over + ", a batch", over: over},
			conversation{name: over + ", a batch, BDAT", over: over, setup: chunking},
			conversation{name: over + ", a batch, a window of BDAT", over: over, setup: chunking, config: taught},
			conversation{name: over + ", a batch, a window of BDAT, several records", over: over, setup: chunking, config: taught, letters: severalOf(4, 10_000)})
	}
	for i := range all {
		all[i].send, all[i].batch, all[i].again = together, true, behind
		if all[i].letters == nil {
			all[i].letters = several(6)
		}
	}
	return all
}

func negotiations() []conversation {
	// Once a session is there, there is no other.
	otherPort := func(m *marks, c cut, i int) leave {
		if m.ready.before(c) {
			return mustNot
		}
		return must
	}
	otherPortOrReplaced := func(m *marks, c cut, i int) leave {
		if i > 0 {
			return must
		}
		return otherPort(m, c, i)
	}
	return []conversation{
		{name: "465, then 587", send: negotiated(negotiate.Policy{}), again: otherPort, opening: true},
		{name: "587, then 465", over: upgraded, send: negotiated(negotiate.Policy{Prefer: negotiate.STARTTLS}), again: otherPort, opening: true},
		{name: "465, then 587, SCRAM-SHA-256, BDAT", setup: both(chunking, mechanisms("SCRAM-SHA-256")),
			send: negotiated(negotiate.Policy{}), again: otherPort},
		{name: "465 or nothing", send: negotiated(negotiate.Policy{FailClosed: true})},
		{name: "465, then 587, in a Pool", letters: several(2), again: otherPortOrReplaced, send: func(x *trial, letters []submit.Message) {
			x.pool(&negotiate.Negotiator{Host: host, Config: x.w.config}, idle, letters)
		}},
	}
}

// Setups.

func lockStep(s *submittest.Server) { s.Without = append(s.Without, "PIPELINING") }

func chunking(s *submittest.Server) {
	s.Without = slices.DeleteFunc(s.Without, func(w string) bool { return w == "CHUNKING" })
}

func mechanisms(names ...string) func(*submittest.Server) {
	return func(s *submittest.Server) { s.Mechanisms = names }
}

func picky(s *submittest.Server) {
	s.Reject = func(_, to string) *smtp.SMTPError {
		if to == stranger {
			return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such mailbox"}
		}
		return nil
	}
}

func both(one, other func(*submittest.Server)) func(*submittest.Server) {
	return func(s *submittest.Server) { one(s); other(s) }
}

// Messages.

func plain(*world) []submit.Message { return []submit.Message{letter(0, "Hello.\r\n")} }

// letter has its number in it, by which indexOf knows it.
func letter(i int, text string) submit.Message {
	return submit.Message{From: user, To: []string{friend}, Body: strings.NewReader("Subject: " + strconv.Itoa(i) + "\r\n\r\n" + text)}
}

func several(n int) func(*world) []submit.Message { return severalOf(n, 0) }

func sized(octets int) func(*world) []submit.Message { return severalOf(1, octets) }

func severalOf(n, octets int) func(*world) []submit.Message {
	line := strings.Repeat("x", 98) + "\r\n"
	return func(*world) (all []submit.Message) {
		for i := range n {
			all = append(all, letter(i, "Hello.\r\n"+strings.Repeat(line, octets/len(line))))
		}
		return all
	}
}

func to(recipients ...string) func(*world) []submit.Message {
	return func(*world) []submit.Message {
		m := letter(0, "Hello.\r\n")
		m.To = recipients
		return []submit.Message{m}
	}
}

// Ways to send them.

// A carrier is what both transports are.
type carrier interface {
	submit.Transport
	submit.Submitter
}

func (w *world) transport() carrier {
	if w.service() == submit.Submissions {
		return &submit.ImplicitTLS{Host: host, Config: w.config}
	}
	return &submit.STARTTLS{Host: host, Config: w.config}
}

// alone is a session for each message.
func alone(x *trial, letters []submit.Message) {
	for i, m := range letters {
		receipt, err := x.w.transport().Submit(x.ctx, m)
		x.tell(i, receipt, err)
	}
}

// one is one session for all.
func one(x *trial, letters []submit.Message) {
	s, err := x.w.transport().Dial(x.ctx)
	for i, m := range letters {
		if s == nil {
			x.tell(i, nil, err)
			continue
		}
		receipt, err := s.Submit(x.ctx, m)
		x.tell(i, receipt, err)
	}
	if s != nil {
		s.Close()
	}
}

// idle is long enough for a session to be doubtful, and not to be given up.
const idle = 10 * time.Second

// pooled is a session that is kept between messages.
func pooled(between time.Duration) func(*trial, []submit.Message) {
	return func(x *trial, letters []submit.Message) { x.pool(x.w.transport(), between, letters) }
}

func (x *trial) pool(t submit.Transport, between time.Duration, letters []submit.Message) {
	p := &submit.Pool{Transport: t, MaxSessions: 1}
	defer x.closes(p)
	for i, m := range letters {
		if i > 0 {
			time.Sleep(between)
		}
		receipt, err := p.Submit(x.ctx, m)
		x.tell(i, receipt, err)
	}
}

func (x *trial) closes(p *submit.Pool) {
	p.Close()
	stats := p.Stats()
	x.stats = &stats
}

// together is a batch.
func together(x *trial, letters []submit.Message) {
	p := &submit.Pool{Transport: x.w.transport(), MaxSessions: 1}
	defer x.closes(p)
	for r := range p.SubmitAll(x.ctx, slices.Values(letters)) {
		x.tell(r.Index, r.Receipt, r.Err)
	}
}

func negotiated(p negotiate.Policy) func(*trial, []submit.Message) {
	return func(x *trial, letters []submit.Message) {
		for i, m := range letters {
			n := &negotiate.Negotiator{Host: host, Config: x.w.config, Policy: p}
			receipt, err := n.Submit(x.ctx, m)
			x.tell(i, receipt, err)
		}
	}
}
