//go:build interop && linux

package interop

import (
	"errors"
	"sync"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/negotiate"
	"github.com/mailport/mailport/submit"
)

// stops are how often a server is stopped and started while messages are submitted,
// by turns as in a crash and in good order.
const stops = 5

// Messages go through a pool while the server is stopped and started: some by Submit,
// some by SubmitAll. What has a receipt is delivered, nothing is taken twice, and
// nothing that was refused is delivered: promise 3, as the mailboxes see it.
func (s *server) trySoak() {
	pool := &submit.Pool{Transport: &negotiate.Negotiator{
		Host: host, ImplicitPort: s.box.ports[string(implicit)], STARTTLSPort: s.box.ports[string(starttls)],
		Config: s.config(),
	}}
	defer pool.Close()
	total := s.soak
	if *messages > 0 {
		total = *messages
	}
	letters, work, up, began := small(total), make(chan *letter), newUptime(), time.Now()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for m := range work {
				_, err := s.submit(pool, m)
				up.await(err)
			}
		})
	}
	wg.Go(func() {
		var last error
		some := func(yield func(*letter) bool) {
			for m := range work {
				if up.await(last); !yield(m) {
					return
				}
			}
		}
		for _, last = range s.submitAll(pool, some) {
		}
	})
	due := make(chan int, stops)
	wg.Go(func() {
		defer close(work)
		for i, m := range letters {
			work <- m
			if n := (i + 1) * (stops + 1) / total; n > i*(stops+1)/total && n <= stops {
				due <- n
			}
			if i%100 == 0 {
				s.collect() // a folder of thousands is slow for everybody
			}
		}
	})
	for range stops {
		n := <-due
		up.interrupt(func() { s.interrupt(n) })
	}
	wg.Wait()
	took := time.Since(began)

	n := s.ledger.tally(letters)
	s.t.Logf("%d messages in %v: %d receipts, %d uncertain, %d refused", total, took.Round(time.Second/10), n[taken], n[uncertain], n[refused])
	require.Equal(s.t, total, n[taken]+n[refused]+n[uncertain])
	require.Greater(s.t, n[taken], total/4) // the rest was ahead when nobody was at home
	s.house.matrix.add(s.doing, s.title(), total)
	for _, f := range []fate{taken, uncertain, refused} {
		s.house.matrix.add(soaked(f), s.title(), n[f])
	}
}

// soaked is the name of a row: how many of those messages ended in some way.
func soaked(f fate) string { return "of these, " + f.String() }

// interrupt stops the server and starts it.
func (s *server) interrupt(n int) {
	if n%2 == 1 {
		s.crash()
	} else {
		s.restart()
	}
}

// An uptime is for those who found nobody at home: to try again and again would
// only count refusals.
type uptime struct {
	mu  sync.Mutex    // guards now
	now chan struct{} // closed while the server runs
}

func newUptime() *uptime {
	u := &uptime{now: make(chan struct{})}
	close(u.now)
	return u
}

// await waits until the server runs, if err is about that.
func (u *uptime) await(err error) {
	if !errors.Is(err, submit.ErrTemporary) {
		return
	}
	u.mu.Lock()
	now := u.now
	u.mu.Unlock()
	<-now
}

// interrupt has everybody wait while something is done.
func (u *uptime) interrupt(do func()) {
	u.mu.Lock()
	u.now = make(chan struct{})
	u.mu.Unlock()
	defer close(u.now)
	do()
}
