package submit_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"flag"
	"fmt"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/auth"
	"github.com/mailport/mailport/submit"
)

var million = flag.Bool("million", false, "send batches of a million messages, which takes minutes")

// heapNow is how much is in use.
func heapNow() uint64 {
	var s runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&s)
	return s.HeapAlloc
}

// Promise 10: memory is bounded however long a sequence is. -million sends so
// many.
func TestBatchMemoryIsFlat(t *testing.T) {
	n := 40000
	switch {
	case *million:
		n = 1000000
	case raced:
		n = 5000
	}
	serverTLS := &tls.Config{Certificates: []tls.Certificate{authority().Leaf(host)}}
	for transfer, offers := range transfers {
		d := newDepot(offers...)
		d.keepsNothing = true
		// Not the network of the other tests, which keeps an account.
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		var serving sync.WaitGroup
		serving.Go(func() {
			for {
				far, err := l.Accept()
				if err != nil {
					return
				}
				serving.Go(func() {
					defer far.Close()
					conn := tls.Server(far, serverTLS)
					if conn.Handshake() == nil {
						d.attend(&actor{conn: conn, in: bufio.NewReader(conn)})
					}
				})
			}
		})
		config := submit.Config{
			Credentials: auth.Password(user, password),
			TLS:         &tls.Config{RootCAs: authority().Pool()},
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, "tcp", l.Addr().String())
			},
		}
		p := &submit.Pool{Transport: &submit.ImplicitTLS{Host: host, Config: config}, MaxMessages: -1, MaxAge: -1}
		var early, late uint64
		count := 0
		for r := range p.SubmitAll(t.Context(), posting(n, nil)) {
			if r.Err != nil {
				t.Fatal(r.Err)
			}
			switch count++; count {
			case n / 10:
				early = heapNow()
			case n - n/10:
				late = heapNow()
			}
		}
		require.Equal(t, n, count)
		require.Less(t, int64(late)-int64(early), int64(1<<20), transfer)
		require.NoError(t, p.Close())
		require.NoError(t, l.Close())
		serving.Wait()
	}
}

// What is read ahead is bounded in octets, too, and in messages: also if the loop
// is slow to take results.
func TestBatchReadsAheadWithinBounds(t *testing.T) {
	body := strings.Repeat("0123456789abcd\r\n", 4000)[:64000]
	for _, test := range []struct {
		name             string
		sessions, window int
		octets           int
		most             int // ahead
	}{
		{"small", 4, 16, 0, 4 * 2 * 16},
		{"window of one", 1, 1, 0, 2},
		{"huge window", 4, 1 << 30, 0, 8192},
		{"many sessions", 1 << 30, 16, 0, 8192},
		{"large messages", 4, 1 << 30, len(body), 16<<20/len(body) + 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := newDepot("CHUNKING")
			d.keepsNothing = true
			withDepot(t, d, func(t *testing.T, w *world) {
				// Nobody can be reached for a minute, so that all there may be is read.
				w.net.BlackHole(host + ":465")
				w.config.Timeouts.Connect = time.Minute
				p := w.poolOf(1)
				p.MaxSessions, p.Window = test.sessions, test.window
				var read atomic.Int64
				yielded, most := 0, 0
				for r := range p.SubmitAll(t.Context(), posting(10000, func(i int, m *submit.Message) {
					if most = max(most, int(read.Add(1))-yielded); test.octets > 0 {
						m.Body = strings.NewReader(fmt.Sprintf("Subject: %d\r\n\r\n", i) + body[:test.octets-len("Subject: 1000\r\n\r\n")])
					}
				})) {
					require.Error(t, r.Err)
					if yielded++; yielded == 1 {
						time.Sleep(time.Hour)
					}
					if yielded == 100 {
						break
					}
				}
				require.Equal(t, test.most, most)
			})
		})
	}
}
