package submit_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/auth"
	"github.com/mailport/mailport/negotiate"
	"github.com/mailport/mailport/submit"
)

// A parrot is a server that takes any credentials, and later quotes what it heard.
type parrot struct {
	*actor
	mechanism string
	offers    []string
	answers   map[string][]string // to the first, second ... MAIL, RCPT, DATA, BDAT, RSET, and END of a message; "" is the usual one
	count     map[string]int
	shown     []string // what was said in the exchange
}

func (p *parrot) play(a *actor) {
	p.actor = a
	p.say("220 " + host)
	p.hear()
	p.say(strings.Split(ehloReply(append(slices.Clone(p.offers), "AUTH "+p.mechanism)...), "\n")...)
	if !p.login() {
		return
	}
	for {
		line := p.hear()
		verb, rest, _ := strings.Cut(line, " ")
		switch verb {
		case "", "QUIT":
			return
		case "BDAT":
			size, last, _ := strings.Cut(rest, " ")
			n, _ := strconv.Atoi(size)
			io.CopyN(io.Discard, p.in, int64(n))
			if last != "" {
				verb = "END"
			}
		}
		reply := p.reply(verb)
		p.say(reply...)
		switch {
		case strings.HasPrefix(reply[len(reply)-1], "421"):
			return
		case verb == "DATA" && strings.HasPrefix(reply[0], "354"):
			if !p.hearBody() {
				return
			}
			p.say(p.reply("END")...)
		}
	}
}

func (p *parrot) login() bool {
	first := strings.Fields(p.hear())
	if len(first) < 2 { // QUIT
		return false
	}
	p.shown = append(p.shown, first[2:]...)
	prompts := map[string][]string{"LOGIN": {"334 ", "334 "}, "CRAM-MD5": {"334 " + base64Of("<4711@example.com>")}}[p.mechanism]
	for _, prompt := range prompts {
		p.say(prompt)
		p.shown = append(p.shown, p.hear())
	}
	p.say("235 2.7.0 welcome")
	return true
}

// quotes are the password in all forms in which a server may have it, or what it got
// in place of one.
func (p *parrot) quotes() []string {
	last := p.shown[len(p.shown)-1]
	octets, _ := base64.StdEncoding.DecodeString(last)
	quotes := append(slices.Clone(p.shown), "AUTH "+p.mechanism+" "+last+" is what you said", last[1:]+"?", "?"+last[:len(last)-2],
		string(octets), strings.NewReplacer("\x00", " ", "\x01", " ").Replace(string(octets)), string(octets[len(octets)/2:]))
	if p.mechanism == "CRAM-MD5" {
		return quotes // and nobody has shown it a password
	}
	for _, text := range []string{password, "x" + password, "xy" + password + "z", "\x00other@example.com\x00" + password} {
		quotes = append(quotes, text, base64Of(text))
	}
	return append(quotes, "<"+password[4:]+password[:12]+">")
}

// reply is the next answer to verb: several replies, one a line, of which three digits
// alone are a reply that quotes everything, and "noise" is the same without a code.
func (p *parrot) reply(verb string) (lines []string) {
	n := p.count[verb]
	p.count[verb]++
	usual := map[string]string{"DATA": "354 go ahead", "END": "250 2.0.0 queued as 4711"}[verb]
	if usual == "" {
		usual = "250 2.0.0 ok"
	}
	answer := usual
	if answers := p.answers[verb]; n < len(answers) && answers[n] != "" {
		answer = answers[n]
	}
	for reply := range strings.SplitSeq(answer, "\n") {
		switch {
		case reply == "noise":
			lines = append(lines, p.quotes()...)
		case len(reply) == 3:
			for _, quote := range p.quotes() {
				lines = append(lines, reply+"-"+quote)
			}
			lines = append(lines, reply+" that is it")
		default:
			lines = append(lines, reply)
		}
	}
	return lines
}

