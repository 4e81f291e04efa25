package submittest

import (
	"crypto/hmac"
	"crypto/md5" //nolint:gosec // it is what RFC 2195 has
	"crypto/rand"
	"encoding/hex"
	"errors"
	"strings"

	"github.com/emersion/go-smtp"
)

// cramMD5 is the server's side of CRAM-MD5, RFC 2195, where the server speaks
// first.
type cramMD5 struct {
	dialogue  *dialogue
	challenge string
}

// Next belongs to [sasl.Server].
func (c *cramMD5) Next(response []byte) (challenge []byte, done bool, err error) {
	switch {
	case c.challenge != "":
		return nil, true, c.check(string(response))
	case response != nil: // RFC 4954, section 4: there is no initial response
		return nil, false, &smtp.SMTPError{
			Code:         501,
			EnhancedCode: smtp.EnhancedCode{5, 7, 0},
			Message:      "the server speaks first",
		}
	}
	c.challenge = "<" + rand.Text() + "@" + c.dialogue.server.host() + ">"
	return []byte(c.challenge), false, nil
}

func (c *cramMD5) check(response string) error {
	i := strings.LastIndexByte(response, ' ') // a user's name may have one
	if i < 0 {
		return errors.New("no digest")
	}
	user := response[:i]
	given, err := hex.DecodeString(response[i+1:])
	if err != nil {
		return err
	}
	password, known := c.dialogue.server.currentUsers()[user]
	digest := hmac.New(md5.New, []byte(password))
	digest.Write([]byte(c.challenge))
	if !known || !hmac.Equal(digest.Sum(nil), given) {
		return smtp.ErrAuthFailed
	}
	c.dialogue.isUser(user)
	return nil
}
