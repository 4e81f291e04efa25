package fuzzsession

import (
	"fmt"
	"strings"
	"time"
)

// An ear takes apart what a client says: commands, other lines, and messages, which
// are known by how they begin. So it need not know what a server has answered.
type ear struct {
	all   []byte // that was heard
	rest  []byte // of it that is not taken apart yet
	items []item

	body  []byte // of a message after DATA
	text  bool   // such a message comes
	chunk int    // octets to come of one after BDAT
	bdat  string // and the command; "" if none comes
	under *transaction
}

// An item is what demands one answer: a line, a chunk, the end of a message.
type item struct {
	line string
	at   time.Time // it was heard
	ends bool      // a message, that of under
	of   *transaction
}

// A transaction is MAIL and what belongs to it.
type transaction struct {
	mail  int            // which item it is; -1 if there was none
	rcpts map[string]int // likewise
	text  []byte
	end   int // likewise; -1 if it has not come
}

func (e *ear) hear(octets []byte) {
	e.all = append(e.all, octets...)
	e.rest = append(e.rest, octets...)
	for e.step() {
	}
}

// step takes one piece off the rest.
func (e *ear) step() bool {
	if e.bdat != "" {
		n := min(e.chunk, len(e.rest))
		e.tx().text = append(e.tx().text, e.rest[:n]...)
		e.rest, e.chunk = e.rest[n:], e.chunk-n
		if e.chunk > 0 {
			return false
		}
		e.add(item{line: e.bdat, ends: strings.HasSuffix(e.bdat, " LAST")})
		e.bdat = ""
		return true
	}
	line, rest, ok := strings.Cut(string(e.rest), "\r\n")
	if !ok {
		return false
	}
	e.rest = []byte(rest)
	switch verb, arg, _ := strings.Cut(line, " "); {
	case e.text && line == ".":
		e.text = false
		e.tx().text = e.body
		e.body = nil
		e.add(item{line: line, ends: true})
	case e.text || strings.HasPrefix(line, numbered):
		e.text = true
		e.body = append(append(e.body, strings.TrimPrefix(line, ".")...), "\r\n"...)
	case verb == "BDAT":
		e.bdat = line
		fmt.Sscan(arg, &e.chunk)
	default:
		e.add(item{line: line})
	}
	return true
}

func (e *ear) tx() *transaction {
	if e.under == nil {
		e.under = &transaction{mail: -1, rcpts: map[string]int{}, end: -1}
	}
	return e.under
}

func (e *ear) add(i item) {
	i.at = time.Now()
	n := len(e.items)
	switch {
	case strings.HasPrefix(i.line, "MAIL "):
		e.under = nil
		e.tx().mail = n
	case strings.HasPrefix(i.line, "RCPT "):
		path, _, _ := strings.Cut(i.line, "> ") // no path of ours has that in it
		e.tx().rcpts[path] = n
	case i.line == "RSET", strings.HasPrefix(i.line, "EHLO "):
		e.under = nil
	case i.ends:
		i.of = e.tx()
		i.of.end = n
		e.under = nil
	}
	e.items = append(e.items, i)
}

// number is that of the message; 0 if it has none.
func (t *transaction) number() (n int) {
	fmt.Sscanf(string(t.text[:min(len(t.text), 40)]), numbered+"%d\r\n", &n)
	return n
}
