package submit_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/internal/fakenet"
	"github.com/mailport/mailport/submit"
	"github.com/mailport/mailport/submit/submittest"
)

// aMoment is how long it is looked whether the server is still there, before the end
// of a large message, where the connection is no socket.
const aMoment = time.Millisecond

// The budget with CHUNKING (RFC 3030): small messages leave whole, with their
// envelope, and cost one round trip where DATA costs two.
func TestRoundTripsColdInChunks(t *testing.T) {
	for _, test := range []struct {
		name, service string
		setup         func(*submittest.Server)
		version       uint16
		sent          time.Duration
		flights       int // of the client's, without TCP
	}{
		{"implicit", submit.Submissions, nil, tls.VersionTLS13, 6, 5},
		{"implicit, TLS 1.2", submit.Submissions, nil, tls.VersionTLS12, 6, 5},
		{"implicit, lock-step", submit.Submissions, lockStep, tls.VersionTLS13, 8, 7},
		{"STARTTLS", submit.Submission, nil, tls.VersionTLS13, 8, 6},
		{"STARTTLS, TLS 1.2", submit.Submission, nil, tls.VersionTLS12, 9, 7},
		{"STARTTLS, lock-step", submit.Submission, lockStep, tls.VersionTLS13, 10, 8},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, both(chunking, test.setup), func(t *testing.T, w *world) {
				w.config.TLS.MaxVersion = test.version
				elapsed := stopwatch()
				s, err := w.transport(test.service).Dial(t.Context())
				require.NoError(t, err)
				defer s.Close()
				_, err = s.Submit(t.Context(), letter())
				require.NoError(t, err)
				require.Equal(t, test.sent*rtt, elapsed())
				require.Len(t, w.link().Flights(fakenet.ToServer), test.flights)
			})
		})
	}
}

// The budget of further messages. What must go to all of several or to none waits for
// the replies to RCPT with its end only; so does one over a connection that was not
// heard of for two seconds, since it may be dead.
func TestRoundTripsWarmInChunks(t *testing.T) {
	three := []string{"a@example.net", "b@example.net", "c@example.net"}
	for _, test := range []struct {
		name    string
		setup   func(*submittest.Server)
		to      []string
		partial bool
		idle    time.Duration
		body    string
		want    int
	}{
		{"alone", nil, three[:1], false, 0, text, 1},
		{"of 64 KiB less one", nil, three[:1], false, 0, ofSize(64<<10 - 1), 1},
		{"three, all or nothing", nil, three, false, 0, text, 2},
		{"three, partial", nil, three, true, 0, text, 1},
		{"lock-step", lockStep, three[:1], false, 0, text, 3},
		{"three, lock-step", lockStep, three, false, 0, text, 5},
		{"three, partial, lock-step", lockStep, three, true, 0, text, 5},
		{"after two seconds", nil, three[:1], false, 2*time.Second - 1, text, 1}, // and one nanosecond
		{"after more", nil, three[:1], false, 2 * time.Second, text, 2},
		{"three, partial, after more", nil, three, true, 2 * time.Second, text, 2},
		{"three, after more", nil, three, false, 2 * time.Second, text, 2},
		{"lock-step, after more", lockStep, three[:1], false, time.Hour, text, 3},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, both(chunking, test.setup), func(t *testing.T, w *world) {
				w.net.SetWindow(fakenet.Anywhere, 1<<20)
				s := w.warm(submit.Submissions)
				for range 2 { // the second is as cheap as the first
					m := letterOf(test.body, test.to...)
					m.Partial = test.partial
					time.Sleep(test.idle)
					took, flights := w.measure(func() {
						_, err := s.Submit(t.Context(), m)
						require.NoError(t, err)
					})
					require.Equal(t, time.Duration(test.want)*rtt, took)
					require.Equal(t, test.want, flights)
				}
			})
		})
	}
}

