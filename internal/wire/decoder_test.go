package wire

// decode is a server's half of DATA, and was written without a look at ours:
// one octet at a time, RFC 5321, section 4.5.2. It returns the message up to
// the end of data, whether there was one, and what follows it.
func decode(wire []byte) (message []byte, ended bool, rest []byte) {
	const (
		begin = iota // of a line
		text         // within one
		cr           // after a CR within one
		dot          // after a dot that begins one
		dotCR        // after that and a CR
	)
	state := begin
	for i, c := range wire {
		switch {
		case state == begin && c == '.':
			state = dot
			continue
		case state == dot && c == '\r':
			state = dotCR
			continue
		case state == dotCR && c == '\n':
			return message, true, wire[i+1:]
		case state == dotCR: // the dot began a line of a CR and more
			message = append(message, '\r')
		}
		message = append(message, c)
		switch {
		case c == '\r':
			state = cr
		case c == '\n' && state == cr:
			state = begin
		default:
			state = text
		}
	}
	return message, false, nil
}
