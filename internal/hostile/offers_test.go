package hostile

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/mailport/mailport/submit"
)

// promises are replies to EHLO that are odd, or say what is not so.
func promises() (all []crime) {
	to := func(n int, partial bool) func(*submit.Message) {
		return func(m *submit.Message) {
			m.Partial, m.To = partial, nil
			for i := range n {
				m.To = append(m.To, fmt.Sprintf("you%d@example.net", i))
			}
		}
	}
	add := func(name string, s setting, d does, w want, keywords ...string) {
		s.offers = append(keywords, "AUTH PLAIN")
		all = append(all, under(s, row{"offered: " + name, onBoth, d, w})...)
	}
	tooLarge := fails(stops, submit.PhaseSender, submit.ErrTooLarge, submit.ErrRejected)
	rcpt := fails(stops, submit.PhaseRecipient, submit.ErrRejected)

	add("messages of one octet", setting{}, nil, tooLarge, "SIZE 1")
	for _, size := range []string{"0", "-1", "x", "", "99999999999999999999999999", "1e9", "\x00", "1\u0661"} {
		add(fmt.Sprintf("messages of %q octets", size), setting{}, nil, taken(), "SIZE "+size)
	}
	for _, limits := range []string{"RCPTMAX=0", "MAILMAX=0", "RCPTMAX=-1", "MAILMAX=99999999999999999999", "RCPTMAX", "=", "RCPTMAX==1", strings.Repeat("X=1 ", 800)} {
		add(fmt.Sprintf("LIMITS %.20q", limits), setting{message: to(3, false)}, nil, taken(), "PIPELINING", "LIMITS "+limits)
	}
	add("one recipient, and there are three", setting{message: to(3, false)}, nil, rcpt, "LIMITS RCPTMAX=1")
	add("one recipient, and there are three to be had one by one", setting{message: to(3, true), messages: 3}, nil, taken(), "PIPELINING", "LIMITS RCPTMAX=1")
	add("one recipient and one message", setting{message: to(3, true)}, nil, taken(), "PIPELINING", "LIMITS RCPTMAX=1 MAILMAX=1")
	add("one recipient at a time, as it turns out", setting{message: to(4, true), messages: 4},
		does{recipient: func(v *villain) {
			if v.rcpts > 0 {
				v.say("452 4.5.3 too many recipients\r\n")
				return
			}
			v.usual(v)
		}}, taken(), "PIPELINING")
	add("no recipient at a time, as it turns out", setting{message: to(4, true)}, does{recipient: says("452 4.5.3 too many recipients")},
		fails(stops, submit.PhaseRecipient, submit.ErrTemporary), "PIPELINING")
	add("a recipient at a time, and gone after the first", setting{message: to(4, true), messages: 2}, does{
		end: only(2, truncates)}, taken(), "PIPELINING", "LIMITS RCPTMAX=1")

	add("nine hundred extensions", setting{}, nil, taken(), strings.Split(strings.TrimSpace(strings.Repeat("X-EVIL \x1b[2J\n", 900)), "\n")...)
	add("one very long extension", setting{}, nil, taken(), "X-EVIL "+strings.Repeat("x", 3900))
	add("what nobody can read", setting{}, nil, taken(), "\x1b[2J", "\x00", "", " ", "-", "=", "\xff\xfe", "250 PIPELINING", "PIPELINING=yes \u202e")
	add("the same again and again", setting{}, nil, taken(), "PIPELINING", "PIPELINING", "pipelining now", "SIZE", "SIZE 0", "AUTH", "AUTH=", "AUTH PLAIN PLAIN plain")
	add("STARTTLS over TLS, AUTH in lower case", setting{}, nil, taken(), "starttls", "auth login")
	return append(all, impatient()...)
}

// impatient are servers that take long, for a client that does not: promise 7.
func impatient() (all []crime) {
	const patience = 7 * time.Second
	s := setting{client: func(ctx context.Context, t submit.Transport) (*submit.Receipt, error) {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		return submit.Over(ctx, t, setting{}.letter())
	}}
	for _, p := range places {
		for name, m := range map[string]move{
			"silence": isSilent, "deaf": isDeaf, "an octet a second": drips(time.Second, p.good[:3]+" one octet after the other"),
			"a line a second": times(forever, then(waits(time.Second), says(p.good[:3]+"-wait"))),
		} {
			w := fails(stops, p.phase, context.DeadlineExceeded)
			if p.moment == end {
				w = doubtful()
				w.means = append(w.means, context.DeadlineExceeded)
			}
			all = append(all, under(s, row{fmt.Sprintf("seven seconds are enough for %s: %s", p.moment, name), p.on, does{p.moment: m}, w.in(patience)})...)
		}
	}
	return all
}