// to are messages for several.
func to(n int, partial bool) func() submit.Message {
	return func() submit.Message {
		m := letter()
		m.Partial, m.To = partial, nil
		for i := range n {
			m.To = append(m.To, fmt.Sprintf("you%d@example.net", i))
		}
		return m
	}
}

func threeChunks() submit.Message {
	return letterOf("Subject: hello\r\n\r\n" + strings.Repeat(strings.Repeat("x", 70)+"\r\n", 5000))
}

// Promise 9: a password that a server quotes after authentication, whenever and in
// whatever form, is in no error, event, log, report or receipt; nor is what anyone could
// try passwords against.
func TestQuotedLater(t *testing.T) {
	var (
		atOnce   = []string{"PIPELINING"}
		lockStep = []string{"8BITMIME"}
		chunks   = []string{"PIPELINING", "CHUNKING"}
	)
	type answers = map[string][]string
	for i, place := range []struct {
		name    string
		offers  []string
		message func() submit.Message
		answers answers
		want    string // phases of the errors, "" for a receipt; of as many messages
	}{
		{"MAIL", atOnce, nil, answers{"MAIL": {"554"}}, "sender"},
		{"MAIL in lock-step", lockStep, nil, answers{"MAIL": {"554"}}, "sender"},
		{"MAIL, noise", atOnce, nil, answers{"MAIL": {"noise"}}, "sender"},
		{"MAIL, a reply to something else", atOnce, nil, answers{"MAIL": {"334"}}, "sender"},
		{"RCPT", atOnce, nil, answers{"RCPT": {"550"}}, "recipient"},
		{"RCPT in lock-step", lockStep, to(2, false), answers{"RCPT": {"", "450"}}, "recipient"},
		{"RCPT, one of some", atOnce, to(3, true), answers{"RCPT": {"", "550"}}, " "},
		{"RCPT, all of some", chunks, to(3, true), answers{"RCPT": {"550", "550", "550"}, "END": {"554"}}, "recipient"},
		{"DATA", atOnce, nil, answers{"DATA": {"554"}}, "data"},
		{"DATA in lock-step", lockStep, nil, answers{"DATA": {"451"}}, "data"},
		{"the message", atOnce, nil, answers{"DATA": {"354 go\n554"}}, "body"},
		{"the message, noise", atOnce, nil, answers{"DATA": {"354 go\nnoise"}}, "body"},
		{"BDAT", chunks, to(2, false), answers{"BDAT": {"554"}}, "body"},
		{"BDAT, one of several", chunks, threeChunks, answers{"BDAT": {"", "552"}}, "body"},
		{"BDAT, not known, and out of step", chunks, nil, answers{"END": {"500"}, "RSET": {"554"}}, "verdict"},
		{"verdict", atOnce, nil, answers{"END": {"554"}}, "verdict"},
		{"verdict, noise", atOnce, nil, answers{"END": {"noise"}}, "verdict"},
		{"verdict, a reply to something else", lockStep, nil, answers{"END": {"354"}}, "verdict"},
		{"verdict to BDAT", chunks, nil, answers{"END": {"554"}}, "verdict"},
		{"verdict to BDAT, a reply to something else", chunks, nil, answers{"END": {"334"}}, "verdict"},
		{"receipt", atOnce, nil, answers{"END": {"250", "250"}}, " , "},
		{"receipt in lock-step", lockStep, nil, answers{"END": {"250"}}, " "},
		{"receipt to BDAT", chunks, nil, answers{"END": {"250"}}, " "},
		{"receipt to a large message", chunks, threeChunks, answers{"END": {"250"}}, " "},
		{"421 to MAIL", atOnce, nil, answers{"MAIL": {"421"}}, "sender"},
		{"421 to RCPT", lockStep, nil, answers{"RCPT": {"421"}}, "recipient"},
		{"421 to DATA", atOnce, nil, answers{"DATA": {"421"}}, "data"},
		{"421 to BDAT", chunks, to(2, false), answers{"BDAT": {"421"}}, "body"},
		{"421 as a verdict", atOnce, nil, answers{"END": {"421"}}, "verdict"},
		{"421 as a verdict to BDAT", chunks, nil, answers{"END": {"421"}}, "verdict"},
		{"421 to RSET", atOnce, nil, answers{"MAIL": {"550 5.7.1 no"}, "DATA": {"503 5.5.1 no"}, "RSET": {"421"}}, "sender,sender"},
		{"421 to RSET in lock-step", lockStep, nil, answers{"MAIL": {"550 5.7.1 no"}, "RSET": {"421"}}, "sender,sender"},
		{"RSET, noise", lockStep, nil, answers{"MAIL": {"550 5.7.1 no"}, "RSET": {"noise"}}, "sender,sender,sender"},
		{"RSET, and out of step", chunks, nil, answers{"END": {"554 5.7.1 no"}, "RSET": {"554"}}, "verdict,verdict"},
		{"unasked", atOnce, nil, answers{"END": {"250 2.0.0 ok\n554"}}, " ,sender,sender"},
		{"unasked, and gone", atOnce, nil, answers{"END": {"250 2.0.0 ok\n421"}}, " ,sender,sender"},
		{"unasked, noise", lockStep, nil, answers{"END": {"250 2.0.0 ok\nnoise"}}, " ,sender,sender"},
		{"unasked with chunks", chunks, nil, answers{"END": {"250 2.0.0 ok\n421"}}, " ,sender,sender"},
	} {
		for j, mechanism := range []string{"PLAIN", "LOGIN", "OAUTHBEARER", "XOAUTH2", "CRAM-MD5"} {
			if raced && i%5 != j {
				continue
			}
			t.Run(place.name+"/"+mechanism, func(t *testing.T) {
				t.Parallel()
				p := &parrot{mechanism: mechanism, offers: place.offers, answers: place.answers, count: map[string]int{}}
				withActor(t, p.play, func(t *testing.T, w *world) {
					w.config.Credentials = credentialsFor(mechanism, password)
					var (
						d     diary
						shown strings.Builder
					)
					d.keep(&w.config)
					s := w.dial(submit.Submissions)
					for phase := range strings.SplitSeq(place.want, ",") {
						m := letter()
						if place.message != nil {
							m = place.message()
						}
						receipt, err := s.Submit(t.Context(), m)
						if phase == " " {
							require.NoError(t, err)
							mustNotShow(t, "receipt", receipt)
							mustNotShow(t, "receipt", *receipt)
						} else {
							require.Equal(t, phase, asError(t, err).Phase.String(), "%v", err)
						}
						mustNotShow(t, "error", err)
						if receipt != nil {
							fmt.Fprintf(&shown, "%+v %q %v\n", *receipt, receipt.Reply.Lines, receipt.Refused)
						}
						fmt.Fprintf(&shown, "%+v %v\n", err, prints(err))
					}
					mustNotShow(t, "session", s)
					s.Close()
					d.check(t)
					shown.WriteString(d.logs.String())
					require.Equal(t, place.name != "RSET, and out of step", strings.Contains(shown.String(), "***"), "it was quoted")
					for _, form := range submit.Forms(password) {
						for i := range len(form) - 7 {
							require.False(t, strings.Contains(shown.String(), form[i:i+8]), "eight octets, %s", form[i:i+8])
						}
					}
					last := p.shown[len(p.shown)-1]
					octets, _ := base64.StdEncoding.DecodeString(last)
					for _, secret := range []string{last, lastWord(string(octets))} {
						require.False(t, strings.Contains(shown.String(), secret), secret)
					}
				})
			})
		}
	}
}

