package submit_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/internal/fakenet"
	"github.com/mailport/mailport/submit"
	"github.com/mailport/mailport/submit/submittest"
)

// RFC 9422, section 3: names in any case, values of one to six digits that begin
// with none of zero; what is malformed or unknown is ignored.
func TestParseLimits(t *testing.T) {
	for params, want := range map[string][2]int{
		"":                             {},
		"MAILMAX=1":                    {1, 0},
		"RCPTMAX=1":                    {0, 1},
		"MAILMAX=20 RCPTMAX=500":       {20, 500},
		"mailmax=20  RcptMax=500":      {20, 500},
		"RCPTMAX=999999":               {0, 999999},
		"RCPTDOMAINMAX=2 RCPTMAX=3":    {0, 3},
		"RCPTMAX=1000000":              {},
		"RCPTMAX=0":                    {},
		"RCPTMAX=05":                   {},
		"RCPTMAX=-5":                   {},
		"RCPTMAX=+5":                   {},
		"RCPTMAX=":                     {},
		"RCPTMAX":                      {},
		"RCPTMAX=5=5":                  {},
		"RCPTMAX=0x5":                  {},
		"RCPTMAX=1_0":                  {},
		"RCPTMAX=٥":                    {},
		"RCPTMAX=many MAILMAX=3":       {3, 0},
		"=5 MAILMAX=3":                 {3, 0},
		"RCPTMAX=99999999999999999999": {},
		"RCPTMAX =5":                   {},
	} {
		mails, recipients := submit.ParseLimits(params)
		require.Equal(t, want, [2]int{mails, recipients}, "%q", params)
	}
}

// limited is a setup: the server offers LIMITS with params.
func limited(params string) func(*submittest.Server) {
	return func(s *submittest.Server) { s.With = append(s.With, "LIMITS "+params) }
}

// RFC 9422, section 4.1: a session does not begin more transactions than MAILMAX has,
// refused ones among them. The message was not sent, and can be sent over another.
func TestMailMax(t *testing.T) {
	for _, setup := range []func(*submittest.Server){nil, lockStep, chunking} {
		inWorld(t, both(setup, limited("MAILMAX=3"), refusingStranger), func(t *testing.T, w *world) {
			s := w.warm(submit.Submissions)
			for range 2 {
				_, err := s.Submit(t.Context(), letter())
				require.NoError(t, err)
			}
			_, err := s.Submit(t.Context(), letter(nobody))
			require.ErrorIs(t, err, submit.ErrRejected)
			before := w.link().Octets(fakenet.ToServer)
			_, err = s.Submit(t.Context(), letter())
			require.EqualError(t, err, "submissions://smtp.example.com:465: sender: session has carried the 3 messages that the server allows (LIMITS MAILMAX)")
			require.ErrorIs(t, err, submit.ErrTemporary)
			require.NotErrorIs(t, err, submit.ErrRejected)
			require.Equal(t, before, w.link().Octets(fakenet.ToServer), "nothing was said")
			require.Len(t, w.settled(), 2)
		})
	}
}

// refusingStranger is a setup.
func refusingStranger(s *submittest.Server) {
	s.Reject = func(_, to string) *smtp.SMTPError {
		if to == nobody {
			return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such user"}
		}
		return nil
	}
}

// RFC 9422, section 4.2: a message for more recipients than RCPTMAX, which must go to
// all or none, cannot be sent, and is refused before anything is said.
func TestRcptMaxAllOrNothing(t *testing.T) {
	inWorld(t, func(s *submittest.Server) { s.MaxRecipients = 3 }, func(t *testing.T, w *world) {
		var events []submit.Event
		w.config.Trace = func(_ context.Context, e submit.Event) { events = append(events, e) }
		s := w.warm(submit.Submissions)
		_, err := s.Submit(t.Context(), letter(crowd(3)...))
		require.NoError(t, err)
		before := w.link().Octets(fakenet.ToServer)
		_, err = s.Submit(t.Context(), letter(crowd(4)...))
		require.EqualError(t, err, "submissions://smtp.example.com:465: recipient: 4 recipients, and the server takes 3 at once; with Message.Partial they are split up")
		require.ErrorIs(t, err, errors.ErrUnsupported)
		require.ErrorIs(t, err, submit.ErrRejected)
		require.Equal(t, err, events[len(events)-1].Err)
		require.Equal(t, before, w.link().Octets(fakenet.ToServer), "nothing was said")
		require.Len(t, w.settled(), 1)
		_, err = s.Submit(t.Context(), letter())
		require.NoError(t, err)
	})
}

