package hostile

import (
	"fmt"
	"strings"
	"time"

	"github.com/mailport/mailport/submit"
)

// chunking are lies about CHUNKING, RFC 3030. Where the server does not know BDAT
// after all, the message goes as DATA, once.
func chunking() (all []crime) {
	const limit = 5 * time.Minute
	at := func(phase submit.Phase, means ...error) want { return fails(stops, phase, means...) }
	mail, rcpt := at(submit.PhaseSender, submit.ErrRejected), at(submit.PhaseRecipient, submit.ErrRejected)
	verdict := at(submit.PhaseVerdict, submit.ErrRejected)
	add := func(s setting, rows ...row) {
		for i := range rows {
			rows[i].name, rows[i].on = "CHUNKING: "+rows[i].name, onBoth
		}
		all = append(all, under(s, rows...)...)
	}
	pipelined := setting{offers: []string{"PIPELINING", "CHUNKING", "8BITMIME", "AUTH PLAIN"}}
	lockStep := setting{offers: []string{"CHUNKING", "AUTH PLAIN"}}
	again := pipelined
	again.connections = 2 // the first one is out of step
	againInLockStep := lockStep
	againInLockStep.connections = 2

	for _, s := range []setting{pipelined, lockStep} {
		// In one flight an answer too many may be any command's, and the last one heard need not be the verdict.
		in, twice, yesAndNo, noAndYes := "", again, doubtful(), doubtful()
		if len(s.offers) == 2 {
			in, twice, yesAndNo, noAndYes = ", in lock-step", againInLockStep, taken(), verdict
		}
		for _, n := range []int{500, 502, 503, 555} {
			no := fmt.Sprintf("%d 5.5.1 BDAT?", n)
			add(s, row{name: fmt.Sprintf("%d, and the chunk is lost%s", n, in), does: does{lastChunk: takes(no)}, want: taken()})
			add(twice,
				row{name: fmt.Sprintf("%d, and the message read as commands%s", n, in), does: does{lastChunk: says(no)}, want: taken()},
				row{name: fmt.Sprintf("%d, and the message read as commands later%s", n, in), does: does{lastChunk: then(says(no), waits(3*rtt))}, want: taken()})
		}
		odd := s
		odd.garbled = len(s.offers) != 2
		add(odd,
			row{name: "two verdicts" + in, does: does{lastChunk: takes(queued + "\r\n554 5.7.1 or not")}, want: yesAndNo},
			row{name: "two verdicts, no and yes" + in, does: does{lastChunk: takes("554 5.7.1 no\r\n" + queued)}, want: noAndYes},
		)
		add(s,
			row{name: "good" + in, does: nil, want: taken()},
			row{name: "250 before the chunk is read" + in, does: does{lastChunk: then(says(queued), readsChunk)}, want: taken()},
			row{name: "354" + in, does: does{lastChunk: says("354 go on")}, want: doubtful()},
			row{name: "354, and 250" + in, does: does{lastChunk: takes("354 go on\r\n" + queued)}, want: doubtful()},
			row{name: "a part of the chunk, and gone" + in, does: does{lastChunk: then(reads(5), truncates)}, want: doubtful()},
			row{name: "a part of the chunk, and reset" + in, does: does{lastChunk: then(reads(5), resets)}, want: doubtful()},
			row{name: "the chunk, and gone" + in, does: does{lastChunk: then(readsChunk, truncates)}, want: doubtful()},
			row{name: "the chunk, and silence" + in, does: does{lastChunk: then(readsChunk, isSilent)}, want: doubtful().in(10 * time.Minute)},
			row{name: "the chunk, and half a reply" + in, does: does{lastChunk: then(readsChunk, octets("250 2.0"), truncates)}, want: doubtful()},
			row{name: "the chunk, and noise" + in, does: does{lastChunk: then(readsChunk, octets("\x1b[2J\r\n"))}, want: doubtful()},
			row{name: "the chunk, and a line without end" + in, does: does{lastChunk: then(readsChunk, octets("250 "), floods(forever, "x"))}, want: doubtful()},
			row{name: "refused" + in, does: does{lastChunk: takes("554 5.7.1 spam")}, want: verdict},
			row{name: "too large" + in, does: does{lastChunk: takes("552 5.3.4 too large")}, want: at(submit.PhaseVerdict, submit.ErrTooLarge, submit.ErrRejected)},
			row{name: "later" + in, does: does{lastChunk: takes("451 4.7.1 greylisted")}, want: at(submit.PhaseVerdict, submit.ErrTemporary)},
			row{name: "421, and closes" + in, does: does{lastChunk: then(says("421 4.3.2 no"), hangsUp)}, want: at(submit.PhaseVerdict, submit.ErrTemporary)},
			row{name: "the queue's answer in terminal escapes" + in, does: does{lastChunk: takes("554 " + escapes)}, want: verdict},
		)
	}
	add(pipelined,
		row{name: "RCPT refused, and the message taken for nobody", does: does{recipient: says("550 5.1.1 no"), lastChunk: takes(queued)}, want: rcpt},
		row{name: "RCPT refused, and 354", does: does{recipient: says("550 5.1.1 no"), lastChunk: takes("354 go on")}, want: rcpt},
		row{name: "RCPT refused, and gone", does: does{recipient: then(says("550 5.1.1 no"), truncates)}, want: rcpt},
		row{name: "MAIL refused, and the rest taken", does: does{sender: says("550 5.7.1 no"), recipient: says("250 ok"), lastChunk: takes("503 no")}, want: mail},
		row{name: "MAIL refused, and gone", does: does{sender: then(says("550 5.7.1 no"), resets)}, want: mail},
		row{name: "MAIL taken, and gone", does: does{sender: then(says("250 ok"), truncates)}, want: doubtful()},
		row{name: "MAIL 421", does: does{sender: then(says("421 4.3.2 no"), hangsUp)}, want: at(submit.PhaseSender, submit.ErrTemporary)},
		row{name: "none of it answered", does: does{sender: isSilent}, want: doubtful().in(limit)},
		row{name: "RCPT not answered", does: does{recipient: isSilent}, want: doubtful().in(limit)},
		row{name: "all swallowed behind MAIL", does: does{sender: then(says("250 ok"), swallows)}, want: doubtful().in(limit)},
		row{name: "two answers to MAIL, and a no", does: does{sender: says("250 ok", "250 ok"), lastChunk: takes("554 5.7.1 no")}, want: doubtful()},
		row{name: "354 to MAIL", does: does{sender: says("354 go on")}, want: doubtful()},
	)
	add(lockStep, row{name: "two answers to MAIL, one after the other, and a no, in lock-step",
		does: does{sender: then(says("250 ok"), says("250 ok")), lastChunk: takes("554 5.7.1 no")}, want: at(submit.PhaseRecipient, submit.ErrProtocol).withoutEnd()})
	// What has begun at a port ends there: promise 5.
	add(again, row{name: "the message read as commands, and busy the second time", does: does{lastChunk: says("500 5.5.1 BDAT?"), greeting: func(v *villain) {
		if v.number > 1 {
			then(says("421 4.3.2 busy"), hangsUp)(v)
			return
		}
		v.usual(v)
	}}, want: at(submit.PhaseGreeting, submit.ErrTemporary)})
	all = append(all, inPieces(pipelined, again)...)
	return all
}

