package submit_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"net"
	"runtime"
	"runtime/metrics"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/auth"
	"github.com/mailport/mailport/submit"
)

// What a message costs in a pool whose session is open: memory is asked for few
// times, and no goroutine is started. The server is in the same process and allocates
// nothing itself, but TLS does, once for each time that it reads.
func TestCostOfAMessage(t *testing.T) {
	if raced {
		return // the race detector asks for memory of its own
	}
	for _, test := range []struct {
		name   string
		offers []string
		batch  bool
		paced  bool
		allocs float64 // the server's included
	}{
		{"DATA", nil, false, false, 10},
		{"CHUNKING", []string{"CHUNKING"}, false, false, 8},
		{"DATA, a batch", nil, true, false, 5},
		{"CHUNKING, a batch", []string{"CHUNKING"}, true, false, 3},
		{"CHUNKING, a batch with a limiter", []string{"CHUNKING"}, true, true, 3},
	} {
		t.Run(test.name, func(t *testing.T) {
			const n = 2000
			addr := frugal(t, test.offers...)
			p := &submit.Pool{MaxSessions: 1, MaxMessages: -1, MaxAge: -1, Transport: &submit.ImplicitTLS{Host: host, Config: submit.Config{
				Credentials: auth.Password(user, password),
				TLS:         &tls.Config{RootCAs: authority().Pool()},
				DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
					return new(net.Dialer).DialContext(ctx, "tcp", addr)
				},
			}}}
			if test.paced {
				p.Limiter = limiterFunc(func(context.Context) error { return nil })
			}
			text := "Subject: hello\r\n\r\n" + strings.Repeat(strings.Repeat("x", 76)+"\r\n", 26)
			m := submit.Message{From: "me@example.com", To: []string{friend}}
			body := strings.NewReader(text)
			send := func() {
				for range n {
					body.Reset(text)
					m.Body = body
					if _, err := p.Submit(t.Context(), m); err != nil {
						t.Fatal(err)
					}
				}
			}
			if test.batch {
				send = func() {
					for r := range p.SubmitAll(t.Context(), func(yield func(submit.Message) bool) {
						for range n {
							if body.Reset(text); !yield(submit.Message{From: m.From, To: m.To, Body: body}) {
								return
							}
						}
					}) {
						if r.Err != nil {
							t.Fatal(r.Err)
						}
					}
				}
			}
			send() // the session is open, and what the server can do is known
			allocs, goroutines := costOf(send)
			t.Logf("%.2f allocations and %.4f goroutines for each message", allocs/n, goroutines/n)
			require.LessOrEqual(t, allocs/n, test.allocs)
			require.Less(t, goroutines/n, 0.02)
			require.NoError(t, p.Close())
		})
	}
}

// costOf returns how often do asks for memory, and how many goroutines it starts. Up to
// Go 1.25 those are not counted.
func costOf(do func()) (allocs, goroutines float64) {
	started := func() float64 {
		sample := []metrics.Sample{{Name: "/sched/goroutines-created:goroutines"}}
		if metrics.Read(sample); sample[0].Value.Kind() != metrics.KindUint64 {
			return 0
		}
		return float64(sample[0].Value.Uint64())
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	goroutines = started()
	do()
	goroutines = started() - goroutines
	runtime.ReadMemStats(&after)
	return float64(after.Mallocs - before.Mallocs), goroutines
}

// frugal starts a server that takes whatever it is given, and returns its address.
func frugal(t *testing.T, offers ...string) string {
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{authority().Leaf(host)}})
	require.NoError(t, err)
	hello := strings.ReplaceAll(ehloReply(append(offers, "PIPELINING", "AUTH PLAIN")...), "\n", "\r\n") + "\r\n"
	var served sync.WaitGroup
	served.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			served.Go(func() {
				defer conn.Close()
				takeAll(conn, hello)
			})
		}
	})
	t.Cleanup(func() { l.Close(); served.Wait() })
	return l.Addr().String()
}

func takeAll(conn net.Conn, hello string) {
	in, out := bufio.NewReaderSize(conn, 64<<10), bufio.NewWriter(conn)
	reply := "220 " + host + "\r\n"
	for inData := false; ; {
		out.WriteString(reply)
		if in.Buffered() == 0 && out.Flush() != nil {
			return
		}
		line, err := in.ReadSlice('\n')
		verb := line[:min(4, len(line))]
		switch {
		case err != nil, !inData && bytes.Equal(verb, []byte("QUIT")):
			return
		case inData && len(line) == 3 && line[0] == '.':
			inData, reply = false, "250 2.0.0 queued as 4711\r\n"
		case inData:
			reply = ""
		case bytes.Equal(verb, []byte("EHLO")):
			reply = hello
		case bytes.Equal(verb, []byte("AUTH")):
			reply = "235 2.7.0 welcome\r\n"
		case bytes.Equal(verb, []byte("DATA")):
			inData, reply = true, "354 go on\r\n"
		case bytes.Equal(verb, []byte("BDAT")):
			size, _, _ := bytes.Cut(bytes.TrimSpace(line[4:]), []byte(" "))
			n, _ := strconv.Atoi(string(size))
			if _, err := in.Discard(n); err != nil {
				return
			}
			reply = "250 2.0.0 queued as 4711\r\n"
		default:
			reply = "250 2.0.0 ok\r\n"
		}
	}
}