// partly is a message for n recipients, some of whom are enough.
func partly(n int) submit.Message {
	m := letter(crowd(n)...)
	m.Partial = true
	return m
}

// ways are the setups by which messages differ on the wire.
var ways = map[string]func(*submittest.Server){"DATA": nil, "lock-step": lockStep, "CHUNKING": chunking,
	"CHUNKING, lock-step": both(chunking, lockStep)}

// RFC 9422, section 4.2: what may be split is split by RCPTMAX. Each transaction is
// the whole message, with the same parameters, one of them for the sake of a
// recipient in another; the receipt has all replies.
func TestRcptMaxSplits(t *testing.T) {
	for name, way := range ways {
		for _, size := range []int{100, 70 << 10} {
			t.Run(fmt.Sprint(name, " ", size), func(t *testing.T) {
				t.Parallel()
				inWorld(t, both(way, func(s *submittest.Server) { s.MaxRecipients = 3 }), func(t *testing.T, w *world) {
					s := w.warm(submit.Submissions)
					m := partly(8)
					m.To[7] = "фото@example.net"
					body := ofSize(size)
					m.Body = strings.NewReader(body)
					identity := "somebody@example.org"
					m.Options = &smtp.MailOptions{EnvelopeID: "QQ314159", Return: smtp.DSNReturnHeaders, Auth: &identity, RequireTLS: true, Body: smtp.Body8BitMIME}
					priority := 3
					m.RcptOptions = map[string]*smtp.RcptOptions{
						m.To[0]: {MTPriority: &priority}, m.To[4]: {Notify: []smtp.DSNNotify{smtp.DSNNotifyNever}},
					}
					receipt, err := s.Submit(t.Context(), m)
					require.NoError(t, err)
					require.Empty(t, receipt.Refused)
					require.Equal(t, 250, receipt.Reply.Code)
					require.Len(t, receipt.Further, 2)
					require.NotContains(t, receipt.Further, submit.Reply{})

					got := w.settled()
					require.Len(t, got, 3)
					mails := make(map[string]bool)
					for line := range strings.Lines(w.server.Conversation()) {
						if strings.HasPrefix(line, "C: MAIL") {
							mails[line] = true
						}
					}
					require.Len(t, mails, 1, "%v", mails)
					for i, to := range [][]string{m.To[:3], m.To[3:6], m.To[6:]} {
						require.Equal(t, to, got[i].To)
						require.Equal(t, body, string(got[i].Data))
					}
					require.Equal(t, []smtp.DSNNotify{smtp.DSNNotifyNever}, got[1].RcptOptions[m.To[4]].Notify)
					_, err = s.Submit(t.Context(), letter())
					require.NoError(t, err)
				})
			})
		}
	}
}

// What the server cannot do for a recipient in the last transaction is found before
// the first.
func TestSplitAsksFirst(t *testing.T) {
	inWorld(t, func(s *submittest.Server) {
		s.MaxRecipients = 3
		s.Without = append(s.Without, "SMTPUTF8")
	}, func(t *testing.T, w *world) {
		s := w.warm(submit.Submissions)
		m := partly(8)
		m.To[7] = "фото@example.net"
		before := w.link().Octets(fakenet.ToServer)
		_, err := s.Submit(t.Context(), m)
		require.ErrorIs(t, err, errors.ErrUnsupported)
		require.ErrorContains(t, err, "message needs SMTPUTF8 (an address is not ASCII)")
		require.Equal(t, before, w.link().Octets(fakenet.ToServer))
		require.Empty(t, w.settled())
	})
}

