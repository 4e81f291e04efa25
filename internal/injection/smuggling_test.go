package injection

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/submit"
)

// second is what a smuggled message would begin with.
const second = "MAIL FROM:<ceo@example.com>\r\nRCPT TO:<evil@example.net>\r\nDATA\r\nSubject: pay\r\n\r\nNow.\r\n"

// lineEnds are what one server or another has taken for the end of a line.
var lineEnds = []string{"\r\n", "\n", "\r", "\r\r\n", "\n\r", "\r\n\n", "\n\n", "\r\r", "\x00\r\n", "\r\x00\n", "\u0085", "\u2028", "\v", "\f"}

// normal is what of a message may arrive: every line end is CRLF, and nothing else is
// changed (RFC 5321, section 2.3.8).
func normal(message string) string {
	s := strings.ReplaceAll(message, "\r\n", "\n")
	s = strings.ReplaceAll(s, "\r", "\n")
	s = strings.ReplaceAll(s, "\n", "\r\n")
	if !strings.HasSuffix(s, "\r\n") {
		s += "\r\n"
	}
	return s
}

// endsData reports whether there is an end of data for a server that believes in any:
// a dot between line ends of whatever kind. Among them are all of CVE-2023-51764,
// -51765 and -51766.
func endsData(octets string) bool {
	for i := 0; i < len(octets); i++ {
		if octets[i] != '.' {
			next := strings.IndexByte(octets[i:], '.')
			if next < 0 {
				return false
			}
			i += next
		}
		before, behind := byte('\n'), octets[min(i+1, len(octets)-1)]
		if i > 0 {
			before = octets[i-1]
		}
		if (before == '\r' || before == '\n') && (behind == '\r' || behind == '\n') {
			return true
		}
	}
	return false
}

// aWay is how a message gets to a server.
type aWay struct {
	name    string
	without []string
	dots    bool     // they are doubled
	to      []string // nil for one
}

var ways = []aWay{
	{"DATA, pipelined", []string{"CHUNKING"}, true, nil},
	{"DATA, one by one", []string{"CHUNKING", "PIPELINING"}, true, nil},
	{"BDAT, one flight", nil, false, nil},
	{"BDAT, two flights", nil, false, []string{friend, "them@example.net"}},
	{"BDAT, one by one", []string{"PIPELINING"}, false, nil},
}

// requireOneMessage holds what a server has to read of one message, whatever is in it:
// the commands of one transaction, and one message; no CR and no LF but in CRLF, so
// that no other reader sees other lines; with DATA no end but the one there is, however
// credulous the reader, and with BDAT as many octets as were announced.
func requireOneMessage(t *testing.T, way aWay, w *witness, message string) {
	t.Helper()
	lines, took := w.read()
	require.Len(t, took, 1)
	want := []string{`^MAIL FROM:<me@example\.com>[ A-Z0-9=]*$`}
	for range max(1, len(way.to)) {
		want = append(want, `^RCPT TO:<[a-z]+@example\.net>$`)
	}
	if way.dots {
		want = append(want, `^DATA$`)
	}
	for i, size := range took[0].chunks {
		last := ""
		if i == len(took[0].chunks)-1 {
			last = " LAST"
		}
		want = append(want, fmt.Sprintf(`^BDAT %d%s$`, size, last))
	}
	require.Len(t, lines, len(want), "%.80q", lines)
	for i, line := range lines {
		require.Regexp(t, want[i], line)
	}

	octets := took[0].octets
	pairs := strings.Count(octets, "\r\n")
	require.Equal(t, [2]int{pairs, pairs}, [2]int{strings.Count(octets, "\r"), strings.Count(octets, "\n")}, "a bare line end arrived")
	if way.dots {
		require.False(t, endsData(octets), "an end of data arrived")
		octets = strings.ReplaceAll("\r\n"+octets, "\r\n..", "\r\n.")[2:]
	}
	if want := normal(message); octets != want { // not shown: it may be large
		i := 0
		for i < min(len(octets), len(want)) && octets[i] == want[i] {
			i++
		}
		t.Fatalf("%d octets arrived of %d, and differ from %d on: %.40q, not %.40q", len(octets), len(want), i, octets[i:], want[i:])
	}
}

