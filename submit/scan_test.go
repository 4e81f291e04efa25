package submit

import (
	"bytes"
	"io"
	"math"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// A model finds out the same as source does, in the simplest way.
type model struct {
	head   string
	whole  bool
	length int64
}

func (m model) canonical() int64 {
	pairs := strings.Count(m.head, "\r\n")
	alone := strings.Count(m.head, "\n") + strings.Count(m.head, "\r") - 2*pairs
	return int64(len(m.head) + alone)
}

func (m model) size() (least, estimate int64) {
	size, last := m.canonical(), m.head[len(m.head)-1]
	switch {
	case m.whole && last != '\n' && last != '\r':
		return size + 2, size + 2
	case m.whole:
		return size, size
	case m.length < 0:
		return 0, 0
	case last == '\r':
		size--
	}
	rest := max(m.length-int64(len(m.head)), 0)
	return size + rest, size + int64(math.Ceil(float64(size)/float64(len(m.head))*float64(rest))) + 2
}

func beyondASCII(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r >= utf8.RuneSelf })
}

func (m model) headerUTF8() bool {
	lines := strings.Split(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(m.head), "\n")
	header := ""
	for _, line := range lines {
		if line == "" {
			break
		}
		header += line + "\n"
	}
	return beyondASCII(header) && utf8.ValidString(header)
}

// clean says what is sent without a change.
func (m model) clean() bool {
	sent := strings.NewReplacer("\r\n", "\r\n", "\r", "\r\n", "\n", "\r\n").Replace(m.head)
	return m.whole && sent == m.head && strings.HasSuffix(m.head, "\r\n")
}

// requireScan holds a source to the model. What it is asked first changes nothing,
// nor does asking again.
func requireScan(t *testing.T, m model, first int) {
	t.Helper()
	s := &source{head: []byte(m.head), whole: m.whole, length: m.length}
	least, estimate := m.size()
	high, international, clean := beyondASCII(m.head), m.headerUTF8(), m.clean()
	for i := range 8 {
		switch (first + i) % 4 {
		case 0:
			gotLeast, gotEstimate := s.size()
			if gotLeast != least || gotEstimate != estimate {
				t.Fatalf("%+v: size %d, about %d; want %d, about %d", m, gotLeast, gotEstimate, least, estimate)
			}
		case 1:
			if found, known := s.eightBit(); found != high || known != (high || m.whole) {
				t.Fatalf("%+v: octets above 127: %v, known: %v", m, found, known)
			}
		case 2:
			if got := s.headerUTF8(); got != international {
				t.Fatalf("%+v: header is UTF-8: %v", m, got)
			}
		case 3:
			if got := s.clean(); got != clean {
				t.Fatalf("%+v: clean: %v", m, got)
			}
		}
	}
}

// Every head of up to five of the octets that matter.
func TestScan(t *testing.T) {
	heads := []string{""}
	for first := 0; len(heads) > 0; first++ {
		head := heads[0]
		heads = heads[1:]
		if head != "" {
			requireScan(t, model{head, true, int64(len(head))}, first)
			requireScan(t, model{head, true, -1}, first+1)
			requireScan(t, model{head, false, -1}, first+2)
			requireScan(t, model{head, false, 1000}, first+3)
			requireScan(t, model{head, false, 1}, first) // shorter than it said
		}
		if len(head) < 5 {
			for _, c := range []string{"a", "\r", "\n", "\xc3\xbc", "\xfc"} {
				heads = append(heads, head+c)
			}
		}
	}
}

var scans = []string{
	"a", "\r", "\n", "\r\n", "a\r\n", "a\r", "a\n", "\r\r\n", "\n\r", "\r\n\r\n", "\n\n\xc3\xbc", "\r\n\r\n\xfc",
	"Subject: \xc3\xbc\r\n\r\nx\r\n", "Subject: \xfc\r\n\r\nx\r\n", "Subject: x\r\n\r\n\xc3\xbc\r\n", "Subject: \xc3\xbc\n\n\xfc", "Subject: x\r\r\xc3\xbc",
	"Subject: \xc3", "\xc3\r\n\xbc", strings.Repeat("x", 62) + "\r\n\xc3\xbc\r\n", strings.Repeat("line\r\n", 50) + ".\r\nline\n",
}

// FuzzScan is the same for all heads.
func FuzzScan(f *testing.F) {
	for _, head := range scans {
		f.Add(head, true, int64(-1))
		f.Add(head, false, int64(1<<20))
	}
	f.Fuzz(func(t *testing.T, head string, whole bool, length int64) {
		if head == "" || length < -1 || length > 1<<50 {
			return
		}
		for first := range 4 {
			requireScan(t, model{head, whole, length}, first)
		}
	})
}

