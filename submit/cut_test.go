package submit_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"math/big"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/internal/fakenet"
	"github.com/mailport/mailport/submit"
	"github.com/mailport/mailport/submit/submittest"
)

var everyOctet = flag.Bool("everyoctet", false, "cut conversations at every octet, which takes minutes")

// Promises 3 and 4, the whole truth of them: a conversation that is cut after any
// number of octets, in either direction, in any manner, ends in a receipt if the
// server took the message and its reply came, in ErrUncertain if the end of the
// message was handed to the network and no verdict came back, and else in an
// error for a message that was not delivered.
//
// Every octet from AUTH on is tried with FIN; of the rest, samples: of the other
// manners, the handshake, what is within a large body, and what one conversation
// has in common with another. -everyoctet tries all; -short and the race detector
// make do with fewer, and with every one next to where a record of TLS ends.
func TestCutAtEachOctet(t *testing.T) {
	for _, service := range services {
		for name, setup := range map[string]func(*submittest.Server){"pipelined": nil, "lock-step": lockStep} {
			for size, body := range map[string]string{
				"small":         text,
				"three records": text + strings.Repeat(strings.Repeat("x", 98)+"\r\n", 400),
			} {
				t.Run(service+"/"+name+"/"+size, func(t *testing.T) {
					t.Parallel()
					inWorld(t, both(setup, predictable), func(t *testing.T, w *world) {
						c := newCutting(w, service, body)
						for _, how := range []fakenet.Manner{fakenet.FIN, fakenet.RST, fakenet.Silence} {
							for _, d := range []fakenet.Direction{fakenet.ToServer, fakenet.ToClient} {
								for at := 0; at <= c.verdict[d]+2; at++ { // beyond the verdict is QUIT
									if *everyOctet || at%c.stride(at, d, how) == 0 || c.decisive(at, d, how) {
										c.try(d, at, how)
									}
								}
							}
						}
						t.Logf("%d receipts, %d uncertain, %d not sent", c.receipts, c.uncertain, c.notSent)
						require.NotZero(t, c.receipts)
						require.NotZero(t, c.uncertain)
						require.NotZero(t, c.notSent)
					})
				})
			}
		}
	}
}

// predictable makes conversations have the same number of octets each time:
// signatures of ECDSA vary in length.
func predictable(s *submittest.Server) {
	s.TLS = &tls.Config{Certificates: []tls.Certificate{edLeaf()}}
}

var edLeaf = sync.OnceValue(func() tls.Certificate {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		DNSNames:     []string{host},
		NotBefore:    time.Date(1999, time.January, 1, 0, 0, 0, 0, time.UTC),
		NotAfter:     time.Date(2100, time.January, 1, 0, 0, 0, 0, time.UTC),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: private}
})

// A cutting is a conversation that is had again and again, and cut each time.
type cutting struct {
	w       *world
	service string
	body    string

	// How many octets had been written, by direction, in a conversation that was
	// not cut. The counts are the network's, not the client's.
	auth    [2]int   // when AUTH was to be said
	offered [2]int   // when the server had asked for the message
	whole   [2]int   // when the message was handed over
	verdict [2]int   // when the verdict was read
	ends    [2][]int // of the records, from AUTH on

	messages                     int // that the server has taken
	receipts, uncertain, notSent int
}

func newCutting(w *world, service, body string) *cutting {
	c := &cutting{w: w, service: service, body: body}
	w.config.TLS.CurvePreferences = []tls.CurveID{tls.CurveP256} // fast
	w.config.TLS.ClientSessionCache = &oneTicket{}
	// Silence must not last for so long that the ticket expires, after a week.
	w.config.Timeouts = submit.Timeouts{
		Connect: time.Second, Handshake: time.Second, Command: time.Second, Data: time.Second, Verdict: time.Second,
	}
	c.have() // for the ticket
	before := c.have()
	require.Equal(w.t, before, c.have(), "one conversation is like the other")
	c.messages = len(w.server.Messages())
	return c
}

// have has the conversation and returns how many octets it had.
func (c *cutting) have() [2]int {
	w := c.w
	marks := map[submit.Phase]*[2]int{submit.PhaseData: &c.offered, submit.PhaseBody: &c.whole, submit.PhaseVerdict: &c.verdict}
	ctx := submit.WithTrace(w.t.Context(), func(_ context.Context, e submit.Event) {
		if at := marks[e.Phase]; at != nil {
			*at = octets(w.link())
		}
	})
	s := w.dial(c.service)
	c.auth = octets(w.link())
	_, err := s.Submit(ctx, letterOf(c.body))
	require.NoError(w.t, err)
	s.Close()
	w.settled()
	c.ends = [2][]int{c.recordEnds(fakenet.ToServer), c.recordEnds(fakenet.ToClient)}
	return c.verdict
}

