package submit_test

import (
	"bufio"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/internal/fakenet"
	"github.com/mailport/mailport/submit"
	"github.com/mailport/mailport/submit/submittest"
)

// errRead is what a body fails with.
var errRead = errors.New("disk on fire")

// sizes are around what is read before anything is sent, and around the records
// that a body leaves in.
var sizes = []int{1, 2, 100, 4<<10 - 1, 4 << 10, 16<<10 - 1, 16 << 10, 16<<10 + 1, 64<<10 - 1, 64 << 10, 64<<10 + 1, 100 << 10}

// Promise 4: if reading the body fails, wherever, nothing is delivered and the
// dot is not sent. What is wrong with it from the start is found before the
// server is asked to take it; later, the connection is cut.
func TestBodyThatFails(t *testing.T) {
	for _, size := range sizes {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			t.Parallel()
			inWorld(t, nil, func(t *testing.T, w *world) {
				m := letter()
				m.Body = io.MultiReader(strings.NewReader(ofSize(size)), iotest.ErrReader(errRead))
				s := w.warm(submit.Submissions)
				before := w.link().Octets(fakenet.ToServer)
				receipt, err := s.Submit(t.Context(), m)
				require.Nil(t, receipt)
				require.ErrorIs(t, err, errRead)
				require.NotErrorIs(t, err, submit.ErrUncertain)
				require.NotErrorIs(t, err, submit.ErrTemporary, "another try will not put out the fire")
				require.Empty(t, w.settled())
				early := size < 64<<10
				require.Equal(t, early, errors.Is(err, submit.ErrInvalid))
				require.Equal(t, early, w.link().Open())
				if early {
					require.Equal(t, before, w.link().Octets(fakenet.ToServer), "nothing was said")
					_, err = s.Submit(t.Context(), letter())
					require.NoError(t, err)
					return
				}
				require.Contains(t, w.server.Conversation(), "octets, then no more>\n")
				require.NotContains(t, w.server.Conversation(), "QUIT")
			})
		})
	}
}

// ofSize returns a message of n octets.
func ofSize(n int) string {
	line := "X-Line: " + strings.Repeat("x", 88) + "\r\n"
	body := strings.Repeat(line, n/len(line)+1)[:n]
	if n >= 2 {
		body = body[:n-2] + "\r\n"
	}
	return body
}

// What cannot be a message is found before anybody is dialled. RFC 5322, section
// 3.6: a message has a header.
func TestBodyThatIsNone(t *testing.T) {
	for name, body := range map[string]io.Reader{
		"nil":        nil,
		"empty":      strings.NewReader(""),
		"read up":    exhausted(),
		"unreadable": iotest.ErrReader(errRead),
		"no octets":  noOctets{},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, nil, func(t *testing.T, w *world) {
				m := letter()
				m.Body = body
				for _, service := range services {
					_, err := w.transport(service).Submit(t.Context(), m)
					require.ErrorIs(t, err, submit.ErrInvalid)
					var invalid *submit.InvalidError
					require.ErrorAs(t, err, &invalid)
					require.Equal(t, "Message.Body", invalid.Field)
				}
				require.Zero(t, w.net.Dials(fakenet.Anywhere))
			})
		})
	}
}

func exhausted() io.Reader {
	r := strings.NewReader(text)
	io.Copy(io.Discard, r)
	return r
}

// noOctets reads nothing, for ever.
type noOctets struct{}

func (noOctets) Read([]byte) (int, error) { return 0, nil }

// A body that stops giving octets without an end is an error, not a stall, also
// in its middle.
func TestBodyWithoutProgress(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		m := letter()
		m.Body = io.MultiReader(strings.NewReader(large), noOctets{})
		_, err := w.transport(submit.Submissions).Submit(t.Context(), m)
		require.ErrorIs(t, err, io.ErrNoProgress)
		require.NotErrorIs(t, err, submit.ErrUncertain)
		require.Empty(t, w.settled())
	})
}