// The readers that most messages come from. What they read from is written over
// as soon as the beginning was read, as a caller may do that sends the next
// message while this one is still under way.
func TestSourceCopies(t *testing.T) {
	message := strings.Repeat("Subject: x\r\n\r\n", 100)
	data := []byte(message)
	for name, r := range map[string]io.Reader{
		"bytes.Reader": bytes.NewReader(data),
		"bytes.Buffer": bytes.NewBuffer(data),
		"other":        iotest.HalfReader(bytes.NewReader(data)),
	} {
		t.Run(name, func(t *testing.T) {
			copy(data, message)
			s, err := newSource(r)
			require.NoError(t, err)
			clear(data)
			require.True(t, s.whole)
			require.Equal(t, message, readAll(t, s))
		})
	}
}

// A source that was read in part, or wholly, gives the same again, as often as it
// is asked; but what was read beyond the head cannot be read again where the
// reader cannot seek.
func TestSourceRewinds(t *testing.T) {
	for _, size := range []int{1, 100, maxHead - 1, maxHead, maxHead + 1, 3 * maxHead} {
		message := strings.Repeat("0123456789", size/10+1)[:size]
		for name, r := range map[string]io.Reader{
			"seeks":       strings.NewReader("before" + message),
			"cannot seek": io.MultiReader(strings.NewReader("before" + message)),
		} {
			_, err := io.CopyN(io.Discard, r, int64(len("before")))
			require.NoError(t, err)
			s, err := newSource(r)
			require.NoError(t, err)
			require.Equal(t, size < maxHead, s.whole)
			for _, n := range []int{0, 1, min(size, maxHead)} {
				_, err := io.CopyN(io.Discard, s, int64(n))
				require.NoError(t, err)
				require.True(t, s.rewind())
			}
			require.True(t, message == readAll(t, iotest.OneByteReader(s)))
			again := s.rewind()
			require.Equal(t, s.whole || name == "seeks", again)
			if again {
				require.True(t, message == readAll(t, s))
			}
		}
	}
}

func readAll(t *testing.T, r io.Reader) string {
	b, err := io.ReadAll(r)
	require.NoError(t, err)
	return string(b)
}

// A warm message is to have ten allocations. Of these, reading it has two: the
// source, and the beginning of the message in it. Finding out what it is has none.
func TestSourceAllocations(t *testing.T) {
	message := strings.Repeat("Subject: x\r\n\r\n", 100)
	piece := make([]byte, 1000)
	octets, text, buffer := bytes.NewReader(nil), strings.NewReader(""), new(bytes.Buffer)
	for name, r := range map[string]func() io.Reader{
		"bytes.Reader":   func() io.Reader { octets.Reset(whole2KiB); return octets },
		"strings.Reader": func() io.Reader { text.Reset(message); return text },
		"bytes.Buffer":   func() io.Reader { buffer.Reset(); buffer.WriteString(message); return buffer },
	} {
		t.Run(name, func(t *testing.T) {
			allocs := testing.AllocsPerRun(100, func() {
				s, err := newSource(r())
				if err != nil || !s.clean() || s.headerUTF8() {
					t.Fatal(err)
				}
				s.size()
				s.eightBit()
				for err == nil {
					_, err = s.Read(piece)
				}
			})
			require.LessOrEqual(t, allocs, 2.0)
		})
	}
}

// whole2KiB is a small message as most are.
var whole2KiB = []byte("Subject: x\r\n\r\n" + strings.Repeat(strings.Repeat("x", 76)+"\r\n", 26))

// BenchmarkScan is all that is found out about a message. The goal is 400 ns for
// a small one that is clean.
func BenchmarkScan(b *testing.B) {
	text := string(whole2KiB)
	for _, bench := range []struct{ name, head string }{
		{"clean", text},
		{"LF", strings.ReplaceAll(text, "\r\n", "\n")},
		{"8 bit in the body", text + "Gr\xc3\xbc\xc3\x9fe\r\n"},
		{"8 bit in the header", "Comments: Gr\xc3\xbc\xc3\x9fe\r\n" + text},
		{"64 KiB", strings.Repeat(text, 31)},
	} {
		b.Run(bench.name, func(b *testing.B) {
			head := []byte(bench.head)
			s := &source{head: head, whole: true, length: int64(len(head))}
			b.SetBytes(int64(len(head)))
			b.ReportAllocs()
			for b.Loop() {
				s.scan = scan{}
				s.clean()
				s.size()
				s.eightBit()
				s.headerUTF8()
			}
		})
	}
}

// BenchmarkSource reads the beginning of a small message.
func BenchmarkSource(b *testing.B) {
	r := bytes.NewReader(nil)
	b.ReportAllocs()
	for b.Loop() {
		r.Reset(whole2KiB)
		if _, err := newSource(r); err != nil {
			b.Fatal(err)
		}
	}
}
