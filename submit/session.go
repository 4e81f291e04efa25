package submit

// A Session is an open, secure connection to a server. It carries one message
// at a time; concurrent calls wait for each other.
type Session struct{ endpoint Endpoint }

// Endpoint says what the session is connected to.
func (s *Session) Endpoint() Endpoint { return s.endpoint }