// A large message costs one for its envelope, one for its chunks, however many, and
// one for the last of them; and one more the first time, since it is not known
// whether the server knows BDAT.
func TestRoundTripsOfLargeMessages(t *testing.T) {
	for _, size := range []int{64 << 10, 200 << 10, 4 << 20} {
		t.Run(strconv.Itoa(size), func(t *testing.T) {
			t.Parallel()
			inWorld(t, chunking, func(t *testing.T, w *world) {
				w.net.SetWindow(fakenet.Anywhere, 8<<20)
				s := w.warm(submit.Submissions)
				want := 3 * rtt
				if size > 64<<10+256<<10 {
					want += rtt
				}
				for range 2 {
					took, _ := w.measure(func() {
						_, err := s.Submit(t.Context(), letterOf(ofSize(size)))
						require.NoError(t, err)
					})
					require.Equal(t, want+aMoment, took)
					want = 3 * rtt
				}
				for _, m := range w.settled() {
					require.EqualValues(t, size, m.Size)
				}
				require.NotContains(t, w.server.Conversation(), "DATA")
			})
		})
	}
}

// A refused message costs what it must; RSET rides in front of the next one. Nothing
// of it is delivered.
func TestRoundTripsAfterRefusalInChunks(t *testing.T) {
	for _, test := range []struct {
		name   string
		fault  submittest.Fault
		to     []string
		proven bool // the server has taken a chunk before
		first  int  // round trips
		next   int
		said   string // at the beginning of the next
	}{
		{"sender", refusing(submit.PhaseSender, 550), []string{friend}, true, 1, 1, "C: RSET\nC: MAIL"},
		{"recipient", refusing(submit.PhaseRecipient, 550), []string{friend}, true, 1, 1, "C: RSET\nC: MAIL"},
		{"all recipients", refusing(submit.PhaseRecipient, 550), []string{friend, again}, true, 1, 1, "C: RSET\nC: MAIL"},
		{"message", refusing(submit.PhaseVerdict, 554), []string{friend}, true, 1, 1, "C: RSET\nC: MAIL"},
		{"message for now", refusing(submit.PhaseVerdict, 451), []string{friend, again}, true, 2, 1, "C: RSET\nC: MAIL"},
		{"chunk", refusing(submit.PhaseData, 452), []string{friend, again}, true, 1, 1, "C: RSET\nC: MAIL"},

		// What BDAT is answered without a recipient is what a server might say that
		// does not know it, and whose reader is amid the message.
		{"recipient, unproven", refusing(submit.PhaseRecipient, 550), []string{friend}, false, 1, 2, "C: RSET\nS: 250"},
		{"message, unproven", refusing(submit.PhaseVerdict, 554), []string{friend}, false, 1, 1, "C: RSET\nC: MAIL"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, chunking, func(t *testing.T, w *world) {
				s := w.warm(submit.Submissions)
				before := 0
				if test.proven {
					_, err := s.Submit(t.Context(), letter())
					require.NoError(t, err)
					before++
				}
				w.server.SetFaults(test.fault)
				took, _ := w.measure(func() {
					_, err := s.Submit(t.Context(), letter(test.to...))
					require.Error(t, err)
					require.NotErrorIs(t, err, submit.ErrUncertain)
				})
				require.Equal(t, time.Duration(test.first)*rtt, took)
				require.Len(t, w.settled(), before)
				require.True(t, w.link().Open())
				w.server.SetFaults()
				time.Sleep(time.Nanosecond)
				already := len(w.server.Conversation())
				_, err := s.Submit(t.Context(), letter(test.to...)) // after a while: in two flights
				require.NoError(t, err)
				said := w.server.Conversation()[already:]
				require.True(t, strings.HasPrefix(said, test.said), said)
				require.Len(t, w.settled(), before+1)
			})
		})
	}
}

// hearChunk reads BDAT and what comes with it; ok is false at the end, or if it is
// something else, which is then in the log.
func (a *actor) hearChunk() (data string, last, ok bool) {
	words := strings.Fields(a.hear())
	if len(words) < 2 || words[0] != "BDAT" {
		return "", false, false
	}
	n, _ := strconv.Atoi(words[1])
	b := make([]byte, n)
	_, err := io.ReadFull(a.in, b)
	return string(b), len(words) == 3, err == nil
}

// strangers are the replies that say that BDAT is not known.
var strangers = []int{500, 502, 503, 555}

