package offsets

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/internal/fakenet"
	"github.com/mailport/mailport/submit"
)

// Promises 1 to 4, the whole truth of them, as the package documentation has it.
func TestEveryOctet(t *testing.T) {
	var all sum
	t.Run("conversations", func(t *testing.T) {
		for i, c := range conversations() {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				manners := []fakenet.Manner{fakenet.FIN, fakenet.RST, fakenet.Silence}
				if few() {
					manners = manners[i%3:][:1] // in turns
				}
				var mine sum
				for _, how := range manners {
					inWorld(t, &c, func(w *world) { w.sweep(how, &mine) })
				}
				t.Log(&mine)
				all.add(&mine)
			})
		}
	})
	t.Log(&all)
}

// sweep cuts the conversation in one manner.
func (w *world) sweep(how fakenet.Manner, s *sum) {
	m := w.measure()
	for _, way := range []fakenet.Direction{fakenet.ToServer, fakenet.ToClient} {
		for at := 0; at <= m.all[way]+1; at++ { // once beyond the end
			if c := (cut{way, at, how}); w.worth(m, c) {
				w.judge(m, c, w.have(&c), s)
			}
		}
	}
	s.conversations = 1
	if few() {
		return
	}
	for i, k := range m.kinds {
		require.NotZero(w.t, s.outcomes[k], "message %d", i)
		if len(m.ends[i]) > 0 {
			require.NotZero(w.t, s.outcomes[uncertain])
		}
	}
}

// worth reports whether a cut is to be tried.
func (w *world) worth(m *marks, c cut) bool {
	stride := 97
	switch {
	case *everyOctet && !w.opening && c.at < m.ready[c.way]:
		return c.at%13 == 0 // as in those whose opening is looked at
	case *everyOctet:
		return !m.filling(c.way, c.at)
	case few():
		stride = 499
	case c.how != fakenet.FIN:
		stride = 199
	case m.seam(c.way, c.at):
		return true
	}
	if m.filling(c.way, c.at) {
		return false
	}
	return m.decisive(c.way, c.at) || c.at%stride == 0
}

// few reports whether samples have to do.
func few() bool { return !*everyOctet && (raced || testing.Short()) }

// judge compares what the client says of each message with what was.
func (w *world) judge(m *marks, c cut, x *trial, s *sum) {
	s.cuts++
	complain := func(format string, args ...any) {
		s.wrong++
		w.t.Errorf("%v of %v: %s", c, m.all, fmt.Sprintf(format, args...))
	}
	for i, a := range x.said {
		if !a.said {
			complain("message %d: no answer", i)
			continue
		}
		got, want := kindOf(a), m.expect(i, c, x.left)
		var again leave
		if want == notSent && w.again != nil {
			again = w.again(m, c, i)
		}
		elsewhere := want == notSent && got == m.kinds[i] && again != mustNot
		taken := x.taken[i]
		switch {
		case (got == receipt || got == partly) && len(taken) != 1:
			complain("message %d: receipt, and it was taken %d times", i, len(taken))
		case got == uncertain && len(taken) > 1:
			complain("message %d: taken %d times", i, len(taken))
		case (got == notSent || got == refusal) && len(taken) != 0:
			complain("message %d: taken, and the error is %v", i, a.err)
		case len(taken) == 1 && (len(m.taken[i]) == 0 || taken[0] != m.taken[i][0]):
			complain("message %d: taken is %v, not %v", i, taken, m.taken[i])
		case got == contradiction:
			complain("message %d: %v, %v", i, a.receipt, a.err)
		case w.each: // how far it came is for others to look at
		case got != want && !elsewhere:
			complain("message %d: %v, not %v: %v; handed over and read %v, decided %v", i, got, want, a.err, m.ends[i], m.decided[i])
		case got == want && again == must:
			complain("message %d: not sent elsewhere: %v", i, a.err)
		case got == receipt && !w.cold && !a.receipt.TLS.DidResume:
			complain("message %d: in another conversation than the one that was measured", i)
		case elsewhere:
			s.elsewhere++
		}
		if a.err != nil && strings.Contains(a.err.Error(), password) {
			complain("message %d: the password is in the error", i)
		}
		s.outcomes[got]++
	}
	if taken := x.taken[-1]; len(taken) > 0 {
		complain("taken, and never sent: %v", taken)
	}
	if stats := x.stats; stats != nil {
		var accepted, uncertainly uint64
		for _, a := range x.said {
			switch kindOf(a) {
			case receipt, partly:
				accepted++
			case uncertain:
				uncertainly++
			}
		}
		if stats.Accepted != accepted || stats.Uncertain != uncertainly || stats.Open != 0 {
			complain("the pool has counted %+v", stats)
		}
	}
	if x.open > 0 {
		complain("%d connections left open", x.open)
	}
	w.inspect(m, x, complain)
}

// inspect looks for what was shown to whom it should not be.
func (w *world) inspect(m *marks, x *trial, complain func(string, ...any)) {
	for _, conn := range x.conns {
		for _, secret := range secrets {
			if bytes.Contains(conn.wire, secret) {
				complain("in cleartext on the wire: %q", secret)
			}
		}
	}
	for i, service := range services {
		shown := x.attempts[service] > 0 || service == w.service() && x.left > m.ready[fakenet.ToServer]
		if shown && x.attempts[services[1-i]] > 0 {
			complain("credentials were shown to both ports")
		}
	}
	if w.unverified && x.attempts[submit.Submissions]+x.attempts[submit.Submission] > 0 {
		complain("credentials were shown to whom nobody has verified")
	}
}

// secrets are what must not be seen, and what cannot be hidden in what is not TLS.
var secrets = [...][]byte{
	[]byte(password), encoded(password), encoded("\x00" + user), encoded("\x00" + user + "\x00" + password),
	encoded(strings.Repeat("t", 60)), []byte("AUTH PLAIN"), []byte("AUTH LOGIN"), []byte("AUTH SCRAM"), []byte("AUTH OAUTH"),
	[]byte("MAIL FROM:"), []byte(friend), []byte("Subject: "),
}

func encoded(s string) []byte { return []byte(base64.StdEncoding.EncodeToString([]byte(s))) }

// A sum is what came of conversations.
type sum struct {
	mu            sync.Mutex // guards the fields below where there are several to add to it
	conversations int
	cuts          int
	outcomes      [kinds]int
	elsewhere     int
	wrong         int
}

func (s *sum) add(other *sum) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conversations += other.conversations
	s.cuts += other.cuts
	s.elsewhere += other.elsewhere
	s.wrong += other.wrong
	for k, n := range other.outcomes {
		s.outcomes[k] += n
	}
}

func (s *sum) String() string {
	var b strings.Builder
	if s.conversations > 1 {
		fmt.Fprintf(&b, "%d conversations, ", s.conversations)
	}
	fmt.Fprintf(&b, "cut %d times: %d receipts (%d from elsewhere), %d refusals, %d uncertain, %d not sent; %d wrong",
		s.cuts, s.outcomes[receipt]+s.outcomes[partly], s.elsewhere, s.outcomes[refusal],
		s.outcomes[uncertain], s.outcomes[notSent], s.wrong)
	return b.String()
}

// Names are distinct, or the subtests' would not say which it is.
func TestNames(t *testing.T) {
	var names []string
	for _, c := range conversations() {
		names = append(names, c.name)
	}
	slices.Sort(names)
	require.Equal(t, len(names), len(slices.Compact(names)))
}