// A body that panics is a mistake of the caller's, who gets it back; but the
// connection must not survive amid a message, and nothing is delivered (promise
// 4). Nor does it stay open, where the library has opened it (promise 6).
func TestBodyThatPanics(t *testing.T) {
	for _, size := range []int{0, 100, 65 << 10} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			t.Parallel()
			inWorld(t, nil, func(t *testing.T, w *world) {
				body := func() io.Reader {
					return io.MultiReader(strings.NewReader(ofSize(size)), readerFunc(func([]byte) (int, error) { panic("ouch") }))
				}
				m := letter()
				m.Body = body()
				require.PanicsWithValue(t, "ouch", func() { w.transport(submit.Submissions).Submit(t.Context(), m) })
				require.Zero(t, w.net.Open())

				s := w.warm(submit.Submission)
				m.Body = body()
				require.PanicsWithValue(t, "ouch", func() { s.Submit(t.Context(), m) })
				begun := size >= 64<<10
				require.Equal(t, !begun, w.link().Open())
				_, err := s.Submit(t.Context(), letter())
				if begun {
					require.ErrorIs(t, err, submit.ErrTemporary)
					require.Empty(t, w.settled())
				} else {
					require.NoError(t, err)
					require.Len(t, w.settled(), 1)
				}
			})
		})
	}
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// A reader that claims to have read what it cannot have is caught.
func TestBodyThatMiscounts(t *testing.T) {
	for _, count := range []int{-1, 1 << 20} {
		inWorld(t, nil, func(t *testing.T, w *world) {
			m := letter()
			m.Body = io.MultiReader(strings.NewReader(large), readerFunc(func([]byte) (int, error) { return count, nil }))
			_, err := w.transport(submit.Submissions).Submit(t.Context(), m)
			require.Error(t, err)
			require.NotErrorIs(t, err, submit.ErrUncertain)
			require.Empty(t, w.settled())

			m.Body = readerFunc(func([]byte) (int, error) { return count, nil })
			_, err = w.transport(submit.Submissions).Submit(t.Context(), m)
			require.ErrorIs(t, err, submit.ErrInvalid)
			require.Empty(t, w.settled())
		})
	}
}

// Promise 8: what is delivered is what was given, octet for octet but for line
// ends, however it is read and wherever the pieces end. RFC 5321, section 2.3.8:
// bare CR and LF become CRLF; section 4.5.2: dots are doubled on the way.
func TestBodyIsDelivered(t *testing.T) {
	bodies := map[string]string{
		"plain":              text,
		"no final line end":  "Subject: x\r\n\r\nend",
		"one octet":          "x",
		"line end only":      "\r\n",
		"bare LF":            "Subject: x\n\nfirst\nsecond\n\n",
		"bare CR":            "Subject: x\r\rfirst\rsecond\r\r",
		"CR at the end":      "Subject: x\r\n\r\nend\r",
		"mixed line ends":    "a\r\nb\nc\rd\n\re\r\r\nf\n\n\r\n\r",
		"a dot":              ".",
		"dots":               ".\r\n..\r\n...\r\n.x\r\nx.\r\n",
		"an end within":      "Subject: x\r\n\r\n.\r\nMAIL FROM:<a@example.com>\r\n",
		"a bare end, LF":     "Subject: x\n\n.\nRSET\n",
		"a bare end, CR":     "Subject: x\r\r.\rRSET\r",
		"an end, LF CR":      "Subject: x\r\n\n.\r\nRSET\r\n",
		"an end, CR CRLF":    "Subject: x\r\r\n.\r\r\nRSET\r\n",
		"octets":             "Subject: x\r\n\r\n\x00\x01\x7f\x1b[2J\r\n",
		"8-bit":              "Subject: x\r\n\r\nGr\xfc\xdfe, \xff\xfe\r\n",
		"UTF-8":              "Subject: x\r\n\r\nGrüße\r\n",
		"a long line":        "Subject: x\r\n\r\n" + strings.Repeat("y", 100<<10) + "\r\n",
		"lines of dots only": strings.Repeat(".\r\n", 30<<10),
		"lines of LF only":   strings.Repeat("\n", 70<<10),
		"lines of CR only":   strings.Repeat("\r", 70<<10),
	}
	for _, size := range sizes {
		bodies[fmt.Sprint(size)] = ofSize(size)
		bodies[fmt.Sprint(size, " LF")] = strings.ReplaceAll(ofSize(size), "\r\n", "\n") + "\n"
		bodies[fmt.Sprint(size, " dots")] = strings.Repeat(".\r\n", size/3) + "."
		bodies[fmt.Sprint(size, " split CRLF")] = strings.Repeat("x", size-1) + "\r\n.\r\n"
		bodies[fmt.Sprint(size, " split dot")] = strings.Repeat("x", max(0, size-2)) + "\r\n.\r\n"
	}
	delivered := make(map[string]string)
	for name, body := range bodies {
		delivered[name] = canonical(body)
	}
	readers := map[string]func(io.Reader) io.Reader{
		"whole":         func(r io.Reader) io.Reader { return r },
		"octets":        func(r io.Reader) io.Reader { return iotest.OneByteReader(r) },
		"halves":        iotest.HalfReader,
		"data with EOF": iotest.DataErrReader,
	}
	for i, name := range slices.Sorted(maps.Keys(readers)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, nil, func(t *testing.T, w *world) {
				s := w.warm(submit.Submissions)
				sent, wrap := 0, readers[name]
				for j, size := range slices.Sorted(maps.Keys(bodies)) {
					if raced && (i+j)%2 != 0 {
						continue // each by two readers
					}
					body := bodies[size]
					if name == "octets" && len(body) > 70<<10 {
						continue // too slow
					}
					m := letter()
					m.Body = wrap(strings.NewReader(body))
					_, err := s.Submit(t.Context(), m)
					require.NoError(t, err, size)
					sent++
					got := w.server.Messages()
					require.True(t, delivered[size] == string(got[len(got)-1].Data), size) // Equal would print it all
				}
				require.Len(t, w.settled(), sent)
			})
		})
	}
}