// The budget: with PIPELINING two round trips for each transaction, with CHUNKING
// one, however many there are, and though more time passes than a connection is
// trusted for.
func TestRoundTripsOfASplit(t *testing.T) {
	for name, test := range map[string]struct {
		setup func(*submittest.Server)
		want  time.Duration
	}{
		"DATA":     {nil, 100},
		"CHUNKING": {chunking, 50},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, both(test.setup, func(s *submittest.Server) { s.MaxRecipients = 2 }), func(t *testing.T, w *world) {
				s := w.warm(submit.Submissions)
				elapsed := stopwatch()
				_, err := s.Submit(t.Context(), partly(100))
				require.NoError(t, err)
				require.Equal(t, test.want*rtt, elapsed())
			})
		})
	}
}

// A booth has room for some recipients in each transaction, which it does not say
// before.
type booth struct {
	mu    sync.Mutex
	taken int // in this transaction
	room  func(to string, taken int) *smtp.SMTPError
}

func (b *booth) open(s *submittest.Server) {
	s.Reject = func(_, to string) *smtp.SMTPError {
		b.mu.Lock()
		defer b.mu.Unlock()
		if to == "" {
			b.taken = 0
			return nil
		}
		err := b.room(to, b.taken)
		if err == nil {
			b.taken++
		}
		return err
	}
}

// tooMany are the ways to say so. RFC 5321, section 4.5.3.1.10: a 552 is one as well.
var tooMany = []*smtp.SMTPError{
	{Code: 452, EnhancedCode: smtp.EnhancedCode{4, 5, 3}, Message: "too many recipients"},
	{Code: 452, EnhancedCode: smtp.NoEnhancedCode, Message: "too many recipients"},
	{Code: 552, EnhancedCode: smtp.EnhancedCode{5, 5, 3}, Message: "too many recipients"},
	{Code: 552, EnhancedCode: smtp.NoEnhancedCode, Message: "too many recipients"},
}

var noSuchUser = &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such user"}

// RFC 5321, section 4.5.3.1.10: recipients that were too many go in a further
// transaction, if some are enough. Those who are refused for themselves are not
// asked for again.
func TestTooManyRecipients(t *testing.T) {
	for name, way := range ways {
		for i, refusal := range tooMany {
			t.Run(fmt.Sprint(name, i), func(t *testing.T) {
				t.Parallel()
				asked := make(map[string]int)
				booth := &booth{room: func(to string, taken int) *smtp.SMTPError {
					asked[to]++
					switch {
					case to == "recipient-00002@example.net" || to == "recipient-00009@example.net":
						return noSuchUser
					case taken == 4:
						return refusal
					}
					return nil
				}}
				inWorld(t, both(way, booth.open, func(s *submittest.Server) {
					s.Without = append(s.Without, "ENHANCEDSTATUSCODES")
					if refusal.EnhancedCode != smtp.NoEnhancedCode {
						s.Without = s.Without[:len(s.Without)-1]
					}
				}), func(t *testing.T, w *world) {
					s := w.warm(submit.Submissions)
					receipt, err := s.Submit(t.Context(), partly(12))
					require.NoError(t, err)
					require.Equal(t, []string{"recipient-00002@example.net", "recipient-00009@example.net"}, recipientsOf(receipt.Refused))
					for _, refused := range receipt.Refused {
						require.ErrorIs(t, refused, submit.ErrRejected)
						require.Equal(t, 1, asked[refused.Recipient])
					}
					got := w.settled()
					require.Len(t, got, 3)
					require.Len(t, receipt.Further, 2)
					var to []string
					for _, m := range got {
						to = append(to, m.To...)
					}
					require.Len(t, to, 10)
					require.ElementsMatch(t, append(to, recipientsOf(receipt.Refused)...), crowd(12), "each once")
				})
			})
		}
	}
}

func recipientsOf(errs []*submit.Error) (list []string) {
	for _, e := range errs {
		list = append(list, e.Recipient)
	}
	return list
}

// What is said to all or none is an error for now; nothing is delivered.
func TestTooManyOfAllOrNothing(t *testing.T) {
	for _, refusal := range tooMany[:3] {
		booth := &booth{room: func(_ string, taken int) *smtp.SMTPError {
			if taken == 4 {
				return refusal
			}
			return nil
		}}
		inWorld(t, booth.open, func(t *testing.T, w *world) {
			s := w.warm(submit.Submissions)
			_, err := s.Submit(t.Context(), letter(crowd(5)...))
			require.ErrorIs(t, err, submit.ErrTemporary)
			require.NotErrorIs(t, err, submit.ErrRejected)
			require.Empty(t, w.settled())
		})
	}
}