// A server that offers CHUNKING and does not know BDAT gets the message as DATA, in
// the same session if that is in step; and is not offered a chunk again, by any
// session of the transport.
func TestStranger(t *testing.T) {
	for _, code := range strangers {
		for name, way := range map[string]func(*submittest.Server){"pipelined": nil, "lock-step": lockStep} {
			for size, body := range map[string]string{"small": text, "large": ofSize(400 << 10)} {
				t.Run(fmt.Sprint(code, name, size), func(t *testing.T) {
					t.Parallel()
					inWorld(t, both(chunking, way, faulty(submittest.Fault{Phase: submit.PhaseData, Do: submittest.Refuse, Code: code, Times: 1})),
						func(t *testing.T, w *world) {
							transport := w.transport(submit.Submissions)
							for i := range 3 {
								m := letterOf(body, friend, again)
								m.Partial = i == 1
								_, err := transport.Submit(t.Context(), m)
								require.NoError(t, err)
							}
							for _, m := range w.settled() {
								require.Equal(t, body, string(m.Data))
							}
							require.Len(t, w.settled(), 3)
							said := w.server.Conversation()
							require.Equal(t, 1, strings.Count(said, "C: BDAT"))
							require.Equal(t, 3, strings.Count(said, "C: DATA"))
							require.Equal(t, 1, strings.Count(said, "C: RSET"))
							require.Len(t, w.net.Links(fakenet.Anywhere), 3)
						})
				})
			}
		}
	}
}

// A large message that can be read once only can be sent as DATA all the same:
// nothing of it is read beyond what is held, before the first chunk is answered.
func TestStrangerToAStream(t *testing.T) {
	inWorld(t, both(chunking, faulty(submittest.Fault{Phase: submit.PhaseData, Do: submittest.Refuse, Code: 502, Times: 1})),
		func(t *testing.T, w *world) {
			body := ofSize(400 << 10)
			m := letter()
			m.Body = io.MultiReader(strings.NewReader(body))
			_, err := w.transport(submit.Submissions).Submit(t.Context(), m)
			require.NoError(t, err)
			got := w.settled()
			require.Len(t, got, 1)
			require.True(t, body == string(got[0].Data))
		})
}

// Once a chunk was taken, the same replies are refusals of the message.
func TestNoStrangerAnyMore(t *testing.T) {
	for _, code := range strangers {
		inWorld(t, chunking, func(t *testing.T, w *world) {
			s := w.warm(submit.Submissions)
			_, err := s.Submit(t.Context(), letter())
			require.NoError(t, err)
			for _, phase := range []submit.Phase{submit.PhaseData, submit.PhaseVerdict} {
				w.server.SetFaults(refusing(phase, code))
				for _, to := range [][]string{{friend}, {friend, again}} {
					_, err = s.Submit(t.Context(), letter(to...))
					require.ErrorIs(t, err, submit.ErrRejected)
					require.ErrorContains(t, err, strconv.Itoa(code))
				}
			}
			w.server.SetFaults()
			_, err = s.Submit(t.Context(), letter())
			require.NoError(t, err)
			require.Len(t, w.settled(), 2)
			require.NotContains(t, w.server.Conversation(), "DATA")
		})
	}
}

// Other refusals are refusals from the start.
func TestRefusedChunkOfOneUnknown(t *testing.T) {
	for code, is := range map[int]error{452: submit.ErrTemporary, 421: submit.ErrTemporary, 501: submit.ErrRejected, 552: submit.ErrRejected, 554: submit.ErrRejected} {
		for _, body := range []string{text, ofSize(400 << 10)} {
			for _, to := range [][]string{{friend}, {friend, again}} {
				inWorld(t, both(chunking, faulty(refusing(submit.PhaseData, code))), func(t *testing.T, w *world) {
					_, err := w.transport(submit.Submissions).Submit(t.Context(), letterOf(body, to...))
					require.ErrorIs(t, err, is)
					require.NotErrorIs(t, err, submit.ErrUncertain)
					require.ErrorContains(t, err, ": "+strconv.Itoa(code))
					require.Empty(t, w.settled())
					require.NotContains(t, w.server.Conversation(), "DATA")
				})
			}
		}
	}
}

