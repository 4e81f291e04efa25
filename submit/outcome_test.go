package submit_test

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/internal/fakenet"
	"github.com/mailport/mailport/submit"
	"github.com/mailport/mailport/submit/submittest"
)

// Promise 3: the verdict decides. What is no verdict, or none at all, leaves
// doubt, and doubt is all that is said of it: neither temporary nor for good.
func TestVerdict(t *testing.T) {
	const hangUp, reset = "hang up", "reset"
	for _, test := range []struct {
		verdict string
		is      error // nil: a receipt
		lives   bool  // the session does
	}{
		{"250 2.0.0 queued as 4711", nil, true},
		{"250-2.0.0 queued\r\n250 2.0.0 as 4711", nil, true},
		{"250", nil, true},
		{"299 whatever", nil, true}, // the first digit decides: RFC 5321, section 4.2.1
		{"452 4.3.1 disk full", submit.ErrTemporary, true},
		{"499 whatever", submit.ErrTemporary, true},
		{"421 4.3.2 shutting down", submit.ErrTemporary, false},
		{"550 5.7.1 spam", submit.ErrRejected, true},
		{"552 5.3.4 too large", submit.ErrTooLarge, true},
		{"554", submit.ErrRejected, true},
		{"530 5.7.0 not you", submit.ErrRejected, true}, // after 235
		{"354 go on", submit.ErrUncertain, false},
		{"334 ", submit.ErrUncertain, false},
		{"150 perhaps", submit.ErrUncertain, false},
		{"650 perhaps", submit.ErrUncertain, false},
		{"2500 queued", submit.ErrUncertain, false},
		{"queued", submit.ErrUncertain, false},
		{"250-queued", submit.ErrUncertain, false}, // and no more
		{"250-queued\r\n550 not queued", submit.ErrUncertain, false},
		{"\x00\x00", submit.ErrUncertain, false},
		{strings.Repeat("x", 100<<10), submit.ErrUncertain, false},
		{hangUp, submit.ErrUncertain, false},
		{reset, submit.ErrUncertain, false},
		{"", submit.ErrUncertain, false}, // an empty line
	} {
		t.Run(fmt.Sprintf("%.30s", test.verdict), func(t *testing.T) {
			t.Parallel()
			withActor(t, func(a *actor) {
				a.welcome("PIPELINING")
				a.hears(3)
				a.say("250 ok", "250 ok", "354 go on")
				a.hearBody()
				switch test.verdict {
				case hangUp:
					return
				case reset:
					a.raw.Reset()
					return
				}
				a.say(test.verdict)
				if a.hear() == "" { // MAIL again, if the session lives
					return
				}
				a.hears(2)
				a.say("250 ok", "250 ok", "354 go on")
				a.hearBody()
				a.say("250 2.0.0 queued as 4712")
				a.listen()
			}, func(t *testing.T, w *world) {
				w.config.Timeouts.Verdict = time.Minute
				s := w.warm(submit.Submissions)
				receipt, err := s.Submit(t.Context(), letter())
				require.Equal(t, test.is == nil, err == nil, "%v", err)
				require.Equal(t, test.is == nil, receipt != nil)
				if test.is == nil {
					require.Equal(t, 2, receipt.Reply.Code/100)
					require.NotNil(t, receipt.TLS)
					require.Equal(t, submit.Endpoint{Service: submit.Submissions, Host: host, Port: 465}, receipt.Endpoint)
				} else {
					require.ErrorIs(t, err, test.is)
					var e *submit.Error
					require.ErrorAs(t, err, &e)
					require.Equal(t, submit.PhaseVerdict, e.Phase)
				}
				if test.is == submit.ErrUncertain {
					for _, other := range []error{
						submit.ErrTemporary, submit.ErrRejected, submit.ErrCredentials, submit.ErrTooLarge, submit.ErrUnreachable,
					} {
						require.NotErrorIs(t, err, other)
					}
				} else {
					require.NotErrorIs(t, err, submit.ErrUncertain)
				}
				_, err = s.Submit(t.Context(), letter())
				require.Equal(t, test.lives, err == nil, "%v", err)
				require.NotErrorIs(t, err, submit.ErrUncertain, "of this message nothing was sent")
			})
		})
	}
}