// The same codes mean other things as well, and say so.
func TestFullMailbox(t *testing.T) {
	for _, refusal := range []*smtp.SMTPError{
		{Code: 452, EnhancedCode: smtp.EnhancedCode{4, 2, 2}, Message: "mailbox full"},
		{Code: 452, EnhancedCode: smtp.EnhancedCode{4, 3, 1}, Message: "disk full"},
		{Code: 552, EnhancedCode: smtp.EnhancedCode{5, 2, 2}, Message: "mailbox full"},
		{Code: 450, EnhancedCode: smtp.EnhancedCode{4, 5, 3}, Message: "what?"},
	} {
		booth := &booth{room: func(to string, _ int) *smtp.SMTPError {
			if to == nobody {
				return refusal
			}
			return nil
		}}
		inWorld(t, booth.open, func(t *testing.T, w *world) {
			m := letter(friend, nobody)
			m.Partial = true
			receipt, err := w.warm(submit.Submissions).Submit(t.Context(), m)
			require.NoError(t, err)
			require.Equal(t, []string{nobody}, recipientsOf(receipt.Refused))
			require.Empty(t, receipt.Further)
			require.Len(t, w.settled(), 1)
			require.Equal(t, 1, strings.Count(w.server.Conversation(), nobody))
		})
	}
}

// And some do not say so: such a one is asked for again with those who are left, and
// last alone, and keeps the message from nobody else.
func TestFullMailboxUnsaid(t *testing.T) {
	booth := &booth{room: func(to string, _ int) *smtp.SMTPError {
		if to == "recipient-00001@example.net" || to == "recipient-00003@example.net" {
			return tooMany[1]
		}
		return nil
	}}
	inWorld(t, both(booth.open, limited("RCPTMAX=2"), func(s *submittest.Server) { s.Without = append(s.Without, "ENHANCEDSTATUSCODES") }),
		func(t *testing.T, w *world) {
			receipt, err := w.warm(submit.Submissions).Submit(t.Context(), partly(8))
			require.NoError(t, err)
			require.ElementsMatch(t, []string{"recipient-00001@example.net", "recipient-00003@example.net"}, recipientsOf(receipt.Refused))
			for _, refused := range receipt.Refused {
				require.ErrorIs(t, refused, submit.ErrTemporary)
				require.Equal(t, 452, refused.Reply.Code)
			}
			var to []string
			for _, m := range w.settled() {
				to = append(to, m.To...)
			}
			require.ElementsMatch(t, append(to, recipientsOf(receipt.Refused)...), crowd(8), "each once")
		})
}

// A server that has had enough of a client says so to every recipient. It is not
// asked for each of thousands.
func TestTooManyForEver(t *testing.T) {
	served := 0
	booth := &booth{room: func(string, int) *smtp.SMTPError {
		if served++; served > 2 {
			return tooMany[0]
		}
		return nil
	}}
	inWorld(t, booth.open, func(t *testing.T, w *world) {
		receipt, err := w.warm(submit.Submissions).Submit(t.Context(), partly(1100))
		require.NoError(t, err)
		require.Len(t, w.settled(), 1)
		require.Len(t, receipt.Refused, 1098)
		require.Less(t, strings.Count(w.server.Conversation(), "C: MAIL"), 6)
		said := 0
		require.ErrorContains(t, receipt.Refused[1097], ": not tried, after recipient <recipient-0")
		require.ErrorContains(t, receipt.Refused[1097], ": 452 4.5.3 too many recipients")
		for _, refused := range receipt.Refused {
			require.ErrorIs(t, refused, submit.ErrTemporary)
			if refused.Reply != nil {
				said++
				require.Equal(t, 452, refused.Reply.Code)
			}
		}
		require.Less(t, said, 10)
	})
	booth.room = func(string, int) *smtp.SMTPError { return tooMany[0] }
	inWorld(t, booth.open, func(t *testing.T, w *world) {
		_, err := w.warm(submit.Submissions).Submit(t.Context(), partly(3100))
		var e *submit.Error
		require.ErrorAs(t, err, &e)
		require.ErrorIs(t, err, submit.ErrTemporary)
		require.Len(t, e.Refused, 3100)
		require.Empty(t, w.settled())
		require.Equal(t, 3, strings.Count(w.server.Conversation(), "C: MAIL"))
	})
}