// A strict stranger takes what comes behind BDAT for commands. The session is out of
// step then, and the message goes once more over another, which [submit.Over] and
// [submit.Pool] open and a Session cannot.
func TestStrangerThatReadsOn(t *testing.T) {
	for _, later := range []time.Duration{0, 3 * rtt} { // what it says to the message, after that to BDAT
		for _, body := range []string{text, "Subject: one line\r\n", ofSize(100 << 10)} {
			var taken []string
			play := func(a *actor) {
				a.welcome("PIPELINING", "CHUNKING")
				for {
					switch line := a.hear(); {
					case line == "" && len(a.log) > 0 && a.log[len(a.log)-1] != "":
						return
					case strings.HasPrefix(line, "MAIL"), strings.HasPrefix(line, "RCPT"), line == "RSET":
						a.say("250 ok")
					case line == "DATA":
						a.say("354 go")
						if !a.hearBody() {
							return
						}
						taken = append(taken, a.body[len(a.body)-1])
						a.say("250 taken")
					case strings.HasPrefix(line, "BDAT"):
						a.say("502 what?")
						time.Sleep(later)
					default:
						a.say("500 what is " + strconv.Itoa(len(line)) + "?")
					}
				}
			}
			withActor(t, play, func(t *testing.T, w *world) {
				taken = nil
				s := w.warm(submit.Submissions)
				_, err := s.Submit(t.Context(), letterOf(body))
				require.ErrorIs(t, err, submit.ErrTemporary)
				require.NotErrorIs(t, err, submit.ErrRejected)
				require.NotErrorIs(t, err, submit.ErrUncertain)
				require.ErrorContains(t, err, "502 what?: server offers CHUNKING, and does not know BDAT")
				require.False(t, w.link().Open(), "what it says is not understood any more")
				require.Empty(t, taken)
			})
			withActor(t, play, func(t *testing.T, w *world) {
				taken = nil
				transport := w.transport(submit.Submissions)
				_, err := transport.Submit(t.Context(), letterOf(body))
				require.NoError(t, err)
				require.Len(t, w.net.Links(fakenet.Anywhere), 2)
				require.Equal(t, []string{body + ".\r\n"}, taken)
				_, err = transport.Submit(t.Context(), letter())
				require.NoError(t, err)
				require.Len(t, w.net.Links(fakenet.Anywhere), 3, "and now it is known")
			})
			withActor(t, play, func(t *testing.T, w *world) {
				taken = nil
				p := &submit.Pool{Transport: w.transport(submit.Submissions)}
				defer p.Close()
				for range 3 {
					_, err := p.Submit(t.Context(), letterOf(body))
					require.NoError(t, err)
				}
				require.Len(t, w.net.Links(fakenet.Anywhere), 2)
				require.Len(t, taken, 3)
			})
		}
	}
}

// A stranger that refuses the recipient as well may be amid the message when the next
// one comes. No reply to a line of that is taken for one to the next message: with one
// line too many, its verdict would be the reply to its recipient.
func TestStrangerAfterRefusal(t *testing.T) {
	for _, code := range strangers {
		withActor(t, func(a *actor) {
			a.welcome("PIPELINING", "CHUNKING")
			a.hears(3) // MAIL, RCPT, BDAT
			a.say("250 ok", "550 5.1.1 no", strconv.Itoa(code)+" what?")
			a.hear() // the message
			time.Sleep(3 * rtt)
			a.say("500 what?")
			for a.hear() != "" {
				a.say("250 ok")
			}
		}, func(t *testing.T, w *world) {
			s := w.warm(submit.Submissions)
			_, err := s.Submit(t.Context(), letterOf("Subject: one line\r\n"))
			require.ErrorIs(t, err, submit.ErrRejected)
			require.ErrorContains(t, err, "550 5.1.1 no")
			receipt, err := s.Submit(t.Context(), letterOf("Subject: one line\r\n"))
			require.Nil(t, receipt)
			require.ErrorIs(t, err, submit.ErrTemporary)
			require.NotErrorIs(t, err, submit.ErrUncertain)
			require.ErrorContains(t, err, "replies are out of step: to RSET came 500 what?")
			require.False(t, w.link().Open())
		})
	}
}

