package submittest

import (
	"bytes"

	"github.com/emersion/go-sasl"
)

// oauthBearer is go-sasl's server for OAUTHBEARER (RFC 7628), which does not
// bear an empty answer to its error.
type oauthBearer struct{ sasl.Server }

func newOAuthBearer(check func(user, token string) error) sasl.Server {
	return oauthBearer{sasl.NewOAuthBearerServer(func(o sasl.OAuthBearerOptions) *sasl.OAuthBearerError {
		if check(o.Username, o.Token) != nil {
			return &sasl.OAuthBearerError{Status: "invalid_token", Schemes: "bearer"}
		}
		return nil
	})}
}

// Next belongs to [sasl.Server].
func (o oauthBearer) Next(response []byte) (challenge []byte, done bool, err error) {
	if response != nil && len(response) == 0 {
		response = []byte{1} // what it should have been
	}
	return o.Server.Next(response)
}

// xoauth2 is the server's side of what Google and Microsoft had before RFC 7628.
type xoauth2 struct {
	check  func(user, token string) error
	failed error
}

// Next belongs to [sasl.Server].
func (x *xoauth2) Next(response []byte) (challenge []byte, done bool, err error) {
	if x.failed != nil {
		return nil, true, x.failed // whatever the client says to the error
	}
	if response == nil {
		return []byte{}, false, nil
	}
	var user, token []byte
	for field := range bytes.SplitSeq(response, []byte{1}) {
		if v, ok := bytes.CutPrefix(field, []byte("user=")); ok {
			user = v
		} else if v, ok := bytes.CutPrefix(field, []byte("auth=Bearer ")); ok {
			token = v
		}
	}
	if x.failed = x.check(string(user), string(token)); x.failed != nil {
		return []byte(`{"status":"401","schemes":"bearer","scope":"https://mail.example.com/"}`), false, nil
	}
	return nil, true, nil
}
