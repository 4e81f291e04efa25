package hostile

import (
	"fmt"
	"strings"
	"time"

	"github.com/mailport/mailport/submit"
)

// transactions are lies about a message, RFC 5321, section 3.3, and RFC 2920.
func transactions() (all []crime) {
	add := func(s setting, rows ...row) {
		for i := range rows {
			rows[i].name, rows[i].on = "message: "+rows[i].name, onBoth
		}
		all = append(all, under(s, rows...)...)
	}
	at := func(phase submit.Phase, means ...error) want { return fails(stops, phase, means...) }
	const limit = 5 * time.Minute
	var (
		mail, rcpt, atData = at(submit.PhaseSender, submit.ErrRejected), at(submit.PhaseRecipient, submit.ErrRejected), at(submit.PhaseData, submit.ErrRejected)
		outOfStep          = at(submit.PhaseData, submit.ErrProtocol)
	)

	// MAIL, RCPT and DATA are one flight.
	add(setting{},
		row{name: "answers in another order: RCPT's no first", does: does{sender: says("550 5.1.1 no such user"), recipient: says("250 ok")}, want: mail},
		row{name: "answers in another order: DATA's yes first", does: does{sender: says("354 go"), recipient: says("250 ok"), data: says("250 ok")},
			want: at(submit.PhaseSender, submit.ErrProtocol)},
		row{name: "answers in another order: DATA's yes second", does: does{recipient: says("354 go"), data: says("250 ok")}, want: at(submit.PhaseRecipient, submit.ErrProtocol)},
		row{name: "fewer answers: none to DATA", does: does{data: isSilent}, want: at(submit.PhaseData, submit.ErrTemporary).in(limit)},
		row{name: "fewer answers: none to RCPT", does: does{recipient: isSilent}, want: at(submit.PhaseRecipient, submit.ErrTemporary).in(limit)},
		row{name: "fewer answers: one for all", does: does{sender: says("250 ok"), recipient: unanswered, data: unanswered}, want: at(submit.PhaseRecipient, submit.ErrTemporary).in(limit)},
		row{name: "fewer answers: two for three", does: does{recipient: unanswered}, want: at(submit.PhaseRecipient, submit.ErrProtocol)},
		row{name: "more answers: two to MAIL", does: does{sender: says("250 ok", "250 ok")}, want: outOfStep},
		row{name: "more answers: two to RCPT", does: does{recipient: says("250 ok", "250 ok")}, want: outOfStep},
		row{name: "more answers: two to DATA", does: does{data: says("354 go", "354 go")}, want: at(submit.PhaseBody, submit.ErrProtocol)},
		row{name: "more answers: ten thousand to MAIL", does: does{sender: octets(strings.Repeat("250 ok\r\n", 10000))}, want: outOfStep},
		row{name: "more answers: without end", does: does{sender: floods(forever, "250 ok\r\n")}, want: outOfStep},
		row{name: "more answers: a verdict before the message", does: does{data: says("354 go", queued)}, want: at(submit.PhaseBody, submit.ErrProtocol)},
		row{name: "more answers: two verdicts, yes and no", does: does{end: says(queued, "554 5.7.1 or not")}, want: taken()},
		row{name: "more answers: two verdicts, no and yes", does: does{end: says("554 5.7.1 no", queued)}, want: at(submit.PhaseVerdict, submit.ErrRejected)},
		row{name: "more answers: verdicts without end", does: does{end: then(says(queued), floods(forever, "250 2.0.0 queued again\r\n"))}, want: taken()},
		row{name: "what follows MAIL is swallowed", does: does{sender: then(says("250 ok"), swallows)}, want: at(submit.PhaseRecipient, submit.ErrTemporary).in(limit)},
		row{name: "what follows a refused MAIL is swallowed", does: does{sender: then(says("550 5.7.1 no"), swallows)}, want: mail.in(limit)},
		row{name: "what follows a refused RCPT is swallowed", does: does{recipient: then(says("550 5.7.1 no"), swallows)}, want: rcpt.in(limit)},
		row{name: "MAIL refused, and the rest accepted", does: does{sender: says("550 5.7.1 no"), recipient: says("250 ok"), data: says("354 go")}, want: mail},
		row{name: "RCPT refused, and 354", does: does{recipient: says("550 5.1.1 no"), data: says("354 go")}, want: rcpt},
		row{name: "RCPT refused for now, and 354", does: does{recipient: says("450 4.2.1 later"), data: says("354 go")}, want: at(submit.PhaseRecipient, submit.ErrTemporary)},
		row{name: "MAIL refused, and gone", does: does{sender: then(says("550 5.7.1 no"), truncates)}, want: mail},
		row{name: "MAIL refused, and reset", does: does{sender: then(says("550 5.7.1 no"), resets)}, want: mail},
		row{name: "MAIL accepted, and gone", does: does{sender: then(says("250 ok"), truncates)}, want: at(submit.PhaseRecipient, submit.ErrTemporary)},
		row{name: "MAIL accepted, and reset", does: does{sender: then(says("250 ok"), resets)}, want: at(submit.PhaseRecipient, submit.ErrTemporary)},
		row{name: "DATA refused", does: does{data: says("554 5.5.1 no valid recipients")}, want: atData},
		row{name: "250 to DATA", does: does{data: says(queued)}, want: outOfStep},
		row{name: "250 to DATA, and waits for the message", does: does{data: then(says("250 go"), swallows)}, want: outOfStep},
		row{name: "503 to all, and 354", does: does{sender: says("503 no"), recipient: says("503 no"), data: says("354 go")}, want: mail},
		row{name: "354 to all", does: does{sender: says("354 go"), recipient: says("354 go"), data: says("354 go")}, want: at(submit.PhaseSender, submit.ErrProtocol)},
		row{name: "235 to all", does: does{sender: says("235 yes"), recipient: says("235 yes"), data: says("235 yes"), end: says("235 yes")}, want: outOfStep},
		row{name: "334 to MAIL: the password again, please", does: does{sender: says("334 UGFzc3dvcmQ6")}, want: at(submit.PhaseSender, submit.ErrProtocol)},
		row{name: "530 to MAIL: the password again, please", does: does{sender: says("530 5.7.0 authentication required")}, want: mail},
		row{name: "535 to RCPT: the password again, please", does: does{recipient: says("535 5.7.8 authenticate"), data: says("503 no")}, want: rcpt},
		row{name: "the recipient is somewhere else", does: does{recipient: says("551 5.1.6 try <evil@example.net> at smtp.evil.example:25"), data: says("503 no")}, want: rcpt},
		row{name: "the recipient will be forwarded", does: does{recipient: says("251 2.1.5 will forward to <evil@example.net>")}, want: taken()},
		row{name: "a verdict of another class", does: does{end: says("354 more")}, want: doubtful()},
		row{name: "a verdict while the end is on its way", does: does{text: then(waits(1), says(queued))}, want: taken()}, // who could tell
	)

	// What was shown to authenticate is not to be told by anybody later: promise 9.
	for _, p := range places[5:] {
		add(setting{}, row{name: "the password quoted to " + string(p.moment), does: does{p.moment: says("554 5.7.1 " + password + " " + encoded(password))},
			want: p.refused(submit.ErrRejected)})
	}

	// In lock-step nothing is sent before what is said to the one before.
	lockStep := setting{offers: []string{"AUTH PLAIN"}}
	add(lockStep,
		row{name: "in lock-step", does: does{sender: strictly, recipient: strictly, data: strictly}, want: taken()},
		row{name: "in lock-step: two answers to MAIL", does: does{sender: says("250 ok", "250 ok")}, want: at(submit.PhaseRecipient, submit.ErrProtocol)},
		row{name: "in lock-step: two answers to RCPT", does: does{recipient: says("250 ok", "354 go")}, want: at(submit.PhaseData, submit.ErrProtocol)},
		row{name: "in lock-step: two answers to DATA", does: does{data: says("354 go", queued)}, want: at(submit.PhaseBody, submit.ErrProtocol)},
		row{name: "in lock-step: MAIL refused", does: does{sender: says("550 no"), recipient: tooMuch, data: tooMuch}, want: mail},
		row{name: "in lock-step: RCPT refused", does: does{recipient: says("550 no"), data: tooMuch}, want: rcpt},
		row{name: "in lock-step: the rest of a session with the 250 of MAIL", does: does{sender: says("250 ok", "250 ok", "354 go", queued)},
			want: at(submit.PhaseRecipient, submit.ErrProtocol)},
	)

	several := func(n int, partial bool) setting {
		return setting{message: func(m *submit.Message) {
			m.Partial, m.To = partial, nil
			for i := range n {
				m.To = append(m.To, fmt.Sprintf("you%d@example.net", i))
			}
		}}
	}
	add(several(3, false),
		row{name: "to three: one refused, and 354", does: does{recipient: only(2, says("550 no")), data: tooMuch}, want: rcpt},
		row{name: "to three: an answer too many", does: does{recipient: only(2, says("250 ok", "250 ok"))}, want: at(submit.PhaseData, submit.ErrProtocol)},
		row{name: "to three: an answer too few", does: does{recipient: only(2, unanswered)}, want: at(submit.PhaseRecipient, submit.ErrTemporary).in(limit)},
		row{name: "to three: the second answered first", does: does{recipient: only(1, says("550 no"))}, want: rcpt},
		row{name: "to three: gone after the first", does: does{recipient: only(2, truncates)}, want: at(submit.PhaseRecipient, submit.ErrTemporary)},
		row{name: "to three: 421 to the second", does: does{recipient: only(2, then(says("421 4.3.2 no"), hangsUp))}, want: at(submit.PhaseRecipient, submit.ErrTemporary)},
	)
	add(several(3, true),
		row{name: "to some: all refused, and 354", does: does{recipient: says("550 no"), data: says("354 go")}, want: rcpt},
		row{name: "to some: one refused", does: does{recipient: only(2, says("550 no"))}, want: taken()},
		row{name: "to some: one refused, and the others by DATA", does: does{recipient: only(2, says("550 no")), data: says("554 no")}, want: atData},
		row{name: "to some: an answer too few", does: does{recipient: only(2, unanswered)}, want: at(submit.PhaseRecipient, submit.ErrProtocol)},
		row{name: "to some: 354 to a recipient", does: does{recipient: only(2, says("354 go"))}, want: at(submit.PhaseRecipient, submit.ErrProtocol)},
		row{name: "to some: an answer too many, yes", does: does{recipient: only(2, says("550 no", "250 ok"))}, want: outOfStep},
	)

	// Much of everything, to many.
	crowd := 1000
	if raced {
		crowd = 100
	}
	const long = 9 * time.Millisecond // for each: the network does not hold more at a time
	yes := strings.Repeat("250-2.1.5 "+strings.Repeat("x", 980)+"\r\n", 60) + "250 2.1.5 ok\r\n"
	no := strings.ReplaceAll(yes, "250", "550")
	loud := func(reply string) does { return does{recipient: func(v *villain) { v.flood(reply) }} }
	for partial, in := range map[bool]string{false: "all", true: "some"} {
		s := several(crowd, partial)
		s.kind = oneOfMany
		accepted := loud(yes)
		accepted[recipient] = then(func(v *villain) { v.rcpts++ }, accepted[recipient])
		add(s, row{name: "to " + in + " of many: 60 KiB of yes to each", does: accepted, want: taken().in(long * time.Duration(crowd))},
			row{name: "to " + in + " of many: 60 KiB of no to each", does: loud(no), want: rcpt.in(long * time.Duration(crowd))})
	}
	return append(all, bodies()...)
}