// MAILMAX counts the transaction that was tried in chunks: without room for another
// the message goes over another session.
func TestStrangerAtMailMax(t *testing.T) {
	inWorld(t, both(chunking, limited("MAILMAX=1"), faulty(submittest.Fault{Phase: submit.PhaseData, Do: submittest.Refuse, Code: 502, Times: 1})),
		func(t *testing.T, w *world) {
			_, err := w.transport(submit.Submissions).Submit(t.Context(), letter())
			require.NoError(t, err)
			require.Len(t, w.settled(), 1)
			require.Len(t, w.net.Links(fakenet.Anywhere), 2)
		})
}

// Config.Without has a message sent as DATA.
func TestWithoutChunking(t *testing.T) {
	inWorld(t, chunking, func(t *testing.T, w *world) {
		w.config.Without = []string{"chunking"}
		for _, body := range []string{text, large} {
			_, err := w.transport(submit.Submissions).Submit(t.Context(), letterOf(body))
			require.NoError(t, err)
		}
		require.NotContains(t, w.server.Conversation(), "BDAT")
		require.Len(t, w.settled(), 2)
	})
}

// RFC 3030, section 3: with BODY=BINARYMIME no octet is changed, and SIZE counts those
// there are. It is asked for by the caller, never by itself.
func TestBinaryMIME(t *testing.T) {
	const odd = "Subject: x\r\n\r\n\x00\r\x00\n.\r\n.\n\xff\r\r\n\n\r"
	for _, way := range []func(*submittest.Server){nil, lockStep} {
		for _, to := range [][]string{{friend}, {friend, again}} {
			for _, body := range []string{odd, odd + ofSize(64<<10) + odd, odd + ofSize(600<<10) + odd} {
				inWorld(t, both(chunking, way), func(t *testing.T, w *world) {
					s := w.warm(submit.Submissions)
					m := letterOf(body, to...)
					m.Options = &smtp.MailOptions{Body: smtp.BodyBinaryMIME}
					_, err := s.Submit(t.Context(), m)
					require.NoError(t, err)
					got := w.settled()
					require.Len(t, got, 1)
					require.True(t, body == string(got[0].Data), "%d octets of %d", len(got[0].Data), len(body))
					require.Contains(t, w.server.Conversation(), fmt.Sprintf("SIZE=%d BODY=BINARYMIME\n", len(body)))
					m.Body = strings.NewReader("a\nb")
					m.Options = nil
					_, err = s.Submit(t.Context(), m)
					require.NoError(t, err)
					require.Equal(t, "a\r\nb\r\n", string(w.settled()[1].Data))
				})
			}
		}
	}
}

// What is needed for BINARYMIME and not to be had is said before anything is; also if
// it has turned out not to be had.
func TestBinaryMIMELacks(t *testing.T) {
	binary := func() submit.Message {
		m := letter()
		m.Options = &smtp.MailOptions{Body: smtp.BodyBinaryMIME}
		return m
	}
	for _, lacking := range []string{"CHUNKING", "BINARYMIME"} {
		inWorld(t, func(s *submittest.Server) { s.Without = []string{lacking} }, func(t *testing.T, w *world) {
			s := w.warm(submit.Submissions)
			before := w.link().Octets(fakenet.ToServer)
			_, err := s.Submit(t.Context(), binary())
			require.ErrorIs(t, err, errors.ErrUnsupported)
			require.ErrorIs(t, err, submit.ErrRejected)
			require.Equal(t, before, w.link().Octets(fakenet.ToServer))
		})
	}
	inWorld(t, both(chunking, faulty(submittest.Fault{Phase: submit.PhaseData, Do: submittest.Refuse, Code: 502, Times: 1})), func(t *testing.T, w *world) {
		transport := w.transport(submit.Submissions)
		_, err := transport.Submit(t.Context(), binary())
		require.ErrorIs(t, err, errors.ErrUnsupported, "%v", err)
		require.Empty(t, w.settled())
		_, err = transport.Submit(t.Context(), letter())
		require.NoError(t, err)
	})
}

