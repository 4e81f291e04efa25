package sink

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strconv"
)

// obey carries out a command.
func (s *session) obey(line []byte) error {
	verb, rest, _ := bytes.Cut(line, []byte(" "))
	if !s.place.setting.Pipelining {
		if err := s.mayPipeline(verb); err != nil {
			return err
		}
	}
	switch {
	case is(verb, "MAIL"):
		return s.mail()
	case is(verb, "RCPT"):
		return s.rcpt()
	case is(verb, "BDAT"):
		return s.bdat(rest)
	case is(verb, "DATA"):
		return s.data()
	case is(verb, "RSET"):
		s.reset()
		s.say("250 2.0.0 reset")
		return nil
	case is(verb, "NOOP"):
		s.say("250 2.0.0 still here")
		return s.last("NOOP")
	case is(verb, "EHLO"):
		s.ehlo()
		return s.last("EHLO")
	case is(verb, "AUTH"):
		return s.auth(rest)
	case is(verb, "STARTTLS"):
		return s.startTLS()
	case is(verb, "QUIT"):
		s.say("221 2.0.0 goodbye")
		return errBye
	}
	s.say("500 5.5.2 what?")
	return fmt.Errorf("a command that the server does not know: %.40q", line)
}

func (s *session) mayPipeline(verb []byte) error {
	if is(verb, "BDAT") { // its octets follow at once
		return nil
	}
	return s.last(string(verb) + " though PIPELINING was not offered")
}

// is compares a verb without regard to case, and without an allocation.
func is(verb []byte, name string) bool {
	if len(verb) != len(name) {
		return false
	}
	for i := range verb {
		if verb[i]&^0x20 != name[i] {
			return false
		}
	}
	return true
}

func (s *session) ehlo() {
	s.reset()
	s.say("250-sink.example.com")
	if s.place.setting.Pipelining {
		s.say("250-PIPELINING")
	}
	if s.place.setting.Chunking {
		s.say("250-CHUNKING")
	}
	s.say("250-SIZE 1073741824")
	s.say("250-8BITMIME")
	if s.secured {
		s.say("250-AUTH PLAIN")
	} else {
		s.say("250-STARTTLS")
	}
	s.say("250 ENHANCEDSTATUSCODES")
}

func (s *session) startTLS() error {
	if s.secured {
		return s.disorder("STARTTLS over TLS")
	}
	s.say("220 2.0.0 go on")
	if err := s.last("STARTTLS"); err != nil {
		return err
	}
	if err := s.flush(); err != nil {
		return err
	}
	s.secure()
	return nil
}

// auth takes PLAIN (RFC 4616), with the initial response or after a challenge.
func (s *session) auth(rest []byte) error {
	if !s.secured {
		return s.disorder("AUTH without TLS")
	}
	if err := s.last("AUTH"); err != nil {
		return err
	}
	mechanism, response, _ := bytes.Cut(rest, []byte(" "))
	if !is(mechanism, "PLAIN") {
		return s.disorder("AUTH with another mechanism than PLAIN")
	}
	if len(response) == 0 {
		s.say("334 ")
		var err error
		if response, err = s.line(); err != nil {
			return err
		}
	}
	if string(response) != base64.StdEncoding.EncodeToString([]byte("\x00"+User+"\x00"+Password)) {
		s.say("535 5.7.8 no")
		return fmt.Errorf("wrong credentials: %q", response)
	}
	s.authenticated = true
	s.place.tally.connected()
	s.say("235 2.7.0 welcome")
	return nil
}

func (s *session) mail() error {
	if !s.authenticated || s.sender {
		return s.disorder("MAIL")
	}
	s.sender = true
	s.say("250 2.1.0 sender ok")
	return nil
}

func (s *session) rcpt() error {
	if !s.sender {
		return s.disorder("RCPT")
	}
	s.recipients++
	s.say("250 2.1.5 recipient ok")
	return nil
}

// disorder refuses a command that may not come now.
func (s *session) disorder(what string) error {
	s.say("503 5.5.1 not now")
	return fmt.Errorf("out of order: %s", what)
}

// reset forgets the message.
func (s *session) reset() {
	s.sender, s.recipients, s.octets = false, 0, 0
	s.check.Reset()
}

// taken ends a message. A damaged one is taken as well, and told of.
func (s *session) taken() {
	serial, err := s.check.Verdict()
	if err == nil && !s.place.tally.intact(serial, s.octets) {
		err = fmt.Errorf("message %d came again", serial)
	}
	if err != nil {
		s.place.tally.wrong(err)
	}
	s.out = append(s.out, "250 2.0.0 taken as "...)
	s.out = strconv.AppendInt(s.out, int64(serial), 10)
	s.out = append(s.out, '\r', '\n')
	s.reset()
}
