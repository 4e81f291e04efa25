package fuzzsession

import (
	"slices"
	"strings"
	"time"
)

// said is what a server said, and when.
type said struct {
	total  int
	text   []byte // the beginning of it
	pieces []piece
	broken bool // not all that should have been said was
}

// A piece ends there in the text.
type piece struct {
	end int
	at  time.Time
}

const mostKept = 256 << 10

func (s *said) note(octets string) {
	s.total += len(octets)
	if len(s.text) > mostKept {
		s.broken = true
		return
	}
	s.text = append(s.text, octets...)
	s.pieces = append(s.pieces, piece{len(s.text), time.Now()})
}

// A reply is one that was said in whole.
type reply struct {
	code  int
	lines []string
	at    time.Time
	from  int // where it begins, in the text
}

func (r reply) class() int { return r.code / 100 }

// replies are what was said, up to what is none.
func (s *said) replies() (all []reply, garbled bool) {
	var r reply
	end := 0
	for line := range strings.Lines(string(s.text)) {
		end += len(line)
		text, ended := strings.CutSuffix(line, "\n")
		if !ended {
			return all, true
		}
		text = strings.TrimSuffix(text, "\r")
		if len(text) < 3 || text[0] < '2' || text[0] > '5' || !isDigit(text[1]) || !isDigit(text[2]) || len(text) > 3 && text[3] != ' ' && text[3] != '-' {
			return all, true
		}
		code := int(text[0]-'0')*100 + int(text[1]-'0')*10 + int(text[2]-'0')
		if r.code != 0 && r.code != code {
			return all, true
		}
		r.code = code
		r.lines = append(r.lines, text[min(4, len(text)):])
		if len(text) == 3 || text[3] == ' ' {
			i, _ := slices.BinarySearchFunc(s.pieces, end, func(p piece, end int) int { return p.end - end })
			r.at = s.pieces[i].at
			all = append(all, r)
			r = reply{from: end}
		}
	}
	return all, r.code != 0 || s.broken
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
