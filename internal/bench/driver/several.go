package driver

import (
	"context"
	"errors"
	"sync"

	"github.com/mailport/mailport/internal/bench/letter"
)

// several are connections of a client that has no pool: each gets its part.
type several []Driver

func (s several) Open(ctx context.Context) error {
	return s.each(func(_ int, d Driver) error { return d.Open(ctx) })
}

func (s several) Send(ctx context.Context, first, n int) error {
	return s.each(func(i int, d Driver) error {
		from, to := part(i, len(s), n)
		return d.Send(ctx, first+from, to-from)
	})
}

// part is what the i-th of k gets of n.
func part(i, k, n int) (from, to int) { return i * n / k, (i + 1) * n / k }

func (s several) SendLarge(ctx context.Context, l *letter.Large, serial int) error {
	return s[0].SendLarge(ctx, l, serial)
}

func (s several) Close() error {
	return s.each(func(_ int, d Driver) error { return d.Close() })
}

func (s several) each(do func(int, Driver) error) error {
	return concurrently(len(s), func(i int) error { return do(i, s[i]) })
}

func concurrently(n int, do func(int) error) error {
	errs := make([]error, n)
	var work sync.WaitGroup
	for i := range n {
		work.Go(func() { errs[i] = do(i) })
	}
	work.Wait()
	return errors.Join(errs...)
}
