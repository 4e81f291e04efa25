package submittest

// login is the server's side of LOGIN, which was never a standard
// (draft-murchison-sasl-login) and which go-sasl has for clients only.
type login struct {
	check func(user, password string) error
	user  *string
	asked bool
}

// Next belongs to [sasl.Server].
func (l *login) Next(response []byte) (challenge []byte, done bool, err error) {
	switch {
	case l.user == nil && response == nil && !l.asked:
		l.asked = true
		return []byte("Username:"), false, nil
	case l.user == nil:
		user := string(response)
		l.user = &user
		return []byte("Password:"), false, nil
	}
	return nil, true, l.check(*l.user, string(response))
}
