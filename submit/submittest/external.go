package submittest

import (
	"strings"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

func isExternal(mechanism string) bool { return strings.EqualFold(mechanism, sasl.External) }

// external takes the client for whom its certificate names, RFC 4422, appendix
// A. To act for somebody else is nobody allowed.
func (d *dialogue) external(identity string) error {
	user, ok := d.certified()
	if !ok || identity != "" && identity != user {
		return smtp.ErrAuthFailed
	}
	if _, known := d.server.currentUsers()[user]; !known {
		return smtp.ErrAuthFailed
	}
	d.isUser(user)
	return nil
}

// certified returns whom the client's certificate names, if it was verified.
func (d *dialogue) certified() (user string, ok bool) {
	if d.state == nil || len(d.state.VerifiedChains) == 0 {
		return "", false
	}
	return d.state.PeerCertificates[0].Subject.CommonName, true
}