// Promise 9, for what SCRAM shows of itself: with the proof and the nonces anyone could
// try passwords at leisure.
func TestQuotedProofLater(t *testing.T) {
	t.Parallel()
	withClerk(t, proving(func(signature string) []string { return []string{"334 " + signature, "235 2.7.0 ok"} }), func(t *testing.T, c *clerk) {
		answer := c.answer
		c.answer = func(d *desk, line string) string {
			if !strings.HasPrefix(line, "MAIL") {
				return answer(d, line)
			}
			reply := "554-no"
			for _, said := range d.heard()[1:] {
				octets, _ := base64.StdEncoding.DecodeString(lastWord(said))
				reply += "\n554-" + said + "\n554-" + string(octets)
			}
			return reply + "\n554 at all"
		}
		config := c.config()
		config.Credentials = credentialsFor("SCRAM-SHA-1", password)
		_, err := c.session(config).Submit(t.Context(), letter())
		require.NotNil(t, asError(t, err).Reply, "%v", err)
		reply := asError(t, err).Reply.Text()
		nonce := regexp.MustCompile(`r=([^,]+)`)
		for i, said := range c.heard()[1:3] {
			octets, _ := base64.StdEncoding.DecodeString(lastWord(said))
			require.NotContains(t, reply, lastWord(said))
			require.NotContains(t, reply, nonce.FindStringSubmatch(string(octets))[1], i)
		}
		require.NotContains(t, reply, ",p=")
		require.Contains(t, reply, user, "that is no secret")
	})
}