// canonical is promise 8 in its simplest form.
func canonical(s string) string {
	s = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(s)
	if !strings.HasSuffix(s, "\n") {
		s += "\n"
	}
	return strings.ReplaceAll(s, "\n", "\r\n")
}

// RFC 6152: octets above 127 need 8BITMIME. Where the server does not offer it
// they are never sent: refused before MAIL if they are seen in time, and in the
// middle, by cutting the connection, if not.
func TestBodyWithEightBits(t *testing.T) {
	const eight = "Gr\xfc\xdfe\r\n"
	without := func(s *submittest.Server) { s.Without = append(s.Without, "8BITMIME") }
	for _, test := range []struct {
		name, body string
		options    *smtp.MailOptions
		offered    bool
		outcome    string // "BODY" parameter if sent
		refused    submit.Phase
	}{
		{name: "small, offered", body: text + eight, offered: true, outcome: "8BITMIME"},
		{name: "large, offered", body: large + eight, offered: true, outcome: "8BITMIME"},
		{name: "ASCII, offered", body: text, offered: true},
		{name: "large ASCII, offered", body: large, offered: true, outcome: "8BITMIME"}, // who knows
		{name: "declared, offered", body: text, options: &smtp.MailOptions{Body: smtp.Body8BitMIME}, offered: true, outcome: "8BITMIME"},
		{name: "ASCII, not offered", body: text},
		{name: "large ASCII, not offered", body: large},
		{name: "small, not offered", body: text + eight, refused: submit.PhaseSender},
		{name: "early in a large one, not offered", body: text + eight + large, refused: submit.PhaseSender},
		{name: "late in a large one, not offered", body: large + eight, refused: submit.PhaseBody},
		{name: "declared, not offered", body: text, options: &smtp.MailOptions{Body: smtp.Body8BitMIME}, refused: submit.PhaseSender},
		{name: "late, and declared otherwise", body: large + eight, options: &smtp.MailOptions{Body: smtp.Body7Bit}, offered: true, refused: submit.PhaseBody},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			setup := without
			if test.offered {
				setup = nil
			}
			inWorld(t, setup, func(t *testing.T, w *world) {
				s := w.warm(submit.Submissions)
				before := w.link().Octets(fakenet.ToServer)
				m := letterOf(test.body)
				m.Options = test.options
				_, err := s.Submit(t.Context(), m)
				got := w.settled()
				if test.refused == 0 {
					require.NoError(t, err)
					require.Len(t, got, 1)
					require.Equal(t, smtp.BodyType(test.outcome), got[0].Options.Body)
					require.True(t, test.body == string(got[0].Data))
					return
				}
				require.Empty(t, got)
				require.ErrorIs(t, err, errors.ErrUnsupported)
				require.ErrorIs(t, err, submit.ErrRejected)
				var e *submit.Error
				require.ErrorAs(t, err, &e)
				require.Equal(t, test.refused, e.Phase)
				if test.refused == submit.PhaseSender {
					require.Equal(t, before, w.link().Octets(fakenet.ToServer), "nothing was said")
					_, err := s.Submit(t.Context(), letter())
					require.NoError(t, err)
				} else {
					require.False(t, w.link().Open())
				}
			})
		})
	}
}

