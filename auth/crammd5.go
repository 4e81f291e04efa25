package auth

import (
	"crypto/hmac"
	"crypto/md5" //nolint:gosec // it is what RFC 2195 has
	"encoding/hex"
	"fmt"
)

// cramMD5 is the client side of CRAM-MD5, RFC 2195. It shows no password, and
// yet is none of the mechanisms to choose by itself: whoever hears it can try
// passwords at leisure, the server proves nothing, and has to store what is as
// good as the password.
type cramMD5 struct {
	shown
	secret secret
	asked  int  // challenges so far
	over   bool // since something was wrong
}

func startCRAMMD5(s secret) (Mechanism, error) {
	username, password := s()
	if err := sendable("CRAM-MD5", "username", username, empty, nul, lineEnd, notUTF8); err != nil {
		return nil, err
	}
	if err := sendable("CRAM-MD5", "password", password, empty); err != nil {
		return nil, err
	}
	return &cramMD5{shown: shown{"CRAM-MD5 as " + s.name()}, secret: s}, nil
}

// Start returns no initial response: the server speaks first.
func (*cramMD5) Start() (mechanism string, response []byte, err error) { return "CRAM-MD5", nil, nil }

// Next answers the one challenge there is, and none after one that it refused.
func (c *cramMD5) Next(challenge []byte) ([]byte, error) {
	c.asked++
	switch {
	case c.asked > 1:
		return nil, unexpected("CRAM-MD5", "after the first")
	case len(challenge) == 0: // a digest of nothing could be used again and again
		c.over = true
		return nil, fmt.Errorf("CRAM-MD5: %w: it is empty", ErrChallenge)
	}
	username, password := c.secret()
	digest := hmac.New(md5.New, []byte(password))
	digest.Write(challenge)
	return []byte(username + " " + hex.EncodeToString(digest.Sum(nil))), nil
}

// Complete reports that the one challenge came, and was answered.
func (c *cramMD5) Complete() bool { return c.asked == 1 && !c.over }