// Promise 3, with a server that keeps books: the outcome that the client reports
// is the one that the server knows, or uncertain.
func TestVerdictIsTheTruth(t *testing.T) {
	for _, test := range []struct {
		do    submittest.Action
		lose  bool
		code  int
		is    error
		taken int
	}{
		{do: submittest.Refuse, is: submit.ErrRejected},
		{do: submittest.RefuseTemporarily, is: submit.ErrTemporary},
		{do: submittest.Refuse, code: 421, is: submit.ErrTemporary},
		{do: submittest.Stall, is: submit.ErrUncertain, taken: 1},
		{do: submittest.Stall, lose: true, is: submit.ErrUncertain},
		{do: submittest.Hangup, is: submit.ErrUncertain, taken: 1},
		{do: submittest.Hangup, lose: true, is: submit.ErrUncertain},
		{do: submittest.Garbage, is: submit.ErrUncertain, taken: 1},
		{do: submittest.Garbage, lose: true, is: submit.ErrUncertain},
		{do: submittest.Retire, taken: 1},
		{do: submittest.Retire, code: 421, taken: 1},
	} {
		for name, body := range map[string]string{"small": text, "large": large} {
			t.Run(fmt.Sprintf("%v, lost: %t, %d, %s", test.do, test.lose, test.code, name), func(t *testing.T) {
				t.Parallel()
				fault := submittest.Fault{Phase: submit.PhaseVerdict, Do: test.do, Lose: test.lose, Code: test.code}
				inWorld(t, faulty(fault), func(t *testing.T, w *world) {
					for i, service := range services {
						_, err := w.transport(service).Submit(t.Context(), letterOf(body))
						if test.is == nil {
							require.NoError(t, err)
						} else {
							require.ErrorIs(t, err, test.is)
						}
						require.Equal(t, test.is == submit.ErrUncertain, errors.Is(err, submit.ErrUncertain))
						require.Len(t, w.settled(), test.taken*(i+1))
					}
				})
			})
		}
	}
}

const (
	nobody = "nobody@example.net"  // does not exist
	full   = "full@example.net"    // has a full mailbox
	many   = "many@example.net"    // is one too many
	again  = "another@example.net" // exists
)

// someRefused is a setup.
func someRefused(s *submittest.Server) {
	s.Reject = func(_, to string) *smtp.SMTPError {
		switch to {
		case nobody:
			return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such user"}
		case full:
			return &smtp.SMTPError{Code: 452, EnhancedCode: smtp.EnhancedCode{4, 2, 2}, Message: "mailbox full"}
		case many:
			return &smtp.SMTPError{Code: 552, EnhancedCode: smtp.EnhancedCode{5, 5, 3}, Message: "too many recipients"}
		}
		return nil
	}
}

// Message.Partial: some recipients are refused, the others get the message, and
// the receipt names who did not and why. If all are refused nobody does, and an
// error it is (promise 3). By default one refused is enough for that, RFC 5321,
// section 3.3, and the session is as good as before.
func TestRefusedRecipients(t *testing.T) {
	for _, test := range []struct {
		to        []string
		partial   bool
		delivered []string
		refused   []string
		is        error // if there is an error
	}{
		{to: []string{friend, again}, delivered: []string{friend, again}},
		{to: []string{friend, again}, partial: true, delivered: []string{friend, again}},
		{to: []string{friend, nobody, again}, refused: []string{nobody}, is: submit.ErrRejected},
		{to: []string{nobody, friend}, refused: []string{nobody}, is: submit.ErrRejected},
		{to: []string{friend, full}, refused: []string{full}, is: submit.ErrTemporary},
		{to: []string{friend, many}, refused: []string{many}, is: submit.ErrTemporary}, // RFC 5321, section 4.5.3.1.10
		{to: []string{nobody}, refused: []string{nobody}, is: submit.ErrRejected},
		{to: []string{friend, nobody, again}, partial: true, delivered: []string{friend, again}, refused: []string{nobody}},
		{to: []string{nobody, full, friend, many}, partial: true, delivered: []string{friend}, refused: []string{nobody, full, many}},
		{to: []string{friend, nobody}, partial: true, delivered: []string{friend}, refused: []string{nobody}},
		{to: []string{full, nobody}, partial: true, refused: []string{full, nobody}, is: submit.ErrRejected},
		{to: []string{full, many}, partial: true, refused: []string{full, many}, is: submit.ErrTemporary},
		{to: []string{nobody}, partial: true, refused: []string{nobody}, is: submit.ErrRejected},
		{to: []string{full}, partial: true, refused: []string{full}, is: submit.ErrTemporary},
	} {
		for name, setup := range map[string]func(*submittest.Server){"pipelined": nil, "lock-step": lockStep} {
			t.Run(fmt.Sprint(test.to, test.partial, " ", name), func(t *testing.T) {
				t.Parallel()
				inWorld(t, both(setup, someRefused), func(t *testing.T, w *world) {
					s := w.warm(submit.Submissions)
					m := letter(test.to...)
					m.Partial = test.partial
					receipt, err := s.Submit(t.Context(), m)
					if test.is == nil {
						require.NoError(t, err)
						got := w.settled()
						require.Len(t, got, 1)
						require.Equal(t, test.delivered, got[0].To)
						require.Equal(t, test.refused, recipients(t, receipt.Refused))
					} else {
						require.Nil(t, receipt)
						require.Empty(t, w.settled())
						require.ErrorIs(t, err, test.is)
						require.NotErrorIs(t, err, submit.ErrUncertain)
						var e *submit.Error
						require.ErrorAs(t, err, &e)
						require.Equal(t, submit.PhaseRecipient, e.Phase)
						require.Contains(t, test.refused, e.Recipient)
						if len(test.refused) > 1 {
							require.Equal(t, test.refused, recipients(t, e.Refused))
						}
					}
					require.True(t, w.link().Open(), "a refusal is no reason to part")
					before, conversation := len(w.server.Messages()), len(w.server.Conversation())
					_, err = s.Submit(t.Context(), letter())
					require.NoError(t, err)
					require.Len(t, w.settled(), before+1)
					further := test.partial && slices.Contains(test.delivered, friend) && slices.Contains(test.to, many) // and refused there as well
					require.Equal(t, test.is != nil || further, strings.Contains(w.server.Conversation()[conversation:], "C: RSET\n"))
				})
			})
		}
	}
}