// A body that can seek is read from where it stands; given twice, it must be set
// back by whoever gives it.
func TestBodyGivenTwice(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		s := w.warm(submit.Submissions)
		body := strings.NewReader("not this" + text)
		for range 2 {
			_, err := body.Seek(8, io.SeekStart)
			require.NoError(t, err)
			m := letter()
			m.Body = body
			_, err = s.Submit(t.Context(), m)
			require.NoError(t, err)
			require.Zero(t, body.Len(), "read to its end")

			_, err = s.Submit(t.Context(), m)
			require.ErrorIs(t, err, submit.ErrInvalid, "and it is empty now")
		}
		got := w.settled()
		require.Len(t, got, 2)
		for _, m := range got {
			require.Equal(t, text, string(m.Data))
			require.Equal(t, int64(len(text)), m.Options.Size)
		}
	})
}

// RFC 1870: the size is told, as SMTP counts it, if it is known. Of a message
// whose end has not been seen it is an estimate, section 6: no less than the size,
// and no more than the server takes, if the message may fit.
func TestBodySize(t *testing.T) {
	const limit = 200 << 10
	inWorld(t, func(s *submittest.Server) { s.MaxMessageBytes = limit }, func(t *testing.T, w *world) {
		s := w.warm(submit.Submissions)
		for _, body := range []string{
			text, "a\nb", "a\rb\r\n.", ofSize(64<<10 - 1), ofSize(64 << 10), ofSize(64<<10 + 1),
			strings.Repeat("\n", 100<<10), ofSize(limit - 1), ofSize(limit),
		} {
			_, err := s.Submit(t.Context(), letterOf(body))
			require.NoError(t, err)
			got := w.server.Messages()
			size, told := got[len(got)-1].Size, got[len(got)-1].Options.Size
			require.GreaterOrEqual(t, told, size)
			require.LessOrEqual(t, told, int64(limit))
			if len(body) < 64<<10 {
				require.Equal(t, told, size)
			}
		}
		m := letter()
		m.Body = io.MultiReader(strings.NewReader(ofSize(limit))) // who knows
		_, err := s.Submit(t.Context(), m)
		require.NoError(t, err)
		got := w.server.Messages()
		require.Zero(t, got[len(got)-1].Options.Size)
	})
}

// RFC 1870, section 5: what is known to be too large for the server is not sent.
// What turns out to be too large is for the server to refuse, and its refusal is
// the error although it closes the connection amid the body.
func TestBodyTooLarge(t *testing.T) {
	const limit = 100 << 10
	for _, announced := range []bool{true, false} {
		setup := func(s *submittest.Server) { s.MaxMessageBytes = limit }
		if !announced {
			setup = both(setup, func(s *submittest.Server) { s.Without = append(s.Without, "SIZE") })
		}
		inWorld(t, setup, func(t *testing.T, w *world) {
			s := w.warm(submit.Submissions)
			before := w.link().Octets(fakenet.ToServer)
			_, err := s.Submit(t.Context(), letterOf(large))
			require.ErrorIs(t, err, submit.ErrTooLarge)
			require.NotErrorIs(t, err, submit.ErrTemporary)
			require.NotErrorIs(t, err, submit.ErrUncertain)
			require.Equal(t, announced, before == w.link().Octets(fakenet.ToServer))
			require.Empty(t, w.settled())
			_, err = s.Submit(t.Context(), letterOf(ofSize(limit)))
			require.NoError(t, err)
		})
	}
}

// Promise 4 and RFC 5321, section 4.1.1.4, with a body from a pipe, as a program
// has it from its standard input: it cannot seek, and its size is not known.
func TestBodyFromPipe(t *testing.T) {
	server := submittest.NewServer(t)
	r, out, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	go func() {
		defer out.Close()
		for _, line := range strings.SplitAfter(large, "\n") {
			io.WriteString(out, line)
		}
	}()
	transport := submit.ImplicitTLS{Host: "localhost", Config: server.Config()}
	m := letter()
	m.Body = r
	_, err = transport.Submit(t.Context(), m)
	require.NoError(t, err)
	require.True(t, large == string(server.Messages()[0].Data))
}