func submitBy(t *testing.T, s *submit.Session, way aWay, body io.Reader) {
	t.Helper()
	to := way.to
	if to == nil {
		to = []string{friend}
	}
	_, err := s.Submit(t.Context(), submit.Message{From: me, To: to, Body: body})
	require.NoError(t, err)
}

// SMTP smuggling: a dot between any two line ends, at the beginning, in the middle and
// at the end of a message, ends nothing. What follows it stays a part of the message.
func TestNoMessageEndsItself(t *testing.T) {
	for _, way := range ways {
		t.Run(way.name, func(t *testing.T) {
			w := newWitness(t, everything...)
			s := w.session(t, way.without...)
			ends := append(slices.Clone(lineEnds), "")
			if raced {
				ends = []string{"\r\n", "\n", "\r", "\r\r\n", ""}
			}
			for _, before := range ends {
				for _, behind := range ends {
					for _, dots := range []string{".", ".."} {
						for _, message := range []string{
							"Subject: a\r\n\r\na" + before + dots + behind + second,
							before + dots + behind + second,
							"a" + before + dots + behind,
							second + before + dots + behind + before + dots + behind,
						} {
							submitBy(t, s, way, strings.NewReader(message))
							requireOneMessage(t, way, w, message)
						}
					}
				}
			}
		})
	}
}

// The same wherever the reader of the message stops: in the middle of a line end, before
// the dot, behind it.
func TestNoMessageEndsItselfInPieces(t *testing.T) {
	for _, way := range ways {
		w := newWitness(t, everything...)
		s := w.session(t, way.without...)
		for _, before := range lineEnds[:5] {
			for _, behind := range lineEnds[:5] {
				message := "Subject: a\r\n\r\na" + before + "." + behind + second
				for _, reader := range []func(io.Reader) io.Reader{iotest.OneByteReader, iotest.HalfReader, iotest.DataErrReader} {
					submitBy(t, s, way, reader(strings.NewReader(message)))
					requireOneMessage(t, way, w, message)
				}
			}
		}
	}
}

// The same where the client itself begins anew: at the ends of TLS records, of what is
// read at once, and of chunks.
func TestNoMessageEndsItselfAtBoundaries(t *testing.T) {
	const (
		record = 16 << 10
		first  = 64 << 10  // how much is read before anything is sent, and the first chunk
		chunk  = 256 << 10 // every other one
	)
	for _, way := range ways {
		t.Run(way.name, func(t *testing.T) {
			w := newWitness(t, everything...)
			s := w.session(t, way.without...)
			at := func(place int, ends ...string) {
				for _, before := range ends {
					for _, behind := range ends {
						for shift := -3; shift <= 3; shift++ {
							message := "Subject: a\r\n\r\n"
							message += strings.Repeat("x", place+shift-len(message)-len(before)) + before + "." + behind + second
							submitBy(t, s, way, strings.NewReader(message))
							requireOneMessage(t, way, w, message)
						}
					}
				}
			}
			if raced {
				at(record, "\n")
				return
			}
			at(record, "\r\n", "\n", "\r")
			at(first, "\r")
			if !way.dots {
				at(first+chunk, "\n")
			}
		})
	}
}

// Dots and bare line ends in a row, which grow while a buffer is filled.
func TestNoMessageEndsItselfByGrowth(t *testing.T) {
	for _, way := range ways {
		w := newWitness(t, everything...)
		s := w.session(t, way.without...)
		for _, piece := range []string{"\n.", "\r.", "\n.\r", ".\r\n", "\r\n.\n.\r.", "\r", "\n"} {
			for _, n := range []int{17 << 10, 70 << 10} {
				if raced && n > 64<<10 {
					continue
				}
				message := strings.Repeat(piece, n/len(piece)) + second
				submitBy(t, s, way, strings.NewReader(message))
				requireOneMessage(t, way, w, message)
			}
		}
	}
}

