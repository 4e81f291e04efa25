package auth

// login is the client side of LOGIN, draft-murchison-sasl-login: the server asks
// twice, first for the username, then for the password.
type login struct {
	shown
	secret secret
	asked  int // challenges so far
}

// startLogin refuses what section 2 of the draft excludes. That section also
// asks for less than 64 characters in a username; mail addresses are longer than
// that, and servers take them. The draft has nothing against an empty password,
// but it is a variable that nobody set more often than a password.
func startLogin(s secret) (Mechanism, error) {
	username, password := s()
	if err := sendable("LOGIN", "username", username, empty, nul, lineEnd, notUTF8); err != nil {
		return nil, err
	}
	if err := sendable("LOGIN", "password", password, empty, nul, lineEnd); err != nil {
		return nil, err
	}
	return &login{shown: shown{"LOGIN as " + s.name()}, secret: s}, nil
}

// Start returns no initial response, ever: in the draft the server begins, and then it has
// to reject an AUTH command with one (RFC 4954, section 4).
func (*login) Start() (mechanism string, response []byte, err error) {
	return "LOGIN", nil, nil
}

// Next answers in order, whatever the challenge says. The draft asks for that,
// and servers have many ways to say it: "User Name\x00", "Username:",
// "username:", nothing.
func (l *login) Next([]byte) ([]byte, error) {
	l.asked++
	username, password := l.secret()
	switch l.asked {
	case 1:
		return []byte(username), nil
	case 2:
		return []byte(password), nil
	}
	return nil, unexpected("LOGIN", "after the password")
}

// Complete reports that the server asked twice, and no more.
func (l *login) Complete() bool { return l.asked == 2 }