// Two sessions learn at the same time that the server does not know BDAT. What the
// one has learnt makes no refusal of the message out of what the other hears.
func TestStrangerToTwoAtOnce(t *testing.T) {
	inWorld(t, both(chunking, faulty(submittest.Fault{Phase: submit.PhaseData, Do: submittest.Refuse, Code: 502, Times: 2})),
		func(t *testing.T, w *world) {
			transport := w.transport(submit.Submissions)
			var sessions []*submit.Session
			for range 2 {
				s, err := transport.Dial(t.Context())
				require.NoError(t, err)
				defer s.Close()
				require.NoError(t, s.Auth(t.Context()))
				sessions = append(sessions, s)
			}
			var all sync.WaitGroup
			for _, s := range sessions {
				all.Go(func() {
					_, err := s.Submit(t.Context(), letter())
					require.NoError(t, err)
				})
			}
			all.Wait()
			require.Len(t, w.settled(), 2)
			require.Equal(t, 2, strings.Count(w.server.Conversation(), "C: BDAT"))
			require.Equal(t, 2, strings.Count(w.server.Conversation(), "C: DATA"))
		})
}

// A chunk that is refused in the middle of a large message is the end of the
// message, and not of the session.
func TestLargeRefusedAmid(t *testing.T) {
	inWorld(t, both(chunking, func(s *submittest.Server) {
		s.MaxMessageBytes = 1 << 20
		s.Without = []string{"SIZE"} // or else it would not be sent at all
	}), func(t *testing.T, w *world) {
		w.net.SetWindow(fakenet.Anywhere, 8<<20)
		s := w.warm(submit.Submissions)
		var events []submit.Event
		ctx := submit.WithTrace(t.Context(), func(_ context.Context, e submit.Event) { events = append(events, e) })
		_, err := s.Submit(ctx, letterOf(ofSize(8<<20)))
		require.ErrorIs(t, err, submit.ErrTooLarge)
		require.EqualError(t, err, "submissions://smtp.example.com:465: body: 552 5.3.4 the message is too large")
		last := events[len(events)-1]
		require.Equal(t, submit.PhaseBody, last.Phase)
		require.Equal(t, err, last.Err)
		require.Empty(t, w.settled())
		require.NotContains(t, w.server.Conversation(), "LAST")
		require.Less(t, strings.Count(w.server.Conversation(), "C: BDAT"), 20, "what is under way, and no more")
		_, err = s.Submit(t.Context(), letter())
		require.NoError(t, err)
		require.Len(t, w.settled(), 1)
		require.Len(t, w.net.Links(fakenet.Anywhere), 1)
	})
}

// Promise 4, of chunks: a body that fails, that panics, or that the server cannot
// take, and a call that ends, leave nothing delivered. LAST is not said.
func TestLargeThatFails(t *testing.T) {
	const size = 700 << 10
	for name, test := range map[string]struct {
		tail  io.Reader
		setup func(*submittest.Server)
		is    error
	}{
		"unreadable": {iotest.ErrReader(errRead), nil, errRead},
		"no end":     {noOctets{}, nil, io.ErrNoProgress},
		"8 bit":      {strings.NewReader("\xe4"), func(s *submittest.Server) { s.Without = []string{"8BITMIME"} }, errors.ErrUnsupported},
		"panics":     {readerFunc(func([]byte) (int, error) { panic("ouch") }), nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, both(chunking, test.setup), func(t *testing.T, w *world) {
				s := w.warm(submit.Submissions)
				m := letter()
				m.Body = io.MultiReader(strings.NewReader(ofSize(size)), test.tail)
				if test.is == nil {
					require.PanicsWithValue(t, "ouch", func() { s.Submit(t.Context(), m) })
				} else {
					_, err := s.Submit(t.Context(), m)
					require.ErrorIs(t, err, test.is)
					require.NotErrorIs(t, err, submit.ErrUncertain)
				}
				require.False(t, w.link().Open())
				require.Empty(t, w.settled())
				require.NotContains(t, w.server.Conversation(), "LAST")
			})
		})
	}
}

// Promise 7, of chunks: a call that ends, ends at once; what was not ended is certain.
func TestLargeThatIsCancelled(t *testing.T) {
	for _, after := range []time.Duration{rtt / 2, rtt, 2 * rtt, 4*rtt + rtt/2} {
		inWorld(t, chunking, func(t *testing.T, w *world) {
			s := w.warm(submit.Submissions)
			ctx, cancel := context.WithTimeout(t.Context(), after)
			defer cancel()
			elapsed := stopwatch()
			_, err := s.Submit(ctx, letterOf(ofSize(4<<20)))
			require.Equal(t, after, elapsed())
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.NotErrorIs(t, err, submit.ErrUncertain)
			require.Empty(t, w.settled())
			require.NotContains(t, w.server.Conversation(), "LAST")
		})
	}
}

