package submittest

// Connections returns how many connections there have been to the port of
// service, or to both if service is empty.
func (s *Server) Connections(service string) int {
	return s.sum(service, func(p *port) int { return p.connections })
}

// Attempts returns how many AUTH commands were seen on the port of service, or
// on both if service is empty.
func (s *Server) Attempts(service string) int {
	return s.sum(service, func(p *port) int { return p.attempts })
}

// Open returns how many connections have not ended.
func (s *Server) Open() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.open)
}

func (s *Server) sum(service string, of func(*port) int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, p := range s.ports {
		if service == "" || service == p.service {
			n += of(p)
		}
	}
	return n
}

func (s *Server) countAttempt(p *port) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p.attempts++
}
