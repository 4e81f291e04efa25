package wire

import (
	"errors"
	"strings"
	"time"
)

// A step is one call that waits for a server, and what the server does instead
// of an answer.
type step struct {
	name  string
	serve func(*peer)
	take  func(*Conn) error
}

// steps are all that wait, each with a limit. Peers are behind a window of 512
// octets.
func steps(limit time.Duration) []step {
	many := strings.Repeat("line\r\n", 100_000)
	return []step{
		{"First", (*peer).silence, func(c *Conn) error {
			_, err := c.First(limit)
			return err
		}},
		{"ReadReply", (*peer).silence, func(c *Conn) error {
			_, err := c.ReadReply(limit)
			return err
		}},
		{"ReadReply, half a reply", func(s *peer) {
			s.say("220-a\r\n22")
			s.silence()
		}, func(c *Conn) error {
			_, err := c.ReadReply(limit)
			return err
		}},
		{"ReadReply, octet by octet", func(s *peer) {
			for range 1000 {
				s.say("2")
				time.Sleep(limit / 10)
			}
			s.silence()
		}, func(c *Conn) error {
			_, err := c.ReadReply(limit)
			return err
		}},
		{"Command", (*peer).silence, func(c *Conn) error {
			_, err := c.Command(limit, "NOOP")
			return err
		}},
		{"Command, deaf", (*peer).deaf, func(c *Conn) error {
			_, err := c.Command(limit, "NOOP", strings.Repeat("x", 600))
			return err
		}},
		{"AuthLine", (*peer).silence, func(c *Conn) error {
			_, err := c.AuthLine(limit, "*")
			return err
		}},
		{"Send, many commands", (*peer).silence, func(c *Conn) error {
			fillFlight(c, 1000)
			return c.Send(limit, func(int, Reply) {})
		}},
		{"Send, many commands, one answered", func(s *peer) {
			s.say("250 ok\r\n")
			s.silence()
		}, func(c *Conn) error {
			fillFlight(c, 1000)
			return c.Send(limit, func(int, Reply) {})
		}},
		{"Send, many commands, deaf", (*peer).deaf, func(c *Conn) error {
			fillFlight(c, 1000)
			return c.Send(limit, func(int, Reply) {})
		}},
		{"Secure", (*peer).silence, func(c *Conn) error {
			_, err := c.Secure(clientTLS(), limit)
			return err
		}},
		{"Secure, deaf", (*peer).deaf, func(c *Conn) error {
			_, err := c.Secure(clientTLS(), limit)
			return err
		}},
		{"WriteBody", (*peer).deaf, func(c *Conn) error {
			return writeUnended(c, many, limit)
		}},
		{"WriteBody, the end", (*peer).deaf, func(c *Conn) error {
			return writeUnended(c, many[:600], limit)
		}},
	}
}

// writeUnended writes a body whose end cannot have left.
func writeUnended(c *Conn, body string, limit time.Duration) error {
	ended, err := c.WriteBody(strings.NewReader(body), false, limit)
	if ended {
		return errors.New("ended")
	}
	return err
}