// inPieces are messages whose end comes by itself: to several, who are all to have
// it, and large ones.
func inPieces(s, again setting) (all []crime) {
	const limit = 5 * time.Minute
	at := func(phase submit.Phase, means ...error) want { return fails(stops, phase, means...) }
	toSome := func(m *submit.Message) { m.To = []string{"a@example.net", "b@example.net"} }
	large := func(m *submit.Message) {
		m.Body = strings.NewReader(body + strings.Repeat("This is a line of "+marker+".\r\n", 8<<10))
	}
	for name, change := range map[string]func(*submit.Message){"to several": toSome, "large": large} {
		s.message, again.message = change, change
		add := func(s setting, rows ...row) {
			for i := range rows {
				rows[i].name, rows[i].on = "CHUNKING, "+name+": "+rows[i].name, onBoth
			}
			all = append(all, under(s, rows...)...)
		}
		for _, n := range []int{500, 502, 503, 555} {
			no := fmt.Sprintf("%d 5.5.1 BDAT?", n)
			add(s, row{name: fmt.Sprintf("%d, and the chunk is lost", n), does: does{chunk: takes(no)}, want: taken()})
			add(again, row{name: fmt.Sprintf("%d, and the message read as commands", n), does: does{chunk: says(no)}, want: taken()})
		}
		refused := at(submit.PhaseBody, submit.ErrRejected).withoutEnd()
		tooMany := map[string]submit.Phase{"to several": submit.PhaseBody, "large": submit.PhaseRecipient}[name]
		add(s,
			row{name: "two answers to MAIL, and a no", does: does{sender: says("250 ok", "250 ok"), lastChunk: takes("554 5.7.1 no")}, want: at(tooMany, submit.ErrProtocol).withoutEnd()},
			row{name: "good", does: nil, want: taken()},
			row{name: "250 before the chunk is read", does: does{chunk: then(says("250 2.0.0 more"), readsChunk)}, want: taken()},
			row{name: "354", does: does{chunk: takes("354 go on")}, want: at(submit.PhaseBody, submit.ErrProtocol).withoutEnd()},
			row{name: "a chunk refused", does: does{chunk: takes("554 5.7.1 no")}, want: refused},
			row{name: "a chunk refused for now", does: does{chunk: takes("451 4.3.0 later")}, want: at(submit.PhaseBody, submit.ErrTemporary).withoutEnd()},
			row{name: "a chunk, and 421", does: does{chunk: then(says("421 4.3.2 no"), hangsUp)}, want: at(submit.PhaseBody, submit.ErrTemporary).withoutEnd()},
			row{name: "a chunk, and gone", does: does{chunk: then(readsChunk, truncates)}, want: at(submit.PhaseBody, submit.ErrTemporary).withoutEnd()},
			row{name: "a part of a chunk, and reset", does: does{chunk: then(reads(5), resets)}, want: at(submit.PhaseBody, submit.ErrTemporary).withoutEnd()},
			row{name: "a chunk, and silence", does: does{chunk: then(readsChunk, isSilent)}, want: at(submit.PhaseBody, submit.ErrTemporary).in(limit)},
			row{name: "a chunk, and noise", does: does{chunk: then(readsChunk, octets("\x1b[2J\r\n"))}, want: at(submit.PhaseBody, submit.ErrProtocol).withoutEnd()},
			row{name: "the end refused", does: does{lastChunk: takes("554 5.7.1 spam")}, want: at(submit.PhaseVerdict, submit.ErrRejected)},
			row{name: "the end not known", does: does{lastChunk: takes("500 5.5.1 LAST?")}, want: at(submit.PhaseVerdict, submit.ErrRejected)},
			row{name: "the end, and gone", does: does{lastChunk: then(readsChunk, truncates)}, want: doubtful()},
			row{name: "the end, and 354", does: does{lastChunk: takes("354 go on")}, want: doubtful()},
			row{name: "the end, and silence", does: does{lastChunk: isSilent}, want: doubtful().in(10 * time.Minute)},
		)
	}
	s.message = toSome
	all = append(all, under(s,
		row{"CHUNKING, to several: one refused, and the chunk taken", onBoth, does{recipient: only(2, says("550 5.1.1 no"))},
			at(submit.PhaseRecipient, submit.ErrRejected).withoutEnd()},
		row{"CHUNKING, to several: the chunk answered twice", onBoth, does{chunk: takes("250 more\r\n250 more")}, at(submit.PhaseBody, submit.ErrProtocol).withoutEnd()},
		row{"CHUNKING, to several: the verdict with the chunk", onBoth, does{chunk: takes("250 more\r\n" + queued)}, at(submit.PhaseBody, submit.ErrProtocol).withoutEnd()},
		row{"CHUNKING, to several: gone after the chunk", onBoth, does{chunk: then(takes("250 more"), truncates)}, doubtful()},
	)...)
	s.message = large
	all = append(all, under(s,
		row{"CHUNKING, large: the second chunk refused", onBoth, does{chunk: only(2, takes("552 5.3.4 too large"))},
			at(submit.PhaseBody, submit.ErrTooLarge, submit.ErrRejected).withoutEnd()},
		row{"CHUNKING, large: BDAT is not known any more", onBoth, does{chunk: only(2, takes("502 5.5.1 BDAT?"))}, at(submit.PhaseBody, submit.ErrRejected).withoutEnd()},
		row{"CHUNKING, large: deaf after the first chunk", onBoth, does{chunk: only(2, isDeaf)}, at(submit.PhaseBody, submit.ErrTemporary).withoutEnd().in(3 * time.Minute)},
		row{"CHUNKING, large: gone amid the second chunk", onBoth, does{chunk: only(2, then(reads(1000), truncates))}, at(submit.PhaseBody, submit.ErrTemporary).withoutEnd()},
	)...)
	return all
}

// readsChunk reads the chunk that comes.
func readsChunk(v *villain) { v.read(v.size()) }

// reads reads so many octets of it.
func reads(n int) move { return func(v *villain) { v.read(n) } }
