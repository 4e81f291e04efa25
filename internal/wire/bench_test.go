package wire

import (
	"bufio"
	"bytes"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/mailport/mailport/internal/fakenet"
)

func BenchmarkReadReply(b *testing.B) {
	for name, reply := range map[string]string{
		"line":  "250 2.1.5 Ok\r\n",
		"lines": "250-mx.example.com\r\n250-PIPELINING\r\n250-SIZE 10240000\r\n250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 CHUNKING\r\n",
	} {
		b.Run(name, func(b *testing.B) {
			src := strings.NewReader(reply)
			br := bufio.NewReaderSize(src, MaxLine)
			b.ReportAllocs()
			for b.Loop() {
				src.Reset(reply)
				br.Reset(src)
				if _, err := readReply(br); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkEncoder: the goal is 2 GB/s on mail that needs nothing done. The rest
// shows that no message is slow.
func BenchmarkEncoder(b *testing.B) {
	line := strings.Repeat("x", 76)
	for _, bench := range []struct{ name, lines string }{
		{"clean", line + "\r\n"},
		{"clean, of many lengths", lengths("\r\n")},
		{"LF", line + "\n"},
		{"LF, of many lengths", lengths("\n")},
		{"CR", line + "\r"},
		{"dots", "." + line + "\r\n"},
		{"tabs", strings.Repeat("\tx", 38) + "\r\n"},
		{"one line", line},
		{"only CR", "\r"},
		{"only LF", "\n"},
		{"only CRLF", "\r\n"},
		{"only dots", ".\r\n"},
	} {
		src := []byte(strings.Repeat(bench.lines, recordSize/len(bench.lines)))
		b.Run(bench.name, func(b *testing.B) { benchmarkEncoder(b, encoder{}, src) })
		b.Run(bench.name+", 7 bit", func(b *testing.B) { benchmarkEncoder(b, encoder{sevenBit: true}, src) })
		b.Run(bench.name+", BDAT", func(b *testing.B) { benchmarkEncoder(b, encoder{chunked: true}, src) })
	}
	eight := bytes.Repeat([]byte("Gr\xc3\xbc\xc3\x9fe, Gr\xc3\xbc\xc3\x9fe\r\n"), recordSize/21)
	b.Run("8 bit", func(b *testing.B) { benchmarkEncoder(b, encoder{}, eight) })
	binary := make([]byte, recordSize)
	for i, x := 0, uint32(1); i < len(binary); i++ {
		x = x*1664525 + 1013904223
		binary[i] = byte(x >> 24)
	}
	b.Run("binary, BDAT", func(b *testing.B) { benchmarkEncoder(b, encoder{chunked: true}, binary) })
	b.Run("binary, raw", func(b *testing.B) { benchmarkEncoder(b, encoder{raw: true}, binary) })
}

// lengths has lines of every length up to 76, as a processor cannot foresee them.
func lengths(end string) string {
	var b strings.Builder
	for i := range 4 * 77 {
		b.WriteString(strings.Repeat("x", i*i*i*31%77) + end)
	}
	return b.String()
}

func benchmarkEncoder(b *testing.B, enc encoder, src []byte) {
	dst := make([]byte, 0, 3*recordSize)
	enc.lineStart = true
	b.SetBytes(int64(len(src)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := enc.append(dst, src); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkWriteBody has all but the network.
func BenchmarkWriteBody(b *testing.B) {
	message := []byte(strings.Repeat(strings.Repeat("x", 76)+"\r\n", 1<<20/78))
	src := bytes.NewReader(nil)
	c := NewConn(&failing{})
	b.SetBytes(int64(len(message)))
	b.ReportAllocs()
	for b.Loop() {
		src.Reset(message)
		if _, err := c.WriteBody(src, false, time.Minute); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCommand is one command and its reply, in lock-step.
func BenchmarkCommand(b *testing.B) {
	c := serving(b, "NOOP\r\n", "250 2.0.0 Ok\r\n")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Command(time.Minute, "NOOP"); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkFlight is what a message needs before its body, in one flight.
func BenchmarkFlight(b *testing.B) {
	c := serving(b, "MAIL FROM:<sender@example.com> SIZE=2048\r\nRCPT TO:<recipient@example.net>\r\nDATA\r\n",
		"250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n354 End data with <CR><LF>.<CR><LF>\r\n")
	each := func(int, Reply) {}
	b.ReportAllocs()
	for b.Loop() {
		c.Queue("MAIL", "FROM:<sender@example.com>", "SIZE=2048")
		c.Queue("RCPT", "TO:<recipient@example.net>")
		c.Queue("DATA")
		if err := c.Send(time.Minute, each); err != nil {
			b.Fatal(err)
		}
	}
}

// serving is a connection in memory to a server that knows one flight and the
// answer to it.
func serving(b *testing.B, flight, reply string) *Conn {
	n := fakenet.New(0)
	l := n.Listen(addr)
	nc, err := n.DialContext(b.Context(), "tcp", addr)
	if err != nil {
		b.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		server, err := l.Accept()
		if err != nil {
			return
		}
		defer server.Close()
		in, out := make([]byte, len(flight)), []byte(reply)
		for {
			if _, err := io.ReadFull(server, in); err != nil {
				return
			}
			server.Write(out)
		}
	}()
	c := NewConn(nc)
	b.Cleanup(func() {
		c.Cut()
		l.Close()
		<-done
	})
	return c
}
