package submit

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/internal/wire"
)

func said(code int, text string) wire.Reply { return wire.Reply{Code: code, Lines: []string{text}} }

// Replies that have lost their places are told from others by what the server has said
// before; and no server is suspected that says the same to everything, or something else
// each time.
func TestLandmarks(t *testing.T) {
	var (
		reset = wire.Reply{Code: 250, Enhanced: [3]int{2, 0, 0}, Lines: []string{"flushed"}}
		mail  = wire.Reply{Code: 250, Enhanced: [3]int{2, 1, 0}, Lines: []string{"ok"}}
		rcpt  = wire.Reply{Code: 250, Enhanced: [3]int{2, 1, 5}, Lines: []string{"ok"}}
		yes   = said(250, "queued as 1")
		again = said(250, "queued as 2")
		no    = said(550, "no")
		ok    = said(250, "ok")
		none  wire.Reply
	)
	type message []wire.Reply // to RSET, MAIL, RCPT, and the verdict
	good := message{reset, mail, rcpt, yes}
	for name, test := range map[string]struct {
		messages []message
		shifted  bool // by the last one's verdict
	}{
		"in order":                     {[]message{good, good, {reset, mail, rcpt, again}}, false},
		"the first has no RSET":        {[]message{{none, mail, rcpt, yes}, good, good}, false},
		"goes on behind an RSET":       {[]message{good, {mail, rcpt, yes, reset}}, true},
		"at once":                      {[]message{{none, mail, rcpt, yes}, {mail, rcpt, yes, reset}}, false},
		"a verdict too many":           {[]message{good, {again, reset, mail, rcpt}}, true},
		"one reply too few":            {[]message{good, {reset, rcpt, yes, reset}}, true},
		"two too many":                 {[]message{good, {yes, yes, reset, mail}}, true},
		"two recipients":               {[]message{{none, mail, rcpt, rcpt, yes}, {reset, mail, rcpt, rcpt, again}}, false},
		"two, one too many":            {[]message{{none, mail, rcpt, rcpt, yes}, {yes, reset, mail, rcpt, rcpt}}, true},
		"always the same":              {[]message{{ok, ok, ok, ok}, {ok, ok, ok, ok}, {ok, ok, ok, ok}}, false},
		"always the same but one":      {[]message{{ok, ok, rcpt, ok}, {ok, ok, ok, ok}}, false},
		"other words to a sender":      {[]message{good, {reset, ok, rcpt, again}, good}, false},
		"no verdict":                   {[]message{good, {reset, mail, rcpt, reset}}, true},
		"RCPT answered twice":          {[]message{good, {reset, mail, rcpt, rcpt}}, true},
		"one refused":                  {[]message{good, {reset, no, no, no}, good}, false},
		"other words, and refused":     {[]message{good, {reset, ok, rcpt, no}, {reset, mail, rcpt, rcpt}}, true},
		"other words each time":        {[]message{{said(250, "1"), said(250, "2"), said(250, "3"), said(250, "4")}, {said(250, "5"), said(250, "6"), said(250, "7"), said(250, "8")}}, false},
		"words for each recipient":     {[]message{{reset, mail, said(250, "a ok"), yes}, {reset, mail, said(250, "b ok"), again}}, false},
		"what differs in its code":     {[]message{good, {mail, mail, rcpt, wire.Reply{Code: 252, Enhanced: reset.Enhanced, Lines: reset.Lines}}}, false},
		"what differs in its status":   {[]message{good, {mail, mail, rcpt, wire.Reply{Code: 250, Enhanced: [3]int{2, 6, 0}, Lines: reset.Lines}}}, false},
		"what has one line more":       {[]message{good, {mail, mail, rcpt, wire.Reply{Code: 250, Enhanced: reset.Enhanced, Lines: []string{"flushed", ""}}}}, false},
		"nothing but the verdict":      {[]message{{none, yes}}, false},
		"refused, and then it goes on": {[]message{good, {reset, mail, no, no}, {mail, rcpt, yes, reset}}, true},
	} {
		t.Run(name, func(t *testing.T) {
			var l landmarks
			for at, m := range test.messages {
				for i, r := range m {
					if r.Code == 0 {
						continue
					}
					passes := l.passes(i-1, len(m)-2, r)
					shifted := test.shifted && at == len(test.messages)-1 && i == len(m)-1
					require.Equal(t, !shifted, passes, "message %d: %v", at, r)
				}
			}
		})
	}
}
