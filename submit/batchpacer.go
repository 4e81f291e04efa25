package submit

import "context"

// A pacer waits for the limiter on behalf of a batch, which yields results meanwhile:
// one goroutine, for all messages.
type pacer struct {
	cancel context.CancelFunc
	ask    chan struct{} // closed by end
	paced  chan pacing   // buffered: who asked may have gone
}

// A pacing is how the wait for the limiter ended.
type pacing struct {
	err    error
	thrown func() // does what the limiter did instead of returning; or nil
}

func (b *batch) newPacer() *pacer {
	ctx, cancel := context.WithCancel(b.ctx)
	p := &pacer{cancel: cancel, ask: make(chan struct{}, 1), paced: make(chan pacing, 1)}
	b.running.Go(func() { // end waits for it
		for range p.ask {
			p.wait(func() error { return b.p.pace(ctx) })
		}
	})
	return p
}

func (p *pacer) wait(pace func() error) {
	var one pacing
	defer func() { p.paced <- one }() // even if the limiter ends the goroutine
	catch(&one.thrown, func() { one.err = pace() })
}

func (p *pacer) end() {
	p.cancel()
	close(p.ask)
}

// pace waits for the limiter, and yields results meanwhile.
func (b *batch) pace() error {
	if b.p.Limiter == nil {
		return nil
	}
	if b.pacer == nil {
		b.pacer = b.newPacer()
	}
	b.pacer.ask <- struct{}{}
	for !b.over {
		select {
		case one := <-b.pacer.paced:
			if one.thrown != nil {
				one.thrown()
			}
			return one.err
		case <-b.arriving.bell:
			b.collect()
		case <-b.arriving.late:
			b.collect()
		case <-b.ctx.Done():
			return b.p.errorFor(wireContext(b.ctx))
		}
	}
	return nil
}