// Servers that stop amid chunks: that do not read, do not answer, or close.
func TestLargeStalls(t *testing.T) {
	for name, test := range map[string]struct {
		play func(a *actor)
		want time.Duration // less than that and a few round trips; 0 if at once
		text string
	}{
		"deaf":          {func(*actor) { time.Sleep(24 * time.Hour) }, 3 * time.Minute, "no answer within 3m0s"},
		"never answers": {func(a *actor) { a.listen() }, 5 * time.Minute, "no answer within 5m0s"},
		"421": {func(a *actor) {
			a.hearChunk()
			a.say("250 ok")
			a.hearChunk()
			a.say("421 4.3.2 shutting down")
		}, 0, "421 4.3.2 shutting down"},
		"closes": {func(a *actor) { a.hearChunk(); a.say("250 ok"); a.hearChunk() }, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			withActor(t, func(a *actor) {
				a.welcome("PIPELINING", "CHUNKING")
				a.hears(2)
				a.say("250 ok", "250 ok")
				test.play(a)
			}, func(t *testing.T, w *world) {
				s := w.warm(submit.Submissions)
				elapsed := stopwatch()
				_, err := s.Submit(t.Context(), letterOf(ofSize(4<<20)))
				require.ErrorIs(t, err, submit.ErrTemporary)
				require.NotErrorIs(t, err, submit.ErrUncertain)
				require.ErrorContains(t, err, "body: ")
				require.ErrorContains(t, err, test.text)
				require.InDelta(t, test.want, elapsed(), float64(2*time.Second))
				require.False(t, w.link().Open())
			})
		})
	}
}

// Promise 10: a message may be as large as it likes.
func TestLargeMemory(t *testing.T) {
	for _, setup := range []func(*submittest.Server){nil, chunking} {
		inWorld(t, both(setup, func(s *submittest.Server) { s.Discard = true }), func(t *testing.T, w *world) {
			s := w.warm(submit.Submissions)
			const size = 8 << 20
			var most, before uint64
			left, reads := size, 0
			m := letter()
			m.Body = readerFunc(func(p []byte) (int, error) {
				if left == 0 {
					return 0, io.EOF
				}
				if reads++; reads%64 == 0 {
					var stats runtime.MemStats
					runtime.GC()
					runtime.ReadMemStats(&stats)
					most = max(most, stats.HeapAlloc)
				}
				n := min(left, len(p))
				left -= n
				return n, nil
			})
			var stats runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&stats)
			before = stats.HeapAlloc
			_, err := s.Submit(t.Context(), m)
			require.NoError(t, err)
			require.Less(t, most, before+4<<20)
			require.EqualValues(t, size, w.settled()[0].Size-2, "and its last line is ended")
		})
	}
}

// A reply in an error is the caller's, who may write to it: what the server says
// another time is not changed by that, although it is known already.
func TestReplyIsTheCallers(t *testing.T) {
	inWorld(t, faulty(refusing(submit.PhaseSender, 550)), func(t *testing.T, w *world) {
		s := w.warm(submit.Submissions)
		for range 4 {
			_, err := s.Submit(t.Context(), letter())
			require.EqualError(t, err, "submissions://smtp.example.com:465: sender: 550 5.7.1 as the test wants it")
			var e *submit.Error
			require.ErrorAs(t, err, &e)
			e.Reply.Lines[0] = "2.0.0 fine"
		}
	})
}

// A server is heard when it answers, and not when a message is begun.
func TestDoubtWithoutCredentials(t *testing.T) {
	inWorld(t, both(chunking, func(s *submittest.Server) { s.Users = nil }), func(t *testing.T, w *world) {
		w.config.Credentials = nil
		for idle, want := range map[time.Duration]time.Duration{0: rtt, 3 * time.Second: 2 * rtt} {
			s := w.dial(submit.Submissions)
			time.Sleep(idle)
			elapsed := stopwatch()
			_, err := s.Submit(t.Context(), letter())
			require.NoError(t, err)
			require.Equal(t, want, elapsed())
		}
	})
}