// All are refused, in several transactions: the error names each, with what was said
// of it, and what is for good decides.
func TestSplitAllRefused(t *testing.T) {
	booth := &booth{room: func(to string, _ int) *smtp.SMTPError {
		if to == "recipient-00004@example.net" {
			return noSuchUser
		}
		return &smtp.SMTPError{Code: 450, EnhancedCode: smtp.EnhancedCode{4, 2, 1}, Message: "later"}
	}}
	inWorld(t, both(booth.open, limited("RCPTMAX=2")), func(t *testing.T, w *world) {
		_, err := w.warm(submit.Submissions).Submit(t.Context(), partly(7))
		require.EqualError(t, err, "submissions://smtp.example.com:465: recipient <recipient-00004@example.net>: 550 5.1.1 no such user (and 6 more refused)")
		require.ErrorIs(t, err, submit.ErrRejected)
		var e *submit.Error
		require.ErrorAs(t, err, &e)
		require.Equal(t, crowd(7), recipientsOf(e.Refused))
		for i, refused := range e.Refused {
			require.Equal(t, i == 4, refused.Reply.Code == 550)
		}
		require.Empty(t, w.settled())
	})
}

// A message that can be read once only cannot be sent twice: those for whom there was
// no room are told so. Where no limit is known, nobody is left out for fear of one.
func TestSplitOfAStream(t *testing.T) {
	big := ofSize(70 << 10)
	stream := func() io.Reader { return io.MultiReader(strings.NewReader(big)) }
	inWorld(t, limited("RCPTMAX=2"), func(t *testing.T, w *world) {
		s := w.warm(submit.Submissions)
		m := partly(5)
		m.Body = stream()
		receipt, err := s.Submit(t.Context(), m)
		require.NoError(t, err)
		require.Equal(t, m.To[2:], recipientsOf(receipt.Refused))
		require.EqualError(t, receipt.Refused[0], "submissions://smtp.example.com:465: recipient <recipient-00002@example.net>: "+
			"too many recipients for one transaction, and the message can be read once only")
		require.ErrorIs(t, receipt.Refused[0], submit.ErrTemporary)
		require.Len(t, w.settled(), 1)

		m.Body = io.MultiReader(strings.NewReader(text)) // all of it is known
		receipt, err = s.Submit(t.Context(), m)
		require.NoError(t, err)
		require.Empty(t, receipt.Refused)
		require.Len(t, w.settled(), 4)
	})
	inWorld(t, nil, func(t *testing.T, w *world) {
		m := partly(1500)
		m.Body = stream()
		receipt, err := w.warm(submit.Submissions).Submit(t.Context(), m)
		require.NoError(t, err)
		require.Empty(t, receipt.Refused)
		require.Len(t, w.settled(), 1)
		m.Body = io.MultiReader(strings.NewReader(text))
		_, err = w.warm(submit.Submissions).Submit(t.Context(), m)
		require.NoError(t, err)
		require.Len(t, w.settled(), 3)
		m.Partial = false
		_, err = w.warm(submit.Submissions).Submit(t.Context(), m)
		require.Error(t, err, "it was read")
		m.Body = strings.NewReader(text)
		_, err = w.warm(submit.Submissions).Submit(t.Context(), m)
		require.NoError(t, err)
		require.Len(t, w.settled(), 4, "all or none are one transaction")
	})
}