// recordEnds are where what TLS writes ends, a record or a few at a time.
func (c *cutting) recordEnds(d fakenet.Direction) (ends []int) {
	at := 0
	for _, write := range c.w.link().Writes(d) {
		if at += write.Octets; at >= c.auth[d] {
			ends = append(ends, at)
		}
	}
	return ends
}

func octets(l *fakenet.Link) [2]int {
	return [2]int{l.Octets(fakenet.ToServer), l.Octets(fakenet.ToClient)}
}

// oneTicket resumes one session again and again, which spares handshakes most of
// their time.
type oneTicket struct{ session *tls.ClientSessionState }

func (o *oneTicket) Get(string) (*tls.ClientSessionState, bool) { return o.session, o.session != nil }

func (o *oneTicket) Put(_ string, session *tls.ClientSessionState) {
	if o.session == nil {
		o.session = session
	}
}

// stride thins out what would take too long.
func (c *cutting) stride(at int, d fakenet.Direction, how fakenet.Manner) int {
	const record = 16<<10 + 22 // of a large body
	stride := 1
	switch within := at - c.offered[d]; {
	case at < c.auth[d]:
		stride = 29
	case len(c.body) <= len(text):
	case within < 0:
		stride = 11 // as with a small body
	case d == fakenet.ToClient || at >= c.whole[d]-64 || within%record <= 8 || within%record >= record-8:
		stride = 3
	default:
		stride = 613
	}
	if c.service == submit.Submission {
		stride *= 7 // from AUTH on nothing differs
	}
	switch how {
	case fakenet.RST:
		stride *= 5
	case fakenet.Silence:
		stride *= 7
	}
	if testing.Short() || raced {
		stride *= 7
	}
	return stride
}

// decisive tells the last octets of what decides, and of each record.
func (c *cutting) decisive(at int, d fakenet.Direction, how fakenet.Manner) bool {
	if raced && c.service == submit.Submission && how != fakenet.FIN {
		return false // as over the other service
	}
	near := func(mark int) bool { return mark-1 <= at && at <= mark+1 }
	return near(c.offered[d]) || near(c.whole[d]) || near(c.verdict[d]) ||
		how == fakenet.FIN && c.service == submit.Submissions && slices.ContainsFunc(c.ends[d], near)
}

// try has the conversation once, cut, and compares what the client says of it
// with what was.
func (c *cutting) try(d fakenet.Direction, at int, how fakenet.Manner) {
	w := c.w
	var link *fakenet.Link
	w.net.OnConnect(fakenet.Anywhere, func(l *fakenet.Link) { link = l; l.CutAfter(d, at, how) })
	receipt, err := w.transport(c.service).Submit(w.t.Context(), letterOf(c.body))
	left, open := link.Octets(fakenet.ToServer), link.Open()
	link.Server().Close() // a server that was cut off in silence waits for ever
	time.Sleep(2 * rtt)

	var (
		taken  = len(w.server.Messages()) - c.messages
		handed = left >= c.whole[fakenet.ToServer]
		came   bool // the verdict
	)
	if d == fakenet.ToServer {
		came = at > c.whole[d] // cut while it says QUIT
	} else {
		came = at >= c.verdict[d]
	}
	c.messages += taken
	wrong := ""
	switch uncertain := errors.Is(err, submit.ErrUncertain); {
	case (receipt != nil) != (err == nil):
		wrong = "both or neither of receipt and error"
	case open:
		wrong = "connection left open"
	case (err == nil) != came:
		wrong = "receipt without verdict, or the other way round"
	case uncertain != (handed && !came):
		wrong = "uncertain for no reason, or certain for none"
	case err == nil && taken != 1:
		wrong = "receipt for a message that was not taken"
	case err == nil && !receipt.TLS.DidResume:
		wrong = "another conversation than the one that was measured"
	case err == nil:
		c.receipts++
	case uncertain:
		c.uncertain++
	case taken != 0:
		wrong = "error for a message that was taken"
	default:
		c.notSent++
	}
	if wrong != "" {
		w.t.Errorf("direction %d, manner %d, after %d octets of %v: %s: %v", d, how, at, c.verdict, wrong, err)
	}
}
