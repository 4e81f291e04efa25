package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/mailport/mailport/negotiate"
	"github.com/mailport/mailport/submit"
)

// A mailer sends the message as often as asked, and tells what happened.
type mailer struct {
	*options
	stdout, stderr io.Writer
	pool           *submit.Pool
	report         *negotiate.Report // of the message under way; nil if it needed no new connection
}

func newMailer(o *options, stdout, stderr io.Writer) *mailer {
	m := &mailer{options: o, stdout: stdout, stderr: stderr}
	o.Observe = func(_ context.Context, r *negotiate.Report) { m.report = r }
	m.pool = &submit.Pool{Transport: &o.Negotiator}
	return m
}

func (m *mailer) run(ctx context.Context, stdin io.Reader) (exit int) {
	defer m.pool.Close()
	l, err := read(ctx, stdin, m.repeat > 1)
	if err != nil {
		m.tell(1, nil, err)
		return exitCode(err)
	}
	defer l.close()
	for n := 1; n <= m.repeat; n++ {
		if n > 1 {
			wait(ctx, m.pause)
		}
		m.report = nil
		receipt, err := m.send(ctx, l)
		m.tell(n, receipt, err)
		if err != nil {
			exit = exitCode(err)
			if isFinal(exit) || ctx.Err() != nil {
				break
			}
		}
	}
	return exit
}

// isFinal reports whether the same would come of the same message again. A
// password that was refused is not shown a second time.
func isFinal(exit int) bool {
	return exit == exitUsage || exit == exitData || exit == exitCredentials
}

// send submits the message once.
func (m *mailer) send(ctx context.Context, l *letter) (*submit.Receipt, error) {
	late := fmt.Errorf("-timeout %v is over: %w", m.timeout, context.DeadlineExceeded)
	ctx, cancel := context.WithTimeoutCause(ctx, m.timeout, late)
	defer cancel()
	return m.pool.Submit(ctx, submit.Message{
		From:    m.from,
		To:      m.to,
		Body:    l.open(ctx),
		Partial: m.partial,
	})
}

// wait waits for d. If ctx ends before, what comes next finds out.
func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