// bodies are what happens amid a large message.
func bodies() (all []crime) {
	large := setting{garbled: true, message: func(m *submit.Message) {
		m.Body = strings.NewReader(body + strings.Repeat("This is a line of "+marker+".\r\n", 8<<10))
	}}
	at := func(means ...error) want { return fails(stops, submit.PhaseBody, means...) }
	add := func(name string, m move, w want) {
		all = append(all, under(large, row{"large message: " + name, onBoth, does{text: m}, w})...)
	}
	some := func(m move) move { return then(hears(1000), m) }
	add("552 in the middle, and closes", some(then(says("552 5.3.4 too much"), hangsUp)), at(submit.ErrRejected))
	add("552 in the middle, and is deaf", some(then(says("552 5.3.4 too much"), isDeaf)), at(submit.ErrRejected).in(3*time.Minute-10*time.Millisecond))
	add("421 in the middle, and closes", some(then(says("421 4.3.2 no"), hangsUp)), at(submit.ErrTemporary))
	add("250 in the middle, and is deaf", some(then(says(queued), isDeaf)), at(submit.ErrTemporary).in(3*time.Minute-10*time.Millisecond))
	add("354 in the middle", some(says("354 go on")), at(submit.ErrProtocol))
	add("half a reply in the middle", some(octets("2")), at(submit.ErrProtocol))
	add("noise in the middle", some(octets("\x1b[2J\r\n")), at(submit.ErrProtocol))
	add("replies without end in the middle", some(floods(forever, "250 ok\r\n")), at(submit.ErrTemporary).in(3*time.Minute-10*time.Millisecond))
	add("closes in the middle", some(hangsUp), at(submit.ErrTemporary))
	add("gone in the middle", some(truncates), at(submit.ErrTemporary))
	add("reset in the middle", some(resets), at(submit.ErrTemporary))
	add("deaf", isDeaf, at(submit.ErrTemporary).in(3*time.Minute))
	add("an octet read each minute", sips(time.Minute), at(submit.ErrTemporary).in(3*time.Minute))
	add("FIN, and listens", some(then(func(v *villain) { v.raw.CloseWrite() })), at(submit.ErrTemporary))
	add("250 in the middle", some(says(queued)), at(submit.ErrProtocol))
	add("552 in the middle, and listens", some(says("552 5.3.4 too much")), at(submit.ErrRejected))
	add("nothing said to the end", some(func(v *villain) { v.does = does{end: isSilent} }), doubtful().in(10*time.Minute))
	return all
}

// nothing says nothing, and goes on.
func nothing(*villain) {}

// swallows loses what has come so far, and goes on.
func swallows(v *villain) { _, _ = v.in.Discard(v.in.Buffered()) }

// tooMuch is for what the client should not have said.
func tooMuch(v *villain) {
	v.evidence.tooMuch = append(v.evidence.tooMuch, v.now)
	v.usual(v)
}

// sips reads an octet at a time, without regard to TLS.
func sips(every time.Duration) move {
	return func(v *villain) {
		for one := make([]byte, 1); !v.over; time.Sleep(every) {
			if _, err := v.raw.Read(one); err != nil {
				v.over = true
			}
		}
	}
}