// Promise 9, with many messages on their way at once: what is said of each is read by
// another goroutine than the one that writes.
func TestQuotedInAWindow(t *testing.T) {
	const n = 60
	chunks := []string{"PIPELINING", "CHUNKING"}
	answers := func(verdicts ...string) []string { // in turns
		all := make([]string, n)
		for i := range all {
			all[i] = verdicts[i%len(verdicts)]
		}
		return all
	}
	late := func(reply string) []string { return append(make([]string, n/2), reply) }
	for name, test := range map[string]struct {
		offers  []string
		answers map[string][]string
		quoted  bool
	}{
		"verdicts":    {chunks, map[string][]string{"END": answers("250", "554", "452")}, true},
		"senders":     {chunks, map[string][]string{"MAIL": answers("", "", "550"), "END": answers("250", "250", "554")}, true},
		"421":         {chunks, map[string][]string{"END": late("421")}, true},
		"421 to RSET": {chunks, map[string][]string{"RSET": late("421")}, false}, // and another session carries the rest
		"RSET":        {chunks, map[string][]string{"RSET": late("554")}, false}, // replies are out of step, and that is all
		"noise":       {chunks, map[string][]string{"END": late("noise")}, true},
		"by DATA":     {chunks[:1], map[string][]string{"END": answers("250", "554", "")}, true},
		"421, DATA":   {chunks[:1], map[string][]string{"MAIL": late("421")}, true},
		"noise, DATA": {chunks[:1], map[string][]string{"END": late("noise")}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			withActor(t, func(a *actor) {
				(&parrot{mechanism: "PLAIN", offers: test.offers, answers: test.answers, count: map[string]int{}}).play(a)
			}, func(t *testing.T, w *world) {
				var (
					d     diary
					shown strings.Builder
				)
				d.keep(&w.config)
				p := &submit.Pool{Transport: w.transport(submit.Submissions), MaxSessions: 1}
				defer p.Close()
				for _, r := range results(t, p.SubmitAll(t.Context(), letters(n, nil)), n) {
					fmt.Fprintf(&shown, "%+v %+v %+v\n", r.Receipt, r.Err, errors.Unwrap(r.Err))
				}
				mustNotShow(t, "results", shown.String())
				d.check(t)
				require.Equal(t, test.quoted, strings.Contains(shown.String()+d.logs.String(), "***"))
			})
		})
	}
}

