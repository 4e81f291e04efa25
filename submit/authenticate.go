package submit

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/mailport/mailport/auth"
	"github.com/mailport/mailport/internal/wire"
)

const (
	// maxAuthCommand is the limit of RFC 5321, section 4.5.3.1.4, for the
	// command line with an initial response; RFC 4954, section 4, does not
	// raise it.
	maxAuthCommand = 512

	// maxChallenges ends an exchange that the server does not.
	maxChallenges = 32
)

// authenticate shows the credentials, once. A second call returns what the
// first one did.
func (s *Session) authenticate(ctx context.Context) error {
	if s.config.Credentials == nil || s.authDone {
		return s.authErr
	}
	began := time.Now()
	s.authErr = s.tryMechanisms(ctx)
	s.authDone, s.heard = true, time.Now() // not after a panic of the credentials
	s.step(ctx, PhaseAuth, began, s.authErr)
	return s.authErr
}

// tryMechanisms goes on to another mechanism if the server, after all, does not
// support one. None is tried twice, whatever the credentials think; but a token
// that was refused may be replaced, once.
func (s *Session) tryMechanisms(ctx context.Context) error {
	server := auth.Server{Name: s.tls.ServerName, Mechanisms: s.ext.Mechanisms(), TLS: s.tls, ClientCertificate: s.certified()}
	server.Offered = server.Mechanisms
	if server.Name == "" {
		server.Name = s.endpoint.Host // an IP address: no SNI
	}
	var (
		refused error
		tried   []string
		x       exchange
	)
	for {
		mechanism, err := s.config.Credentials.Exchange(ctx, server)
		switch {
		case err != nil && refused != nil && ctx.Err() == nil:
			return unsupported(refused, err)
		case err != nil:
			return s.authFailure(ctx, err)
		}
		name, first, err := mechanism.Start()
		if err != nil {
			return s.authFailure(ctx, err)
		}
		x = exchange{s: s, m: mechanism, name: strings.ToUpper(name), shown: x.shown}
		if slices.Contains(tried, x.name) {
			return refused
		}
		if refused = x.run(first); !x.mayGoOn(refused) {
			return x.renew(ctx, refused)
		}
		tried = append(tried, x.name)
		server.Mechanisms = slices.DeleteFunc(slices.Clone(server.Mechanisms), func(m string) bool {
			// What binds to the connection has done so, and may not again (RFC
			// 9266, section 4.1).
			return m == x.name || isPlus(m) && isPlus(x.name)
		})
	}
}

// unsupported is the refusal of the last mechanism, with what credentials have to say
// instead of coming up with another one; that there is none is no news.
func unsupported(refused, err error) error {
	var e *Error
	if errors.As(refused, &e) && !errors.Is(err, auth.ErrNoMechanism) {
		e.remark(err)
	}
	return refused
}

// renew tries once more with another secret, if the mechanism has a way to get
// one and the server refused the one it had. That refusal stands if the server hangs
// up instead of answering again, as some do after a 535.
func (x *exchange) renew(ctx context.Context, refused error) error {
	var e *Error
	s := x.s
	renewer, ok := x.m.(auth.Renewer)
	if !ok || !errors.As(refused, &e) || e.Reply == nil || e.Reply.Code != 535 || s.conn.Broken() != nil {
		return refused
	}
	fresh, err := renewer.Renew(ctx)
	switch {
	case err != nil && (ctx.Err() != nil || isOutage(err)):
		return s.authFailure(ctx, err)
	case err != nil:
		e.remark(err)
		return e
	}
	name, first, err := fresh.Start()
	if err != nil {
		return s.authFailure(ctx, err)
	}
	again := exchange{s: s, m: fresh, name: strings.ToUpper(name), shown: x.shown}
	err = again.run(first)
	if unanswered := lostWithoutWord(err); unanswered != nil {
		e.remark(fmt.Errorf("no answer to what was shown next: %w", unanswered))
		return e
	}
	return err
}

// lostWithoutWord is why err has no reply if the connection was lost, or nil if
// anything was said or it is the caller who wanted no more.
func lostWithoutWord(err error) error {
	var e *Error
	if !errors.As(err, &e) || e.Reply != nil || !isLost(e.Err) || isContext(e.Err) || errors.Is(e.Err, ErrClosed) {
		return nil
	}
	return e.Err
}

func isPlus(mechanism string) bool { return strings.HasSuffix(mechanism, "-PLUS") }

