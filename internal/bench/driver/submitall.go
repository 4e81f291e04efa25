package driver

import (
	"context"
	"crypto/tls"
	"iter"

	"github.com/mailport/mailport/internal/bench/letter"
	"github.com/mailport/mailport/submit"
)

// submitAll hands a pool all messages in one call.
type submitAll struct {
	paper *paper
	pool  *submit.Pool
}

func newSubmitAll(t Target, config *tls.Config) Driver {
	return &submitAll{paper: newPaper(t), pool: newPool(t, config)}
}

// newUnbounded lets as many messages be on their way as the pool reads ahead.
func newUnbounded(t Target, config *tls.Config) Driver {
	d := &submitAll{paper: newPaper(t), pool: newPool(t, config)}
	d.pool.Window = 1 << 20
	return d
}

func (d *submitAll) Open(context.Context) error { return nil }

func (d *submitAll) Send(ctx context.Context, first, n int) error {
	for result := range d.pool.SubmitAll(ctx, d.messages(first, n)) {
		if result.Err != nil {
			return result.Err
		}
	}
	return nil
}

// messages makes one after the other on the same paper: the pool has read each
// when it asks for the next.
func (d *submitAll) messages(first, n int) iter.Seq[submit.Message] {
	return func(yield func(submit.Message) bool) {
		m := envelope()
		for serial := first; serial < first+n; serial++ {
			m.Body = d.paper.read(serial)
			if !yield(m) {
				return
			}
		}
	}
}

func (d *submitAll) SendLarge(ctx context.Context, l *letter.Large, serial int) error {
	m := envelope()
	m.Body = l.Ready(serial)
	_, err := d.pool.Submit(ctx, m)
	return err
}

func (d *submitAll) Close() error { return d.pool.Close() }
