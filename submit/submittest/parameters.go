package submittest

import (
	"strconv"
	"strings"
	"time"

	"github.com/emersion/go-smtp"
)

// parameters are the argument of MAIL or RCPT.
type parameters struct {
	path   string // as in FROM:<me@example.com>
	params []string
}

func parseParameters(arg string) *parameters {
	end := endOfPath(arg)
	return &parameters{arg[:end], strings.Fields(arg[end:])}
}

// endOfPath returns where the path ends: a quoted local part can have spaces and
// brackets in it.
func endOfPath(arg string) int {
	quoted := false
	for i := 0; i < len(arg); i++ {
		switch c := arg[i]; {
		case c == '\\' && quoted:
			i++
		case c == '"':
			quoted = !quoted
		case c == '>' && !quoted:
			return i + 1
		}
	}
	return len(arg)
}

func (p *parameters) String() string {
	return strings.Join(append([]string{p.path}, p.params...), " ")
}

func (p *parameters) binary() bool {
	for _, param := range p.params {
		if strings.EqualFold(param, "BODY=BINARYMIME") {
			return true
		}
	}
	return false
}

// extras are parameters of MAIL that go-smtp looks for in RCPT.
type extras struct {
	deliverBy *smtp.DeliverByOptions // RFC 2852, section 4
	priority  *int                   // RFC 6710, section 3
}

// takeExtras removes them from p. It returns a refusal if they are malformed.
func (p *parameters) takeExtras() (extras, *reply) {
	var e extras
	var rest []string
	for _, param := range p.params {
		name, value, _ := strings.Cut(param, "=")
		ok := true
		switch strings.ToUpper(name) {
		case "BY":
			e.deliverBy, ok = parseDeliverBy(value)
		case "MT-PRIORITY":
			e.priority, ok = parsePriority(value)
		default:
			rest = append(rest, param)
		}
		if !ok {
			r := say(501, "5.5.4 malformed "+name)
			return extras{}, &r
		}
	}
	p.params = rest
	return e, nil
}

func parseDeliverBy(value string) (*smtp.DeliverByOptions, bool) {
	digits, mode, _ := strings.Cut(strings.ToUpper(value), ";")
	seconds, err := strconv.ParseInt(digits, 10, 31)
	mode, trace := strings.CutSuffix(mode, "T")
	by := &smtp.DeliverByOptions{
		Time:  time.Duration(seconds) * time.Second,
		Mode:  smtp.DeliverByMode(mode),
		Trace: trace,
	}
	switch {
	case err != nil:
		return nil, false
	case by.Mode == smtp.DeliverByReturn:
		return by, seconds > 0
	}
	return by, by.Mode == smtp.DeliverByNotify
}

func parsePriority(value string) (*int, bool) {
	n, err := strconv.Atoi(value)
	return &n, err == nil && -9 <= n && n <= 9
}
