package hostile

import (
	"fmt"
	"time"

	"github.com/mailport/mailport/submit"
)

// lost is what comes of a connection that ends where a reply is due.
func (p place) lost() want {
	if p.moment == end {
		return doubtful()
	}
	return fails(p.other, p.phase, submit.ErrTemporary)
}

// leftAfter is what comes of a connection that ends, in good order or not, after a
// reply.
func (p place) leftAfter(reset bool) want {
	lost := func(o other, phase submit.Phase) want { return fails(o, phase, submit.ErrTemporary) }
	switch p.moment {
	case greeting:
		return lost(goesOn, submit.PhaseHello)
	case ehloClear:
		return lost(goesOn, submit.PhaseStartTLS)
	case starttls:
		return lost(goesOn, submit.PhaseHandshake)
	case ehlo:
		return lost(stops, submit.PhaseAuth)
	case login:
		return lost(stops, submit.PhaseSender)
	case sender:
		return lost(stops, submit.PhaseRecipient)
	case recipient:
		return lost(stops, submit.PhaseData)
	case data:
		if reset {
			return lost(stops, submit.PhaseBody)
		}
		return doubtful() // FIN says only that nothing will be said
	}
	return taken()
}

// endings are connections that end, or do not, at any moment.
func endings() (all []crime) {
	for _, offered := range [][]string{nil, {"AUTH PLAIN"}} {
		for _, p := range places {
			lockStep := offered != nil
			if lockStep && p.phase < submit.PhaseSender {
				continue
			}
			end := func(name string, m move, w want) {
				name = fmt.Sprintf("ending at %s: %s", p.moment, name)
				if lockStep {
					name += ", in lock-step"
				}
				all = append(all, under(setting{offers: offered}, row{name, p.on, does{p.moment: m}, w})...)
			}
			busy := says("421 4.3.2 going down")
			end("421", busy, p.refused(submit.ErrTemporary))
			end("421, and closes", then(busy, hangsUp), p.refused(submit.ErrTemporary))
			end("421, and gone", then(busy, truncates), p.refused(submit.ErrTemporary))
			end("421, and reset", then(busy, resets), p.refused(submit.ErrTemporary))
			end("421 in lines, and closes", then(says("421-4.3.2 \x1b[2J", "421-", "421"), hangsUp), p.refused(submit.ErrTemporary))
			end("closes", hangsUp, p.lost())
			end("gone", truncates, p.lost())
			end("reset", resets, p.lost())
			end("closes amid a reply", then(octets(p.good[:2]), hangsUp), p.lost())
			end("gone amid a line", then(octets(p.good[:5]), truncates), p.lost())
			end("reset amid lines", then(octets(p.good[:3]+"-more\r\n"), resets), p.lost())
			end("FIN, and listens", shuts, p.lost())
			end("close_notify, and listens", notifies, p.lost())
			end("silence", isSilent, p.silent())
			end("deaf", isDeaf, p.silent())
			drop, lines := p.silent(), p.silent()
			if p.moment == greeting { // the first octet, and then the rest, which is judged by the time of both
				drop, lines = drop.in(6*time.Minute), lines.in(6*time.Minute)
			}
			end("an octet a minute", drips(time.Minute, p.good[:3]+" a word each minute and no end to it in sight"), drop)
			end("a line a minute", times(forever, then(waits(time.Minute), says(p.good[:3]+"-wait"))), lines)
			end("closes after the reply", then(octets(p.good+"\r\n"), hangsUp), p.leftAfter(true))
			end("FIN after the reply, and listens", then(octets(p.good+"\r\n"), shuts), p.leftAfter(false))
			end("reset after the reply", then(octets(p.good+"\r\n"), resets), p.leftAfter(true))
		}
	}
	for name, m := range map[string]move{
		"closes": hangsUp, "reset": resets, "silence": isSilent, "deaf": isDeaf, "no": says("554 no"), "without end": floods(forever, "221-\r\n"),
		"noise": octets("\x1b[2J"), "an octet a minute": drips(time.Minute, "221 bye\r\n"),
	} {
		all = append(all, usual(row{"ending at QUIT: " + name, onBoth, does{quit: m}, taken()})...)
	}
	lost := func(phase submit.Phase) want { return fails(goesOn, phase, submit.ErrTemporary, submit.ErrUnreachable) }
	for name, m := range map[string]move{"closes": hangsUp, "reset": resets, "FIN, and listens": shuts} {
		all = append(all, usual(
			row{"ending at connect: " + name + ", 465", on465, does{connect: m}, lost(submit.PhaseHandshake)},
			row{"ending at connect: " + name + ", 587", on587, does{connect: m}, lost(submit.PhaseGreeting)})...)
	}
	for name, m := range map[string]move{"silence": isSilent, "deaf": isDeaf} {
		all = append(all, usual(
			row{"ending at connect: " + name + ", 465", on465, does{connect: m}, lost(submit.PhaseHandshake).in(30 * time.Second)},
			row{"ending at connect: " + name + ", 587", on587, does{connect: m}, lost(submit.PhaseGreeting).in(5 * time.Minute)})...)
	}
	return all
}