// Promise 3, of several transactions: who got the message got it, and everybody else
// is named with the error of his own transaction, or with the word that there was
// none. What is in doubt is in doubt for those of that transaction alone.
func TestSplitThatFails(t *testing.T) {
	hangup := func(phase submit.Phase) submittest.Fault {
		return submittest.Fault{Phase: phase, Do: submittest.Hangup, After: 1, Lose: phase == submit.PhaseVerdict}
	}
	for _, test := range []struct {
		name  string
		fault submittest.Fault
		own   error // of the second transaction
		rest  error // of the third
		tried bool  // it was
	}{
		{"uncertain", hangup(submit.PhaseVerdict), submit.ErrUncertain, submit.ErrTemporary, false},
		{"lost before", hangup(submit.PhaseSender), submit.ErrTemporary, submit.ErrTemporary, false},
		{"421", submittest.Fault{Phase: submit.PhaseSender, Do: submittest.Refuse, Code: 421, After: 1},
			submit.ErrTemporary, submit.ErrTemporary, false},
		{"sender refused", submittest.Fault{Phase: submit.PhaseSender, Do: submittest.Refuse, After: 1},
			submit.ErrRejected, submit.ErrRejected, true},
		{"message refused", submittest.Fault{Phase: submit.PhaseVerdict, Do: submittest.RefuseTemporarily, After: 1},
			submit.ErrTemporary, submit.ErrTemporary, true},
	} {
		for name, way := range ways {
			t.Run(test.name+" "+name, func(t *testing.T) {
				t.Parallel()
				inWorld(t, both(way, limited("RCPTMAX=2"), faulty(test.fault)), func(t *testing.T, w *world) {
					s := w.warm(submit.Submissions)
					receipt, err := s.Submit(t.Context(), partly(6))
					require.NoError(t, err)
					require.Equal(t, crowd(6)[2:], recipientsOf(receipt.Refused))
					for i, refused := range receipt.Refused {
						want := test.own
						if name == "CHUNKING" && test.name == "lost before" {
							want = submit.ErrUncertain // it left in one flight
						}
						if i >= 2 {
							want = test.rest
						}
						for _, may := range []error{submit.ErrUncertain, submit.ErrTemporary, submit.ErrRejected} {
							require.Equal(t, want == may, errors.Is(refused, may), "%v", refused)
						}
						require.Equal(t, i >= 2 && !test.tried, strings.Contains(refused.Error(), "not tried, after "), "%v", refused)
						require.NotContains(t, strings.TrimPrefix(refused.Error(), "submissions://"), "submissions://")
					}
					require.Len(t, w.settled(), 1)
				})
			})
		}
	}
}

// If it is the first that fails so, there is no receipt, and the error tells of all.
func TestSplitThatFailsAtOnce(t *testing.T) {
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			inWorld(t, both(way, limited("RCPTMAX=2"), faulty(submittest.Fault{Phase: submit.PhaseVerdict, Do: submittest.Hangup})), func(t *testing.T, w *world) {
				_, err := w.warm(submit.Submissions).Submit(t.Context(), partly(4))
				require.ErrorIs(t, err, submit.ErrUncertain)
				var e *submit.Error
				require.ErrorAs(t, err, &e)
				require.Equal(t, crowd(4), recipientsOf(e.Refused))
				for i, refused := range e.Refused {
					require.Equal(t, i < 2, errors.Is(refused, submit.ErrUncertain))
					require.Equal(t, i >= 2, errors.Is(refused, submit.ErrTemporary))
				}
			})
			inWorld(t, both(way, limited("RCPTMAX=2"), faulty(submittest.Fault{Phase: submit.PhaseVerdict, Do: submittest.Refuse})), func(t *testing.T, w *world) {
				_, err := w.warm(submit.Submissions).Submit(t.Context(), partly(4))
				require.EqualError(t, err, "submissions://smtp.example.com:465: verdict: 554 5.6.0 as the test wants it", "it is the message's")
			})
		})
	}
}

// A server may refuse recipients and then hang up: each has its own word.
func TestSplitRefusedThenLost(t *testing.T) {
	withActor(t, func(a *actor) {
		a.welcome("PIPELINING", "LIMITS RCPTMAX=2")
		a.hears(4)
		a.say("250 ok", "250 ok", "250 ok", "354 go")
		a.hearBody()
		a.say("250 taken")
		a.hears(4)
		a.say("250 ok", "550 5.1.1 no", "450 4.2.1 later")
		a.conn.Close()
	}, func(t *testing.T, w *world) {
		receipt, err := w.warm(submit.Submissions).Submit(t.Context(), partly(6))
		require.NoError(t, err)
		require.Equal(t, crowd(6)[2:], recipientsOf(receipt.Refused))
		require.ErrorContains(t, receipt.Refused[0], "<recipient-00002@example.net>: 550 5.1.1 no")
		require.ErrorContains(t, receipt.Refused[1], "<recipient-00003@example.net>: 450 4.2.1 later")
		require.ErrorContains(t, receipt.Refused[2], "not tried, after recipient <recipient-00002@example.net>: 550 5.1.1 no")
		require.ErrorIs(t, receipt.Refused[3], submit.ErrTemporary)
	})
}

