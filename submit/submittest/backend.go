package submittest

import (
	"bytes"
	"crypto/sha256"
	"io"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// newSMTP returns go-smtp's server as it is used here: behind dialogues, over
// pipes, for one command at a time.
func (s *Server) newSMTP() *smtp.Server {
	server := smtp.NewServer(smtp.BackendFunc(newSession))
	server.Domain = s.host()
	server.MaxRecipients = s.MaxRecipients
	server.MaxMessageBytes = s.MaxMessageBytes
	server.MaxLineLength = 0 // dialogues see to it
	server.AllowInsecureAuth = true
	server.EnableSMTPUTF8 = true
	server.EnableREQUIRETLS = true
	server.EnableBINARYMIME = true
	server.EnableDSN = true
	server.EnableRRVS = true
	return server
}

// A session is go-smtp's view of a dialogue.
type session struct {
	dialogue *dialogue
	message  Message // so far
}

func newSession(c *smtp.Conn) (smtp.Session, error) {
	return &session{dialogue: c.Conn().(*end).dialogue}, nil
}

// AuthMechanisms belongs to [smtp.AuthSession].
func (s *session) AuthMechanisms() []string { return s.dialogue.mechanisms() }

// Auth belongs to [smtp.AuthSession].
func (s *session) Auth(mechanism string) (sasl.Server, error) {
	return s.dialogue.mechanism(mechanism)
}

// Mail belongs to [smtp.Session].
func (s *session) Mail(from string, opts *smtp.MailOptions) error {
	if !ascii(from) && !opts.UTF8 {
		return errNeedsUTF8()
	}
	if refusal := s.reject(from, ""); refusal != nil {
		return refusal
	}
	s.message = Message{From: from, Options: opts}
	return nil
}

// Rcpt belongs to [smtp.Session].
func (s *session) Rcpt(to string, opts *smtp.RcptOptions) error {
	if !ascii(to) && !s.message.Options.UTF8 {
		return errNeedsUTF8()
	}
	if refusal := s.reject(s.message.From, to); refusal != nil {
		return refusal
	}
	opts.DeliverBy = s.dialogue.deliverBy
	opts.MTPriority = s.dialogue.priority
	s.message.To = append(s.message.To, to)
	if !reflect.ValueOf(*opts).IsZero() {
		if s.message.RcptOptions == nil {
			s.message.RcptOptions = make(map[string]*smtp.RcptOptions)
		}
		s.message.RcptOptions[to] = opts
	}
	return nil
}

func (s *session) reject(from, to string) error {
	if hook := s.dialogue.server.Reject; hook != nil {
		if refusal := hook(from, to); refusal != nil {
			return refusal
		}
	}
	return nil
}

// Data belongs to [smtp.Session]. go-smtp runs it beside the commands, so it
// takes its copy of the envelope before it reads.
func (s *session) Data(r io.Reader) error {
	m := s.envelope()
	server := s.dialogue.server
	digest := sha256.New()
	var data bytes.Buffer
	into := io.MultiWriter(digest, &data)
	if server.Discard {
		into = digest
	}
	n, err := io.Copy(into, r)
	if err != nil {
		return err // the message was broken off
	}
	if s.dialogue.relay.lost {
		return nil
	}
	m.Size = n
	digest.Sum(m.Sum[:0])
	if !server.Discard {
		m.Data = data.Bytes()
	}
	if server.RejectMessage != nil {
		if refusal := server.RejectMessage(m); refusal != nil {
			return refusal
		}
	}
	server.store(m)
	return nil
}

func (s *session) envelope() Message {
	d := s.dialogue
	m := s.message
	m.To = slices.Clone(m.To)
	m.RcptOptions = maps.Clone(m.RcptOptions)
	m.Via = d.server.endpoint(d.spoken, d.port.number)
	m.TLS = d.state
	if d.authed {
		m.User = d.user
	}
	return m
}

// Reset belongs to [smtp.Session].
func (s *session) Reset() { s.message = Message{} }

// Logout belongs to [smtp.Session].
func (s *session) Logout() error { return nil }

func ascii(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r > 0x7e })
}

// RFC 6531, section 3.5.
func errNeedsUTF8() error {
	return &smtp.SMTPError{
		Code:         553,
		EnhancedCode: smtp.EnhancedCode{5, 6, 7},
		Message:      "the address needs SMTPUTF8",
	}
}
