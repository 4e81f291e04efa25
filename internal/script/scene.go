package script

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
)

// A scene is what happens at one endpoint: a connection, or why there is none.
type scene struct {
	endpoint string // submission://smtp.example.com:587
	service  string // submission
	host     string
	port     int
	addr     string // smtp.example.com:587
	line     int
	rtt      time.Duration // 0: as everywhere
	fate     fate
	steps    []step
}

// A fate is what becomes of a dial.
type fate string

const (
	played     fate = ""
	refused    fate = "refused"
	swallowed  fate = "black hole"
	unknown    fate = "no such host"
	notDialled fate = "not dialled"
)

func parseScene(s section) (*scene, error) {
	service, addr, _ := strings.Cut(s.name, "://")
	host, digits, err := net.SplitHostPort(addr)
	port, bad := strconv.Atoi(digits)
	if err != nil || bad != nil || service != "submission" && service != "submissions" {
		return nil, lineError(s.line-1, "%q is no endpoint", s.name)
	}
	c := &scene{endpoint: s.name, service: service, host: host, port: port, addr: addr, line: s.line - 1}
	for i, line := range s.lines {
		if skipped(line) {
			continue
		}
		if err := c.add(s.line+i, line); err != nil {
			return nil, fmt.Errorf("%d: %w", s.line+i, err)
		}
	}
	if len(c.steps) == 0 && c.fate == played {
		return nil, lineError(c.line, "nothing happens here; say what becomes of a dial")
	}
	return c, nil
}

// add reads one line.
func (c *scene) add(number int, line string) (err error) {
	if rtt, ok := strings.CutPrefix(line, "rtt "); ok {
		c.rtt, err = time.ParseDuration(rtt)
		return err
	}
	switch f := fate(line); f {
	case refused, swallowed, unknown, notDialled:
		c.fate = f
		return nil
	case played: // unless it says otherwise
	}
	step, err := parseStep(number, line)
	if err != nil {
		return err
	}
	if n := len(c.steps); n > 0 && c.steps[n-1].join(step) {
		return nil
	}
	c.steps = append(c.steps, step)
	return nil
}