// authFailure is for what the credentials themselves have to say.
func (s *Session) authFailure(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		err = wire.ContextError(ctx)
	case errors.Is(err, auth.ErrInsecure):
		err = &cause{meaning: ErrInsecure, err: err}
	case isOutage(err):
		err = &cause{meaning: ErrTemporary, err: err}
	default:
		err = &cause{meaning: ErrCredentials, err: err}
	}
	return &Error{Endpoint: s.endpoint, Phase: PhaseAuth, Err: err}
}

// isOutage reports whether credentials could not be had since a network failed, as
// when who issues tokens cannot be reached or says to be busy: nobody has refused
// anything then, and nobody is to be asked for a password.
func isOutage(err error) bool {
	var (
		op   *net.OpError
		ne   net.Error
		says interface{ Temporary() bool }
	)
	switch {
	case isNoSuchHost(err):
		return false // a wrong address stays wrong
	case errors.As(err, &op), isDNS(err), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return true
	}
	return errors.As(err, &ne) && ne.Timeout() || // any error of a *url.Error is a net.Error
		errors.As(err, &says) && says.Temporary()
}

// mayGoOn tells that another mechanism may do: RFC 4954, section 4 and section 6.
// Nothing else does; a 535 least of all. A 534, that a mechanism is too weak, does
// if nothing was shown by it: Gmail says so of a password that it saw and will not
// have ("application-specific password required"), by whatever mechanism.
func (x *exchange) mayGoOn(err error) bool {
	var e *Error
	if !errors.As(err, &e) || e.Reply == nil {
		return false
	}
	return e.Reply.Code == 504 || e.Reply.Code == 534 && !(x.spoke && showsSecret(x.name))
}

// showsSecret reports whether what a mechanism has the client say is a secret, or may
// be: that of one which is not known here.
func showsSecret(mechanism string) bool {
	return !strings.HasPrefix(mechanism, "SCRAM-") && mechanism != "CRAM-MD5" && mechanism != "EXTERNAL"
}

// remark adds to the server's reply what else is known.
func (e *Error) remark(err error) {
	text := err.Error()
	var said *cause
	if errors.As(e.Err, &said) && said.text != "" {
		text = said.text + "; " + text
	}
	e.Err = &cause{text: text, err: errors.Join(e.Err, err), whole: true}
}

// An exchange is the dialogue of RFC 4954, section 4.
type exchange struct {
	s     *Session
	m     auth.Mechanism
	name  string
	spoke bool     // a response was sent
	shown []string // responses and forms of the secrets in them, which the server may quote; of earlier exchanges, too
	held  []byte   // an initial response too long for the command, for the first challenge
}

func (x *exchange) run(first []byte) error {
	r, err := x.start(first)
	for n := 0; err == nil && r.Code == 334; n++ {
		if n == maxChallenges {
			return x.cancel(&cause{meaning: ErrProtocol, text: "server never stops asking"})
		}
		var response []byte
		if response, err = x.answer(r); err != nil {
			return x.cancel(err)
		}
		if r, err = x.respond(response); err != nil && x.s.conn.Broken() == nil {
			return x.cancel(&cause{meaning: ErrCredentials, err: err}) // no line can hold it
		}
	}
	switch {
	case err != nil:
		return x.s.failure(PhaseAuth, err)
	case r.Code != 235:
		return x.refusal(r)
	}
	if err = x.succeed(r); err != nil {
		x.s.conn.Cut()
		return &Error{Endpoint: x.s.endpoint, Phase: PhaseAuth, Err: &cause{meaning: ErrInsecure, err: err}}
	}
	return nil
}

// succeed believes a success once the mechanism does. What comes with it may be the
// last challenge: RFC 4954 has no place for that there, and there are servers that
// put SCRAM's signature there.
func (x *exchange) succeed(r wire.Reply) error {
	switch {
	case x.held != nil:
		return auth.ErrUnproven
	case x.m.Complete():
		return nil
	}
	if challenge := challengeIn(r); challenge != nil {
		response, err := x.m.Next(challenge)
		switch {
		case errors.Is(err, auth.ErrUnproven):
			return err
		case err == nil && len(response) == 0 && x.m.Complete(): // else nobody has heard the response
			return nil
		}
	}
	return auth.ErrUnproven
}

