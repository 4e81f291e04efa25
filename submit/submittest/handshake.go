package submittest

import (
	"crypto/tls"

	"github.com/mailport/mailport/submit"
)

// handshake speaks TLS from here on.
func (d *dialogue) handshake() error {
	f := d.fault(submit.PhaseHandshake)
	if f != nil && !f.Do.isCertificate() {
		return d.mishandle(f)
	}
	conn := tls.Server(d.raw, d.server.tlsWith(f))
	if err := conn.Handshake(); err != nil {
		d.log.note("TLS: " + err.Error())
		return errHangUp
	}
	state := conn.ConnectionState()
	d.state = &state
	d.log.note(tls.VersionName(state.Version))
	d.socket.secure(conn)
	d.announce()
	return nil
}

// mishandle does what fault f says instead of a handshake.
func (d *dialogue) mishandle(f *Fault) error {
	// A server that speaks something else than TLS does not wait for the
	// client; after STARTTLS, what does not wait is part of the reply.
	if f.Do != Garbage || d.spoken == submit.Submission {
		if _, err := d.socket.in.Peek(1); err != nil {
			return err
		}
		_, _ = d.socket.in.Discard(d.socket.in.Buffered()) // what Peek has read
	}
	if f.Do == Refuse || f.Do == RefuseTemporarily {
		return d.alert(f)
	}
	return d.misbehave(f)
}

// alert ends the handshake as TLS does, RFC 8446, section 6.2.
func (d *dialogue) alert(f *Fault) error {
	const record, version12, fatal = 21, 3, 2
	const handshakeFailure, internalError = 40, 80
	description := byte(handshakeFailure)
	if f.Do == RefuseTemporarily {
		description = internalError
	}
	if _, err := d.raw.Write([]byte{record, version12, version12, 0, 2, fatal, description}); err != nil {
		return err
	}
	return errLeave
}

func (d *dialogue) startTLS() error {
	if !d.offers("STARTTLS") {
		return d.say(say(502, "5.5.1 STARTTLS is not offered"))
	}
	f := d.fault(submit.PhaseStartTLS)
	if f != nil && f.Do != Inject {
		return d.misbehave(f)
	}
	// A man in the middle could have put it there, for execution after the
	// handshake.
	if d.socket.in.Buffered() > 0 {
		d.log.note("the client did not wait for the reply to STARTTLS")
		return errHangUp
	}
	if err := d.ready(f); err != nil {
		return err
	}
	if err := d.handshake(); err != nil {
		return err
	}
	_, err := d.connect() // there is no second greeting
	return err
}

// ready tells the client to start TLS. With Inject, cleartext follows in the
// same segment.
func (d *dialogue) ready(f *Fault) error {
	out := say(220, "2.0.0 ready to start TLS").append(nil, d.offers("ENHANCEDSTATUSCODES"))
	if f != nil {
		out = append(out, f.text()...)
	}
	if err := d.socket.say(out); err != nil {
		return err
	}
	return d.socket.flush()
}