// The context ends, or the owner closes the session, in the second transaction: the
// others were not tried for that reason.
func TestSplitThatIsEnded(t *testing.T) {
	for _, by := range []string{"context", "owner"} {
		for name, way := range ways {
			t.Run(by+" "+name, func(t *testing.T) {
				t.Parallel()
				stalled := submittest.Fault{Phase: submit.PhaseSender, Do: submittest.Stall, After: 1}
				inWorld(t, both(way, limited("RCPTMAX=2"), faulty(stalled)), func(t *testing.T, w *world) {
					s := w.warm(submit.Submissions)
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					means, other := context.Canceled, submit.ErrClosed
					if by == "owner" {
						means, other = submit.ErrClosed, context.Canceled
						time.AfterFunc(time.Minute, func() { s.Close() })
					} else {
						time.AfterFunc(time.Minute, cancel)
					}
					receipt, err := s.Submit(ctx, partly(6))
					require.NoError(t, err, "two have got it")
					require.Len(t, receipt.Refused, 4)
					for i, refused := range receipt.Refused {
						doubt := i < 2 && name == "CHUNKING" // its end is on its way
						require.Equal(t, doubt, errors.Is(refused, submit.ErrUncertain))
						if !doubt {
							require.ErrorIs(t, refused, means, "%v", refused)
						}
						require.NotErrorIs(t, refused, submit.ErrTemporary)
						require.NotErrorIs(t, refused, other)
						require.NotContains(t, refused.Error(), "\n")
					}
				})
			})
		}
	}
}

// MAILMAX ends a split as it ends a session.
func TestSplitBeyondMailMax(t *testing.T) {
	inWorld(t, limited("RCPTMAX=2 MAILMAX=2"), func(t *testing.T, w *world) {
		receipt, err := w.warm(submit.Submissions).Submit(t.Context(), partly(6))
		require.NoError(t, err)
		require.Equal(t, crowd(6)[4:], recipientsOf(receipt.Refused))
		for _, refused := range receipt.Refused {
			require.ErrorIs(t, refused, submit.ErrTemporary)
			require.ErrorContains(t, refused, "session has carried the 2 messages")
		}
		require.Len(t, w.settled(), 2)
	})
}

// A hundred thousand recipients go by the thousand, a round trip for each, and what
// that takes of memory does not grow with what the server says.
func TestHundredThousandRecipients(t *testing.T) {
	const all, at = 100_000, 1000
	var groups []int
	withActor(t, func(a *actor) {
		a.welcome("PIPELINING", "CHUNKING")
		for {
			if !strings.HasPrefix(a.hear(), "MAIL") {
				return
			}
			a.log = a.log[:0]
			for strings.HasPrefix(a.hear(), "RCPT") {
			}
			groups = append(groups, len(a.log)-1)
			var n int
			fmt.Sscanf(a.log[len(a.log)-1], "BDAT %d LAST", &n)
			a.in.Discard(n)
			a.say(strings.Repeat("250 2.1.5 a recipient like any other\r\n", len(a.log)) + "250 2.0.0 queued")
		}
	}, func(t *testing.T, w *world) {
		w.net.SetWindow(fakenet.Anywhere, 1<<20)
		s := w.warm(submit.Submissions)
		m := partly(all)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		elapsed := stopwatch()
		receipt, err := s.Submit(t.Context(), m)
		require.NoError(t, err)
		require.Equal(t, all/at*rtt, elapsed())
		runtime.ReadMemStats(&after)
		require.Less(t, after.HeapAlloc, before.HeapAlloc+64<<20)
		require.Empty(t, receipt.Refused)
		require.Len(t, receipt.Further, all/at-1)
		require.Len(t, groups, all/at)
		for _, n := range groups {
			require.Equal(t, at, n)
		}
	})
}
