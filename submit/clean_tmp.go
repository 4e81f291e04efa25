package submit

func (s *source) clean() bool {
	return canonicalSize(s.head) == int64(len(s.head)) && s.head[len(s.head)-1] == '\n'
}