// Promise 9: what is no reply is quoted in part, in Go's way. There, too, eight octets
// of a secret are not left, nor is the beginning of a short one.
func TestQuotedInNoise(t *testing.T) {
	t.Parallel()
	for secret, lines := range map[string]map[string]string{
		"hunter2": {
			"no hunter2 here":                   `"no *** here"`,
			strings.Repeat(".", 54) + "hunter2": `"` + strings.Repeat(".", 53) + `"…`, // 60 octets, without the last seven
			strings.Repeat(".", 53) + "hunter2": `"` + strings.Repeat(".", 53) + `***"`,
		},
		"say \"\\x\"\t\u00e9\u202e!": {
			"no say \"\\x\"\t\u00e9\u202e! here": `"no *** here"`,
			"no \"\\x\"\t\u00e9\u202e! here":     `"no*** here"`,
		},
		"hunter2, hunter2": {
			strings.Repeat(".", 48) + "hunter2, hunter2": `"` + strings.Repeat(".", 48) + `***"…`,
			strings.Repeat(".", 53) + "hunter2, hunter2": `"` + strings.Repeat(".", 53) + `"…`,
		},
	} {
		for line, want := range lines {
			withActor(t, func(a *actor) {
				a.welcome("PIPELINING")
				a.hear()
				a.say(line)
				a.listen()
			}, func(t *testing.T, w *world) {
				w.config.Credentials = auth.Password(user, secret)
				s := w.dial(submit.Submissions)
				_, err := s.Submit(t.Context(), letter())
				require.Equal(t, "submissions://smtp.example.com:465: sender: server does not follow the protocol: not an SMTP reply: "+want, err.Error())
				_, err = s.Submit(t.Context(), letter())
				require.Contains(t, err.Error(), want)
			})
		}
	}
}

// What comes in place of the reply to a RSET that has to find out whether replies are in
// step is quoted without what cannot be printed, which a secret may have.
func TestQuotedOutOfStep(t *testing.T) {
	t.Parallel()
	const secret = "tans\t\"taaf\"\ttans"
	withActor(t, func(a *actor) {
		a.welcome("PIPELINING", "CHUNKING")
		a.hears(2)
		_, size, _ := strings.Cut(a.hear(), " ")
		n, _ := strconv.Atoi(strings.TrimSuffix(size, " LAST"))
		io.CopyN(io.Discard, a.in, int64(n))
		a.say("250 ok", "250 ok", "500 what?")
		a.hear()
		a.say("554 no " + secret + " here")
		a.listen()
	}, func(t *testing.T, w *world) {
		w.config.Credentials = auth.Password(user, secret)
		var d diary
		d.keep(&w.config)
		_, err := w.dial(submit.Submissions).Submit(t.Context(), letter())
		require.Error(t, err)
		require.Contains(t, d.logs.String(), "to RSET came 554 no *** here")
	})
}

// Of what is said of a recipient long lines are cut off. That does not make a piece of a
// secret look like something else.
func TestQuotedAtTheCut(t *testing.T) {
	t.Parallel()
	const secret = "hunter2"
	for before := 500; before < 512; before++ {
		withActor(t, func(a *actor) {
			a.welcome("PIPELINING")
			a.hears(3)
			a.say("250 ok", "550 "+strings.Repeat(".", before)+secret, "503 no")
			a.listen()
		}, func(t *testing.T, w *world) {
			w.config.Credentials = auth.Password(user, secret)
			_, err := w.dial(submit.Submissions).Submit(t.Context(), letter())
			require.NotContains(t, asError(t, err).Reply.Lines[0], secret[:3])
		})
	}
}