// recipients returns who was refused, and checks that it says why.
func recipients(t *testing.T, refused []*submit.Error) (to []string) {
	code := map[string]int{nobody: 550, full: 452, many: 552}
	for _, e := range refused {
		require.Equal(t, submit.PhaseRecipient, e.Phase)
		require.NotNil(t, e.Reply)
		require.Equal(t, code[e.Recipient], e.Reply.Code)
		require.Equal(t, e.Recipient == nobody, errors.Is(e, submit.ErrRejected))
		require.Equal(t, e.Recipient != nobody, errors.Is(e, submit.ErrTemporary))
		var said *smtp.SMTPError
		require.ErrorAs(t, e, &said)
		to = append(to, e.Recipient)
	}
	return to
}

// RFC 2920, section 3.1: DATA that was sent before the replies to RCPT were known
// may be answered with 354 although nobody is to have the message. An empty one
// would end that; cutting the connection ends it without a message.
func TestDataAcceptedForNobody(t *testing.T) {
	for _, replies := range [][]string{
		{"250 ok", "550 5.1.1 no such user", "354 go on"},
		{"550 5.7.1 not you", "550 5.1.1 no such user", "354 go on"},
		{"550 5.7.1 not you", "250 ok", "354 go on"},
		{"250 ok", "450 4.2.1 not now", "354 go on"},
	} {
		withActor(t, func(a *actor) {
			a.welcome("PIPELINING")
			a.hears(3)
			a.say(replies...)
			rest, _ := io.ReadAll(a.in)
			if len(rest) > 0 {
				t.Errorf("after 354 came %q", rest)
			}
		}, func(t *testing.T, w *world) {
			s := w.warm(submit.Submissions)
			_, err := s.Submit(t.Context(), letter())
			var e *submit.Error
			require.ErrorAs(t, err, &e)
			require.NotNil(t, e.Reply)
			require.Contains(t, replies, e.Reply.String())
			require.NotErrorIs(t, err, submit.ErrUncertain)
			require.False(t, w.link().Open())
		})
	}
}

// Some servers hang up after a refusal, with or without replies to the rest of
// the flight. The refusal is the news.
func TestRefusalIsTheNews(t *testing.T) {
	for _, setup := range []func(*submittest.Server){nil, lockStep} {
		for _, phase := range []submit.Phase{submit.PhaseSender, submit.PhaseRecipient, submit.PhaseData} {
			for _, code := range []int{421, 451, 550} {
				faults := []submittest.Fault{refusing(phase, code)}
				if code != 421 && phase != submit.PhaseData {
					// It hangs up at the next command.
					faults = append(faults, submittest.Fault{Phase: phase + 1, Do: submittest.Hangup})
				}
				inWorld(t, both(setup, faulty(faults...)), func(t *testing.T, w *world) {
					for _, service := range services {
						_, err := w.transport(service).Submit(t.Context(), letter())
						var e *submit.Error
						require.ErrorAs(t, err, &e)
						require.NotNil(t, e.Reply, "%v", err)
						require.Equal(t, code, e.Reply.Code)
						require.Equal(t, phase, e.Phase)
						require.Equal(t, code == 550, errors.Is(err, submit.ErrRejected))
						require.Equal(t, code != 550, errors.Is(err, submit.ErrTemporary))
						require.NotErrorIs(t, err, submit.ErrUncertain)
					}
					require.Empty(t, w.settled())
				})
			}
		}
	}
}