var everyOctet = flag.Bool("everyoctet", false, "send a message of 1 GiB, which takes seconds")

// Promise 10: memory is bounded however large the message is. Over a real
// socket.
func TestBodyInBoundedMemory(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(100)) // as in a program
	size := int64(32 << 20)
	most := int64(10 << 20) // who holds four tenths of it, holds too much
	if *everyOctet {
		size, most = 1<<30, 16<<20
	}
	for transfer, offers := range transfers {
		sink := newSink(t, offers...)
		conn, err := tls.Dial("tcp", sink.addr, &tls.Config{RootCAs: authority().Pool(), ServerName: host})
		require.NoError(t, err)
		s, err := submit.NewSession(t.Context(), conn, submit.Config{})
		require.NoError(t, err)
		small := sink.peakOf(s, int64(len(line)))
		huge := sink.peakOf(s, size)
		t.Logf("%s: %d KiB more in use", transfer, (huge-small)>>10)
		require.Less(t, huge-small, most, transfer)
		require.Equal(t, size, sink.body)
		require.Equal(t, transfer == "CHUNKING", sink.chunked)
		s.Close()
	}
}

// A sink takes messages and counts their octets. It is as simple as it is so
// that it is fast, and uses little memory itself.
type sink struct {
	t       *testing.T
	addr    string
	offers  []string
	body    int64 // octets of the last message
	chunked bool  // it came by BDAT
	took    chan struct{}
}

func newSink(t *testing.T, offers ...string) *sink {
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{authority().Leaf(host)}})
	require.NoError(t, err)
	s := &sink{t: t, addr: l.Addr().String(), offers: offers, took: make(chan struct{}, 1)}
	var served sync.WaitGroup
	served.Go(func() {
		if conn, err := l.Accept(); err == nil {
			s.serve(conn.(*tls.Conn))
			conn.Close()
		}
	})
	t.Cleanup(func() { l.Close(); served.Wait() })
	return s
}

func (s *sink) serve(conn *tls.Conn) {
	a := &actor{conn: conn, in: bufio.NewReaderSize(conn, 64<<10)}
	a.say("220 " + host)
	a.hear()
	a.say(strings.Split(ehloReply(append(s.offers, "PIPELINING")...), "\n")...)
	for {
		verb, args, _ := strings.Cut(a.hear(), " ")
		switch verb {
		case "MAIL":
			s.body = 0
			a.say("250 ok")
		case "RCPT", "RSET":
			a.say("250 ok")
		case "DATA":
			a.say("354 go on")
			for line := []byte(nil); string(line) != ".\r\n"; s.body += int64(len(line)) {
				var err error
				if line, err = a.in.ReadSlice('\n'); err != nil {
					return
				}
			}
			s.body -= int64(len(".\r\n"))
			s.chunked = false
			s.took <- struct{}{}
			a.say("250 ok")
		case "BDAT":
			size, last, _ := strings.Cut(args, " ")
			n, _ := strconv.Atoi(size)
			if _, err := a.in.Discard(n); err != nil {
				return
			}
			s.body += int64(n)
			if last == "LAST" {
				s.chunked = true
				s.took <- struct{}{}
			}
			a.say("250 ok")
		default:
			return
		}
	}
}

// peakOf submits a message of whole lines and returns how much memory was in use
// at most.
func (s *sink) peakOf(session *submit.Session, size int64) (peak int64) {
	runtime.GC()
	body := &endless{left: size, every: 1 << 20, do: func() {
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
		peak = max(peak, int64(stats.HeapInuse+stats.StackInuse))
	}}
	m := letter()
	m.Body = body
	_, err := session.Submit(s.t.Context(), m)
	require.NoError(s.t, err)
	<-s.took
	return peak
}

// endless reads lines until left is used up, and does something every so many
// octets.
type endless struct {
	left, read, every int64
	do                func()
}

var (
	line = strings.Repeat("x", 510) + "\r\n"
	page = []byte(strings.Repeat(line, 128))
)

func (e *endless) Read(p []byte) (int, error) {
	if e.left == 0 {
		return 0, io.EOF
	}
	if e.read%e.every == 0 {
		e.do()
	}
	n := copy(p[:min(int64(len(p)), e.left)], page[e.read%int64(len(line)):])
	e.read += int64(n)
	e.left -= int64(n)
	return n, nil
}