// In a window no message becomes two, nor a part of another.
func TestNoMessageEndsItselfInAWindow(t *testing.T) {
	for _, without := range [][]string{nil, {"CHUNKING"}, {"CHUNKING", "PIPELINING"}} {
		w := newWitness(t, everything...)
		pool := &submit.Pool{Transport: w.transport(w.config(without...)), MaxSessions: 1}
		var bodies []string
		for _, before := range lineEnds {
			for _, behind := range lineEnds {
				bodies = append(bodies, fmt.Sprintf("Subject: %d\r\n\r\na%s.%s%s", len(bodies), before, behind, second))
			}
		}
		messages := func(yield func(submit.Message) bool) {
			for _, b := range bodies {
				if !yield(letterOf(b)) {
					return
				}
			}
		}
		for r := range pool.SubmitAll(t.Context(), messages) {
			require.NoError(t, r.Err)
		}
		pool.Close()
		lines, took := w.read()
		for _, line := range lines {
			require.Regexp(t, `^(MAIL FROM:<me@example\.com> SIZE=\d+( BODY=8BITMIME)?|RCPT TO:<you@example\.net>|BDAT \d+( LAST)?|DATA|RSET)$`, line)
		}
		var want, got []string
		for _, b := range bodies {
			want = append(want, normal(b))
		}
		for _, p := range took {
			octets := p.octets
			if p.chunks == nil {
				require.False(t, endsData(octets))
				octets = strings.ReplaceAll("\r\n"+octets, "\r\n..", "\r\n.")[2:]
			}
			got = append(got, octets)
		}
		slices.Sort(want)
		slices.Sort(got)
		require.Equal(t, want, got)
	}
}

// RFC 3030, section 3: what is sent as BINARYMIME, which the caller alone can ask for,
// is not changed; that nothing in it ends it is for the count of octets to see to.
func TestNoBinaryMessageEndsItself(t *testing.T) {
	w := newWitness(t, everything...)
	s := w.session(t)
	for _, before := range lineEnds[:5] {
		for _, behind := range lineEnds[:5] {
			for _, size := range []int{0, 70 << 10} {
				message := "Subject: a\r\n\r\n" + strings.Repeat("\x00", size) + before + "." + behind + "BDAT 0 LAST\r\n" + second
				m := letterOf(message)
				m.Options = &smtp.MailOptions{Body: smtp.BodyBinaryMIME}
				_, err := s.Submit(t.Context(), m)
				require.NoError(t, err)
				lines, took := w.read()
				require.Len(t, lines, 2+len(took[0].chunks))
				require.True(t, bytes.Equal([]byte(message), []byte(took[0].octets)))
			}
		}
	}
	// Elsewhere it is not sent at all, rather than changed.
	_, err := w.session(t, "CHUNKING").Submit(t.Context(), withMail(smtp.MailOptions{Body: smtp.BodyBinaryMIME}))
	require.ErrorIs(t, err, submit.ErrRejected)
}

// A message that breaks off is never ended, by whatever its last octets are.
func TestNoBrokenMessageIsEnded(t *testing.T) {
	for _, way := range ways {
		for _, tail := range []string{"\r\n.\r\n", "\r\n.\r", "\r\n.", "\r\n", "\r", ".", "", "\r\nBDAT 0 LAST\r\n", "\r\n.\r\nQUIT\r\n"} {
			w := newWitness(t, everything...)
			s := w.session(t, way.without...)
			body := io.MultiReader(strings.NewReader(strings.Repeat("x", 70<<10)+tail), iotest.ErrReader(io.ErrClosedPipe))
			_, err := s.Submit(t.Context(), submit.Message{From: me, To: []string{friend}, Body: body})
			require.ErrorIs(t, err, io.ErrClosedPipe)
			require.NotErrorIs(t, err, submit.ErrUncertain)
			s.Close()
			w.settle()
			lines, took := w.read()
			require.Empty(t, took)
			require.NotContains(t, strings.Join(lines, " "), "LAST")
		}
	}
}