// Promise 9: a session remembers all that was shown in it, whatever became of that: the
// password that the first mechanism showed, and the token that was replaced.
func TestQuotedFromEarlierExchanges(t *testing.T) {
	t.Parallel()
	const quote = "554 5.7.1 %s and %s"
	secrets := []string{"first-of-two-secrets", "second+of+two+secrets"}
	for name, test := range map[string]struct {
		credentials auth.Credentials
		replies     []string
	}{
		"unsupported": {credentials(func(ctx context.Context, server auth.Server) (auth.Mechanism, error) {
			secret := secrets[len(server.Offered)-len(server.Mechanisms)]
			return auth.Password(user, secret).Exchange(ctx, server)
		}), []string{"504 5.5.4 no", "334 ", "334 ", "235 2.7.0 ok"}},
		"replaced": {auth.Token(user, func(_ context.Context, refused string) (string, error) {
			if refused == "" {
				return secrets[0], nil
			}
			return secrets[1], nil
		}), []string{"535 5.7.8 expired", "235 2.7.0 ok"}},
	} {
		offers := "AUTH PLAIN LOGIN"
		if name == "replaced" {
			offers = "AUTH XOAUTH2"
		}
		withClerk(t, all(only(offers), dialogue(test.replies...)), func(t *testing.T, c *clerk) {
			answer := c.answer
			c.answer = func(d *desk, line string) string {
				if strings.HasPrefix(line, "MAIL") {
					return strings.Replace(strings.Replace(quote, "%s", secrets[0], 1), "%s", secrets[1], 1)
				}
				return answer(d, line)
			}
			config := c.config()
			config.Credentials = test.credentials
			_, err := c.session(config).Submit(t.Context(), letter())
			require.Equal(t, []string{"5.7.1 *** and ***"}, asError(t, err).Reply.Lines, name)
		})
	}
}

// Promise 9: what a server says of a token, in JSON, may quote it from its middle.
func TestQuotedInATokensError(t *testing.T) {
	t.Parallel()
	said := fmt.Sprintf(`{"status":"bad %s","scope":"%s?","openid-configuration":"https://%s"}`, token[10:], token[12:], token[9:])
	withClerk(t, all(only("AUTH OAUTHBEARER"), dialogue("334 "+base64Of(said), "535 5.7.8 no")), func(t *testing.T, c *clerk) {
		config := c.config()
		config.Credentials = auth.Token(user, always(token))
		_, err := c.session(config).Submit(t.Context(), letter())
		var e *auth.TokenError
		require.ErrorAs(t, err, &e)
		require.Equal(t, auth.TokenError{Status: "bad ***", Scope: "***?", Config: "https://***"}, *e)
		require.Contains(t, err.Error(), "bad ***")
		require.NotContains(t, fmt.Sprintf("%+v", prints(err)), token[12:20])
	})
}

// Promise 9: the story of a negotiation has nothing of what is said later, nor what a
// server quotes when it is only asked whether it takes the credentials.
func TestQuotedInReports(t *testing.T) {
	t.Parallel()
	for _, answers := range []map[string][]string{{"MAIL": {"554"}}, {"END": {"250"}}, {"END": {"250 2.0.0 ok\n421"}}, {"END": {"noise"}}} {
		withActor(t, func(a *actor) {
			(&parrot{mechanism: "PLAIN", offers: []string{"PIPELINING"}, answers: answers, count: map[string]int{}}).play(a)
		}, func(t *testing.T, w *world) {
			var d diary
			d.keep(&w.config)
			seen := 0
			check := func(report *negotiate.Report) {
				seen++
				mustNotShow(t, "report", report)
				mustNotShow(t, "report", report.String())
				var page bytes.Buffer
				require.NoError(t, report.Print(&page, negotiate.Terminal{}))
				mustNotShow(t, "report", page.String())
			}
			n := &negotiate.Negotiator{Transports: []submit.Transport{w.transport(submit.Submissions)},
				Observe: func(_ context.Context, report *negotiate.Report) { check(report) }}
			receipt, err := n.Submit(t.Context(), letter())
			mustNotShow(t, "receipt", receipt)
			mustNotShow(t, "error", err)
			report, err := n.ProbeAuth(t.Context())
			require.NoError(t, err)
			check(report)
			require.GreaterOrEqual(t, seen, 2)
			d.check(t)
		})
	}
}