// challengeIn returns the first word of r that is the base64 of text with an
// attribute in it, as "v=..." is, or nil. Many a word of prose is base64, of no text.
func challengeIn(r wire.Reply) []byte {
	for _, word := range strings.Fields(strings.Join(r.Lines, " ")) {
		challenge, err := base64.StdEncoding.Strict().DecodeString(word)
		isText := !bytes.ContainsFunc(challenge, func(r rune) bool { return r < ' ' || r > '~' })
		if err == nil && isText && bytes.ContainsRune(challenge, '=') {
			return challenge
		}
	}
	return nil
}

// refusal is the reply and, if the mechanism has words for it, what it says.
func (x *exchange) refusal(r wire.Reply) error {
	e := x.s.refusal(PhaseAuth, Reply(r))
	if refuser, ok := x.m.(auth.Refuser); ok {
		if said := refuser.Refusal(); said != nil && (r.Code == 535 || errors.As(said, new(*auth.TokenError))) {
			e.remark(x.s.mask.unquoted(said))
		}
	}
	return e
}

// start sends the initial response with the command if there is one and it fits.
func (x *exchange) start(first []byte) (wire.Reply, error) {
	limit := x.s.config.Timeouts.command()
	if first == nil {
		return x.s.conn.Command(limit, "AUTH", x.name)
	}
	if len("AUTH ")+len(x.name)+1+base64.StdEncoding.EncodedLen(len(first))+len("\r\n") > maxAuthCommand {
		x.held = first
		return x.s.conn.Command(limit, "AUTH", x.name)
	}
	argument := "=" // an empty initial response
	if len(first) > 0 {
		argument = x.encode(first)
	}
	return x.s.conn.Command(limit, "AUTH", x.name, argument)
}

// answer decodes a challenge and asks the mechanism for its response.
func (x *exchange) answer(r wire.Reply) ([]byte, error) {
	text := strings.TrimSpace(r.Lines[0]) // "334", "334 " and "334  " are all empty
	challenge, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil || len(r.Lines) > 1 {
		return nil, &cause{meaning: ErrProtocol, text: "challenge is not base64"}
	}
	if held := x.held; held != nil {
		if len(challenge) > 0 {
			return nil, &cause{meaning: ErrProtocol, text: "server answers an initial response that was not sent"}
		}
		x.held = nil
		return held, nil
	}
	response, err := x.m.Next(challenge)
	switch {
	case errors.Is(err, auth.ErrUnproven):
		return nil, &cause{meaning: ErrInsecure, err: err}
	case errors.Is(err, auth.ErrChallenge):
		return nil, &cause{meaning: ErrProtocol, err: err}
	case isOutage(err): // of the server's own: SCRAM has a word for it
		return nil, &cause{meaning: ErrTemporary, err: err}
	case err != nil:
		return nil, &cause{meaning: ErrCredentials, err: err}
	}
	return response, nil
}

func (x *exchange) respond(response []byte) (wire.Reply, error) {
	return x.s.conn.AuthLine(x.s.config.Timeouts.command(), x.encode(response))
}

// cancel ends an exchange that is open, and with it the session's use: RFC
// 4954, section 4, has the server answer 501. One that does not say no is cut off:
// it would take the next command for a response.
func (x *exchange) cancel(reason error) error {
	r, err := x.s.conn.AuthLine(x.s.config.Timeouts.command(), "*")
	switch {
	case err != nil && isContext(err):
		reason = err
	case err == nil && r.Class() < 4:
		x.s.conn.Abandon()
	}
	return &Error{Endpoint: x.s.endpoint, Phase: PhaseAuth, Err: reason}
}

// encode is what is sent of a response. From now on it is hidden wherever the server
// quotes it, for as long as the session lasts: an exchange has few responses, each of
// one line, so that is not much to keep.
func (x *exchange) encode(response []byte) string {
	text := base64.StdEncoding.EncodeToString(response)
	if len(text) >= leastPart { // else it is in a form of the secret, or there is none in it
		x.show(text)
	}
	for _, secret := range secretsIn(x.name, !x.spoke, string(response)) {
		x.show(forms(secret)...)
	}
	x.spoke = true
	x.s.mask = newMask(x.shown)
	return text
}

func (x *exchange) show(texts ...string) {
	for _, text := range texts {
		if len(text) >= leastSecret && !slices.Contains(x.shown, text) { // the same is shown again where a mechanism is not supported
			x.shown = append(x.shown, text)
		}
	}
}
