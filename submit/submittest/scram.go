package submittest

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/emersion/go-smtp"
	"github.com/xdg-go/scram"
)

// scramming is the server's side of SCRAM, RFC 5802 and RFC 7677: xdg-go's, and
// around it what makes it strict, and what makes it cheat.
//
// Whatever it does not like it says at the end, in the server-final-message,
// which is the place for it (RFC 5802, section 7); the reply follows when the
// client has answered that.
type scramming struct {
	dialogue     *dialogue
	hash         scram.HashGeneratorFcn
	plus         bool // the name of the mechanism ends so
	cheat        Action
	conversation *scram.ServerConversation
	refusal      string // "e=" and why; empty if nothing was wrong
	next         func(message string) (challenge string, done bool, err error)
}

func newScramming(d *dialogue, name string, hash scram.HashGeneratorFcn) *scramming {
	s := &scramming{dialogue: d, hash: hash, plus: isPlus(name)}
	if d.cheat != nil {
		s.cheat = d.cheat.Do
	}
	s.conversation = s.converse()
	s.next = s.first
	return s
}

func (s *scramming) converse() *scram.ServerConversation {
	server, err := s.hash.NewServer(s.keysOf)
	if err != nil {
		panic(err) // it has no reason to fail
	}
	if s.cheat == ShortNonce {
		server = server.WithNonceGenerator(func() string { return "" })
	}
	binding := s.dialogue.binding()
	if s.cheat == OtherBinding {
		binding = elsewhere(binding)
	}
	switch {
	case s.plus:
		return server.NewConversationWithChannelBindingRequired(binding)
	case slices.ContainsFunc(s.dialogue.mechanisms(), isPlus):
		return server.NewConversationWithChannelBinding(binding) // and knows who was told otherwise
	}
	return server.NewConversation()
}

func (s *scramming) keysOf(user string) (scram.StoredCredentials, error) {
	iterations := usualIterations
	if s.cheat == FewIterations {
		iterations = 1
	}
	server := s.dialogue.server
	password, known := server.currentUsers()[user]
	if !known {
		return nobodys(s.hash, iterations), nil
	}
	keys, err := server.scram.of(scramUser{nameOf(s.hash), user, password, iterations}, s.hash)
	if err != nil {
		return nobodys(s.hash, iterations), nil //nolint:nilerr // a password that SASLprep forbids proves nothing
	}
	return keys, nil
}

// Next belongs to [sasl.Server].
func (s *scramming) Next(response []byte) (challenge []byte, done bool, err error) {
	if response == nil {
		return []byte{}, false, nil // the client begins
	}
	message, done, err := s.next(string(response))
	return []byte(message), done, err
}

// first answers the client-first-message.
func (s *scramming) first(message string) (challenge string, done bool, err error) {
	s.next = s.final
	challenge, err = s.conversation.Step(message)
	switch {
	case err != nil && challenge == "":
		return "", false, err // it cannot be read
	case err != nil:
		s.refusal = challenge
	case strings.HasPrefix(message, "p=") != s.plus: // RFC 5802, section 6
		s.refusal = scram.ErrOtherError
	case s.conversation.AuthzID() != "" && s.conversation.AuthzID() != s.conversation.Username():
		s.refusal = scram.ErrOtherError
	}
	if err != nil {
		if challenge, err = s.anyFirst(message); err != nil {
			return "", false, err
		}
	}
	return s.distorted(challenge), false, nil
}

// anyFirst is a server-first-message that leads to a refusal.
func (s *scramming) anyFirst(message string) (string, error) {
	_, rest, ok := strings.Cut(message, ",r=")
	nonce, _, _ := strings.Cut(rest, ",")
	if !ok || nonce == "" {
		return "", errors.New("no nonce")
	}
	salt := base64.StdEncoding.EncodeToString([]byte(rand.Text()))
	return fmt.Sprintf("r=%s%s,s=%s,i=%d", nonce, rand.Text(), salt, usualIterations), nil
}

// distorted is a server-first-message as a cheat says it. What the conversation
// does not know of leads to a refusal, should a client go on all the same.
func (s *scramming) distorted(challenge string) string {
	switch s.cheat {
	case OtherNonce:
		_, rest, _ := strings.Cut(challenge, ",")
		return "r=" + rand.Text() + rand.Text() + "," + rest
	case ManyIterations:
		return challenge[:strings.LastIndex(challenge, "=")+1] + "2147483648"
	}
	return challenge
}

// final answers the client-final-message.
func (s *scramming) final(message string) (challenge string, done bool, err error) {
	s.next = s.end
	if s.refusal != "" && !s.believes() {
		return s.refusal, false, nil
	}
	challenge, err = s.conversation.Step(message)
	switch {
	case s.cheat == SkipSignature:
		return "", true, s.succeed()
	case s.cheat == WrongSignature:
		return "v=" + base64.StdEncoding.EncodeToString(nobodys(s.hash, 0).ServerKey), false, nil
	case err != nil && challenge == "":
		return "", false, err
	case err != nil:
		s.refusal = challenge
	case s.cheat == SignLate:
		s.dialogue.late = challenge
		return "", true, s.succeed()
	}
	return challenge, false, nil
}

// believes reports whether any proof will do, as with somebody who does not know
// the password either.
func (s *scramming) believes() bool { return s.cheat == SkipSignature || s.cheat == WrongSignature }

// end has the client's answer to the server-final-message, which is empty.
func (s *scramming) end(message string) (challenge string, done bool, err error) {
	if s.refusal != "" && !s.believes() || message != "" {
		return "", true, smtp.ErrAuthFailed
	}
	return "", true, s.succeed()
}

func (s *scramming) succeed() error {
	s.dialogue.isUser(s.conversation.Username())
	return nil
}