// Replies that are out of step never make a refused
// message look accepted. Whatever is said unasked, and whenever, either the
// message was taken or there is no receipt, for this message and for the next.
func TestRepliesOutOfStep(t *testing.T) {
	// The server refuses at one point, and has said "250 ok" once too often
	// somewhere before that.
	replies := []string{"", "250 sender", "250 recipient", "354 data", "250 message"}
	for _, pipelining := range []bool{true, false} {
		for refused := 1; refused < len(replies); refused++ {
			for stray := 0; stray < refused; stray++ {
				for _, late := range []time.Duration{0, rtt / 4, rtt / 2, 3 * rtt} {
					if stray == 3 && late > 0 {
						// After 354 nothing but the verdict is due. What comes
						// instead of it before the message has ended is found if
						// it came with the 354, and else cannot be told from it.
						continue
					}
					name := fmt.Sprintf("pipelining %t, refused %d, stray %d, late %v", pipelining, refused, stray, late)
					t.Run(name, func(t *testing.T) {
						t.Parallel()
						withActor(t, func(a *actor) {
							var extensions []string
							if pipelining {
								extensions = []string{"PIPELINING"}
							}
							a.welcome(extensions...)
							odd := func(i int) {
								if i == stray {
									time.Sleep(late)
									a.say("250 by the way")
								}
							}
							odd(0)
							for i := 1; i <= 4; i++ {
								if i == 4 {
									if !a.hearBody() {
										return
									}
								} else if a.hear() == "" {
									return
								}
								if i == refused {
									a.say("550 5.7.1 no")
									a.listen()
									return
								}
								a.say(replies[i])
								odd(i)
							}
						}, func(t *testing.T, w *world) {
							w.config.Timeouts = submit.Timeouts{Command: time.Minute, Verdict: time.Minute}
							s := w.warm(submit.Submissions)
							receipt, err := s.Submit(t.Context(), letter())
							require.Error(t, err)
							require.Nil(t, receipt)
							receipt, err = s.Submit(t.Context(), letter())
							require.Error(t, err)
							require.Nil(t, receipt)
						})
					})
				}
			}
		}
	}
}

// A reply too many after the verdict ends the session,
// but does not change what became of the message; and it is not taken for a
// reply to the next.
func TestReplyTooMany(t *testing.T) {
	for _, late := range []time.Duration{0, rtt / 2, time.Hour} {
		for _, extra := range []string{"250 by the way", "421 4.3.2 shutting down", "554 really", "nonsense"} {
			t.Run(fmt.Sprint(late, extra), func(t *testing.T) {
				t.Parallel()
				withActor(t, func(a *actor) {
					a.welcome("PIPELINING")
					a.hears(3)
					a.say("250 ok", "250 ok", "354 go on")
					a.hearBody()
					if late == 0 {
						a.say("250 queued", extra)
					} else {
						a.say("250 queued")
						time.Sleep(late)
						a.say(extra)
					}
					a.hears(3)
					a.say("550 no", "503 no", "503 no")
					a.listen()
				}, func(t *testing.T, w *world) {
					s := w.warm(submit.Submissions)
					_, err := s.Submit(t.Context(), letter())
					require.NoError(t, err)
					time.Sleep(2 * late)
					before := w.link().Octets(fakenet.ToServer)
					_, err = s.Submit(t.Context(), letter())
					require.Error(t, err)
					require.NotErrorIs(t, err, submit.ErrUncertain)
					if late == 0 {
						require.Equal(t, before, w.link().Octets(fakenet.ToServer), "nothing more is said")
					}
					// Late, it is taken for the reply to MAIL, and the one that is
					// too many now is found with the next message at the latest.
					_, err = s.Submit(t.Context(), letter())
					require.Error(t, err)
					require.False(t, w.link().Open())
				})
			})
		}
	}
}
