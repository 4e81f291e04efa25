package submittest

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"

	"github.com/mailport/mailport/submit"
)

// A dialogue is one connection of a client. It terminates TLS, hands commands on
// to go-smtp's server one by one, and stands between the two wherever go-smtp
// would not do what the test wants.
type dialogue struct {
	server *Server
	port   *port
	raw    net.Conn
	socket *socket
	relay  *relay
	log    *transcript
	spoken string               // the service; not the port's if that is a fault
	state  *tls.ConnectionState // nil before TLS
	user   string               // who has authenticated; "" if no one
	authed bool
	cheat  *Fault // of the exchange under way; nil if it is honest
	late   string // what is to come with the success
	piece  []byte // of a body, on its way
	turned bool   // the greeting was a refusal: nothing but QUIT is in order

	extensions []string // lines of the reply to EHLO
	stripped   string   // a keyword that a fault took away

	transaction
}

// A transaction is what the dialogue needs to know of one.
type transaction struct {
	sender     bool  // MAIL was accepted
	recipients int   // RCPTs that were accepted
	chunked    bool  // BDAT has begun
	begun      bool  // octets of the body have come
	size       int64 // how many, in the BDATs so far
	binary     bool  // BODY=BINARYMIME
	extras           // parameters of MAIL that go-smtp does not know
}

func newDialogue(s *Server, p *port, conn net.Conn, log *transcript) *dialogue {
	d := &dialogue{
		server: s,
		port:   p,
		raw:    conn,
		socket: newSocket(conn, log),
		log:    log,
		spoken: p.service,
	}
	d.announce()
	return d
}

// What ends a dialogue, besides the client.
var (
	errLeave  = errors.New("all is said")
	errHangUp = errors.New("cut the line")
)

func (d *dialogue) run() {
	err := d.begin()
	for err == nil {
		err = d.next()
	}
	switch {
	case errors.Is(err, errLeave):
		d.socket.leave()
	case errors.Is(err, errLongLine), errors.Is(err, errBareLF):
		_ = d.say(say(500, "5.5.2 "+err.Error())) // the client may be gone
		d.socket.leave()
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		d.log.note("the client is gone")
	}
	_ = d.raw.Close() // it may be closed already
	if d.relay != nil {
		d.relay.close()
	}
}

// begin does all that comes before the first command.
func (d *dialogue) begin() error {
	f := d.fault(submit.PhaseConnect, Hangup, OtherMode)
	switch {
	case f == nil:
	case f.Do == Hangup:
		return errHangUp
	default:
		d.spoken = other(d.port.service)
		d.announce()
	}
	if d.spoken == submit.Submissions {
		if err := d.handshake(); err != nil {
			return err
		}
	}
	return d.greet()
}

func other(service string) string {
	if service == submit.Submissions {
		return submit.Submission
	}
	return submit.Submissions
}

func (d *dialogue) greet() error {
	greeting, err := d.connect()
	if err != nil {
		return err
	}
	f := d.fault(submit.PhaseGreeting)
	if f != nil && f.Do != Retire {
		d.turned = true
		return d.misbehave(f)
	}
	return d.finish(f, greeting)
}

// connect begins afresh with go-smtp, as after STARTTLS: RFC 3207, section 4.2,
// wants everything that was said before forgotten.
func (d *dialogue) connect() (greeting reply, err error) {
	if d.relay != nil {
		d.relay.close()
	}
	d.transaction = transaction{}
	d.relay, greeting, err = newRelay(d)
	return greeting, err
}

// next reads a command and answers it.
func (d *dialogue) next() error {
	line, err := d.socket.readLine()
	if err != nil {
		return err
	}
	verb, arg, _ := strings.Cut(line, " ")
	verb = strings.ToUpper(verb)
	d.log.client(masked(verb, arg))
	if refusal := d.gate(verb); refusal != nil {
		return d.refuse(verb, arg, *refusal)
	}
	if err := d.command(verb, arg, line); err != nil {
		return err
	}
	return d.patient()
}

// command answers what passed the gate.
func (d *dialogue) command(verb, arg, line string) error {
	switch verb {
	case "EHLO", "HELO":
		return d.hello(verb, line)
	case "STARTTLS":
		return d.startTLS()
	case "AUTH":
		return d.auth(line)
	case "MAIL":
		return d.mail(arg)
	case "RCPT":
		return d.rcpt(arg)
	case "DATA":
		return d.data(line)
	case "BDAT":
		return d.bdat(arg)
	case "RSET":
		d.transaction = transaction{}
	case "QUIT":
		return d.quit(line)
	}
	return d.pass(verb, line)
}

// gate returns the refusal of a command that is out of order whatever follows
// it.
func (d *dialogue) gate(verb string) *reply {
	if verb == "AUTH" {
		d.server.countAttempt(d.port)
	}
	switch {
	case verb == "QUIT":
		return nil
	case d.turned:
		return &reply{503, "5.5.1", []string{"no service here"}}
	case !d.lacksTLS():
		return nil
	}
	switch verb {
	case "EHLO", "HELO", "STARTTLS", "NOOP", "RSET":
		return nil
	}
	// RFC 3207, section 4.
	return &reply{530, "5.7.0", []string{"must issue a STARTTLS command first"}}
}

// refuse says no to a command, and reads what comes with it all the same.
func (d *dialogue) refuse(verb, arg string, with reply) error {
	if verb == "BDAT" {
		if err := d.swallow(arg); err != nil {
			return err
		}
	}
	return d.say(with)
}

// patient ends the dialogue with a client that did not wait for the reply
// although it was not told that it need not.
func (d *dialogue) patient() error {
	if d.socket.in.Buffered() == 0 || d.offers("PIPELINING") {
		return nil
	}
	d.log.note("improper pipelining")
	if err := d.say(say(503, "5.5.0 PIPELINING is not offered")); err != nil {
		return err
	}
	return errLeave
}

// pass lets go-smtp answer.
func (d *dialogue) pass(verb, line string) error {
	got, err := d.relay.ask(line)
	if err != nil {
		return err
	}
	return d.say(got.corrected(verb))
}

func (d *dialogue) quit(line string) error {
	if err := d.pass("QUIT", line); err != nil {
		return err
	}
	return errLeave
}

// say queues a reply.
func (d *dialogue) say(r reply) error {
	return d.socket.say(r.append(nil, d.offers("ENHANCEDSTATUSCODES")))
}

// finish says what is to be said unless fault f is about what comes after it.
func (d *dialogue) finish(f *Fault, r reply) error {
	if err := d.say(r); err != nil || f == nil {
		return err
	}
	return d.misbehave(f)
}
