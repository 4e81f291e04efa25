package submittest

import (
	"encoding/base64"
	"strings"

	"github.com/mailport/mailport/submit"
)

func (d *dialogue) hello(verb, line string) error {
	phase := submit.PhaseHello
	if d.state != nil && d.spoken == submit.Submission {
		phase = submit.PhaseHelloAgain
	}
	f := d.fault(phase)
	switch {
	case f == nil || f.Do == Retire:
		d.stripped = ""
	case f.Do == Strip:
		d.stripped = d.toStrip(f)
		f = nil
	default:
		return d.misbehave(f)
	}
	d.announce()
	got, err := d.relay.ask(line)
	if err != nil {
		return err
	}
	return d.finish(f, d.welcome(verb, got))
}

func (d *dialogue) toStrip(f *Fault) string {
	switch {
	case f.Text != "":
		return f.Text
	case f.Phase == submit.PhaseHello && d.spoken == submit.Submission:
		return "STARTTLS"
	}
	return "AUTH"
}

// welcome puts the server's name and extensions in go-smtp's reply.
func (d *dialogue) welcome(verb string, got reply) reply {
	if got.code != 250 {
		return got
	}
	d.transaction = transaction{}
	got.enhanced = "" // RFC 2034, section 4: not here
	got.lines = []string{d.server.host()}
	if verb == "EHLO" {
		got.lines = append(got.lines, d.extensions...)
	}
	return got
}

func (d *dialogue) auth(line string) error {
	if !d.offers("AUTH") {
		return d.say(say(502, "5.5.1 AUTH is not offered"))
	}
	f := d.authFault(mechanismIn(line))
	switch {
	case f == nil || f.Do == Retire:
	case f.Do == Accept:
		return d.say(say(235, "2.7.0 whoever you are"))
	case f.Do == NotBase64 || f.Do == HugeChallenge:
		return d.askBadly(f)
	case f.Do.isCheat():
		d.cheat, f = f, nil
	default:
		return d.misbehave(f)
	}
	verdict, err := d.exchange(line)
	if err != nil {
		return err
	}
	if verdict.code == 235 {
		d.authed = true
	}
	if d.late != "" {
		verdict = say(235, "2.7.0 "+base64.StdEncoding.EncodeToString([]byte(d.late)))
	}
	d.cheat, d.late = nil, ""
	return d.finish(f, verdict.corrected("AUTH"))
}

func mechanismIn(line string) string {
	if words := strings.Fields(line); len(words) > 1 {
		return words[1]
	}
	return ""
}

// exchange carries challenges and responses to and fro, RFC 4954, section 4.
func (d *dialogue) exchange(line string) (reply, error) {
	got, err := d.relay.ask(line)
	for err == nil && got.code == 334 {
		if err = d.say(got); err != nil {
			return reply{}, err
		}
		if line, err = d.response(); err != nil {
			return reply{}, err
		}
		if line == "*" && d.cheat != nil && d.cheat.Do == IgnoreCancel {
			line = ""
		}
		got, err = d.relay.ask(line)
	}
	return got, err
}

// response reads what the client says to a challenge: a secret, mostly.
func (d *dialogue) response() (string, error) {
	line, err := d.socket.readLine()
	switch {
	case err != nil:
		return "", err
	case line == "*":
		d.log.client(line)
	default:
		d.log.client("***")
	}
	return line, nil
}

func (d *dialogue) mail(arg string) error {
	f := d.fault(submit.PhaseSender)
	if f != nil && f.Do != Retire {
		return d.misbehave(f)
	}
	switch {
	case d.server.wantsUsers() && !d.authed:
		return d.say(say(530, "5.7.0 authentication required"))
	case d.sender:
		return d.say(say(503, "5.5.1 there is a MAIL already"))
	}
	p := parseParameters(arg)
	if refusal := d.check(p); refusal != nil {
		return d.say(*refusal)
	}
	extras, refusal := p.takeExtras()
	if refusal != nil {
		return d.say(*refusal)
	}
	got, err := d.relay.ask("MAIL " + p.String())
	if err != nil {
		return err
	}
	if got.code == 250 {
		d.transaction = transaction{sender: true, binary: p.binary(), extras: extras}
	}
	return d.finish(f, got.corrected("MAIL"))
}

func (d *dialogue) rcpt(arg string) error {
	f := d.fault(submit.PhaseRecipient)
	if f != nil && f.Do != Retire {
		return d.misbehave(f)
	}
	p := parseParameters(arg)
	if refusal := d.check(p); refusal != nil {
		return d.say(*refusal)
	}
	got, err := d.relay.ask("RCPT " + p.String())
	if err != nil {
		return err
	}
	if got.code == 250 {
		d.recipients++
	}
	return d.finish(f, got.corrected("RCPT"))
}

// check refuses parameters of extensions that are not offered.
func (d *dialogue) check(p *parameters) *reply {
	for _, param := range p.params {
		name, value, _ := strings.Cut(param, "=")
		if !d.offers(extensionOf(strings.ToUpper(name), value)) {
			r := say(555, "5.5.4 unknown parameter "+name)
			return &r
		}
	}
	return nil
}
